"""The progress of a run on stderr: a bar on a terminal, plain lines elsewhere, and never a long silence."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from types import TracebackType

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from classifier.cli.terminal import err, say
from classifier.judges.admission import Wait
from classifier.judges.base import Usage
from classifier.running import Progress as RunProgress
from classifier.schema import Status

QUIET_SECONDS = 30.0
"""Without a terminal a line comes at least this often, and at every tenth of the run."""

LONG_WAIT = 3.0
"""A wait of more seconds than this is told with its reason and its end."""


class Reporter:
    """Called after every work; a thread of its own tells what the run waits for when no work comes."""

    def __init__(self, name: str, waiting: Callable[[], Wait | None] | None = None) -> None:
        self._name, self._waiting = name, waiting or (lambda: None)
        self._counts = dict.fromkeys(("cached", "failed", "abstained"), 0)
        self._done = self._total = 0
        self._usage: Callable[[], Usage] = Usage
        self._started = self._told = time.monotonic()
        self._told_until: datetime | None = None
        self._ended = threading.Event()
        self._watch = threading.Thread(target=self._watching, daemon=True)
        self._bar: Progress | None = None
        if err.is_terminal:
            self._bar = Progress(
                TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
                TextColumn("{task.fields[note]}"), console=err, transient=True,
            )  # fmt: skip
            self._task = self._bar.add_task(name, total=None, note="")

    def __enter__(self) -> Reporter:
        if self._bar:
            self._bar.start()
        self._watch.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._ended.set()
        self._watch.join()
        if self._bar:
            self._bar.stop()

    def __call__(self, update: RunProgress) -> None:
        """Count one work, and show it if it is time."""
        status = update.answered.prediction.status
        self._counts["cached"] += update.answered.recalled
        self._counts["failed"] += status is Status.FAILED
        self._counts["abstained"] += status is Status.ABSTAINED
        self._done, self._total, self._usage = update.done, update.total, update.usage
        if self._bar:
            if time.monotonic() - self._told > 0.1 or update.done == update.total:
                self._show()
        elif update.done == update.total or update.done % max(1, update.total // 10) == 0:
            self._show()

    def note(self, now: float) -> str:
        """Counts, requests a second, tokens, money so far and expected; only what there is."""
        usage = self._usage()
        parts = [f"{count} {what}" for what, count in self._counts.items() if count]
        if usage.requests:
            parts.append(f"{usage.requests / max(0.001, now - self._started):.1f} requests/s")
        tokens = usage.prompt_tokens + usage.completion_tokens
        if tokens:
            parts.append(f"{tokens:,} tokens")
        if usage.dollars:
            asked = self._done - self._counts["cached"]
            share = asked / self._done if self._done else 1.0
            expected = usage.dollars / asked * (asked + share * (self._total - self._done)) if asked else usage.dollars
            parts.append(f"${usage.dollars:.4f} of about ${expected:.4f}")
        return ", ".join(parts)

    def _show(self, waits: str = "") -> None:
        now = time.monotonic()
        self._told = now
        note = ", ".join(part for part in (self.note(now), waits) if part)
        if self._bar:
            self._bar.update(self._task, completed=self._done, total=self._total or None, note=note)
            return
        left = ""
        if 0 < self._done < self._total and now - self._started > 1:
            seconds = (now - self._started) / self._done * (self._total - self._done)
            left = f", about {timedelta(seconds=round(seconds))} left"
        say(f"{self._name}: {self._done} of {self._total or '?'}{', ' + note if note else ''}{left}")

    def _watching(self) -> None:
        while not self._ended.wait(0.5):
            wait = self._waiting()
            if wait and wait.seconds > (0 if self._bar else LONG_WAIT):
                until = datetime.now() + timedelta(seconds=wait.seconds)
                if self._bar or self._told_until is None or until > self._told_until + timedelta(seconds=2):
                    self._told_until = until
                    self._show(f"waits until {until:%H:%M:%S}: {wait.reason}")
            elif time.monotonic() - self._told > (1.0 if self._bar else QUIET_SECONDS):
                self._show()
