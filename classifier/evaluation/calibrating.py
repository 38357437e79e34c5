"""From a run and gold to a calibration file."""

from __future__ import annotations

from collections.abc import Sequence

from classifier.errors import InputError, SettingsError
from classifier.evaluation.align import Item, align, by_tokens
from classifier.evaluation.calibration import FEWEST, TARGETS, Calibration, fit_target, folds, scored
from classifier.evaluation.conformal import Abstention, Guarantee, fit_abstention
from classifier.evaluation.gold import Gold
from classifier.evaluation.intervals import SEED
from classifier.evaluation.runs import Run


def fit_calibration(
    run: Run,
    gold: Gold,
    split: str | None = None,
    *,
    error_level: float | None = None,
    guarantee: str = Guarantee.ANSWERED,
    field: str = "label",
    seed: int = SEED,
) -> Calibration:
    """The calibration of a run's judge; ``InputError`` with fewer than ``FEWEST`` answered gold pairs.

    ``SettingsError`` for an unknown ``field`` or ``guarantee``.
    """
    if field not in TARGETS:
        raise SettingsError(f"--field {field!r} is unknown; choose {', '.join(TARGETS)}")
    if guarantee not in set(Guarantee):
        raise SettingsError(f"--guarantee {guarantee!r} is unknown; choose {' or '.join(Guarantee)}")
    items, coverage = align(gold.items, run.predictions)
    judges = {(one.judge, one.model, one.prompt) for one in run.predictions.values()}
    if len(judges) > 1:
        raise InputError(f"the run holds answers of {len(judges)} judges", path=run.path, do="calibrate one at a time")
    logprobs = any(item.prediction and by_tokens(item.prediction) for item in items)
    if logprobs:
        items = tuple(item for item in items if item.prediction and by_tokens(item.prediction))
    targets = {name: found for name in TARGETS if (found := fit_target(items, name, seed)) is not None}
    if not targets:
        raise InputError(
            f"too few to calibrate on: {coverage.labelled} of {coverage.gold} gold pairs were labelled, "
            f"{FEWEST} are needed",
            path=run.path,
        )
    ((judge, model, prompt),) = judges
    return Calibration(
        judge=judge,
        model=model,
        prompt=prompt,
        gold=gold.path.name,
        split=split,
        targets=targets,
        abstention=None if error_level is None else _abstention(items, field, error_level, guarantee, seed),
        logprobs=logprobs,
    )


def _abstention(items: Sequence[Item], field: str, level: float, guarantee: str, seed: int) -> Abstention:
    data = scored(items, field)
    if data is None:
        raise InputError(f"no gold pair has both a gold and a predicted {field}")
    fold = folds(data.hub, seed=seed)
    return fit_abstention(data.confidence, data.right, fold, field=field, level=level, guarantee=Guarantee(guarantee))
