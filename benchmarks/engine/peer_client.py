"""One peer over a file of request bodies, as a program of its own in an environment of its own; prints one JSON line.

``PYTHON benchmarks/engine/peer_client.py PEER URL BODIES --cache FOLDER`` with PEER litellm, langchain or instructor.
Each does what its documentation shows for many requests: its own retries at their defaults, its own cache on disk
where it has one, 64 in flight. Imports nothing of the program that is measured.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

Ask = Callable[[dict[str, Any]], Awaitable[str]]


def litellm(url: str, cache: Path) -> Ask:
    """litellm.acompletion; its caches are in memory or on servers (1.110), none on disk, so it has none here."""
    import litellm as peer

    peer.suppress_debug_info = True

    async def ask(body: dict[str, Any]) -> str:
        answer = await peer.acompletion(**body | {"model": f"openai/{body['model']}"}, api_base=url, api_key="x")
        return str(answer.choices[0].message.content)

    return ask


def langchain(url: str, cache: Path) -> Ask:
    """ChatOpenAI with the SQLite cache."""
    from langchain_community.cache import SQLiteCache
    from langchain_core.globals import set_llm_cache
    from langchain_openai import ChatOpenAI

    cache.mkdir(parents=True, exist_ok=True)
    set_llm_cache(SQLiteCache(database_path=str(cache / "langchain.sqlite")))
    made: dict[str, Any] = {}

    async def ask(body: dict[str, Any]) -> str:
        model = made.get("model")
        if model is None:
            rest = {name: body[name] for name in ("temperature", "seed", "max_tokens") if name in body}
            model = ChatOpenAI(model=body["model"], base_url=url, api_key="x", **rest)  # type: ignore[arg-type]
            made["model"] = model = model.bind(response_format=body.get("response_format"))
        answer = await model.ainvoke([(m["role"], m["content"]) for m in body["messages"]])
        return str(answer.content)

    return ask


def instructor(url: str, cache: Path) -> Ask:
    """Instructor in JSON mode with its disk cache."""
    import instructor as peer
    from instructor.cache import DiskCache
    from openai import AsyncOpenAI
    from pydantic import BaseModel

    class Answer(BaseModel):
        role: str
        polarity: str
        basis: str
        evidence: str
        confidence: float

    client = peer.from_openai(
        AsyncOpenAI(base_url=url, api_key="x"), mode=peer.Mode.JSON, cache=DiskCache(directory=str(cache))
    )

    async def ask(body: dict[str, Any]) -> str:
        sent = {name: value for name, value in body.items() if name != "response_format"}
        answer = await client.chat.completions.create(response_model=Answer, **sent)
        return str(answer.model_dump_json())

    return ask


PEERS = {peer.__name__: peer for peer in (litellm, langchain, instructor)}


async def run(ask: Ask, bodies: list[dict[str, Any]], concurrency: int) -> tuple[int, str]:
    """How many bodies got an answer that is JSON, and the last thing that went wrong."""
    gate = asyncio.Semaphore(concurrency)
    problems: list[str] = []

    async def one(body: dict[str, Any]) -> bool:
        async with gate:
            try:
                json.loads(await ask(body))
            except Exception as error:  # noqa: BLE001 (whatever a peer raises is a lost item)
                problems.append(f"{type(error).__name__}: {error}"[:200])
                return False
        return True

    done = await asyncio.gather(*map(one, bodies))
    return sum(done), problems[-1] if problems else ""


def main() -> None:
    """Run one peer to its end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("peer", choices=list(PEERS))
    parser.add_argument("url")
    parser.add_argument("bodies", type=Path)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--concurrency", type=int, default=64)
    given = parser.parse_args()
    bodies = [json.loads(line) for line in given.bodies.read_text(encoding="utf-8").splitlines()]
    ask = PEERS[given.peer](given.url, given.cache)
    started, cpu = time.perf_counter(), time.process_time()
    answered, problem = asyncio.run(run(ask, bodies, given.concurrency))
    seconds = time.perf_counter() - started
    print(json.dumps({"answered": answered, "seconds": seconds, "cpu": time.process_time() - cpu, "problem": problem}))


if __name__ == "__main__":
    main()
