"""Examples as a sparse matrix over a pruned vocabulary, with the weight each example has in training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from classifier.judges.local.features import extract
from classifier.training.corpora import Example

Floats = NDArray[np.float64]


class Table(NamedTuple):
    """All examples once: `counts` [examples, names] is 1 where a feature is present."""

    examples: Sequence[Example]
    names: NDArray[np.str_]
    present: sp.csr_matrix
    families: NDArray[np.str_]
    corpora: NDArray[np.str_]
    encoded: NDArray[np.float32] | None = None
    """Held-out logits of the encoder [examples, values of all its heads], where there is one."""


def tabulate(examples: Sequence[Example], min_count: int, names: NDArray[np.str_] | None = None) -> Table:
    """Features of every example: `names`, or else all that occur in `min_count` examples, and every pattern."""
    bags = [list(dict.fromkeys(f.name for f in extract(e.source)[1])) for e in examples]
    if names is None:
        counts: Counter[str] = Counter()
        for bag in bags:
            counts.update(bag)
        names = np.array(sorted(name for name, n in counts.items() if n >= min_count or name.startswith("g ")))
    index = {name: i for i, name in enumerate(names.tolist())}
    starts: list[int] = [0]
    columns: list[int] = []
    for bag in bags:
        columns.extend(index[name] for name in bag if name in index)
        starts.append(len(columns))
    shape = (len(examples), len(names))
    present = sp.csr_matrix((np.ones(len(columns)), columns, starts), shape=shape)
    present.sort_indices()
    return Table(
        examples,
        names,
        present,
        np.array([e.family for e in examples], dtype=str),
        np.array([e.corpus for e in examples], dtype=str),
    )


def vocabulary(table: Table, rows: NDArray[np.int64], min_count: int, min_families: int) -> NDArray[np.int64]:
    """Columns that occur in `min_count` of `rows` and in `min_families` data set families.

    What only one family says is its topic or its habit, and does not travel.
    """
    families, code = np.unique(table.families[rows], return_inverse=True)
    grouped = sp.csr_matrix((np.ones(len(rows)), (code, np.arange(len(rows))))) @ table.present[rows]
    total = np.asarray(grouped.sum(axis=0))[0]
    spread = np.asarray((grouped > 0).sum(axis=0))[0]
    return np.flatnonzero((total >= min_count) & (spread >= min(min_families, len(families))))


def design(table: Table, rows: NDArray[np.int64], columns: NDArray[np.int64], scale: Floats) -> sp.csr_matrix:
    """Rows by columns, each column times its `scale`, each row then of length 1."""
    x = sp.csr_matrix(table.present[rows][:, columns].multiply(scale))
    length = np.sqrt(np.asarray(x.multiply(x).sum(axis=1))[:, 0])
    length[length == 0] = 1.0
    return sp.csr_matrix(sp.diags(1.0 / length) @ x)


def family_scale(names: NDArray[np.str_], weights: Mapping[str, float]) -> Floats:
    """The weight of each feature's kind (the word before the first space), 1 where none is given."""
    return np.array([weights.get(name.split(" ", 1)[0], 1.0) for name in names])


def allowed_matrix(examples: Sequence[Example], head: str, values: Sequence[str]) -> NDArray[np.bool_]:
    """[examples, values]: which values each label allows; a row of False where the head is not labelled."""
    rows = [[v in e.allowed.get(head, ()) for v in values] for e in examples]
    return np.array(rows, dtype=bool).reshape(len(rows), len(values))


def example_weights(
    corpora: NDArray[np.str_], allowed: NDArray[np.bool_], corpus_balance: float, class_balance: float
) -> Floats:
    """Mean 1. A data set of n rows counts n^(1 - `corpus_balance`); in it a label of m rows m^(1 - `class_balance`)."""
    _, corpus, sizes = np.unique(corpora, return_inverse=True, return_counts=True)
    kinds = corpus * 10_000 + allowed @ (1 << np.arange(allowed.shape[1]))
    _, kind, counts = np.unique(kinds, return_inverse=True, return_counts=True)
    weight = (1.0 / sizes[corpus]) ** corpus_balance * (sizes[corpus] / counts[kind]) ** class_balance
    return np.asarray(weight / weight.mean(), dtype=np.float64)
