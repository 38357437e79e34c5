"""Multinomial logistic regression where a label is a set of allowed values (marginalised likelihood).

For a row with allowed set A the loss is -log sum of p(k) over k in A: ordinary logistic regression where A has one
value, no penalty between the values of A where it has more (Cour, Sapp and Taskar 2011, partial labels).
Corpora keep an intercept of their own, which is thrown away afterwards, so that the habits of one annotation project
are not learnt as meaning.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.optimize
import scipy.sparse as sp
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Fit(NamedTuple):
    """`weights` [features, values], `bias` [values] (mean over corpora), `biases` [corpora, values]."""

    weights: Floats
    bias: Floats
    biases: Floats
    loss: float
    iterations: int


def log_softmax(scores: Floats) -> Floats:
    """Row-wise log softmax of `scores` [rows, values]."""
    shifted = scores - scores.max(axis=1, keepdims=True)
    out: Floats = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return out


def fit(
    x: sp.csr_matrix,
    allowed: NDArray[np.bool_],
    corpus: NDArray[np.int64],
    weight: Floats,
    penalty: float,
    max_iterations: int = 200,
) -> Fit:
    """Minimise the weighted mean marginal loss plus `penalty`/2 times the squared weights, by L-BFGS from zero.

    x: [rows, features]; allowed: [rows, values]; corpus: [rows], numbers from 0; weight: [rows], mean 1.
    """
    rows, features = x.shape
    values, corpora = allowed.shape[1], int(corpus.max()) + 1
    scale = weight / weight.sum()
    transposed = x.T.tocsr()
    onehot = sp.csr_matrix((np.ones(rows), (np.arange(rows), corpus)), shape=(rows, corpora))
    mask = np.where(allowed, 0.0, -1e9)

    def objective(flat: Floats) -> tuple[float, Floats]:
        w = flat[: features * values].reshape(features, values)
        b = flat[features * values :].reshape(corpora, values)
        logp = log_softmax(x @ w + b[corpus])
        inside = logp + mask
        top = inside.max(axis=1, keepdims=True)
        marginal = top[:, 0] + np.log(np.exp(inside - top).sum(axis=1))
        loss = -float(scale @ marginal) + 0.5 * penalty * float((w * w).sum()) + 0.5e-4 * float((b * b).sum())
        error = (np.exp(logp) - np.exp(inside - marginal[:, None])) * scale[:, None]
        grad_w = transposed @ error + penalty * w
        grad_b = onehot.T @ error + 1e-4 * b
        return loss, np.concatenate([grad_w.ravel(), np.asarray(grad_b).ravel()])

    found = scipy.optimize.minimize(
        objective,
        np.zeros((features + corpora) * values),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": max_iterations, "maxcor": 8, "ftol": 1e-7},
    )
    w = found.x[: features * values].reshape(features, values)
    b = found.x[features * values :].reshape(corpora, values)
    return Fit(w, b.mean(axis=0), b, float(found.fun), int(found.nit))
