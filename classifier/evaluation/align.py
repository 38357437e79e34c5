"""Gold and predictions of the same pairs, side by side; nothing is dropped without being counted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import exp
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from classifier.errors import InputError
from classifier.evaluation.gold import FIELDS, GoldItem, Key
from classifier.schema import Prediction, Record, Status

NO_ANSWER = "(no answer)"
"""The column of pairs that got no label: abstained, failed, or missing from the run."""


class Coverage(Record):
    """What became of the pairs that have gold, and how many predictions have none."""

    gold: int
    labelled: int
    abstained: int
    failed: int
    missing: int
    without_gold: int


class Item(NamedTuple):
    """One gold pair with what the run said of it; ``prediction`` is ``None`` where the run has nothing."""

    gold: GoldItem
    prediction: Prediction | None

    def predicted(self, field: str) -> str | None:
        """The predicted value of a field; ``None`` unless the pair was labelled."""
        return predicted_value(self.prediction, field)

    def confidence(self, field: str) -> float:
        """Probability given to the predicted value of the field, else the label's own confidence; NaN unanswered."""
        return confidence_of(self.prediction, field)


class Codes(NamedTuple):
    """One field as numbers. ``gold`` and ``predicted`` index ``labels``; ``len(labels)`` is no answer; each (n,).

    ``hub`` numbers the hubs from 0. ``kept`` are the items these rows stand for, in the same order.
    """

    labels: tuple[str, ...]
    gold: NDArray[np.int64]
    predicted: NDArray[np.int64]
    hub: NDArray[np.int64]
    kept: tuple[Item, ...]


def predicted_value(prediction: Prediction | None, field: str) -> str | None:
    """The value of ``role``, ``polarity`` or ``basis`` in a labelled prediction, else ``None``."""
    if prediction is None or prediction.status is not Status.LABELLED or prediction.label is None:
        return None
    return str(getattr(prediction.label, field))


def confidence_of(prediction: Prediction | None, field: str) -> float:
    """Confidence in the predicted value of a field (``label``: in the whole label); NaN without a label.

    The value's probability where the judge gives one (it gives none to ``unclear``), that of its tokens where the
    model gave those, else the label's confidence.
    """
    if prediction is None or prediction.status is not Status.LABELLED or prediction.label is None:
        return float("nan")
    head = (prediction.probabilities or {}).get(field, {})
    tokens = (prediction.logprobs or {}).get(field)
    otherwise = prediction.label.confidence if tokens is None else exp(tokens)
    return head.get(str(getattr(prediction.label, field, None)), otherwise)


def by_tokens(prediction: Prediction) -> bool:
    """Whether the confidence is the model's probability of the tokens of role and polarity, and no share of votes."""
    return not prediction.probabilities and len(prediction.logprobs or ()) == 2


def align(gold: Iterable[GoldItem], predictions: Mapping[Key, Prediction]) -> tuple[tuple[Item, ...], Coverage]:
    """Each gold pair with its prediction, in gold's order, and the counts of what has no counterpart."""
    items = tuple(Item(one, predictions.get(one.key)) for one in gold)
    if not any(item.prediction for item in items):
        raise InputError(
            f"nothing to score: none of the {len(items)} gold pairs is among the {len(predictions)} predictions",
            do="gold and run must use the same hub_id and citing_id",
        )
    states = [item.prediction.status if item.prediction else None for item in items]
    coverage = Coverage(
        gold=len(items),
        labelled=states.count(Status.LABELLED),
        abstained=states.count(Status.ABSTAINED),
        failed=states.count(Status.FAILED),
        missing=states.count(None),
        without_gold=len(set(predictions) - {item.gold.key for item in items}),
    )
    return items, coverage


def encode(items: Iterable[Item], field: str, labels: tuple[str, ...] | None = None) -> Codes | None:
    """The items whose gold has the field, as numbers; ``None`` where no item has it."""
    labels = labels or FIELDS[field]
    index = {label: i for i, label in enumerate(labels)}
    kept = tuple(item for item in items if item.gold.value(field) is not None)
    if not kept:
        return None
    hubs = {hub: i for i, hub in enumerate(dict.fromkeys(item.gold.hub_id for item in kept))}
    return Codes(
        labels,
        np.array([index[str(item.gold.value(field))] for item in kept], dtype=np.int64),
        np.array([index.get(item.predicted(field) or NO_ANSWER, len(labels)) for item in kept], dtype=np.int64),
        np.array([hubs[item.gold.hub_id] for item in kept], dtype=np.int64),
        kept,
    )
