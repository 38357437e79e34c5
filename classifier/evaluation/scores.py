"""Scores read off confusion tables, for one table or for a stack of resampled ones at once.

A table has the gold class in its row and the predicted class in its column, shape ``(..., K, C)`` with ``C == K``
for answered items or ``C == K + 1`` for all items, where the last column counts items without an answer. Written
on tables because a bootstrap of 2,000 resamples is then one array operation; every function is tested against
scikit-learn on the items themselves.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Score = Callable[[Floats], Floats]
"""A score of one table or of a stack of them."""


def confusion(gold: NDArray[np.int64], predicted: NDArray[np.int64], classes: int) -> Floats:
    """Counts ``(K, K + 1)`` of gold rows and predicted columns; the last column is no answer."""
    cells = np.bincount(gold * (classes + 1) + predicted, minlength=classes * (classes + 1))
    return cells.reshape(classes, classes + 1).astype(np.float64)


def answered(table: Floats) -> Floats:
    """The table without its no-answer column: ``(..., K, K)``."""
    return table[..., : table.shape[-2]]


def ratio(part: Floats, whole: Floats) -> Floats:
    """``part / whole`` with NaN, not a warning, where the whole is 0."""
    out = np.full(np.broadcast_shapes(np.shape(part), np.shape(whole)), np.nan)
    np.divide(part, whole, out=out, where=np.not_equal(whole, 0))
    return out


def accuracy(table: Floats) -> Floats:
    """Share of items on the diagonal; no answer counts as wrong."""
    return ratio(np.trace(answered(table), axis1=-2, axis2=-1), table.sum((-2, -1)))


def recall(table: Floats) -> Floats:
    """Per class ``(..., K)``: found / gold; NaN without gold."""
    return ratio(_diagonal(table), table.sum(-1))


def precision(table: Floats) -> Floats:
    """Per class ``(..., K)``: right / predicted; NaN where it was never predicted."""
    return ratio(_diagonal(table), answered(table).sum(-2))


def f1(table: Floats) -> Floats:
    """Per class ``(..., K)``: 2 right / (gold + predicted); NaN where the class is in neither."""
    return ratio(2 * _diagonal(table), table.sum(-1) + answered(table).sum(-2))


def macro_f1(table: Floats) -> Floats:
    """Mean F1 over the classes that occur in gold or in the predictions (as scikit-learn's default)."""
    return _mean(f1(table))


def balanced_accuracy(table: Floats) -> Floats:
    """Mean recall over the classes that occur in gold."""
    return _mean(recall(table))


def _diagonal(table: Floats) -> Floats:
    return np.diagonal(answered(table), axis1=-2, axis2=-1)


def _mean(values: Floats) -> Floats:
    defined = ~np.isnan(values)
    return ratio(np.where(defined, values, 0.0).sum(-1), defined.sum(-1).astype(np.float64))
