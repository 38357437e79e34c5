"""One annotator going through one queue: what is shown, what is recorded; knows nothing of HTTP."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from classifier.review.consensus import consensus
from classifier.review.decisions import Action, Decision, DecisionLog, HumanLabel, Key
from classifier.review.guide import read_guide
from classifier.review.progress import AgreementSoFar, Progress, agreement_so_far, progress
from classifier.review.run import ReviewedRun, what_is_shown

LONGEST = 900.0
"""Seconds; a page that stayed open longer was not being worked on."""


class Settings(NamedTuple):
    """Who reviews, and what is hidden. An adjudicator never sees the machine's label, nor who gave which answer."""

    annotator: str
    blind: bool = False
    adjudicate: bool = False
    queue_name: str = "uncertain"

    @property
    def hides_machine(self) -> bool:
        """True where the machine's label must not reach the page."""
        return self.blind or self.adjudicate


class Session:
    """The queue in its order, fixed when the session starts, and the log behind it."""

    def __init__(
        self,
        run: ReviewedRun,
        log: DecisionLog,
        queue: Sequence[Key],
        settings: Settings,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.run, self.log, self.queue, self.settings, self._clock = run, log, tuple(queue), settings, clock
        self._place = {key: number for number, key in enumerate(self.queue, 1)}
        self._opened: dict[Key, float] = {}
        self._agreement: tuple[int, list[AgreementSoFar]] = (-1, [])

    def done(self) -> dict[Key, Decision]:
        """The annotator's standing decisions, in this mode."""
        return self.log.of(self.settings.annotator, adjudicating=self.settings.adjudicate)

    def next_after(self, number: int) -> int | None:
        """The number (from 1) of the next undecided work, from ``number`` on and round; ``None`` at the end."""
        done = self.done()
        order = [*range(number, len(self.queue)), *range(min(number, len(self.queue)))]
        return next((place + 1 for place in order if self.queue[place] not in done), None)

    def opened(self, key: Key) -> None:
        """The person has the work before them from now on."""
        self._opened[key] = self._clock()

    def answers(self, key: Key) -> list[Decision]:
        """The annotators' labels of a work for the adjudicator: in an order that tells nothing, the same each time."""
        if not self.settings.adjudicate:
            return []
        found = consensus(self.log).get(key)
        return (
            sorted(found.labels, key=lambda d: hashlib.sha256(f"{key}\0{d.annotator}".encode()).digest())
            if found
            else []
        )

    def save(self, key: Key, label: HumanLabel) -> Decision:
        """Record a label: on disk when this returns."""
        return self._record(key, Action.ADJUDICATE if self.settings.adjudicate else Action.LABEL, label)

    def skip(self, key: Key) -> Decision:
        """Record that the work was looked at and left."""
        return self._record(key, Action.SKIP, None)

    def undo(self) -> Key | None:
        """Withdraw this annotator's last standing decision; the work it was about, ``None`` where there is none."""
        mine = (decision for key, decision in self.done().items() if key in self._place)
        last = max(mine, key=lambda decision: decision.seq, default=None)
        if last is None:
            return None
        self._record(last.key, Action.UNDO, None, undoes=last.seq)
        return last.key

    def _record(self, key: Key, action: Action, label: HumanLabel | None, undoes: int | None = None) -> Decision:
        opened = self._opened.pop(key, None)
        seconds = None if opened is None or undoes else round(self._clock() - opened, 1)
        shown = what_is_shown(
            self.run.results[key],
            blind=self.settings.hides_machine,
            guide=read_guide().version,
            adjudicating=self.settings.adjudicate,
            answers=tuple(decision.seq for decision in self.answers(key)),
            seconds=seconds if seconds is not None and seconds <= LONGEST else None,
        )
        decision = Decision(
            annotator=self.settings.annotator, hub_id=key[0], citing_id=key[1], action=action, label=label,
            undoes=undoes, shown=shown,
        )  # fmt: skip
        return self.log.append([decision])[0]

    def place(self, key: Key) -> int | None:
        """The number of a work in the queue, from 1."""
        return self._place.get(key)

    def progress(self) -> Progress:
        """How far this annotator is."""
        return progress(self.queue, self.done())

    def agreement(self) -> list[AgreementSoFar]:
        """Agreement so far; an adjudicator is shown none. Computed anew only when something was decided."""
        if self.settings.adjudicate:
            return []
        if self._agreement[0] != self.log.last_seq:
            found = agreement_so_far(self.log, self.run, self.settings.annotator, blind=self.settings.blind)
            self._agreement = (self.log.last_seq, found)
        return self._agreement[1]
