"""What a cascade saved and what that cost: works kept by the local judge against works passed on to the model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from classifier.evaluation.align import Item, align, encode
from classifier.evaluation.gold import FIELDS, Gold
from classifier.evaluation.intervals import RESAMPLES, SEED, Estimate, percentile_interval, resample
from classifier.evaluation.runs import Run, judge_of
from classifier.judges.base import PASSED_ON
from classifier.schema import Prediction, Record

LOCAL = "local"


class CascadePart(Record):
    """One field on gold. ``kept``, ``passed_on``: accuracy of the works that the local judge kept or passed on.

    A passed-on work to which the model gave no label keeps its local one and counts as passed on; gold pairs that are
    missing from the run count in neither part. ``model_on_kept`` and ``cost``: the model's accuracy on the kept works,
    and how much lower the accuracy on all gold works is than the model's alone (model minus cascade); ``None`` without
    a run of the model alone.
    """

    field: str
    kept_items: int
    passed_on_items: int
    kept: Estimate | None
    passed_on: Estimate | None
    model_on_kept: Estimate | None = None
    cost: Estimate | None = None


class CascadeReport(Record):
    """``saved``: the share of all works of the run for which no model was asked. ``note``: why there is no cost."""

    works: int
    kept_local: int
    saved: float
    fields: tuple[CascadePart, ...]
    note: str


def cascade_report(
    run: Run, gold: Gold, alone: Run | None = None, *, resamples: int = RESAMPLES, seed: int = SEED
) -> CascadeReport | None:
    """The saving of a run with ``--cascade`` and its accuracy on gold; ``None`` for any other run.

    ``alone``: a run of the same model without the cascade, for what the saving costs.
    """
    if judge_of(run).get("judge") != "cascade":
        return None
    kept = sum(_kept(one) for one in run.predictions.values())
    works = len(run.predictions)
    items, _ = align(gold.items, run.predictions)
    note = "" if alone else "What the saving costs: --baseline RUN, a run of the same model without --cascade."
    if alone and not _same_model(run, alone):
        note = f"No cost: {alone.name} is no run of {judge_of(run).get('model')} alone."
    others = align(gold.items, alone.predictions)[0] if alone and not note else None
    parts = (_part(field, items, others, resamples, seed) for field in FIELDS)
    found = tuple(part for part in parts if part is not None)
    return CascadeReport(works=works, kept_local=kept, saved=kept / works, fields=found, note=note)


def _kept(prediction: Prediction) -> bool:
    return prediction.judge == LOCAL and prediction.review_reason != PASSED_ON


def _same_model(run: Run, alone: Run) -> bool:
    asked, other = judge_of(run), judge_of(alone)
    return other.get("judge") == "openai" and all(asked.get(k) == other.get(k) for k in ("model", "endpoint"))


def _part(
    field: str, items: Sequence[Item], others: Sequence[Item] | None, resamples: int, seed: int
) -> CascadePart | None:
    codes = encode(items, field)
    if codes is None:
        return None
    there = np.array([i.prediction is not None for i in codes.kept], dtype=bool)
    local = np.array([i.prediction is not None and _kept(i.prediction) for i in codes.kept], dtype=bool)
    passed = there & ~local
    right = codes.predicted == codes.gold

    def share(hit: np.ndarray, chosen: np.ndarray) -> Estimate | None:
        if not chosen.any():
            return None
        cells, hubs = hit[chosen].astype(np.int64), np.unique(codes.hub[chosen], return_inverse=True)[1]
        drawn = resample(cells, 2, hubs, resamples=resamples, seed=seed)
        return percentile_interval(float(cells.mean()), drawn[:, 1] / drawn.sum(-1), items=len(cells))

    found = CascadePart(
        field=field,
        kept_items=int(local.sum()),
        passed_on_items=int(passed.sum()),
        kept=share(right, local),
        passed_on=share(right, passed),
    )
    alone = encode(others, field) if others is not None else None
    if alone is None:
        return found
    model = alone.predicted == alone.gold
    cells = model.astype(np.int64) - right.astype(np.int64) + 1  # 0: only the cascade is right, 2: only the model
    drawn = resample(cells, 3, codes.hub, resamples=resamples, seed=seed)
    cost = percentile_interval(float(cells.mean() - 1), (drawn[:, 2] - drawn[:, 0]) / drawn.sum(-1))
    return found.model_copy(update={"model_on_kept": share(model, local), "cost": cost})
