"""``python -m benchmarks.engine [ROW ...]``: every row of the engine's table, measured on this machine.

Rows: cold, warm, storm, kill, writers, keys, rows, hostile. Everything is on loopback and bounded in count and time.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.engine.server import answer
from classifier.evidence import prepare
from classifier.inputs import open_input
from classifier.judges.openai import OpenAIJudge, OpenAISettings
from classifier.judges.request import Rung, canonical_request, request_key
from classifier.prompting import Message
from classifier.store import RawAnswer, Store, StoredAnswer

TIMEOUT = 300.0
_WORDS = "the verifier judges every step of a solution and so finds the first error that a generator makes".split()


def table(folder: Path, count: int, name: str = "works", start: int = 0) -> Path:
    """A JSONL of works with one passage of some 50 words each."""
    path = folder / f"{name}.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for i in range(start, start + count):
            words = " ".join(_WORDS[(i * 7 + j * 3) % len(_WORDS)] for j in range(40))
            row = {
                "hub_id": "hub", "hub_title": "A step-wise verifier", "citing_id": f"w{i}",
                "hub_abstract": "We introduce a verifier that judges every step.",
                "title": f"Citing work {i} on step-wise verification", "year": 2024, "section": "Methods",
                "context": f"In experiment {i} we follow the approach of [[Smith 2020]] and train {words}.",
            }  # fmt: skip
            file.write(json.dumps(row) + "\n")
    return path


@contextmanager
def server(*options: str) -> Iterator[str]:
    """The address of a model server with these options."""
    command = [sys.executable, "-m", "benchmarks.engine.server", *options]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


def stats(url: str) -> dict[str, int]:
    """What the server counted."""
    with urllib.request.urlopen(f"{url}/stats", timeout=10) as reply:  # noqa: S310 (our own server on loopback)
        counted: dict[str, int] = json.load(reply)
    return counted


def start(client: str, url: str, source: Path, folder: Path, *options: str) -> subprocess.Popen[str]:
    """A client as a process."""
    command = [sys.executable, "-m", "benchmarks.engine.clients", client, f"{url}/v1", str(source),
               "--store", str(folder / "answers.sqlite"), "--folder", str(folder / "run"), *options]  # fmt: skip
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str], timeout: float | None = TIMEOUT) -> dict[str, Any]:
    """Its one line."""
    output, _ = process.communicate(timeout=timeout)
    assert process.returncode == 0, f"exit code {process.returncode}"
    found: dict[str, Any] = json.loads(output.splitlines()[-1])
    return found


def cold(folder: Path) -> str:
    """2,000 works, 50 ms, 64 in flight; bare and ours in turn, three times, the best of each."""
    source = table(folder, 2000)
    best: dict[str, tuple[float, float]] = {}
    with server() as url:
        for turn in range(3):
            for client in ("bare", "ours"):
                sub = folder / f"cold{turn}"
                sub.mkdir(exist_ok=True)
                found = finish(start(client, url, source, sub))
                mine = (found["seconds"], found["cpu"])
                best[client] = min(best.get(client, mine), mine)
    bare, ours = best["bare"], best["ours"]
    return (
        f"bare {2000 / bare[0]:.0f}/s ({bare[1] / 2:.2f} ms CPU each), ours {2000 / ours[0]:.0f}/s "
        f"({ours[1] / 2:.2f} ms CPU each): ratio {bare[0] / ours[0]:.2f} (wanted 0.90), by CPU {bare[1] / ours[1]:.2f}"
    )


def warm(folder: Path) -> str:
    """20,000 works of which every answer is in the store."""
    source = table(folder, 20_000)
    url = "http://127.0.0.1:9"  # nobody is asked
    with Store(folder / "answers.sqlite") as store:
        judge = OpenAIJudge.open(OpenAISettings(base_url=f"{url}/v1", model="m"), store)
        judge.assume(Rung.JSON_SCHEMA)
        requests = [next(judge.interviewer.dialogue(prepare(pair))) for pair in open_input(source).pairs()]
        raws = [
            RawAnswer(json.dumps(answer(r.messages[1].content)), "stop", None, 1024, 300, 60, "m") for r in requests
        ]
        store.put(
            StoredAnswer(request_key(r), canonical_request(r), a, url) for r, a in zip(requests, raws, strict=True)
        )
    best = min((finish(start("ours", url, source, folder)) for _ in range(3)), key=lambda f: f["seconds"])
    assert best["usage"]["requests"] == 0
    return (
        f"{best['seconds']:.2f} s for 20,000 (wanted 3), {best['seconds'] / 20:.3f} ms a work (wanted 0.10); "
        f"CPU {best['cpu']:.2f} s; {best['peak_mib']} MiB"
    )


def storm(folder: Path) -> str:
    """The server admits 50 requests a second and answers others with 429, Retry-After: 1; 500 works."""
    source = table(folder, 500)
    with server("--rate", "50", "--retry-after", "1") as url:
        found = finish(start("ours", url, source, folder))
        seen = stats(url)
    share = seen.get("refused", 0) / seen["requests"]
    return (
        f"{found['labelled']} of 500 labelled; {seen.get('refused', 0)} of {seen['requests']} requests refused "
        f"({share:.1%}, wanted 10 %); {found['seconds']:.1f} s, {found['seconds'] / 10:.2f} x ideal (wanted 1.20)"
    )


def kill(folder: Path) -> str:
    """Kill -9 when 600 of 1,000 are answered, then run again."""
    source = table(folder, 1000)
    with server() as url:
        process = start("ours", url, source, folder)
        until = time.monotonic() + TIMEOUT
        while stats(url).get("answered", 0) < 600 and time.monotonic() < until:
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        before = stats(url)
        found = finish(start("ours", url, source, folder))
        seen = stats(url)
    return (
        f"killed at {before['answered']} answers with up to {before['most_in_flight']} in flight; {seen['repeated']} "
        f"repeated (wanted <= 64); {1000 - found['labelled']} lost; store {_integrity(folder)}"
    )


def writers(folder: Path) -> str:
    """Eight runs at once into one store, each with 200 works of its own."""
    with server() as url:
        running = []
        for i in range(8):
            sub = folder / f"w{i}"
            sub.mkdir()
            source = table(sub, 200, start=200 * i)
            running.append(start("ours", url, source, sub, "--store", str(folder / "answers.sqlite")))
        labelled = sum(finish(process)["labelled"] for process in running)
        seen = stats(url)
    with Store(folder / "answers.sqlite") as store:
        stored = sum(1 for _ in store.rows())
    return f"{labelled} of 1,600 labelled, {stored} stored, {seen['repeated']} repeated; store {_integrity(folder)}"


def keys(folder: Path) -> str:
    """Change one thing; count the answers that are still taken from the store (20 works)."""
    source = table(folder, 20)
    tasks = [prepare(pair) for pair in open_input(source).pairs()]
    with server("--latency", "0") as url, server("--latency", "0") as other:
        base = {"base_url": f"{url}/v1", "model": "m"}
        changes: dict[str, dict[str, Any]] = {
            "nothing": {}, "model": {"model": "n"}, "endpoint": {"base_url": f"{other}/v1"},
            "temperature": {"temperature": 0.5}, "seed": {"seed": 2}, "sample": {"sample": 1}, "top_p": {"top_p": 0.5},
            "max_tokens": {"max_tokens": 2048}, "timeout": {"timeout": 5.0}, "concurrency": {"concurrency": 3},
            "schema": {}, "system text": {},
        }  # fmt: skip
        hits: dict[str, int] = {}
        with Store(folder / "keys.sqlite") as store:
            for name in ("model", "endpoint"):  # what is found out about an endpoint is known for these, too
                _ask(OpenAIJudge.open(OpenAISettings(**base | changes[name]), store), tasks[:1])
            store.delete(row.key for row in list(store.rows()))
            _ask(OpenAIJudge.open(OpenAISettings(**base), store), tasks)
            for name, change in changes.items():
                judge = OpenAIJudge.open(OpenAISettings(**base | change), store)
                if name == "schema":
                    known = judge.interviewer.capabilities
                    assert known
                    judge.interviewer.capabilities = known.model_copy(update={"bounded": not known.bounded})
                if name == "system text":
                    system = judge.prompt._system
                    for kind, message in system.items():
                        system[kind] = Message("system", message.content + " ")
                hits[name] = sum(found is not None for found in judge.recall(tasks))
    shown = ", ".join(f"{name} {count}" for name, count in hits.items())
    stale = sum(
        hits[n] for n in ("model", "endpoint", "temperature", "seed", "sample", "top_p", "schema", "system text")
    )
    return f"stale hits {stale} (wanted 0); hits of 20 after a change of: {shown}"


def _ask(judge: OpenAIJudge, tasks: list[Any]) -> None:
    async def run() -> None:
        await judge.judge(tasks)
        await judge.aclose()

    asyncio.run(run())


def rows(folder: Path) -> str:
    """One more row, and a raised token limit after a run in which some answers were cut off."""
    with server("--latency", "0") as url:
        finish(start("ours", url, table(folder, 300), folder))
        before = stats(url)["requests"]
        finish(start("ours", url, table(folder, 301), folder))
        more = stats(url)["requests"] - before
        finish(start("ours", url, table(folder, 301), folder, "--max-tokens", "4096"))
        raised = stats(url)["requests"] - before - more
        with sqlite3.connect(folder / "answers.sqlite") as db:
            cut = "SELECT key FROM answers ORDER BY key LIMIT 7"
            db.execute(f"UPDATE answers SET finish_reason='length', content='{{', max_tokens=2048 WHERE key IN ({cut})")  # noqa: S608
        at = stats(url)["requests"]
        finish(start("ours", url, table(folder, 301), folder, "--max-tokens", "4096"))
        again = stats(url)["requests"] - at
    return (
        f"+1 row: {more} request (wanted 1); limit raised, nothing cut off: {raised} (wanted 0); 7 answers cut off: "
        f"{again} (wanted 7); a changed parser reads the raw answers that are stored: 0 by construction"
    )


def hostile(folder: Path) -> str:
    """500 works, a model that fences, chats, invents values, is cut off and loops; see the server for the mix."""
    source = table(folder, 500)
    with server("--latency", "0.01", "--faults") as url:
        found = finish(start("ours", url, source, folder))
        seen = stats(url)
    return (
        f"{found['labelled']} of 500 labelled ({found['labelled'] / 5:.1f} %, wanted 99.5), "
        f"{found.get('abstained', 0)} abstained, {found.get('failed', 0)} failed, {seen['requests']} requests"
    )


def _integrity(folder: Path) -> str:
    with sqlite3.connect(folder / "answers.sqlite") as db:
        return str(db.execute("PRAGMA integrity_check").fetchone()[0])


ROWS: dict[str, Callable[[Path], str]] = {
    row.__name__: row for row in (cold, warm, storm, kill, writers, keys, rows, hostile)
}


def main() -> None:
    """Measure the rows that are named, or all."""
    wanted = sys.argv[1:] or list(ROWS)
    load = os.getloadavg()[0]
    print(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, Python {platform.python_version()}, {os.cpu_count()} cores, "
          f"load {load:.1f} before the start")  # fmt: skip
    for name in wanted:
        with tempfile.TemporaryDirectory() as folder:
            print(f"{name:8} {ROWS[name](Path(folder))}", flush=True)


if __name__ == "__main__":
    main()
