"""What must not lose an answer: a storm of refusals, kill -9, Ctrl-C, two runs in one folder, clocks that jump.

Full disks and corrupt stores are in ``test_store.py``; every test here ends within seconds on an idle machine.
"""

import csv
import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from classifier.judges.admission import MAX_PAUSE, Admission
from classifier.store import Store
from tests.hostile_server import HostileServer, Reply, error, honest
from tests.paths import ROOT


def table(folder, count):
    path = folder / "works.jsonl"
    hub = {"hub_title": "A step-wise verifier"}
    text = "Work number {} follows the verifier of [[hub]] in every step."
    works = [hub | {"citing_id": f"w{i}", "title": f"T{i}", "context": text.format(i)} for i in range(count)]
    path.write_text("".join(json.dumps(work) + "\n" for work in works), encoding="utf-8")
    return path


def begin(folder, server, source, out, *more):
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": str(ROOT),
                   "CLASSIFIER_STORE": str(folder / "answers.sqlite")}  # fmt: skip
    command = [sys.executable, "-m", "classifier", "run", str(source), "--base-url", server.url, "--model", "m",
               "--out", str(folder / out), *map(str, more)]  # fmt: skip
    return subprocess.Popen(
        command, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def labelled(folder):
    with (folder / "predictions.csv").open(encoding="utf-8-sig", newline="") as file:
        return [row["citing_id"] for row in csv.DictReader(file) if row["status"] == "labelled"]


def wait_for(condition, seconds=60):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "nothing happened in time"
        time.sleep(0.02)


def test_a_storm_of_refusals_loses_nothing(tmp_path):
    """100 works; the server takes 20 requests, and 20 more for each 0.3 s that pass."""
    opened = time.monotonic()
    taken = 0
    lock = threading.Lock()

    def script(body, n):
        nonlocal taken
        with lock:
            if taken >= 20 * (1 + int((time.monotonic() - opened) / 0.3)):
                return error(429, "too many", {"retry-after": "0.3"})
            taken += 1
        return Reply(honest(body), delay=0.01)

    with HostileServer(script) as server:
        done = begin(tmp_path, server, table(tmp_path, 100), "run")
        _, errors = done.communicate(timeout=120)
    assert done.returncode == 0, errors
    assert len(labelled(tmp_path / "run")) == 100
    assert taken == 100


def test_kill_9_repeats_no_more_than_what_was_in_flight(tmp_path):
    source = table(tmp_path, 120)
    with HostileServer(lambda body, n: Reply(honest(body), delay=0.02)) as server:
        first = begin(tmp_path, server, source, "run", "--concurrency", 8)
        wait_for(lambda: len(server.bodies) >= 60)
        first.kill()
        first.communicate(timeout=60)
        assert not (tmp_path / "run" / "predictions.csv").exists(), "a table is whole or absent"
        second = begin(tmp_path, server, source, "run", "--concurrency", 8)
        _, errors = second.communicate(timeout=120)
        assert second.returncode == 0, errors
        prompts = [body["messages"][1]["content"] for body in server.bodies]
    assert len(set(prompts)) == 120
    assert len(prompts) - 120 <= 8
    assert len(labelled(tmp_path / "run")) == 120


def test_ctrl_c_finishes_what_is_in_flight_and_says_how_to_go_on(tmp_path):
    source = table(tmp_path, 200)
    with HostileServer(lambda body, n: Reply(honest(body), delay=0.05)) as server:
        first = begin(tmp_path, server, source, "run", "--concurrency", 4)
        wait_for(lambda: len(server.bodies) >= 20)
        first.send_signal(signal.SIGINT)
        _, errors = first.communicate(timeout=60)
        asked = len(server.bodies)
    assert first.returncode == 130
    assert "run the same command again to go on" in errors
    assert len(labelled(tmp_path / "run")) == asked < 200
    assert json.loads((tmp_path / "run" / "summary.json").read_text(encoding="utf-8"))["complete"] is False
    with Store(tmp_path / "answers.sqlite") as store:
        assert sum(1 for _ in store.rows()) == asked


def test_two_runs_in_one_folder_leave_one_whole_table(tmp_path):
    source = table(tmp_path, 60)
    with HostileServer(lambda body, n: Reply(honest(body), delay=0.01)) as server:
        running = [begin(tmp_path, server, source, "run") for _ in range(2)]
        for process in running:
            _, errors = process.communicate(timeout=120)
            assert process.returncode == 0, errors
    assert sorted(labelled(tmp_path / "run")) == sorted(f"w{i}" for i in range(60))
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [
        "predictions.csv", "predictions.jsonl", "predictions.schema.json", "report.html", "run.json", "summary.json"
    ]  # fmt: skip


@pytest.mark.parametrize("jump", [3600.0, 1e9])
def test_a_clock_that_jumps_ahead_ends_every_wait(jump):
    """A laptop that slept: the pause is over, and no wait is longer than the longest pause."""
    now = [100.0]
    gate = Admission(8, rpm=60, tpm=1000, clock=lambda: now[0])
    gate.refused(30.0)
    now[0] += jump
    assert gate.waiting() is None
    gate.refused(1e12)
    assert gate.waiting().seconds <= MAX_PAUSE * 1.1
