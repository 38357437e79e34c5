"""``python -m benchmarks.memory [WORKS]``: peak memory of a run over a long table, local judge and stub endpoint.

Works default to a million. Tables are JSONL and Parquet with one passage a work; the peak is the process's own
(``ru_maxrss``), its run folder on disk. Wanted: at most 1,024 MiB.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.engine.__main__ import finish, server, start, table

_LOCAL = """
import resource, sys
from pathlib import Path
from classifier.inputs import open_input
from classifier.judges.local.judge import LocalJudge
from classifier.running import RunOptions, run_source
result = run_source(open_input(Path(sys.argv[1])), LocalJudge(), RunOptions(out=Path(sys.argv[2])))
print(result.tallies.total().total(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
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


def main() -> None:
    """Measure and print one line a way."""
    works = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        jsonl = table(folder, works)
        for source in (jsonl, parquet(jsonl)):
            began = time.monotonic()
            done = subprocess.run(
                [sys.executable, "-c", _LOCAL, str(source), str(folder / "local")],
                capture_output=True, text=True, check=True,
            )  # fmt: skip
            count, peak = done.stdout.split()
            print(f"local judge, {source.suffix[1:]}: {count} works, peak {peak} MiB, "
                  f"{time.monotonic() - began:.0f} s", flush=True)  # fmt: skip
        with server("--latency", "0", "--forget") as url:
            found = finish(start("ours", url, jsonl, folder), timeout=None)
        print(
            f"stub endpoint, jsonl: {found['labelled']} works, peak {found['peak_mib']} MiB, {found['seconds']:.0f} s"
        )


if __name__ == "__main__":
    main()
