"""Two runs on the same gold: did the change help, by how much, and where did it flip."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from classifier.evaluation import scores
from classifier.evaluation.align import NO_ANSWER, Item, align, encode
from classifier.evaluation.extras import load
from classifier.evaluation.gold import FIELDS, Gold
from classifier.evaluation.intervals import RESAMPLES, SEED, Estimate, Floats, percentile_interval, resample
from classifier.evaluation.runs import Run
from classifier.schema import Record


class Flip(Record):
    """A pair on which exactly one of the runs is right."""

    hub_id: str
    citing_id: str
    gold: str
    baseline: str
    run: str
    better: bool


class Comparison(Record):
    """Run against baseline on one field, over all gold pairs; no answer counts as wrong in either.

    Differences are run minus baseline. ``p_value``: exact McNemar test of equal accuracy.
    """

    field: str
    n: int
    accuracy: tuple[float, float]
    macro_f1: tuple[float, float]
    accuracy_difference: Estimate
    macro_f1_difference: Estimate
    gained: int
    lost: int
    p_value: float
    flips: tuple[Flip, ...]


def mcnemar_exact(gained: int, lost: int) -> float:
    """Two-sided exact p-value of McNemar's test: under equal accuracy a flip goes either way with chance 1/2."""
    if gained + lost == 0:
        return 1.0
    return float(load("scipy.stats").binomtest(gained, gained + lost, 0.5).pvalue)


def compare(
    run: Run, baseline: Run, gold: Gold, *, resamples: int = RESAMPLES, seed: int = SEED
) -> tuple[Comparison, ...]:
    """A comparison of each field that gold has; ``InputError`` where either run shares no pair with gold."""
    new, _ = align(gold.items, run.predictions)
    old, _ = align(gold.items, baseline.predictions)
    found = (_compare(field, new, old, resamples, seed) for field in FIELDS)
    return tuple(one for one in found if one is not None)


def _compare(field: str, new: Sequence[Item], old: Sequence[Item], resamples: int, seed: int) -> Comparison | None:
    after, before = encode(new, field), encode(old, field)
    if after is None or before is None:
        return None
    k, gold = len(after.labels), after.gold
    size = k + 1
    cells = (gold * size + before.predicted) * size + after.predicted
    joint = np.bincount(cells, minlength=k * size * size).reshape(k, size, size).astype(np.float64)
    drawn = resample(cells, k * size * size, after.hub, resamples=resamples, seed=seed).reshape(-1, k, size, size)
    was_right, is_right = before.predicted == gold, after.predicted == gold
    gained, lost = int((is_right & ~was_right).sum()), int((was_right & ~is_right).sum())
    return Comparison(
        field=field,
        n=len(gold),
        accuracy=(float(was_right.mean()), float(is_right.mean())),
        macro_f1=(float(scores.macro_f1(joint.sum(2))), float(scores.macro_f1(joint.sum(1)))),
        accuracy_difference=_difference(scores.accuracy, joint, drawn),
        macro_f1_difference=_difference(scores.macro_f1, joint, drawn),
        gained=gained,
        lost=lost,
        p_value=mcnemar_exact(gained, lost),
        flips=_flips(after.kept, before.kept, field),
    )


def _difference(score: scores.Score, joint: Floats, drawn: Floats) -> Estimate:
    """Paired bootstrap: each resample scores both runs on the same drawn items."""
    value = float(score(joint.sum(-2)) - score(joint.sum(-1)))
    return percentile_interval(value, score(drawn.sum(-2)) - score(drawn.sum(-1)))


def _flips(new: Sequence[Item], old: Sequence[Item], field: str) -> tuple[Flip, ...]:
    found = []
    for after, before in zip(new, old, strict=True):
        gold, said, had = str(after.gold.value(field)), after.predicted(field), before.predicted(field)
        if (said == gold) != (had == gold):
            found.append(
                Flip(
                    hub_id=after.gold.hub_id,
                    citing_id=after.gold.citing_id,
                    gold=gold,
                    baseline=had or NO_ANSWER,
                    run=said or NO_ANSWER,
                    better=said == gold,
                )
            )
    return tuple(found)
