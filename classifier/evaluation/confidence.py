"""Whether confidence means anything: reliability, calibration error, and risk against coverage."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from classifier.evaluation.align import Item
from classifier.evaluation.intervals import Estimate, Floats, item_weights, percentile_interval
from classifier.evaluation.scores import ratio
from classifier.schema import Record

BINS = 10
MOST_WEIGHTS = 20_000_000
"""Resamples times items held at once: 160 MB; larger gold gets fewer resamples, which it can afford."""


class Judged(NamedTuple):
    """Answered items of one field: confidence in [0, 1], right (1.0) or wrong (0.0), hub number; each (n,)."""

    confidence: Floats
    right: Floats
    hub: NDArray[np.int64]


class Bin(Record):
    """One bar of the reliability diagram: confidences in ``(low, high]`` (the first bin includes 0)."""

    low: float
    high: float
    n: int
    confidence: float
    accuracy: float


class RiskPoint(Record):
    """Error among the most confident ``coverage`` share of the answered items, whose confidence is ``threshold`` up."""

    coverage: float
    risk: float
    threshold: float


class ConfidenceReport(Record):
    """Confidence of one field. ``ece_if_calibrated`` is what the error would be from sampling alone."""

    field: str
    n: int
    mean_confidence: float
    accuracy: float
    brier: Estimate
    ece: Estimate
    ece_if_calibrated: float
    aurc: Estimate
    bins: tuple[Bin, ...]
    risk_coverage: tuple[RiskPoint, ...]


def judged(items: tuple[Item, ...], field: str) -> Judged | None:
    """The answered items of a field (``label``: role and polarity both right); ``None`` where there are none.

    A field that the run answers with the same confidence everywhere, such as a judge that gives none, is still
    returned: the diagram then shows one bar.
    """
    fields = ("role", "polarity") if field == "label" else (field,)
    kept = [
        item
        for item in items
        if all(item.gold.value(one) is not None and item.predicted(one) is not None for one in fields)
    ]
    if not kept:
        return None
    hubs = {hub: i for i, hub in enumerate(dict.fromkeys(item.gold.hub_id for item in kept))}
    return Judged(
        np.array([item.confidence(field) for item in kept], dtype=np.float64),
        np.array([all(item.gold.value(f) == item.predicted(f) for f in fields) for item in kept], dtype=np.float64),
        np.array([hubs[item.gold.hub_id] for item in kept], dtype=np.int64),
    )


def bin_numbers(confidence: Floats, bins: int = BINS) -> NDArray[np.int64]:
    """The equal-width bin of each confidence, 0 to ``bins - 1``; upper edges belong to the bin below."""
    number: NDArray[np.int64] = np.clip(np.ceil(confidence * bins) - 1, 0, bins - 1).astype(np.int64)
    return number


def expected_calibration_error(confidence: Floats, right: Floats, weights: Floats | None = None) -> Floats:
    """Expected calibration error, ``()`` or ``(resamples,)`` for weights ``(resamples, n)``.

    Guo et al. (2017), On Calibration of Modern Neural Networks: mean over ten equal-width bins of
    ``|accuracy - confidence|``, weighted by the bin's share of items.
    """
    member = np.eye(BINS)[bin_numbers(confidence)]
    given = np.ones((1, len(confidence))) if weights is None else weights
    gap = given @ (member * (right - confidence)[:, None])
    error = ratio(np.abs(gap).sum(-1), given.sum(-1))
    return error.reshape(()) if weights is None else error


def aurc(confidence: Floats, right: Floats, weights: Floats | None = None) -> Floats:
    """Area under the risk-coverage curve, ``()`` or ``(resamples,)``: 0 is perfect, the error rate is no skill.

    Geifman and El-Yaniv (2017), Selective Classification for Deep Neural Networks. Items of equal confidence
    cannot be ordered, so each counts with its group's mean error: no score is gained by the order in the file.
    """
    order = np.argsort(-confidence, kind="stable")
    _, group = np.unique(-confidence[order], return_inverse=True)
    given = np.ones((1, len(order))) if weights is None else weights[:, order]
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    size = np.add.reduceat(given, starts, axis=-1)
    wrong = np.add.reduceat(given * (1 - right[order]), starts, axis=-1)
    mean_wrong = np.where(size > 0, wrong / np.maximum(size, 1), 0.0)[:, group]
    covered = np.cumsum(given, axis=-1)
    risk = np.where(covered > 0, np.cumsum(given * mean_wrong, axis=-1) / np.maximum(covered, 1), 0.0)
    area = ratio((given * risk).sum(-1), given.sum(-1))
    return area.reshape(()) if weights is None else area


def risk_coverage(confidence: Floats, right: Floats) -> tuple[RiskPoint, ...]:
    """The curve's points, one for each distinct confidence, most confident first."""
    thresholds = np.unique(confidence)[::-1]
    points = []
    for threshold in thresholds:
        chosen = confidence >= threshold
        points.append(
            RiskPoint(coverage=float(chosen.mean()), risk=float(1 - right[chosen].mean()), threshold=float(threshold))
        )
    return tuple(points)


def reliability(confidence: Floats, right: Floats, bins: int = BINS) -> tuple[Bin, ...]:
    """The bins that hold items, in order."""
    number = bin_numbers(confidence, bins)
    found = []
    for i in np.unique(number):
        chosen = number == i
        found.append(
            Bin(
                low=float(i / bins),
                high=float((i + 1) / bins),
                n=int(chosen.sum()),
                confidence=float(confidence[chosen].mean()),
                accuracy=float(right[chosen].mean()),
            )
        )
    return tuple(found)


def confidence_report(field: str, data: Judged, *, resamples: int, seed: int) -> ConfidenceReport:
    """Everything about the confidence of one field, with bootstrap intervals (hubs resampled where several)."""
    confidence, right, hub = data
    fitting = max(100, MOST_WEIGHTS // len(right))
    weights = item_weights(len(right), hub, resamples=min(resamples, 1000, fitting), seed=seed)
    squares = (right - confidence) ** 2
    return ConfidenceReport(
        field=field,
        n=len(right),
        mean_confidence=float(confidence.mean()),
        accuracy=float(right.mean()),
        brier=percentile_interval(float(squares.mean()), ratio(weights @ squares, weights.sum(-1))),
        ece=percentile_interval(
            float(expected_calibration_error(confidence, right)),
            expected_calibration_error(confidence, right, weights),
        ),
        ece_if_calibrated=_ece_if_calibrated(confidence, seed),
        aurc=percentile_interval(float(aurc(confidence, right)), aurc(confidence, right, weights)),
        bins=reliability(confidence, right),
        risk_coverage=risk_coverage(confidence, right),
    )


def _ece_if_calibrated(confidence: Floats, seed: int, draws: int = 200) -> float:
    """Mean calibration error of labels drawn from the confidences themselves.

    Consistency resampling, Broecker and Smith (2007), Weather and Forecasting 22:651-661.
    """
    draw = np.random.default_rng(seed)
    outcomes = (draw.random((draws, len(confidence))) < confidence).astype(np.float64)
    return float(np.mean([expected_calibration_error(confidence, one) for one in outcomes]))
