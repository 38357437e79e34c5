"""Label Studio: tasks with the run's labels as pre-annotations, and the labelling interface they fit."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files

from classifier.evidence import prepare
from classifier.outputs import Result
from classifier.schema import CitedWork, Pair, Status

CONFIG_NAME = "label-studio.xml"


def interface() -> str:
    """The labelling configuration, to be pasted under Settings > Labeling Interface."""
    return files("classifier.export").joinpath("assets", CONFIG_NAME).read_text(encoding="utf-8")


def tasks(cited: CitedWork, results: Iterable[Result]) -> list[dict[str, object]]:
    """One task a citing work. ``data.text`` is every text that the judge saw, with its heading between them.

    Evidence becomes a region of that text, counted in characters, as Label Studio 1.23.2 counts (docs/review.md).
    A work without a label is a task without predictions.
    """
    return [_task(cited, result) for result in results]


def _task(cited: CitedWork, result: Result) -> dict[str, object]:
    prediction, work = result
    text, starts = "", {}
    for passage in prepare(Pair(cited, work)).passages:
        section = f", {passage.section}" if passage.section else ""
        number = f" {passage.context_index + 1}" if passage.context_index is not None else ""
        text += f"{'' if not text else chr(10) * 2}[{passage.source.value}{number}{section}]\n"
        starts[passage.source, passage.context_index] = len(text)
        text += passage.text
    task: dict[str, object] = {
        "data": {
            "hub_id": prediction.hub_id,
            "citing_id": prediction.citing_id,
            "hub_title": cited.title,
            "hub_abstract": cited.abstract,
            "title": work.title,
            "text": text,
        }
    }
    label = prediction.label
    if prediction.status is not Status.LABELLED or label is None:
        return task
    choices = {
        "role": [label.role.value],
        "other_roles": [role.value for role in label.other_roles],
        "polarity": [label.polarity.value],
        "basis": [label.basis.value],
    }
    result_list: list[dict[str, object]] = [
        {"from_name": name, "to_name": "text", "type": "choices", "value": {"choices": chosen}}
        for name, chosen in choices.items()
        if chosen
    ]
    evidence = label.evidence
    start = starts.get((evidence.source, evidence.context_index)) if evidence else None
    if evidence is not None and start is not None:
        region = {
            "start": start + evidence.start,
            "end": start + evidence.end,
            "text": evidence.text,
            "labels": ["evidence"],
        }
        result_list.append({"from_name": "evidence", "to_name": "text", "type": "labels", "value": region})
    if label.rationale:
        result_list.append(
            {"from_name": "note", "to_name": "text", "type": "textarea", "value": {"text": [label.rationale]}}
        )
    task["predictions"] = [
        {"model_version": f"{prediction.judge} {prediction.model}", "score": label.confidence, "result": result_list}
    ]
    return task
