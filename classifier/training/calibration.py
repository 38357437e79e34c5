"""Honest confidence: temperature, decision thresholds and conformal quantiles, all from out-of-corpus scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy.optimize
from numpy.typing import NDArray

from classifier.training.fitting import Floats, log_softmax

NEVER = 1.01
"""A threshold that no probability reaches."""
Bools = NDArray[np.bool_]
_LOG_TEMPERATURES = (-1.5, 2.5)


class Held(NamedTuple):
    """Scores of rows by models that never saw their corpus: `scores` [rows, values], `allowed` likewise."""

    scores: Floats
    allowed: Bools
    corpora: NDArray[np.str_]
    rows: NDArray[np.int64]

    def only(self, kept: Bools) -> Held:
        """Some of the rows."""
        return Held(self.scores[kept], self.allowed[kept], self.corpora[kept], self.rows[kept])


def probabilities(scores: Floats, temperature: float, bias: Floats | None = None) -> Floats:
    """Softmax of `scores` + `bias` at a temperature."""
    shifted = scores if bias is None else scores + bias
    return np.asarray(np.exp(log_softmax(shifted / temperature)), dtype=np.float64)


def equal_corpora(corpora: NDArray[np.str_], balance: float = 1.0) -> Floats:
    """Row weights that sum to 1; a corpus of n rows counts n^(1 - `balance`), all the same at 1."""
    _, code, sizes = np.unique(corpora, return_inverse=True, return_counts=True)
    weight = (1.0 / sizes[code]) ** balance
    return np.asarray(weight / weight.sum(), dtype=np.float64)


def even_temperature(held: Held, own: Bools) -> float:
    """The temperature at which the most probable value is as probable as it is right, on average over two halves.

    Calibration in the large (Cox, 1958), with the slope in the place of an offset. own: [rows].
    Half the weight is that of the rows `own`, half that of the others, corpora counting the same in each: where labels
    of one kind would have it surer and those of the other less sure, both are missed by as much. Where all are of one
    kind, they are all the weight. A label that allows several values counts as right with any of them, so where many do
    the model comes out a little surer. Four decimals, between exp(-1.5) and exp(2.5), whichever is nearer where neither
    will do.
    """
    weight = np.zeros(len(own))
    for part in (own, ~own):
        if part.any():
            weight[part] = equal_corpora(held.corpora[part])
    weight /= weight.sum()
    best = held.scores.argmax(axis=1)
    right = float(weight @ held.allowed[np.arange(len(best)), best])

    def too_sure(log_t: float) -> float:
        return float(weight @ probabilities(held.scores, float(np.exp(log_t))).max(axis=1)) - right

    low, high = _LOG_TEMPERATURES  # the higher, the less sure
    if too_sure(low) <= 0:
        log_t = low
    elif too_sure(high) >= 0:
        log_t = high
    else:
        log_t = float(scipy.optimize.brentq(too_sure, low, high))
    return round(float(np.exp(log_t)), 4)


def best_temperature(held: Held, weight: Floats) -> tuple[float, float]:
    """The temperature with the least negative log likelihood of the allowed sets under row weights, and that loss."""

    def loss(log_t: float) -> float:
        p = probabilities(held.scores, float(np.exp(log_t)))
        return -float(weight @ np.log(np.maximum((p * held.allowed).sum(axis=1), 1e-12)))

    found = scipy.optimize.minimize_scalar(loss, bounds=_LOG_TEMPERATURES, method="bounded")
    return round(float(np.exp(found.x)), 4), float(found.fun)


def threshold(confidence: Floats, right: Bools, weight: Floats, precision: float, least: int = 30) -> float:
    """The lowest confidence from which on at least `precision` of what is asserted is right (weighted).

    weight: [rows], or [ways, rows] where it must hold by several ways of counting at once; rows of weight 0 are not
    counted. At least `least` counted rows must lie above it; a way that counts fewer altogether is left out.
    `NEVER` where no confidence will do.
    """
    order = np.argsort(-confidence, kind="stable")
    counted = np.atleast_2d(weight)[:, order]
    counted = counted[(counted > 0).sum(axis=1) >= least]
    if not len(counted):
        return NEVER
    kept, hit = np.cumsum(counted, axis=1), np.cumsum(counted * right[order], axis=1)
    enough = (np.cumsum(counted > 0, axis=1) >= least).all(axis=0)
    last = np.append(np.diff(confidence[order]) != 0, True)[: len(order)]  # equal confidences stand or fall together
    good = np.flatnonzero((hit >= precision * kept - 1e-9).all(axis=0) & enough & last)
    return round(float(confidence[order[good[-1]]]), 4) if len(good) else NEVER


def conformal(p: Floats, allowed: Bools, weight: Floats, miss: float) -> float:
    """The least probability a value needs to be in the prediction set, so that the truth is in it 1 - `miss` often.

    Split conformal with the score 1 - p(truth); the truth of a set label is its most probable value.
    """
    truth = np.where(allowed, p, 0.0).max(axis=1)
    order = np.argsort(truth)
    below = np.cumsum(weight[order])
    at = int(np.searchsorted(below, miss))
    return round(float(truth[order[min(at, len(order) - 1)]]), 4)


def calibration_error(confidence: Floats, right: Bools, weight: Floats | None = None, bins: int = 10) -> float:
    """Expected calibration error over `bins` bins of equal weight (Nixon et al. 2019, adaptive).

    Rows of equal confidence share a bin. weight: [rows], all the same by default.
    """
    order = np.argsort(confidence, kind="stable")
    share = np.full(len(order), 1.0) if weight is None else np.asarray(weight)[order]
    share = share / share.sum()
    cuts = np.searchsorted(np.cumsum(share) + 1e-9, np.arange(1, bins) / bins, side="right")
    number = np.searchsorted(confidence[order][np.minimum(cuts, len(order) - 1)], confidence[order], side="right")
    gaps = share * (confidence[order] - right[order])
    return float(np.abs(np.bincount(number, weights=gaps)).sum())


class Sureness(NamedTuple):
    """The probability of each row's most probable group, and whether that is the label's."""

    confidence: Floats
    right: Bools


def pooled_error(parts: Sequence[Sureness]) -> float:
    """Expected calibration error over the rows of all corpora together, each corpus counting the same.

    Of a small corpus alone, chance makes the error of a perfectly calibrated model some hundredths too.
    """
    weight = np.concatenate([np.full(len(p.right), 1 / len(p.right)) for p in parts])
    confidence, right = (np.concatenate([p[i] for p in parts]) for i in range(2))
    return calibration_error(confidence, right, weight)
