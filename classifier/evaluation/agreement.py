"""Chance-corrected agreement, of two raters from a table and of any number of annotators from their labels."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from classifier.evaluation.extras import load
from classifier.evaluation.gold import FIELDS, GoldItem, Key
from classifier.evaluation.intervals import (
    RESAMPLES,
    SEED,
    Estimate,
    estimate,
    item_weights,
    percentile_interval,
    resample,
)
from classifier.evaluation.scores import Floats, ratio
from classifier.schema import Record


def cohen_kappa(table: Floats) -> Floats:
    """Cohen's kappa (1960) of square tables ``(..., K, K)``; NaN where chance agreement is 1."""
    observed, first, second = _margins(table)
    expected = (first * second).sum(-1)
    return ratio(observed - expected, 1 - expected)


def gwet_ac1(table: Floats) -> Floats:
    """Gwet's AC1 of square tables ``(..., K, K)``.

    Gwet (2008), Br. J. Math. Stat. Psychol. 61:29-48: chance agreement is ``sum p_k (1 - p_k) / (K - 1)`` with
    ``p_k`` the mean of the raters' shares; K counts the categories of the scale, used or not.
    """
    observed, first, second = _margins(table)
    mean = (first + second) / 2
    expected = (mean * (1 - mean)).sum(-1) / (table.shape[-1] - 1)
    return ratio(observed - expected, 1 - expected)


def krippendorff_alpha(table: Floats) -> Floats:
    """Krippendorff's nominal alpha of two raters without gaps, from square tables ``(..., K, K)``.

    Krippendorff (2011), Computing Krippendorff's Alpha-Reliability: ``1 - (n - 1) D_o / D_e`` over the coincidence
    matrix ``table + table'``. NaN where only one value occurs.
    """
    coincidence = table + np.swapaxes(table, -1, -2)
    values = coincidence.sum(-1)
    total = values.sum(-1)
    disagreed = total - np.trace(coincidence, axis1=-2, axis2=-1)
    expected = total**2 - (values**2).sum(-1)
    return 1 - ratio((total - 1) * disagreed, expected)


def squared(table: Floats) -> Floats:
    """A ``(..., K, K + 1)`` table of all items as ``(..., K + 1, K + 1)``: no answer is a value gold never takes."""
    empty = np.zeros((*table.shape[:-2], 1, table.shape[-1]))
    return np.concatenate([table, empty], axis=-2)


def _margins(table: Floats) -> tuple[Floats, Floats, Floats]:
    total = table.sum((-2, -1))
    observed = ratio(np.trace(table, axis1=-2, axis2=-1), total)
    return observed, ratio(table.sum(-1), total[..., None]), ratio(table.sum(-2), total[..., None])


class PairAgreement(Record):
    """Two raters on the ``n`` items that both labelled."""

    first: str
    second: str
    n: int
    accuracy: Estimate
    cohen_kappa: Estimate
    gwet_ac1: Estimate
    krippendorff_alpha: Estimate


class AnnotatorAgreement(Record):
    """How far the annotators agree on one field; ``alpha`` over all, ``pairs`` two by two where items are shared."""

    field: str
    annotators: tuple[str, ...]
    items: int
    alpha: Estimate
    pairs: tuple[PairAgreement, ...]


Votes = dict[str, dict[Key, str]]
"""Rater -> pair -> value of one field."""


def votes(annotations: Sequence[GoldItem], field: str) -> Votes:
    """The values that each annotator gave for one field."""
    found: Votes = defaultdict(dict)
    for one in annotations:
        value = one.value(field)
        if one.annotator and value is not None:
            found[one.annotator][one.key] = value
    return dict(found)


def pair_agreement(first: str, second: str, given: Votes, field: str, *, resamples: int, seed: int) -> PairAgreement:
    """Agreement of two raters with bootstrap intervals, items resampled by hub."""
    labels = FIELDS[field]
    index = {label: i for i, label in enumerate(labels)}
    both = [key for key in given[first] if key in given[second]]
    k = len(labels)
    cells = np.array([index[given[first][key]] * k + index[given[second][key]] for key in both], dtype=np.int64)
    hubs = {hub: i for i, hub in enumerate(dict.fromkeys(key[0] for key in both))}
    clusters = np.array([hubs[key[0]] for key in both], dtype=np.int64)
    return cell_agreement(first, second, cells, clusters, k, resamples=resamples, seed=seed)


def cell_agreement(
    first: str, second: str, cells: NDArray[np.int64], clusters: NDArray[np.int64], k: int, *,
    resamples: int = RESAMPLES, seed: int = SEED,
) -> PairAgreement:  # fmt: skip
    """Agreement of two raters from ``cells`` (n,): value of the first times ``k`` plus that of the second.

    ``clusters`` (n,) numbers the hubs, which are resampled whole where there are several.
    """
    if not len(cells):
        nothing = Estimate(value=None, low=None, high=None)
        return PairAgreement(first=first, second=second, n=0, accuracy=nothing, cohen_kappa=nothing,
                             gwet_ac1=nothing, krippendorff_alpha=nothing)  # fmt: skip
    table = np.bincount(cells, minlength=k * k).reshape(k, k).astype(np.float64)
    drawn = resample(cells, k * k, clusters, resamples=resamples, seed=seed).reshape(-1, k, k)
    return PairAgreement(
        first=first,
        second=second,
        n=len(cells),
        accuracy=estimate(_observed, table, drawn, items=len(cells)),
        cohen_kappa=estimate(cohen_kappa, table, drawn),
        gwet_ac1=estimate(gwet_ac1, table, drawn),
        krippendorff_alpha=estimate(krippendorff_alpha, table, drawn),
    )


def _observed(table: Floats) -> Floats:
    return _margins(table)[0]


def annotator_agreement(
    annotations: Sequence[GoldItem], field: str, *, resamples: int, seed: int
) -> AnnotatorAgreement | None:
    """Agreement of the annotators on one field; ``None`` with fewer than two annotators.

    Alpha comes from the ``krippendorff`` package (any number of annotators, gaps allowed) on the units' value
    counts, resampled by hub where there are several.
    """
    given = votes(annotations, field)
    if len(given) < 2:
        return None
    names = sorted(given)
    keys = sorted({key for votes_of_one in given.values() for key in votes_of_one})
    counts = np.array([[sum(given[n].get(key) == v for n in names) for v in FIELDS[field]] for key in keys])
    hubs = {hub: i for i, hub in enumerate(dict.fromkeys(key[0] for key in keys))}
    twice = counts.sum(1) >= 2
    counts, hub = counts[twice], np.array([hubs[key[0]] for key in keys], dtype=np.int64)[twice]
    return AnnotatorAgreement(
        field=field,
        annotators=tuple(names),
        items=len(counts),
        alpha=_alpha_of_counts(counts, hub, resamples, seed),
        pairs=tuple(
            pair_agreement(a, b, given, field, resamples=resamples, seed=seed)
            for a, b in combinations(names, 2)
            if given[a].keys() & given[b].keys()
        ),
    )


def _alpha_of_counts(counts: np.ndarray, hub: np.ndarray, resamples: int, seed: int) -> Estimate:
    alpha = load("krippendorff").alpha

    def one(rows: np.ndarray) -> float:
        if (rows.sum(0) > 0).sum() < 2:
            return float("nan")
        return float(alpha(value_counts=rows, level_of_measurement="nominal"))

    if not len(counts):
        return Estimate(value=None, low=None, high=None)
    drawn = [
        one(np.repeat(counts, weights.astype(np.int64), axis=0))
        for weights in item_weights(len(counts), hub, resamples=min(resamples, 1000), seed=seed)
    ]
    return percentile_interval(one(counts), np.array(drawn))
