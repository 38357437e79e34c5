"""Two judges, one answer: the local model's probabilities with what the language model said, by a rule fitted on gold.

Kerrigan, Smyth and Steyvers (2021, NeurIPS 34), combining a labeller's answers with a model's calibrated
probabilities: ``p(k | both) ~ p_local(k)^(1/T) * P(answer | k)``. ``P(answer | k)`` is read off the language model's
confusion matrix on gold, so its habits (a scheme that draws the line elsewhere) are undone, not only its confidence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from classifier.errors import InputError
from classifier.evaluation.align import predicted_value
from classifier.evaluation.calibration import FEWEST, folds
from classifier.evaluation.extras import load
from classifier.evaluation.fitted import read_fitted
from classifier.evaluation.gold import FIELDS, Gold, GoldItem, Key
from classifier.evaluation.intervals import SEED, Floats
from classifier.evaluation.runs import Run
from classifier.schema import STANCES, Basis, Polarity, Prediction, Record, Role, Status

HEADS = ("role", "polarity")
PRIOR = 1.0
"""Pseudo-counts that each gold class spreads over the answers in proportion to how often they are given."""

EDGE = 1e-4


class HeadRule(Record):
    """The rule of one head: ``power`` is 1/T; ``likelihood[k][a]`` is P(the model answers ``a`` | gold is ``k``)."""

    labels: tuple[str, ...]
    power: float
    likelihood: tuple[tuple[float, ...], ...]


class Fusion(Record):
    """A fitted rule. It holds for the two judges that it was fitted on."""

    version: int = 1
    local_model: str
    model: str
    prompt: str
    gold: str
    split: str | None = None
    heads: dict[str, HeadRule]


class Evidenced(NamedTuple):
    """Gold pairs that both judges answered: gold and answer as numbers (n,), local probabilities (n, K)."""

    gold: NDArray[np.int64]
    answer: NDArray[np.int64]
    local: Floats
    hub: NDArray[np.int64]
    keys: tuple[Key, ...]


def gathered(
    items: Sequence[GoldItem], local: Mapping[Key, Prediction], model: Mapping[Key, Prediction], head: str
) -> Evidenced:
    """The gold pairs on which the local judge gave probabilities for the head and the model answered."""
    index = {label: i for i, label in enumerate(FIELDS[head])}
    hubs: dict[str, int] = {}
    rows = []
    for item in items:
        gold, answer = item.value(head), predicted_value(model.get(item.key), head)
        one = local.get(item.key)
        values = (one.probabilities or {}).get(head) if one else None
        if gold is not None and answer is not None and values:
            shares = [values.get(label, 0.0) for label in index]
            rows.append((index[gold], index[answer], shares, hubs.setdefault(item.hub_id, len(hubs)), item.key))
    return Evidenced(
        np.array([row[0] for row in rows], dtype=np.int64),
        np.array([row[1] for row in rows], dtype=np.int64),
        np.array([row[2] for row in rows], dtype=np.float64).reshape(len(rows), len(index)),
        np.array([row[3] for row in rows], dtype=np.int64),
        tuple(row[4] for row in rows),
    )


def fit_head(data: Evidenced, head: str) -> HeadRule:
    """The rule that makes gold most probable: confusion with a prior, then 1/T by maximum likelihood."""
    labels = FIELDS[head]
    k = len(labels)
    counts = np.zeros((k, k))
    np.add.at(counts, (data.gold, data.answer), 1)
    # Where gold gives no hint, an answer is taken at its word half of the time: the prior of a labeller worth asking.
    prior = PRIOR * (0.5 * np.eye(k) + 0.5 / k)
    likelihood = (counts + prior) / (counts + prior).sum(1, keepdims=True)

    def loss(log_power: float) -> float:
        fused = combine(data.local, likelihood[:, data.answer].T, float(np.exp(log_power)))
        return float(-np.log(np.clip(fused[np.arange(len(data.gold)), data.gold], EDGE, 1)).mean())

    best = load("scipy.optimize").minimize_scalar(loss, bounds=(np.log(0.05), np.log(5.0)), method="bounded")
    rows = tuple(tuple(float(value) for value in row) for row in likelihood)
    return HeadRule(labels=labels, power=float(np.exp(best.x)), likelihood=rows)


def combine(local: Floats, likelihood: Floats, power: float) -> Floats:
    """Fused distributions (n, K) of local probabilities (n, K) and likelihoods of the answers given (n, K)."""
    logs = power * np.log(np.clip(local, EDGE, 1.0)) + np.log(likelihood)
    raised = np.exp(logs - logs.max(-1, keepdims=True))
    return np.asarray(raised / raised.sum(-1, keepdims=True))


def fit_fusion(local: Run, model: Run, gold: Gold, split: str | None = None) -> Fusion:
    """The rule fitted on all gold pairs; ``InputError`` where fewer than ``FEWEST`` were answered by both judges."""
    heads = {head: gathered(gold.items, local.predictions, model.predictions, head) for head in HEADS}
    fitted = {head: fit_head(data, head) for head, data in heads.items() if len(data.gold) >= FEWEST}
    if not fitted:
        raise InputError(
            f"too few gold pairs to fit a fusion: {max(len(data.gold) for data in heads.values())} were answered by "
            f"both judges with local probabilities, {FEWEST} are needed",
            path=gold.path,
        )
    first, second = next(iter(local.predictions.values())), next(iter(model.predictions.values()))
    return Fusion(
        local_model=first.model,
        model=second.model,
        prompt=second.prompt,
        gold=gold.path.name,
        split=split,
        heads=fitted,
    )


def fused_run(local: Run, model: Run, gold: Gold, seed: int = SEED) -> Run:
    """What fusion gives on gold: each pair fused by a rule fitted on the other folds, so that nothing leaks.

    Pairs without gold, and gold pairs that one of the judges did not answer, keep the model's (else the local)
    prediction.
    """
    hubs = {hub: i for i, hub in enumerate(dict.fromkeys(item.hub_id for item in gold.items))}
    fold = folds(np.array([hubs[item.hub_id] for item in gold.items], dtype=np.int64), seed=seed)
    found = {**local.predictions, **model.predictions}
    for i in np.unique(fold):
        kept = [item for item, f in zip(gold.items, fold, strict=True) if f != i]
        rule = fit_fusion(local, model, gold._replace(items=tuple(kept)))
        for item, f in zip(gold.items, fold, strict=True):
            one, other = local.predictions.get(item.key), model.predictions.get(item.key)
            if f == i and one and other:
                found[item.key] = fuse(one, other, rule)
    return Run(model.path.with_name("fused"), found, {**local.works, **model.works}, {})


def fuse(local: Prediction, model: Prediction, rule: Fusion) -> Prediction:
    """One prediction from two on the same pair, with fused probabilities.

    Where one judge gave no label the other's prediction stands. Evidence and rationale are those of the judge whose
    own label is the fused one, the language model first; a basis is never made up: a fused stance for which neither
    judge has a basis leaves the language model's polarity.
    """
    if model.status is not Status.LABELLED or model.label is None:
        return local
    if local.status is not Status.LABELLED or local.label is None or not local.probabilities:
        return model
    heads: dict[str, dict[str, float]] = {}
    for head, fitted in rule.heads.items():
        values = local.probabilities.get(head)
        answer = str(getattr(model.label, head))
        if values and answer in fitted.labels:
            shares = np.array([[values.get(label, 0.0) for label in fitted.labels]])
            likelihood = np.array(fitted.likelihood)[:, fitted.labels.index(answer)][None]
            fused = combine(shares, likelihood, fitted.power)[0]
            heads[head] = dict(zip(fitted.labels, map(float, fused), strict=True))
    role = Role(_top(heads["role"])) if "role" in heads else model.label.role
    polarity = Polarity(_top(heads["polarity"])) if "polarity" in heads else model.label.polarity
    basis = _basis(polarity, local, model)
    if basis is None:
        polarity, basis = model.label.polarity, model.label.basis
    same = [
        one.label for one in (model, local) if one.label and (one.label.role, one.label.polarity) == (role, polarity)
    ]
    base = (same or [model.label])[0]
    confidence = float(np.prod([heads[h][str(v)] for h, v in (("role", role), ("polarity", polarity)) if h in heads]))
    label = base.model_copy(
        update={
            "role": role,
            "other_roles": tuple(r for r in base.other_roles if r is not role),
            "polarity": polarity,
            "basis": basis,
            "confidence": confidence if heads else model.label.confidence,
        }
    )
    return model.model_copy(
        update={
            "label": label,
            "judge": "fused",
            "model": f"{local.model} + {model.model}",
            "probabilities": heads or None,
            "logprobs": None,
            "needs_review": model.needs_review or not same,
        }
    )


def _top(values: dict[str, float]) -> str:
    return max(values, key=lambda name: values[name])


def _basis(polarity: Polarity, local: Prediction, model: Prediction) -> Basis | None:
    if polarity not in STANCES:
        return Basis.NONE
    for one in (model, local):
        if one.label and one.label.basis is not Basis.NONE:
            return one.label.basis
    values = (local.probabilities or {}).get("basis", {})
    stated = {name: share for name, share in values.items() if name != Basis.NONE and share > 0}
    return Basis(_top(stated)) if stated else None


def read_fusion(path: Path) -> Fusion:
    """The fusion file written by ``classify calibrate --fuse``; ``InputError`` for anything else."""
    return read_fitted(path, Fusion, "fusion", "classify calibrate --fuse")
