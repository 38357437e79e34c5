"""Confidence made honest: fitted on gold, chosen out of fold, stored as plain JSON, applied to predictions."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from classifier.errors import SettingsError
from classifier.evaluation.align import Item, by_tokens, confidence_of
from classifier.evaluation.confidence import expected_calibration_error, judged
from classifier.evaluation.conformal import Abstention
from classifier.evaluation.extras import load
from classifier.evaluation.fitted import read_fitted
from classifier.evaluation.intervals import SEED, Floats
from classifier.schema import Prediction, Record, Status

TARGETS = ("label", "role", "polarity")
"""What is calibrated: the label's own confidence (role and polarity both right), and each head's probabilities."""

FOLDS = 5
FEWEST = 20
"""With fewer answered gold pairs than this a fit says more about the sample than about the judge."""

EDGE = 1e-4
"""Confidences are kept this far from 0 and 1, so that one wrong certainty costs much and not everything."""


class Method(StrEnum):
    """How confidence is mapped. ``as_is`` wins where no fit does better out of fold."""

    AS_IS = "as_is"
    TEMPERATURE = "temperature"
    PLATT = "platt"
    ISOTONIC = "isotonic"


class Mapping(Record):
    """A fitted map: ``parameters`` are ``(1 / T,)``, ``(slope, intercept)``, or the knots' x then y."""

    method: Method
    parameters: tuple[float, ...] = ()


class Target(Record):
    """The map of one target, with what each method cost out of fold (mean log loss, expected calibration error)."""

    mapping: Mapping
    n: int
    accuracy: float
    log_loss: dict[Method, float]
    ece: dict[Method, float]


class Calibration(Record):
    """A calibration file. It holds for the judge, model and prompt that it was fitted on and for no other.

    ``logprobs``: it was fitted on token probabilities, and holds for no other confidence.
    """

    version: int = 1
    judge: str
    model: str
    prompt: str
    gold: str
    split: str | None = None
    targets: dict[str, Target]
    abstention: Abstention | None = None
    logprobs: bool = False


class Scored(NamedTuple):
    """Answered items of one target: top two-way distributions ``(n, K)``, the predicted column, right or wrong."""

    probabilities: Floats
    column: NDArray[np.int64]
    right: Floats
    hub: NDArray[np.int64]

    @property
    def confidence(self) -> Floats:
        """Probability of the predicted value, (n,)."""
        found: Floats = self.probabilities[np.arange(len(self.column)), self.column]
        return found

    def part(self, chosen: NDArray[np.bool_]) -> Scored:
        """The chosen items."""
        return Scored(self.probabilities[chosen], self.column[chosen], self.right[chosen], self.hub[chosen])


def scored(items: Sequence[Item], target: str) -> Scored | None:
    """The answered items of a target; ``None`` where there are none.

    Judges without probabilities, and whole labels, count as ``(confidence, 1 - confidence)``. Of a judge with
    probabilities those items count whose value has one: it gives none to ``unclear``.
    """
    heads = [_head(item, target) for item in items]
    kept = [item for item, head in zip(items, heads, strict=True) if head] if any(heads) else items
    data = judged(tuple(kept), target)
    if data is None:
        return None
    found = [
        (head, item.predicted(target))
        for item, head in zip(items, heads, strict=True)
        if head and item.gold.value(target) is not None
    ]
    if not found:
        two = np.stack([data.confidence, 1 - data.confidence], axis=1)
        return Scored(two, np.zeros(len(two), dtype=np.int64), data.right, data.hub)
    names = sorted({name for head, _ in found for name in head})
    rows = np.array([[head.get(name, 0.0) for name in names] for head, _ in found])
    return Scored(rows, np.array([names.index(str(value)) for _, value in found]), data.right, data.hub)


def _head(item: Item, target: str) -> dict[str, float] | None:
    """The probabilities of the target's head where they hold the predicted value."""
    if target == "label" or item.prediction is None:
        return None
    head = (item.prediction.probabilities or {}).get(target)
    return head if head and item.predicted(target) in head else None


def fit_target(items: Sequence[Item], target: str, seed: int = SEED) -> Target | None:
    """The map with the lowest log loss out of fold, refitted on all items; ``None`` with fewer than ``FEWEST``.

    Folds keep the works of a hub together where there are at least as many hubs as folds.
    """
    data = scored(items, target)
    if data is None or len(data.right) < FEWEST:
        return None
    fold = folds(data.hub, seed=seed)
    losses, errors = {}, {}
    for method in Method:
        held = np.empty(len(data.right))
        for i in range(FOLDS):
            mapping = fit(method, data.part(fold != i))
            held[fold == i] = apply(mapping, data.part(fold == i))
        held = np.clip(held, EDGE, 1 - EDGE)
        losses[method] = float(-np.mean(data.right * np.log(held) + (1 - data.right) * np.log1p(-held)))
        errors[method] = float(expected_calibration_error(held, data.right))
    best = min(Method, key=lambda method: losses[method])
    return Target(
        mapping=fit(best, data),
        n=len(data.right),
        accuracy=float(data.right.mean()),
        log_loss=losses,
        ece=errors,
    )


def folds(hub: NDArray[np.int64], *, number: int = FOLDS, seed: int = SEED) -> NDArray[np.int64]:
    """A fold for each item, whole hubs where there are at least ``number`` of them; the same for the same seed."""
    draw = np.random.default_rng(seed)
    hubs = int(hub.max()) + 1
    if hubs >= number:
        return (draw.permutation(hubs) % number)[hub]
    return draw.permutation(len(hub)) % number


def fit(method: Method, data: Scored) -> Mapping:
    """Fit one method on the items; the parameters are documented at ``Mapping``."""
    if method is Method.TEMPERATURE:
        return Mapping(method=method, parameters=(_temperature(data),))
    if method is Method.PLATT:
        return Mapping(method=method, parameters=_platt(data))
    if method is Method.ISOTONIC:
        return Mapping(method=method, parameters=_isotonic(data))
    return Mapping(method=method)


def apply(mapping: Mapping, data: Scored) -> Floats:
    """Calibrated confidence in the predicted value, (n,)."""
    confidence = np.clip(data.confidence, EDGE, 1 - EDGE)
    if mapping.method is Method.AS_IS:
        return data.confidence
    if mapping.method is Method.TEMPERATURE:
        return _sharpened(data.probabilities, mapping.parameters[0])[np.arange(len(data.column)), data.column]
    if mapping.method is Method.PLATT:
        slope, intercept = mapping.parameters
        return np.asarray(1 / (1 + np.exp(-(slope * np.log(confidence / (1 - confidence)) + intercept))))
    x, y = np.split(np.array(mapping.parameters), 2)
    return np.asarray(np.interp(data.confidence, x, y), dtype=np.float64)


def _sharpened(probabilities: Floats, power: float) -> Floats:
    """Distributions raised to ``1 / T`` and scaled to sum 1 (temperature scaling, Guo et al. 2017)."""
    logs = power * np.log(np.clip(probabilities, EDGE, 1.0))
    raised = np.exp(logs - logs.max(-1, keepdims=True))
    return np.asarray(raised / raised.sum(-1, keepdims=True))


def _temperature(data: Scored) -> float:
    def loss(log_power: float) -> float:
        mapping = Mapping(method=Method.TEMPERATURE, parameters=(float(np.exp(log_power)),))
        held = np.clip(apply(mapping, data), EDGE, 1 - EDGE)
        return float(-np.mean(data.right * np.log(held) + (1 - data.right) * np.log1p(-held)))

    found = load("scipy.optimize").minimize_scalar(loss, bounds=(np.log(0.05), np.log(20.0)), method="bounded")
    return float(np.exp(found.x))


def _platt(data: Scored) -> tuple[float, float]:
    """Platt (1999): logistic regression on the logit, with his smoothed targets, so that separation does no harm."""
    confidence = np.clip(data.confidence, EDGE, 1 - EDGE)
    logit = np.log(confidence / (1 - confidence))[:, None]
    positive = data.right.sum()
    target = np.where(data.right == 1, (positive + 1) / (positive + 2), 1 / (len(data.right) - positive + 2))
    model = load("sklearn.linear_model").LogisticRegression(C=np.inf, max_iter=1000)
    model.fit(np.concatenate([logit, logit]), np.repeat([1, 0], len(logit)), np.concatenate([target, 1 - target]))
    return float(model.coef_[0, 0]), float(model.intercept_[0])


def _isotonic(data: Scored) -> tuple[float, ...]:
    """Zadrozny and Elkan (2002), kept one pseudo-item away from 0 and 1."""
    edge = 1 / (len(data.right) + 2)
    model = load("sklearn.isotonic").IsotonicRegression(y_min=edge, y_max=1 - edge, out_of_bounds="clip")
    model.fit(data.confidence, data.right)
    return tuple(float(value) for value in (*model.X_thresholds_, *model.y_thresholds_))


def apply_calibration(prediction: Prediction, calibration: Calibration) -> Prediction:
    """The prediction with calibrated confidence; abstained where the calibration's threshold says so.

    The label does not change. The threshold is held against the confidence as the judge gave it. Predictions
    without a label come back as they are. ``SettingsError`` for another judge, model or prompt.
    """
    if prediction.status is not Status.LABELLED or prediction.label is None:
        return prediction
    asked = (prediction.judge, prediction.model, prediction.prompt)
    if asked != (calibration.judge, calibration.model, calibration.prompt):
        raise SettingsError(
            f"the calibration was fitted for {calibration.judge} {calibration.model} prompt "
            f"{calibration.prompt or '-'}, this prediction is by {asked[0]} {asked[1]} prompt {asked[2] or '-'}; "
            "fit one with `classify calibrate`"
        )
    if by_tokens(prediction) is not calibration.logprobs:
        return _without_signal(prediction, calibration)
    heads = {
        head: _calibrated_head(values, str(getattr(prediction.label, head)), calibration.targets[head].mapping)
        if head in calibration.targets
        else values
        for head, values in (prediction.probabilities or {}).items()
    }
    for head in set(prediction.logprobs or ()) & set(calibration.targets) if calibration.logprobs else ():
        value = str(getattr(prediction.label, head))
        heads[head] = {value: _two_way(calibration.targets[head].mapping, confidence_of(prediction, head))}
    confidence = prediction.label.confidence
    if whole := calibration.targets.get("label"):
        confidence = _two_way(whole.mapping, confidence)
    changed: dict[str, object] = {"label": prediction.label.model_copy(update={"confidence": confidence})}
    if heads:
        changed["probabilities"] = heads
    if (rule := calibration.abstention) and (reason := rule.reason(prediction)):
        changed |= {"status": Status.ABSTAINED, "failure": reason}
    return prediction.model_copy(update=changed)


def _two_way(mapping: Mapping, confidence: float) -> float:
    two = np.array([[confidence, 1 - confidence]])
    only = Scored(two, np.zeros(1, dtype=np.int64), np.ones(1), np.zeros(1, dtype=np.int64))
    return float(np.clip(apply(mapping, only)[0], 0, 1))


def _without_signal(prediction: Prediction, calibration: Calibration) -> Prediction:
    """An answer whose confidence is of another kind stays as it is, or is held back where errors are to stay low."""
    if calibration.abstention is None:
        return prediction
    reason = f"the answer came with{'out' if calibration.logprobs else ''} token probabilities, unlike the calibration"
    return prediction.model_copy(update={"status": Status.ABSTAINED, "failure": reason})


def _calibrated_head(values: dict[str, float], predicted: str, mapping: Mapping) -> dict[str, float]:
    """The head's distribution with the predicted value's calibrated probability; the others share what is left."""
    names = list(values)
    if predicted not in names:
        return values
    rows = np.array([[values[name] for name in names]])
    column = np.array([names.index(predicted)], dtype=np.int64)
    if mapping.method is Method.TEMPERATURE:
        return dict(zip(names, map(float, _sharpened(rows, mapping.parameters[0])[0]), strict=True))
    one = float(np.clip(apply(mapping, Scored(rows, column, np.ones(1), column))[0], 0, 1))
    rest = sum(value for name, value in values.items() if name != predicted)
    scale = (1 - one) / rest if rest else 0.0
    return {name: one if name == predicted else value * scale for name, value in values.items()}


def read_calibration(path: Path) -> Calibration:
    """The calibration file written by ``classify calibrate``; ``InputError`` for anything else."""
    return read_fitted(path, Calibration, "calibration", "classify calibrate")
