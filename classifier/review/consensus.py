"""What several people's decisions on one work come to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from classifier.review.decisions import Decision, DecisionLog, HumanLabel, Key


class Outcome(StrEnum):
    """How far a work has come."""

    REVIEWED = "reviewed"
    DISAGREED = "disagreed"
    ADJUDICATED = "adjudicated"


class Consensus(NamedTuple):
    """The outcome of one work; ``label`` is ``None`` where annotators disagree and nobody has adjudicated."""

    outcome: Outcome
    label: HumanLabel | None
    labels: tuple[Decision, ...]
    adjudication: Decision | None = None


def consensus(log: DecisionLog) -> dict[Key, Consensus]:
    """The works that somebody labelled. Two labels agree where role, polarity and basis are equal."""
    by_work: dict[Key, list[Decision]] = defaultdict(list)
    for decisions in log.labels().values():
        for key, decision in decisions.items():
            by_work[key].append(decision)
    adjudications = log.adjudications()
    return {key: _of(sorted(found, key=lambda d: d.seq), adjudications.get(key)) for key, found in by_work.items()}


def _of(labels: list[Decision], adjudication: Decision | None) -> Consensus:
    if adjudication is not None:
        return Consensus(Outcome.ADJUDICATED, adjudication.label, tuple(labels), adjudication)
    first = labels[0].label
    same = all(d.label and first and d.label.decision == first.decision for d in labels)
    return Consensus(Outcome.REVIEWED if same else Outcome.DISAGREED, first if same else None, tuple(labels))


def to_adjudicate(found: Mapping[Key, Consensus]) -> list[Key]:
    """The works whose annotators disagree, adjudicated or not, in the order of their first label."""
    return [
        key
        for key, one in sorted(found.items(), key=lambda item: item[1].labels[0].seq)
        if len({d.label.decision for d in one.labels if d.label}) > 1
    ]
