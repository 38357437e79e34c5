"""An OpenAI-compatible server on loopback that misbehaves on demand: a real socket, no mock."""

import asyncio
import contextlib
import json
import re
import threading
import time


def answer_json(**changes):
    answer = {
        "reasoning": "The passage only names the hub.",
        "role": "background",
        "other_roles": [],
        "polarity": "neutral",
        "basis": "none",
        "passage": 1,
        "evidence": "",
        "confidence": 0.8,
    }
    return json.dumps(answer | changes)


def quoted(body):
    """The first words of the first numbered text of a prompt, as evidence."""
    user = next(m["content"] for m in body["messages"] if m["role"] == "user")
    found = re.search(r'number="1">\n.*?(?:Text|Abstract|Summary|Title): ([^\n]+)', user, re.DOTALL)
    return " ".join(found[1].split()[:6]) if found else ""


def honest(body):
    return answer_json(evidence=quoted(body))


def is_probe(body):
    return body["messages"][0]["content"].startswith("You repeat exactly")


def completion(content, finish="stop", refusal=None, tokens=20, model="served-model"):
    message = {"role": "assistant", "content": content, "refusal": refusal}
    return {
        "id": "c", "object": "chat.completion", "created": 0, "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        "usage": {"prompt_tokens": 100, "completion_tokens": tokens, "total_tokens": 100 + tokens},
    }  # fmt: skip


class Reply:
    """What goes over the wire. ``drip``: seconds between bytes. ``cut``: close after the head. ``raw``: the bytes."""

    def __init__(self, content=None, *, status=200, headers=None, body=None, drip=0.0, cut=False, delay=0.0, **more):
        self.status, self.headers, self.drip, self.cut, self.delay = status, headers or {}, drip, cut, delay
        if isinstance(body, bytes):
            self.body = body
        else:
            self.body = json.dumps(body if body is not None else completion(content, **more)).encode()


def error(status, message="no", headers=None, **fields):
    return Reply(status=status, headers=headers, body={"error": {"message": message, **fields}})


class HostileServer:
    """Runs ``script(body, n)`` for the n-th request (from 0) that is no probe; probes are answered by ``on_probe``."""

    def __init__(self, script=None, on_probe=None):
        self.script = script or (lambda body, n: Reply(honest(body)))
        self.on_probe = on_probe or (lambda body, n: Reply(answer_json()))
        self.bodies, self.probes, self.headers, self.times = [], [], [], []
        self.in_flight, self.most_in_flight = 0, 0

    def __enter__(self):
        self._loop = asyncio.new_event_loop()
        started = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(started,), daemon=True)
        self._thread.start()
        started.wait(5)
        self.url = f"http://127.0.0.1:{self.port}/v1"
        return self

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(5)

    def _run(self, started):
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve(started))
        self._loop.close()

    async def _serve(self, started):
        self._stop = asyncio.Event()
        server = await asyncio.start_server(self._talk, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        started.set()
        await self._stop.wait()
        server.close()
        tasks = [t for t in asyncio.all_tasks() if t is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _talk(self, reader, writer):
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                length = int(re.search(r"(?i)content-length: *(\d+)", head)[1])
                body = json.loads(await reader.readexactly(length))
                self.in_flight += 1
                self.most_in_flight = max(self.most_in_flight, self.in_flight)
                try:
                    if not await self._reply(self._chosen(body, head), writer):
                        break
                finally:
                    self.in_flight -= 1
        writer.close()

    def _chosen(self, body, head):
        if is_probe(body):
            self.probes.append(body)
            return self.on_probe(body, len(self.probes) - 1)
        self.bodies.append(body)
        self.headers.append(head)
        self.times.append(time.monotonic())
        return self.script(body, len(self.bodies) - 1)

    async def _reply(self, reply, writer):
        if reply.delay:
            await asyncio.sleep(reply.delay)
        headers = {"content-type": "application/json", "content-length": str(len(reply.body))} | reply.headers
        lines = [f"HTTP/1.1 {reply.status} X", *(f"{name}: {value}" for name, value in headers.items())]
        writer.write("\r\n".join([*lines, "", ""]).encode())
        if reply.cut:
            writer.write(reply.body[: len(reply.body) // 2])
            await writer.drain()
            return False
        if reply.drip:
            for i in range(len(reply.body)):
                writer.write(reply.body[i : i + 1])
                await writer.drain()
                await asyncio.sleep(reply.drip)
        else:
            writer.write(reply.body)
        await writer.drain()
        return True
