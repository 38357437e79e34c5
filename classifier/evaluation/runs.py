"""Predictions of a finished run, read back from its folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from classifier import outputs
from classifier.errors import InputError
from classifier.evaluation.gold import Key
from classifier.schema import CitingWork, Prediction


class Run(NamedTuple):
    """Predictions by pair; ``works`` holds the citing works to show, where the run kept them."""

    path: Path
    predictions: dict[Key, Prediction]
    works: dict[Key, CitingWork]
    manifest: dict[str, Any]

    @property
    def name(self) -> str:
        """The folder's name: how tables call this run."""
        return self.path.name or str(self.path)


def read_run(path: Path) -> Run:
    """The run in a folder (``predictions.jsonl``, ``run.json`` where there is one) or in one JSONL file.

    The same prediction twice is one prediction; two different ones for a pair are an ``InputError``, as no one
    could say which counts.
    """
    predictions: dict[Key, Prediction] = {}
    works: dict[Key, CitingWork] = {}
    for prediction, work in outputs.read_run(path):
        key = (prediction.hub_id, prediction.citing_id)
        if predictions.get(key, prediction) != prediction:
            raise InputError("two different predictions for one pair", path=path, value=key)
        predictions[key], works[key] = prediction, work
    return Run(path, predictions, works, _manifest(path))


def runs_of_judges(run: Run) -> dict[str, Run]:
    """The run of each judge by its name, where several judges answered (`others` in the predictions); else nothing.

    The first is the run itself: its labels are the first judge's. Names are those of ``run.json``.
    """
    number = max((len(one.others or ()) for one in run.predictions.values()), default=0)
    if not number:
        return {}
    listed = run.manifest.get("judges")
    told = [str(one.get("name")) for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    names = told if len(told) == number + 1 else [f"judge {i}" for i in range(1, number + 2)]
    found = {names[0]: run}
    for i, name in enumerate(names[1:]):
        said = {key: one.others[i] for key, one in run.predictions.items() if one.others and len(one.others) > i}
        found[name] = run._replace(predictions=said)
    return found


def judge_of(run: Run) -> dict[str, Any]:
    """The card of the run's judge in ``run.json``; empty where there is none."""
    found = run.manifest.get("judge")
    return found if isinstance(found, dict) else {}


def _manifest(path: Path) -> dict[str, Any]:
    file = path / "run.json"
    if not file.is_file():
        return {}
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"cannot be read ({error})", path=file) from error
    return found if isinstance(found, dict) else {}
