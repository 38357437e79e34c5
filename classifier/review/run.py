"""A run as the reviewer meets it: read once, looked up by work."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from classifier.errors import InputError
from classifier.outputs import Result, read_run
from classifier.review.decisions import Key, Shown
from classifier.review.queue import key_of
from classifier.review.texts import digest, shown_texts
from classifier.schema import CitedWork, Pair


class ReviewedRun(NamedTuple):
    """The hubs by id, and the results by ``(hub_id, citing_id)`` in the order of the run."""

    folder: Path
    hubs: dict[str, CitedWork]
    results: dict[Key, Result]

    def pair(self, key: Key) -> Pair:
        """The pair behind a key."""
        return Pair(self.hubs[key[0]], self.results[key].citing)


def open_run(folder: Path) -> ReviewedRun:
    """The run in ``folder``. Raises ``InputError`` where it holds none, or a result whose hub it does not describe."""
    if not folder.is_dir():
        raise InputError("not a folder", path=folder, do="give the folder that `classify run` wrote")
    results = {key_of(result): result for result in read_run(folder)}
    path = folder / "summary.json"
    try:
        entries = json.loads(path.read_bytes())["hubs"]
        hubs = {hub.hub_id: hub for hub in (CitedWork.model_validate(entry["hub"]) for entry in entries)}
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", path=path, do="run `classify run` again") from error
    except (ValueError, KeyError, TypeError, ValidationError) as error:
        raise InputError("not a run's summary", path=path, do="run `classify run` again") from error
    missing = next((key[0] for key in results if key[0] not in hubs), None)
    if missing is not None:
        raise InputError("does not describe a hub of the run", path=path, value=missing, do="run `classify run` again")
    if not results:
        raise InputError("this run holds no works", path=folder)
    return ReviewedRun(folder, hubs, results)


def what_is_shown(
    result: Result,
    *,
    blind: bool,
    guide: str = "",
    adjudicating: bool = False,
    answers: tuple[int, ...] = (),
    seconds: float | None = None,
) -> Shown:
    """The record of what a person sees of a work."""
    prediction = result.prediction
    return Shown(
        blind=blind,
        status=prediction.status,
        machine=prediction.label,
        judge=prediction.judge,
        model=prediction.model,
        text_sha256=digest(shown_texts(result.citing, None, None)),
        guide=guide,
        adjudicating=adjudicating,
        answers=answers,
        seconds=seconds,
    )
