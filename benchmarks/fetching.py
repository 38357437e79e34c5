"""Time, requests and peak memory of ``classify fetch`` from a server on loopback: ``python -m benchmarks.fetching``.

The server makes up 10,500 citing works with abstracts and two snippets each, in the manner of Semantic Scholar (which
stops at 9,999) and OpenAlex. No interval is kept between requests, so the time is that of the program and the server.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.replay_server import ReplayServer
from tests.test_fetch import MEASURED, environment, many


def main() -> None:
    """Print one row a size: works taken of each source, requests, seconds, peak memory, size of the hub."""
    print(f"{'limit':>8}{'works':>8}{'requests':>10}{'seconds':>9}{'peak MiB':>10}{'hub MiB':>9}{'from cache s':>14}")
    for limit in (500, 5000, None):
        with tempfile.TemporaryDirectory() as name, ReplayServer(many) as server:
            folder = Path(name)
            command = [sys.executable, "-c", MEASURED, "fetch", "2305.20050", "--source", "semantic_scholar",
                       "--source", "openalex", *(["--limit", str(limit)] if limit else [])]  # fmt: skip
            seconds = []
            for _ in range(2):
                start = time.perf_counter()
                done = subprocess.run(
                    command, cwd=folder, env=environment(server, folder), capture_output=True, text=True, check=True
                )
                seconds.append(time.perf_counter() - start)
            works = done.stdout.split()[1]
            peak = int(done.stdout.rpartition("peak_kib ")[2]) / 1024
            size = (folder / "hub.json").stat().st_size / 2**20
            print(f"{limit or 'none':>8}{works:>8}{len(server.requests):>10}{seconds[0]:>9.1f}{peak:>10.1f}{size:>9.1f}"
                  f"{seconds[1]:>14.1f}")  # fmt: skip


if __name__ == "__main__":
    main()
