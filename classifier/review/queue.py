"""The order in which works are reviewed."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from enum import StrEnum

from classifier.errors import SettingsError
from classifier.outputs import Result
from classifier.review.decisions import Key
from classifier.schema import Label, Status


class QueueOrder(StrEnum):
    """Which works come first."""

    UNCERTAIN = "uncertain"
    RANDOM = "random"
    DISAGREEMENT = "disagreement"
    INFLUENTIAL = "influential"


Opinion = tuple[str, str]
"""Role and polarity, by one judge or person."""


def opinion(label: Label | None) -> Opinion | None:
    """The role and polarity of a label."""
    return None if label is None else (label.role, label.polarity)


def key_of(result: Result) -> Key:
    """The pair that a result is about."""
    return result.prediction.hub_id, result.prediction.citing_id


def ordered(
    results: Sequence[Result],
    order: QueueOrder,
    *,
    others: Sequence[Mapping[Key, Opinion]] = (),
    seed: int = 0,
) -> list[Key]:
    """The works in the order asked for; the same run, opinions and seed give the same order.

    ``uncertain``: least confidence first (Lewis and Gale 1994), works without a label before all.
    ``random``: a shuffle by ``seed``; what a sample that stands for the hub needs.
    ``disagreement``: highest vote entropy first (Dagan and Engelson 1995) among the run and ``others``, which are
    other runs and other annotators; raises ``SettingsError`` where there is no second opinion.
    ``influential``: works that the source calls influential, then representative ones, then by number of passages.
    """
    if order is QueueOrder.RANDOM:
        return sorted(map(key_of, results), key=lambda key: _shuffled(key, seed))
    if order is QueueOrder.INFLUENTIAL:
        return [key_of(r) for r in sorted(results, key=lambda r: (*_influence(r), -_uncertainty(r)))]
    if order is QueueOrder.UNCERTAIN:
        return [key_of(r) for r in sorted(results, key=lambda r: -_uncertainty(r))]
    if not any(others):
        raise SettingsError(
            "--queue disagreement needs a second opinion: give another run with --compare, "
            "or let another annotator go first"
        )
    return [key_of(r) for r in sorted(results, key=lambda r: (-vote_entropy(_votes(r, others)), -_uncertainty(r)))]


def _shuffled(key: Key, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}\0{key[0]}\0{key[1]}".encode()).digest()


def _uncertainty(result: Result) -> float:
    """One minus the confidence; 1 for a work without a label that counts, so that it comes first."""
    prediction = result.prediction
    if prediction.status is not Status.LABELLED or prediction.label is None:
        return 1.0
    return 1.0 - prediction.label.confidence


def _influence(result: Result) -> tuple[bool, bool, int]:
    work = result.citing
    return not work.influential, not work.representative, -len(work.contexts)


def _votes(result: Result, others: Sequence[Mapping[Key, Opinion]]) -> list[Opinion]:
    prediction = result.prediction
    own = opinion(prediction.label) if prediction.status is Status.LABELLED else None
    key = key_of(result)
    return [vote for vote in (own, *(other.get(key) for other in others)) if vote is not None]


def vote_entropy(votes: Sequence[Opinion]) -> float:
    """Entropy in bits of the votes on one work: 0 where all agree or fewer than two voted."""
    counts = Counter(votes)
    return -sum(n / len(votes) * math.log2(n / len(votes)) for n in counts.values()) if len(counts) > 1 else 0.0
