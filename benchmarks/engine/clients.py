"""The programs that are measured, each in a process of its own, printing one JSON line with what it did."""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import sys
import time
from pathlib import Path

from classifier.evidence import prepare
from classifier.inputs import open_input
from classifier.judges.dialogue import OpenAISettings
from classifier.judges.openai import OpenAIJudge
from classifier.judges.transport import body
from classifier.running import RunOptions, run_source
from classifier.store import Store


def bodies_of(source: Path, url: str = "http://127.0.0.1:9/v1") -> list[dict[str, object]]:
    """The request bodies that this program sends for the works of a table."""
    with Store(Path(":memory:")) as store:
        judge = OpenAIJudge.open(OpenAISettings(base_url=url, model="m"), store)
        return [body(judge.interviewer.request(t, judge.prompt.render(t), 1024)) for t in
                map(prepare, open_input(source).pairs())]  # fmt: skip


async def bare(url: str, source: Path, concurrency: int) -> int:
    """The openai package on its aiohttp transport and a semaphore: the same bodies, nothing kept. How many."""
    from openai import AsyncOpenAI, DefaultAioHttpClient

    bodies = bodies_of(source, url)
    client = AsyncOpenAI(base_url=url, api_key="x", max_retries=0, http_client=DefaultAioHttpClient())
    gate = asyncio.Semaphore(concurrency)

    async def one(sent: dict[str, object]) -> None:
        async with gate:
            answer = await client.chat.completions.create(**sent)  # type: ignore[call-overload]
            json.loads(answer.choices[0].message.content)

    global _started, _cpu
    _started, _cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*map(one, bodies))
    await client.close()
    return len(bodies)


_started = _cpu = 0.0


def main() -> None:
    """Run one client to its end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("client", choices=["bare", "ours"])
    parser.add_argument("url")
    parser.add_argument("source", type=Path)
    parser.add_argument("--folder", type=Path, default=Path("run"))
    parser.add_argument("--store", type=Path, default=Path("answers.sqlite"))
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--max-tokens", type=int, default=1024)
    options = parser.parse_args()
    global _started, _cpu
    _started, _cpu = time.perf_counter(), time.process_time()
    counts: dict[str, object] = {}
    if options.client == "bare":
        counts["works"] = asyncio.run(bare(options.url, options.source, options.concurrency))
    else:
        settings = OpenAISettings(
            base_url=options.url, model="m", concurrency=options.concurrency, max_tokens=options.max_tokens
        )
        with Store(options.store) as store:
            judge = OpenAIJudge.open(settings, store)
            run = RunOptions(out=options.folder, concurrency=2 * options.concurrency)
            result = run_source(open_input(options.source), judge, run)
        counts = {status.value: count for status, count in result.tallies.total().items()}
        counts["usage"] = result.usage.model_dump()
    seconds = time.perf_counter() - _started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps({"seconds": seconds, "cpu": time.process_time() - _cpu, "peak_mib": peak, **counts}))
    sys.stdout.flush()


if __name__ == "__main__":
    main()
