"""When to hold a label back: thresholds on confidence that keep errors at a stated level, and what they achieved."""

from __future__ import annotations

from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from classifier.errors import InputError
from classifier.evaluation.align import confidence_of
from classifier.evaluation.extras import load
from classifier.evaluation.intervals import Floats
from classifier.schema import Prediction, Record

STEPS = 20


class Guarantee(StrEnum):
    """What is kept at the level: errors among the ``answered`` works, or wrong answers among ``all`` works."""

    ANSWERED = "answered"
    ALL = "all"


class HeldOut(Record):
    """What thresholds fitted on the other folds did on gold they had not seen."""

    n: int
    answered: int
    wrong: int

    @property
    def coverage(self) -> float:
        """Share of the works that were answered."""
        return self.answered / self.n

    @property
    def error_answered(self) -> float | None:
        """Errors among the answered works; ``None`` where none was answered."""
        return self.wrong / self.answered if self.answered else None

    @property
    def error_all(self) -> float:
        """Wrong answers among all works."""
        return self.wrong / self.n


class Abstention(Record):
    """A threshold on the confidence in ``field`` as the judge gave it; ``None`` where no threshold reaches the level.

    ``delta`` is the chance, over draws of the gold sample, that an ``answered`` threshold breaks its promise.
    """

    field: str
    level: float
    guarantee: Guarantee
    delta: float
    threshold: float | None
    held_out: HeldOut

    def reason(self, prediction: Prediction) -> str | None:
        """Why this prediction is held back, or ``None`` where it stands."""
        if self.threshold is None:
            return f"no confidence keeps the error of {self.field} at {self.level:g} on the calibration gold"
        confidence = confidence_of(prediction, self.field)
        if confidence >= self.threshold:
            return None
        return f"confidence {confidence:.3f} in {self.field} is below {self.threshold:.3f} (error level {self.level:g})"


def threshold_answered(confidence: Floats, right: Floats, level: float, delta: float) -> float | None:
    """The lowest threshold whose error among answered items is at most ``level`` with probability ``1 - delta``.

    Learn then Test (Angelopoulos et al. 2021, arXiv:2110.01052): thresholds at fixed shares of the items are tested
    from the strictest on with the exact binomial p-value of ``error > level``, until the first that is not rejected.
    Strict thresholds that could not pass with no error at all are not tested. Assumes gold drawn independently.
    """
    fewest = int(np.ceil(np.log(delta) / np.log1p(-level)))
    found = None
    for threshold in _candidates(confidence, fewest):
        chosen = confidence >= threshold
        wrong = int((1 - right[chosen]).sum())
        if load("scipy.stats").binom.cdf(wrong, int(chosen.sum()), level) > delta:
            break
        found = float(threshold)
    return found


def threshold_all(confidence: Floats, right: Floats, level: float) -> float | None:
    """The lowest threshold whose expected share of wrong answers among all items is at most ``level``.

    Conformal risk control (Angelopoulos et al. 2022, arXiv:2208.02814): ``(wrong + 1) / (n + 1) <= level``, where
    wrong counts errors at or above the threshold. Holds in expectation for items exchangeable with the gold.
    """
    found = None
    for threshold in np.unique(confidence)[::-1]:
        wrong = float((1 - right[confidence >= threshold]).sum())
        if (wrong + 1) / (len(right) + 1) > level:
            break
        found = float(threshold)
    return found


def _candidates(confidence: Floats, fewest: int) -> Floats:
    """Distinct thresholds, strictest first, that let through at least ``fewest`` items and each some 5 % more."""
    ordered = np.sort(confidence)[::-1]
    if fewest > len(ordered):
        return ordered[:0]
    counts = np.unique(np.linspace(fewest, len(ordered), STEPS).astype(int))
    return np.unique(ordered[counts - 1])[::-1]


def fit_abstention(
    confidence: Floats,
    right: Floats,
    fold: NDArray[np.int64],
    *,
    field: str = "label",
    level: float,
    guarantee: Guarantee = Guarantee.ANSWERED,
    delta: float = 0.1,
) -> Abstention:
    """The threshold fitted on all gold, and what thresholds fitted on the other folds did on each fold."""
    if not 0 < level < 1 or not 0 < delta < 1:
        raise InputError("error level and delta must be between 0 and 1", value=(level, delta))

    def fitted(chosen: NDArray[np.bool_]) -> float | None:
        if guarantee is Guarantee.ALL:
            return threshold_all(confidence[chosen], right[chosen], level)
        return threshold_answered(confidence[chosen], right[chosen], level, delta)

    answered = np.zeros(len(right), dtype=bool)
    for i in np.unique(fold):
        threshold = fitted(fold != i)
        if threshold is not None:
            answered[fold == i] = confidence[fold == i] >= threshold
    return Abstention(
        field=field,
        level=level,
        guarantee=guarantee,
        delta=delta,
        threshold=fitted(np.ones(len(right), dtype=bool)),
        held_out=HeldOut(n=len(right), answered=int(answered.sum()), wrong=int((1 - right[answered]).sum())),
    )
