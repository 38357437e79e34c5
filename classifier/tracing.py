"""From a prediction back to what was sent and answered, read from the run's manifest and the answer store."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from classifier.errors import InputError, SettingsError
from classifier.evidence import prepare
from classifier.judges.base import JudgeCard
from classifier.outputs import Result
from classifier.prompting import Message
from classifier.schema import CitedWork, Pair
from classifier.settings import Settings

if TYPE_CHECKING:
    from classifier.judges.dialogue import Examples


class Trace(NamedTuple):
    """Messages and raw answers in the order of the dialogue; ``note`` says what could not be shown and why."""

    messages: tuple[Message, ...] = ()
    raw_answers: tuple[str, ...] = ()
    note: str = ""


def read_cited(run: Path, hub_id: str) -> CitedWork:
    """The cited work as it stands in the run's summary. Raises ``InputError`` where it is not there."""
    path = run / "summary.json"
    try:
        hubs = json.loads(path.read_text(encoding="utf-8"))["hubs"]
        return next(CitedWork.model_validate(h["hub"]) for h in hubs if h["hub"]["hub_id"] == hub_id)
    except (OSError, ValueError, KeyError, StopIteration) as error:
        raise InputError(f"does not hold the hub {hub_id}", path=path) from error


def read_card(run: Path) -> JudgeCard:
    """How the judge of a run was named and configured. Raises ``InputError`` where the manifest is not readable."""
    path = run / "run.json"
    try:
        return JudgeCard.model_validate(json.loads(path.read_text(encoding="utf-8"))["judge"])
    except (OSError, ValueError, KeyError) as error:
        raise InputError("is not a run manifest", path=path) from error


def trace(run: Path, result: Result, settings: Settings, examples: Examples | None = None) -> Trace:
    """What was sent and answered about one work; ``examples`` as the run was given them."""
    if result.prediction.judge != "openai":
        heads = result.prediction.probabilities or {}
        lines = [f"{head}: " + ", ".join(f"{v} {p:.2f}" for v, p in values.items()) for head, values in heads.items()]
        how = (
            f"its probabilities: {'; '.join(lines)}" if lines else "it decided by its rules for works without a passage"
        )
        return Trace(note=f"the embedded judge sends no prompt; {how}")
    from classifier.judges.selection import open_openai
    from classifier.store import Store

    card = read_card(run)
    named = {name: value for name, value in card.parameters.items() if name in Settings.model_fields}
    asked = settings.model_copy(
        update={**named, "base_url": card.endpoint, "model": card.model, "prompt": result.prediction.prompt}
    )
    pair = Pair(read_cited(run, result.prediction.hub_id), result.citing)
    try:
        with Store(settings.store) as store:
            said = open_openai(asked, store, offline=True, examples=examples).transcript(prepare(pair))
    except SettingsError as error:
        return Trace(note=f"the prompt cannot be rendered again: {error}")
    note = "" if said.prediction else "the next answer is not in this store"
    return Trace(said.messages, tuple(answer.content for answer in said.answers), note)
