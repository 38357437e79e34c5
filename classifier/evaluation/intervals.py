"""Bootstrap intervals, drawn on cells of a contingency table so that thousands of resamples cost milliseconds."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from classifier.schema import Record

Floats = NDArray[np.float64]
LEVEL = 0.95
RESAMPLES = 2000
SEED = 20261123
"""Fixed, so that two evaluations of the same files give the same bytes."""


class Estimate(Record):
    """A number with its interval (95 % unless said); ``None`` where it is not defined."""

    value: float | None
    low: float | None
    high: float | None


def resample(
    cells: NDArray[np.int64],
    size: int,
    clusters: NDArray[np.int64] | None = None,
    *,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> Floats:
    """Bootstrap counts ``(resamples, size)`` of items that each fall in one of ``size`` cells.

    With two or more clusters, whole clusters are drawn with replacement (Davison and Hinkley 1997, section 3.8),
    since works of one hub resemble each other; else items are, which for counts is a multinomial draw.
    """
    draw = np.random.default_rng(seed)
    if clusters is None or clusters.max(initial=0) == 0:
        shares = np.bincount(cells, minlength=size) / len(cells)
        return draw.multinomial(len(cells), shares, size=resamples).astype(np.float64)
    number = int(clusters.max()) + 1
    by_cluster = np.bincount(clusters * size + cells, minlength=number * size).reshape(number, size)
    weights = draw.multinomial(number, np.full(number, 1 / number), size=resamples)
    return (weights @ by_cluster).astype(np.float64)


def item_weights(
    items: int, clusters: NDArray[np.int64] | None = None, *, resamples: int = RESAMPLES, seed: int = SEED
) -> Floats:
    """How often each item is drawn in each resample, ``(resamples, items)``; clusters as in ``resample``."""
    draw = np.random.default_rng(seed)
    if clusters is None or clusters.max(initial=0) == 0:
        return draw.multinomial(items, np.full(items, 1 / items), size=resamples).astype(np.float64)
    number = int(clusters.max()) + 1
    return draw.multinomial(number, np.full(number, 1 / number), size=resamples).astype(np.float64)[:, clusters]


def percentile_interval(value: float, drawn: Floats, level: float = LEVEL, items: float | None = None) -> Estimate:
    """The value with the percentile interval of its resampled values; resamples where it is undefined are left out.

    Where all resamples agree the bootstrap says nothing, as with 5 right of 5. A share of ``items`` then gets the
    exact bound of Clopper and Pearson (1934); another score gets no interval.
    """
    if not np.isfinite(value):
        return Estimate(value=None, low=None, high=None)
    defined = drawn[np.isfinite(drawn)]
    tail = (1 - level) / 2
    if not len(defined) or np.ptp(defined) == 0:
        return _without_spread(float(value), tail, items)
    low, high = np.quantile(defined, [tail, 1 - tail])
    return Estimate(value=float(value), low=float(low), high=float(high))


def _without_spread(value: float, tail: float, items: float | None) -> Estimate:
    if not items or value not in (0.0, 1.0):
        return Estimate(value=value, low=None, high=None)
    bound = tail ** (1 / items)
    return Estimate(value=value, low=bound if value else 0.0, high=1.0 if value else 1 - bound)


def estimate(
    score: Callable[[Floats], Floats], table: Floats, drawn: Floats, level: float = LEVEL, items: float | None = None
) -> Estimate:
    """A score of one table with the interval that the resampled tables give it; ``items`` where it is a share."""
    return percentile_interval(float(score(table)), np.asarray(score(drawn)), level, items)
