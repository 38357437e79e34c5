"""Representative citing works: few that stand for many.

Greedy maximisation of a monotone submodular function, which comes within 1 - 1/e of the best set (Nemhauser, Wolsey
and Fisher 1978). The function has two parts: every role and every polarity present is worth more than all words
that one work can add until it is covered, so that the set covers them first; and a concave (square-root) reward over
the content words of title and evidence, after the diversity reward of Lin and Bilmes (2011, A Class of Submodular
Functions for Document Summarization), weighted by confidence: works about different things come in, repeats do not.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from heapq import heapify, heappop, heapreplace

from classifier.outputs import Result
from classifier.schema import Label, Record, Status
from classifier.terms import inverse_document_frequency, terms

SIZE = 8
"""How many works are shown; more only where that many are needed to cover every role and polarity."""


class Representative(Record):
    """A chosen work and the label values that it was the first to cover, e.g. ``role:extends``."""

    citing_id: str
    covers: tuple[str, ...]


class _Candidate:
    def __init__(self, result: Result, label: Label) -> None:
        self.citing_id = result.prediction.citing_id
        self.values = (f"role:{label.role.value}", f"polarity:{label.polarity.value}")
        evidence = label.evidence.text if label.evidence else ""
        self.words = sorted(set(terms(f"{result.citing.title} {evidence}")))
        # Mass of each word. Divided by the square of the length, a first choice earns the same whatever its length;
        # a judge that gives no confidence still earns something.
        self.mass = (0.05 + 0.95 * label.confidence) / max(1, len(self.words)) ** 2


def representative_works(results: Sequence[Result], size: int = SIZE) -> tuple[Representative, ...]:
    """Labelled works in the order of choosing: every role and polarity present is covered, then up to ``size``.

    Ties go to the smaller ``citing_id``, so the order of the input does not matter.
    """
    left = sorted(
        (
            _Candidate(result, result.prediction.label)
            for result in results
            if result.prediction.status is Status.LABELLED and result.prediction.label is not None
        ),
        key=lambda candidate: candidate.citing_id,
    )
    weights = inverse_document_frequency(candidate.words for candidate in left)
    # More than words can earn: no work earns more than the greatest weight, whatever was chosen before.
    bonus = 1 + max(weights.values(), default=0.0)
    uncovered = {value for candidate in left for value in candidate.values}
    reward: defaultdict[str, float] = defaultdict(float)

    def gain(candidate: _Candidate) -> float:
        return bonus * len(uncovered.intersection(candidate.values)) + _diversity(candidate, reward, weights)

    # Gains only shrink, so a gain that is still the greatest when computed anew is the greatest (Minoux 1978).
    queue = [(-gain(candidate), index) for index, candidate in enumerate(left)]
    heapify(queue)
    chosen: list[Representative] = []
    while queue and (uncovered or len(chosen) < size):
        best = left[queue[0][1]]
        fresh = (-gain(best), queue[0][1])
        if fresh != queue[0]:
            heapreplace(queue, fresh)
            continue
        heappop(queue)
        chosen.append(Representative(citing_id=best.citing_id, covers=tuple(v for v in best.values if v in uncovered)))
        uncovered.difference_update(best.values)
        for word in best.words:
            reward[word] += best.mass
    return tuple(chosen)


def _diversity(candidate: _Candidate, reward: Mapping[str, float], weights: Mapping[str, float]) -> float:
    """What the candidate adds to the sum over words of weight x sqrt(mass chosen so far)."""
    return sum(
        weights[word] * (math.sqrt(reward.get(word, 0.0) + candidate.mass) - math.sqrt(reward.get(word, 0.0)))
        for word in candidate.words
    )
