"""An OpenAI-compatible model server on loopback that answers at once, late, seldom or badly, as its options say.

``python -m benchmarks.engine.server --latency 0.05`` prints its address. ``/stats`` counts what it saw.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import re
import sys
import time
from collections import Counter

from aiohttp import web

_TEXT = re.compile(r"\n(?:[^\n]*?: )?([^\n]{20,})")
_PROBE = "You repeat exactly"


def answer(prompt: str, **changes: object) -> dict[str, object]:
    """A valid answer with evidence that really stands in the prompt's first passage."""
    user = prompt[prompt.find('number="1"') :]
    found = _TEXT.search(user)
    words = " ".join(found[1].split()[:8]) if found else ""
    return {
        "reasoning": "The passage names the hub as part of what is known and takes no side.",
        "role": "background", "other_roles": [], "polarity": "neutral", "basis": "none",
        "passage": 1, "evidence": words, "confidence": 0.8,
    } | changes  # fmt: skip


def hostile(prompt: str, seed: int) -> tuple[str, str]:
    """Content and finish reason, drawn by the digest of the prompt: the same words get the same answer.

    Of 100 answers: 40 clean, 15 fenced, 15 in prose, 5 after a <think> block, 10 with invented values, 8 cut off,
    4 a loop up to the limit, 3 with evidence that stands nowhere.
    """
    draw = int.from_bytes(hashlib.sha256(f"{seed}{prompt}".encode("utf-8", "replace")).digest()[:4]) % 100
    good = json.dumps(answer(prompt))
    if draw < 40:
        return good, "stop"
    if draw < 55:
        return f"```json\n{good}\n```", "stop"
    if draw < 70:
        return f"Sure! Here is my label:\n\n{good}\n\nLet me know if you need more.", "stop"
    if draw < 75:
        return f"<think>It could be {{background}} or not.</think>{good}", "stop"
    if draw < 85:
        return json.dumps(answer(prompt, role="celebrates", polarity="jubilant")), "stop"
    if draw < 93:
        return good[: len(good) // 2], "length"
    if draw < 97:
        return '{"reasoning": "' + "the hub is the hub and " * 150, "length"
    return json.dumps(answer(prompt, evidence="words that no author ever wrote about anything")), "stop"


class ModelServer:
    """Counts and answers; ``rate`` admits so many requests in each second of the clock and refuses the others."""

    def __init__(self, latency: float, rate: float | None, retry_after: float, faults: bool, seed: int) -> None:
        self.latency, self.rate, self.retry_after, self.faults, self.seed = latency, rate, retry_after, faults, seed
        self.seen: Counter[str] = Counter()
        self.prompts: Counter[bytes] = Counter()
        self.forget = False
        self.in_flight = self.most_in_flight = 0
        self._tokens, self._refilled = rate or 0.0, time.monotonic()

    def admitted(self) -> bool:
        """Whether the token bucket (one second deep) lets a request in."""
        if self.rate is None:
            return True
        now = time.monotonic()
        self._tokens = min(self.rate, self._tokens + (now - self._refilled) * self.rate)
        self._refilled = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    async def complete(self, request: web.Request) -> web.Response:
        """Answer ``/v1/chat/completions``."""
        body = await request.json()
        probe = body["messages"][0]["content"].startswith(_PROBE)
        if not probe:
            self.seen["requests"] += 1
            if not self.admitted():
                self.seen["refused"] += 1
                error = {"error": {"message": "rate limit reached", "type": "requests", "code": "rate_limit_exceeded"}}
                return web.json_response(error, status=429, headers={"Retry-After": f"{self.retry_after:g}"})
            digest = hashlib.sha256(json.dumps(body["messages"]).encode()).digest()
            if not self.forget:
                self.prompts[digest] += 1
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await asyncio.sleep(self.latency)
        finally:
            self.in_flight -= 1
        content, finish = json.dumps(answer("")), "stop"
        if not probe:
            user = body["messages"][1]["content"]
            whole = json.dumps([m["content"] for m in body["messages"][1:]])
            content, finish = hostile(user, self.seed) if self.faults else (json.dumps(answer(user)), "stop")
            if self.faults and len(body["messages"]) > 2:
                content, finish = hostile(user + hashlib.sha256(whole.encode()).hexdigest(), self.seed)
            self.seen["answered"] += 1
        sent = sum(len(message["content"]) for message in body["messages"])
        usage = {"prompt_tokens": sent // 4, "completion_tokens": len(content) // 4}
        return web.json_response(
            {
                "id": "c", "object": "chat.completion", "created": 0, "model": body["model"],
                "choices": [{"index": 0, "message": {"role": "assistant", "content": content, "refusal": None},
                             "finish_reason": finish, "logprobs": None}],
                "usage": usage | {"total_tokens": sum(usage.values())},
            }
        )  # fmt: skip

    async def stats(self, _: web.Request) -> web.Response:
        """What was seen: requests, refused, answered, ``distinct`` prompts, ``repeated`` ones, most in flight."""
        repeated = sum(count - 1 for count in self.prompts.values())
        return web.json_response(
            {**self.seen, "distinct": len(self.prompts), "repeated": repeated, "most_in_flight": self.most_in_flight}
        )


async def _serve(options: argparse.Namespace) -> None:
    model = ModelServer(options.latency, options.rate, options.retry_after, options.faults, options.seed)
    model.forget = options.forget
    app = web.Application(client_max_size=2**24)
    app.router.add_post("/v1/chat/completions", model.complete)
    app.router.add_get("/stats", model.stats)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=1024)
    await site.start()
    print(f"http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)  # ends with the harness that started it


def main() -> None:
    """Serve until standard input closes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--latency", type=float, default=0.05, help="seconds before an answer")
    parser.add_argument("--rate", type=float, help="requests admitted a second")
    parser.add_argument("--retry-after", type=float, default=1.0)
    parser.add_argument("--faults", action="store_true", help="answer as a hostile model would")
    parser.add_argument("--forget", action="store_true", help="do not count repeated prompts")
    parser.add_argument("--seed", type=int, default=1)
    asyncio.run(_serve(parser.parse_args()))


if __name__ == "__main__":
    main()
