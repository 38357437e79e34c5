"""What the encoder is trained with: the recipe, and passages as it reads them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from classifier.judges.local.encoder import HEADS
from classifier.judges.local.features import read
from classifier.judges.local.pieces import LIMIT, Vocabulary
from classifier.training.corpora import OWN, Example


class Recipe(NamedTuple):
    """What was chosen, on silver labels of left-out data sets and the dev half of the gold (docs/decisions)."""

    layers: int = 4
    pieces: int = LIMIT
    frozen: int = 1
    readings: int = 4  # of the passages themselves, before the labels
    reading_rate: float = 4e-4
    epochs: int = 3
    rate: float = 2e-4
    head_rate: float = 1e-3
    offset_rate: float = 1e-2
    batch: int = 32
    most: int = 1500  # passages of one label of a data set that others labelled
    corpus_balance: float = 0.3
    class_balance: float = 0.5
    own_weight: float = 3.0
    losses: tuple[float, ...] = (1.0, 1.0, 0.3)  # role, polarity, basis


class Row(NamedTuple):
    """One passage as the network reads it; `allowed[head]` is None where the head is not labelled."""

    ids: list[int]
    home: list[int]
    corpus: str
    family: str
    allowed: Mapping[str, tuple[bool, ...] | None]


def rows_of(examples: Sequence[Example], vocabulary: Vocabulary) -> list[Row]:
    """Every example as pieces, with the values its label allows."""
    rows: list[Row] = []
    for example in examples:
        pieces = vocabulary.encode(example.source, read(example.source.text, example.source.focus))
        allowed = {
            head: tuple(v in example.allowed[head] for v in values) if head in example.allowed else None
            for head, values in HEADS.items()
        }
        rows.append(Row(pieces.ids, pieces.home, example.corpus, example.family, allowed))
    return rows


def chosen(examples: Sequence[Example], usable: NDArray[np.bool_], recipe: Recipe) -> NDArray[np.bool_]:
    """Which rows are trained on: own labels all, of a foreign label at most `recipe.most`, picked by their hash."""
    kept = usable.copy()
    groups: dict[tuple[str, str], list[tuple[str, int]]] = {}
    for i, example in enumerate(examples):
        if usable[i] and example.corpus not in OWN:
            key = str(sorted((head, sorted(values)) for head, values in example.allowed.items()))
            order = hashlib.sha256(example.key.encode()).hexdigest()
            groups.setdefault((example.corpus, key), []).append((order, i))
    for members in groups.values():
        for _, i in sorted(members)[recipe.most :]:
            kept[i] = False
    return kept
