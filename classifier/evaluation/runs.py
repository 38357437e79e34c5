"""Predictions of a finished run, read back from its folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from classifier.errors import InputError
from classifier.evaluation.gold import Key, read_jsonl
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

    A line is ``{"prediction": ..., "citing": ...}``; further keys are left alone. The same prediction twice is
    one prediction; two different ones for a pair are an ``InputError``, as no one could say which counts.
    """
    file = path / "predictions.jsonl" if path.is_dir() else path
    if not file.is_file():
        raise InputError("no predictions.jsonl: not a finished run", path=path, do="give the folder of a run")
    predictions: dict[Key, Prediction] = {}
    works: dict[Key, CitingWork] = {}
    for line, row in read_jsonl(file):
        try:
            prediction = Prediction.model_validate(row.get("prediction", row))
            work = CitingWork.model_validate(row["citing"]) if row.get("citing") else None
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or None
            raise InputError(f"not a prediction: {first['msg']}", path=file, line=line, column=where) from error
        key = (prediction.hub_id, prediction.citing_id)
        if predictions.get(key, prediction) != prediction:
            raise InputError("two different predictions for one pair", path=file, line=line, value=key)
        predictions[key] = prediction
        if work is not None:
            works[key] = work
    return Run(path, predictions, works, _manifest(path))


def _manifest(path: Path) -> dict[str, Any]:
    file = path / "run.json"
    if not file.is_file():
        return {}
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"cannot be read ({error})", path=file) from error
    return found if isinstance(found, dict) else {}
