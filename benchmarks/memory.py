"""``python -m benchmarks.memory [WORKS] [WAY ...] [--minutes M]``: memory of whole runs over a long table.

Ways: ``parquet`` and ``jsonl`` (local judge), ``stub`` (a model server on loopback, nothing stored), ``warm`` (the
same table again: every answer is stored), ``nobody`` (Parquet, every work abstained from: all of a run but the judge).
Works default to a million. Tables hold one passage a work. Each run is a process of its own with all that a run writes;
it tells its resident memory at every twentieth. With ``--minutes`` each run is stopped in order after so long, and says
how many works it got through. The peak is the process's ``VmHWM`` (Linux; ``ru_maxrss`` would count the parent's memory
too). Wanted: at most 1,024 MiB.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.engine.__main__ import server, table

WAYS = ["parquet", "jsonl", "stub", "warm", "nobody"]

_RUN = """
import json, re, resource, sys, time
from pathlib import Path
from classifier.inputs import open_input
from classifier.running import RunOptions, run_source

source, folder, url = open_input(Path(sys.argv[1])), Path(sys.argv[2]), sys.argv[3]
end = time.monotonic() + 60 * float(sys.argv[4])
if url == "nobody":
    from classifier.judges.base import JudgeCard, Usage
    from classifier.schema import Prediction

    class Nobody:
        batch_size = 256
        def recall(self, tasks):
            return [Prediction(
                hub_id=task.pair.cited.hub_id, citing_id=task.pair.citing.citing_id, status="abstained",
                evidence_source=task.source, judge="nobody", model="nobody", failure="nobody was asked",
            ) for task in tasks]
        def usage(self):
            return Usage()
        def card(self):
            return JudgeCard(judge="nobody", model="nobody")
        async def aclose(self):
            pass

    judge = Nobody()
elif url == "local":
    from classifier.judges.local.judge import LocalJudge
    judge = LocalJudge()
else:
    from classifier.judges.dialogue import OpenAISettings
    from classifier.judges.openai import OpenAIJudge
    from classifier.store import Store
    judge = OpenAIJudge.open(OpenAISettings(base_url=url, model="m"), Store(folder / "answers.sqlite"))

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() // 2**20

def tell(progress):
    if progress.done % max(1, progress.total // 20) == 0:
        print(f"  {progress.done} works: {resident()} MiB", file=sys.stderr, flush=True)

options = RunOptions(out=folder, concurrency=128)
result = run_source(source, judge, options, on_progress=tell, stop=lambda: time.monotonic() > end)
print(json.dumps({
    "judge": judge.card().model, "cpu": time.process_time(), "requests": result.usage.requests,
    "labelled": result.tallies.total()["labelled"], "works": result.tallies.total().total(),
    "peak": int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024,
}))
"""


def parquet(source: Path) -> Path:
    """The same table as Parquet, written in batches."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    target = source.with_suffix(".parquet")
    writer = None
    batch: list[dict[str, object]] = []
    with source.open(encoding="utf-8") as file:
        for line in file:
            batch.append(json.loads(line))
            if len(batch) == 10_000:
                part = pa.Table.from_pylist(batch)
                writer = writer or pq.ParquetWriter(target, part.schema)
                writer.write_table(part)
                batch = []
    if batch:
        part = pa.Table.from_pylist(batch)
        writer = writer or pq.ParquetWriter(target, part.schema)
        writer.write_table(part)
    assert writer
    writer.close()
    return target


def measure(way: str, source: Path, folder: Path, url: str, minutes: float) -> str:
    """One run in a process of its own, as a line."""
    began = time.monotonic()
    command = [sys.executable, "-c", _RUN, str(source), str(folder), url, str(minutes)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found = json.loads(done.stdout)
    seconds, each = time.monotonic() - began, 1000 * found["cpu"] / found["works"]
    return (
        f"{way} ({found['judge']}): {found['works']} works, {found['labelled']} labelled, "
        f"{found['requests']} requests, peak {found['peak']} MiB, {seconds:.0f} s, {each:.2f} ms CPU a work"
    )


def main() -> None:
    """Measure and print one line a way."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory")
    parser.add_argument("works", type=int, nargs="?", default=1_000_000)
    parser.add_argument("ways", nargs="*", metavar="way", help=", ".join(WAYS))
    parser.add_argument("--minutes", type=float, default=math.inf)
    given = parser.parse_args()
    works, ways = given.works, given.ways or WAYS
    print(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, Python {platform.python_version()}, {os.cpu_count()} cores, "
          f"load {os.getloadavg()[0]:.1f} before the start", flush=True)  # fmt: skip
    with tempfile.TemporaryDirectory() as name, server("--latency", "0", "--forget") as url:
        folder = Path(name)
        jsonl = table(folder, works)
        for way in ways:
            source = parquet(jsonl) if way in ("parquet", "nobody") else jsonl
            endpoint = {"stub": f"{url}/v1", "warm": f"{url}/v1", "nobody": "nobody"}.get(way, "local")
            print(
                measure(way, source, folder / ("stub" if way == "warm" else way), endpoint, given.minutes), flush=True
            )


if __name__ == "__main__":
    main()
