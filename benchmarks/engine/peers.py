"""``python -m benchmarks.engine.peers [PYTHON]``: other tools beside this one, on the same server and the same bodies.

PYTHON is the interpreter of an environment that holds the peers (``make bench-peers`` makes ``.venv-peers``); what is
not installed there is said and left out. Rows as in ``benchmarks.engine``: cold (1,000 works), warm (the same again,
from each tool's own cache) and storm (500 works, 50 requests a second admitted). What was asked again and refused is
counted by the server, what was answered by the tool; a rate counts what was answered.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.engine.__main__ import TIMEOUT, finish, server, start, stats, table
from benchmarks.engine.clients import bodies_of

PEERS = ("litellm", "langchain", "instructor")
COLD, STORM = 1000, 500


def peer(name: str, python: str, url: str, bodies: Path, cache: Path) -> dict[str, Any] | str:
    """What a peer did, or why it could not."""
    script = Path(__file__).with_name("peer_client.py")
    command = [python, str(script), name, f"{url}/v1", str(bodies), "--cache", str(cache)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        return f"not done in {TIMEOUT:.0f} s"
    if done.returncode:
        return (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1][:200]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def ours(url: str, source: Path, folder: Path) -> dict[str, Any]:
    """The same figures of this program, which also writes its tables."""
    found = finish(start("ours", url, source, folder))
    return {"answered": found["labelled"], "seconds": found["seconds"], "problem": ""}


def tables(folder: Path) -> dict[int, tuple[Path, Path]]:
    """By their number, the works for this program and the request bodies of the same for the peers."""
    made = {}
    for count in (COLD, STORM):
        works, bodies = table(folder, count, f"works{count}"), folder / f"bodies{count}.jsonl"
        bodies.write_text("".join(json.dumps(body) + "\n" for body in bodies_of(works)), encoding="utf-8")
        made[count] = works, bodies
    return made


def measured(name: str, python: str, made: dict[int, tuple[Path, Path]], folder: Path) -> str:
    """One tool's three rows as one line of a Markdown table."""
    folder.mkdir()

    def run(url: str, count: int, part: str) -> dict[str, Any] | str:
        works, bodies = made[count]
        place = folder / part
        place.mkdir(exist_ok=True)
        found = ours(url, works, place) if name == "ours" else peer(name, python, url, bodies, place)
        if isinstance(found, dict) and found["problem"]:
            print(f"{name}, {count} works: {found['problem']}", file=sys.stderr)
        return found

    with server() as url:
        cold = run(url, COLD, "cold")
        if isinstance(cold, str):
            return f"| {name} | not run: {cold} | | | | |"
        before = stats(url)["requests"]
        warm = run(url, COLD, "cold")
        asked_again = stats(url)["requests"] - before
    with server("--rate", "50", "--retry-after", "1") as url:
        storm = run(url, STORM, "storm")
        seen = stats(url)
    if isinstance(warm, str) or isinstance(storm, str):
        return f"| {name} | {COLD / cold['seconds']:.0f}/s | {warm if isinstance(warm, str) else storm} | | | |"
    refused = seen.get("refused", 0) / seen["requests"]
    again = f"{1000 * warm['seconds'] / COLD:.2f} ms, {asked_again} asked again"
    first = f"{cold['answered'] / cold['seconds']:.0f}/s, {cold['answered']} of {COLD}"
    last = f"{storm['answered']} of {STORM} | {refused:.0%} | {storm['seconds']:.1f} s"
    return f"| {name} | {first} | {again} | {last} |"


def versions(python: str) -> list[str]:
    """The peers' releases, as pip lists them."""
    listed = subprocess.run([python, "-m", "pip", "freeze"], capture_output=True, text=True, check=False).stdout
    return [line for line in listed.splitlines() if line.startswith((*PEERS, "openai"))]


def main() -> None:
    """Print a table with this program first."""
    python = sys.argv[1] if len(sys.argv) > 1 else sys.executable
    print(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, Python {platform.python_version()}, {os.cpu_count()} cores, "
          f"load {os.getloadavg()[0]:.1f} before the start\n")  # fmt: skip
    for line in versions(python):
        print(line)
    print("\n| tool | cold | warm, an item | storm: answered | refused | time |\n|---|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as name:
        made = tables(Path(name))
        for one in ("ours", *PEERS):
            print(measured(one, python, made, Path(name) / one), flush=True)


if __name__ == "__main__":
    main()
