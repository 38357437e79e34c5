"""How far an annotator is, how long the rest takes, and how far the labels agree so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import NamedTuple

from classifier.evaluation.agreement import PairAgreement, pair_agreement
from classifier.review.decisions import Action, Decision, DecisionLog, Key
from classifier.review.run import ReviewedRun
from classifier.schema import Status

FIELDS = ("role", "polarity")
STEP = 5
"""Where labels must stay hidden, agreement moves only every five works: no single answer can be read off it."""
LEAST = 5
"""Fewer works than this show no agreement: the interval would cover nearly everything."""
RESAMPLES = 500
MACHINE = "the machine"
_PACE_OVER = 20


class Progress(NamedTuple):
    """Counts of works; ``seconds_left`` is ``None`` until a pace is known."""

    total: int
    labelled: int
    skipped: int
    seconds_left: float | None

    @property
    def left(self) -> int:
        """Works not looked at yet."""
        return self.total - self.labelled - self.skipped


def progress(queue: Sequence[Key], done: Mapping[Key, Decision]) -> Progress:
    """Progress through the queue. The pace is the median of the last twenty timed decisions: a break does not count."""
    mine = [done[key] for key in queue if key in done]
    skipped = sum(decision.action is Action.SKIP for decision in mine)
    timed = sorted((d for d in done.values() if d.shown.seconds is not None), key=lambda d: d.seq)[-_PACE_OVER:]
    paces = [d.shown.seconds for d in timed if d.shown.seconds is not None]
    left = len(queue) - len(mine)
    return Progress(len(queue), len(mine) - skipped, skipped, median(paces) * left if paces else None)


class AgreementSoFar(NamedTuple):
    """Agreement of one annotator with somebody on ``n`` works, by field; ``whose``: the machine, or annotator 1, 2."""

    whose: str
    n: int
    fields: dict[str, PairAgreement]


def agreement_so_far(log: DecisionLog, run: ReviewedRun, annotator: str, *, blind: bool) -> list[AgreementSoFar]:
    """Agreement with the machine, and with each other annotator, who stays unnamed.

    With others, and with a hidden machine, it is told in steps of five works.
    """
    labels = log.labels()
    mine = labels.pop(annotator, {})
    machine = {
        key: label
        for key, result in run.results.items()
        if result.prediction.status is Status.LABELLED and (label := result.prediction.label) is not None
    }
    found = [_agreement(MACHINE, mine, machine, STEP if blind else 1)]
    for number, name in enumerate(sorted(labels), 1):
        theirs = {key: d.label for key, d in labels[name].items() if d.label}
        whose = f"annotator {number}" if len(labels) > 1 else "the other annotator"
        found.append(_agreement(whose, mine, theirs, STEP))
    return [one for one in found if one is not None]


def _agreement(
    whose: str, mine: Mapping[Key, Decision], other: Mapping[Key, object], step: int
) -> AgreementSoFar | None:
    both = [d for d in sorted(mine.values(), key=lambda d: d.seq) if d.key in other and d.label]
    n = len(both) // step * step
    if n < LEAST:
        return None
    fields = {}
    for field in FIELDS:
        votes = {
            "me": {d.key: str(getattr(d.label, field)) for d in both[:n]},
            whose: {d.key: str(getattr(other[d.key], field)) for d in both[:n]},
        }
        fields[field] = pair_agreement("me", whose, votes, field, resamples=RESAMPLES, seed=0)
    return AgreementSoFar(whose, n, fields)
