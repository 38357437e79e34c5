"""Shares of a hub's works corrected for the classifier's errors with a gold sample of the same hub.

The classifier's share is off by its errors, and no number of works mends that. The gold sample shows by how much:
``share = mean over all works of prediction + mean over the sample of (gold - prediction)``, the difference estimator
of survey sampling (Saerndal, Swensson and Wretman 1992, section 6.3), for a mean the same as prediction-powered
inference (Angelopoulos et al. 2023, Science 382:669). It needs a gold sample drawn at random from the hub's works
and asks nothing of the classifier. ``ppi-python`` was left out: it needs more of SciPy's world for these three
lines, and has neither the finite-population factor nor an interval that holds for rare classes in small samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist

from classifier.evaluation.align import predicted_value
from classifier.evaluation.gold import FIELDS, Gold
from classifier.evaluation.intervals import LEVEL, Estimate
from classifier.evaluation.runs import Run
from classifier.schema import Record

FEWEST = 10
"""A hub with fewer gold works than this is not corrected: the interval would say next to nothing."""


class Share(Record):
    """One value's share of the hub's works: as counted, and corrected; each with its interval."""

    value: str
    predicted: int
    naive: Estimate
    corrected: Estimate


class HubShares(Record):
    """Shares of one field in one hub: ``works`` in the run, ``sample`` of them with gold."""

    hub_id: str
    field: str
    works: int
    sample: int
    shares: tuple[Share, ...]


def wilson(count: float, n: float, level: float = LEVEL) -> tuple[float, float]:
    """Wilson's (1927) score interval of a proportion."""
    z = NormalDist().inv_cdf((1 + level) / 2)
    centre = (count + z * z / 2) / (n + z * z)
    half = z / (n + z * z) * (count * (n - count) / n + z * z / 4) ** 0.5
    return max(0.0, centre - half), min(1.0, centre + half)


def corrected_share(works: int, predicted: int, sample: int, missed: int, false: int, level: float = LEVEL) -> Estimate:
    """The share of a value among ``works`` of which ``predicted`` were given it, corrected by a random gold sample.

    In the ``sample``, ``missed`` works have the value in gold only and ``false`` in the prediction only. The interval
    is Agresti and Min's (2005, Statistics in Medicine 24:729) for a paired difference, half an item added to each of
    the four cells, so that a sample without errors does not count as proof of none; times the finite-population
    factor. With every work in the sample the share is known and the interval is the point.
    """
    rate = predicted / works
    value = min(1.0, max(0.0, rate + (missed - false) / sample))
    if sample >= works:
        return Estimate(value=value, low=value, high=value)
    n, up, down = sample + 2, missed + 0.5, false + 0.5
    shift = (up - down) / n
    variance = ((up + down) / n - shift**2) / n * (1 - sample / works)
    half = NormalDist().inv_cdf((1 + level) / 2) * variance**0.5
    low, high = min(value, rate + shift - half), max(value, rate + shift + half)
    return Estimate(value=value, low=max(0.0, low), high=min(1.0, high))


def naive_share(works: int, predicted: int, level: float = LEVEL) -> Estimate:
    """The share among answered works, with its interval if labels were right and works a random sample."""
    low, high = wilson(predicted, works, level)
    return Estimate(value=predicted / works, low=low, high=high)


def hub_shares(run: Run, gold: Gold) -> tuple[HubShares, ...]:
    """Corrected shares for each hub of which at least ``FEWEST`` works of the run have gold.

    A work without a label counts as predicted to have no value, which the correction makes good.
    """
    found = []
    for hub in dict.fromkeys(hub for hub, _ in run.predictions):
        works = {key: one for key, one in run.predictions.items() if key[0] == hub}
        for field in FIELDS:
            sample = [
                (item.key, str(item.value(field))) for item in gold.items if item.key in works and item.value(field)
            ]
            if len(sample) < FEWEST:
                continue
            labels = {key: predicted_value(one, field) for key, one in works.items()}
            found.append(
                HubShares(
                    hub_id=hub,
                    field=field,
                    works=len(works),
                    sample=len(sample),
                    shares=tuple(
                        _share(value, list(labels.values()), [(g, labels[k]) for k, g in sample])
                        for value in FIELDS[field]
                    ),
                )
            )
    return tuple(found)


def _share(value: str, labels: Sequence[str | None], sample: Sequence[tuple[str, str | None]]) -> Share:
    predicted = sum(label == value for label in labels)
    answered = sum(label is not None for label in labels)
    missed = sum(gold == value != label for gold, label in sample)
    false = sum(label == value != gold for gold, label in sample)
    return Share(
        value=value,
        predicted=predicted,
        naive=naive_share(answered, predicted) if answered else Estimate(value=None, low=None, high=None),
        corrected=corrected_share(len(labels), predicted, len(sample), missed, false),
    )
