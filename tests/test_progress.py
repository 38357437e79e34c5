"""The progress of a run as a person reads it: plain lines without a terminal, a bar on one, never a silent wait."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from classifier.cli import progress
from classifier.cli.progress import Reporter
from classifier.evaluation.judging import CalibratedJudge, FusedJudge
from classifier.inputs import open_input
from classifier.judges.admission import Wait
from classifier.judges.base import Judge, waiting
from classifier.running import RunOptions, run_source
from tests.fakes import RuleJudge
from tests.hostile_server import HostileServer, Reply, error, honest
from tests.paths import ROOT

TABLE = "hub_id,hub_title,citing_id,title,context\n" + "".join(
    f"h,The hub,w{i},Work {i},In part {i} we follow [[Smith]] to the letter.\n" for i in range(20)
)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "works.csv"
    path.write_text(TABLE, encoding="utf-8")
    return path


def classify(table: Path, url: str, **more: str) -> subprocess.CompletedProcess[str]:
    """The command as a user gives it, its stderr in a pipe."""
    folder = table.parent
    command = [sys.executable, "-m", "classifier", "run", str(table), "--judge", "openai", "--model", "m",
               "--base-url", url, "--out", str(folder / "out"), "--concurrency", "1"]  # fmt: skip
    known = {"CLASSIFIER_STORE": str(folder / "answers.sqlite"), "PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]}
    return subprocess.run(
        command, capture_output=True, text=True, timeout=120, cwd=folder, env=known | more, check=True
    )


def test_without_a_terminal_every_tenth_of_a_run_is_a_plain_line_on_stderr(table: Path) -> None:
    with HostileServer() as server:
        done = classify(table, server.url)
        again = classify(table, server.url)
    told = re.findall(r"^labelling: (\d+) of 20\b(.*)$", done.stderr, re.MULTILINE)
    assert [int(count) for count, _ in told if count != "0"] == list(range(2, 21, 2))
    assert "requests/s" in told[-1][1]
    assert "2,520 tokens" in told[-1][1], "21 requests, the probe among them, of 120 tokens each"
    assert "labelling: 20 of 20, 20 cached" in again.stderr
    for text in (done.stderr, done.stdout, again.stderr):
        assert "\x1b" not in text, "a pipe gets no colours and no cursor movements"
    assert "labelling" not in done.stdout


def test_a_wait_says_what_for_and_until_when(table: Path) -> None:
    def script(body: dict[str, object], n: int) -> Reply:
        return error(429, "too fast", headers={"Retry-After": "4"}) if n == 5 else Reply(honest(body))

    with HostileServer(script) as server:
        done = classify(table, server.url)
    waits = re.findall(r"waits until \d\d:\d\d:\d\d: ([^,\n]*)", done.stderr)
    assert waits == ["the server asked to slow down"], "one wait is told once"
    assert "labelling: 20 of 20" in done.stderr


def test_no_silence_while_a_work_takes_long(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "QUIET_SECONDS", 0.3)
    slow = RuleJudge(delays={"w3": 2.0})
    with Reporter("labelling") as report:
        run_source(open_input(table), slow, RunOptions(out=tmp_path / "out", concurrency=1), on_progress=report)
    assert capsys.readouterr().err.count("labelling: 3 of 20") >= 2


def test_on_a_terminal_there_is_a_bar(table: Path) -> None:
    with HostileServer() as server:
        done = classify(table, server.url, FORCE_COLOR="1", TERM="xterm-256color", COLUMNS="120")
    assert "\x1b[" in done.stderr
    assert "20/20" in done.stderr


class Held(RuleJudge):
    """A judge whose server asked it to wait."""

    def waiting(self) -> Wait:
        return Wait("the server asked to slow down", 7.0)


def test_judges_around_a_judge_pass_its_waits_on() -> None:
    # made without their checks: only what they pass on is looked at
    calibrated, fused = object.__new__(CalibratedJudge), object.__new__(FusedJudge)
    held: Judge = Held()
    calibrated.inner = fused.model = held
    assert waiting(calibrated) == waiting(fused) == Wait("the server asked to slow down", 7.0)
    assert waiting(RuleJudge()) is None, "a judge that asks nobody waits for nothing"
