"""Label Studio's exported JSON (``Export > JSON``) becomes decisions, all or none.

The tasks are those of ``classify export --format label-studio``. Label Studio 1.23.2 counts text offsets in
characters (code points; tried with emoji, see docs/review.md), as this program does. A region's ``text`` is compared
with the words at its offsets before it is believed: one taken over from a shifted pre-annotation keeps its old words.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from classifier.errors import InputError
from classifier.evidence import source_text
from classifier.outputs import Result
from classifier.review.decisions import Decision, DecisionLog, HumanLabel, Key
from classifier.review.importing import Imported, find_evidence, imported_decision
from classifier.review.run import ReviewedRun
from classifier.review.texts import shown_texts
from classifier.schema import STANCES, Basis, Evidence, Polarity, Role

Value = TypeVar("Value", bound=StrEnum)


class UnusableError(Exception):
    """An annotation that is no label; the message says where and why."""


def import_label_studio(path: Path, run: ReviewedRun, log: DecisionLog, annotator: str | None) -> Imported:
    """Record each submitted annotation of an export; ``annotator`` replaces Label Studio's own user names.

    Skipped (cancelled) annotations and tasks without one change nothing. Raises ``InputError`` with one line for each
    annotation that is no label; nothing is recorded then.
    """
    problems: list[str] = []
    made: dict[tuple[str, Key], Decision] = {}
    unchanged = 0
    for place, task in enumerate(_tasks(path), 1):
        submitted = [one for one in task.get("annotations") or [] if not one.get("was_cancelled")]
        if not submitted:
            unchanged += 1
            continue
        try:
            key = _key(task, run)
            for one in submitted:
                name = annotator or _who(one)
                if (name, key) in made:
                    raise UnusableError(f"{name} annotated this work twice; delete one of the two")
                label = _label(one.get("result") or [], str(task["data"].get("text") or ""), run.results[key])
                made[name, key] = imported_decision(run, key, label, name, f"label-studio:{path.name}")
        except UnusableError as error:
            problems.append(str(InputError(str(error), path=f"{path}: task {task.get('id', place)}")))
    if problems:
        shown = "\n".join(problems)
        raise InputError(f"{shown}\n{len(problems)} tasks of {path} cannot be used; nothing was recorded")
    standing = log.labels()
    new = [d for (name, key), d in made.items() if not _same(standing.get(name, {}).get(key), d)]
    return Imported(tuple(log.append(new)), unchanged + len(made) - len(new), ())


def _same(before: Decision | None, now: Decision) -> bool:
    return before is not None and before.label == now.label


def _tasks(path: Path) -> list[dict[str, Any]]:
    try:
        tasks = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", path=path) from error
    except ValueError as error:
        raise InputError("not JSON", path=path, do="export as JSON, not JSON-MIN or CSV") from error
    if not isinstance(tasks, list) or not all(isinstance(t, dict) and isinstance(t.get("data"), dict) for t in tasks):
        raise InputError("not Label Studio's JSON export", path=path, do="export as JSON, not JSON-MIN or CSV")
    return tasks


def _key(task: Mapping[str, Any], run: ReviewedRun) -> Key:
    data = task["data"]
    key = (str(data.get("hub_id")), str(data.get("citing_id")))
    if key not in run.results:
        raise UnusableError(f"no such citing work in this run: {key[1]!r} of hub {key[0]!r}")
    return key


def _who(annotation: Mapping[str, Any]) -> str:
    """The annotator: their address where the export has it, else the number of their account."""
    who = annotation.get("completed_by")
    if isinstance(who, Mapping):
        who = who.get("email") or who.get("id")
    return f"label-studio {who}"


def _label(results: list[dict[str, Any]], text: str, result: Result) -> HumanLabel:
    given: dict[str, Any] = {}
    for one in results:
        given.setdefault(str(one.get("from_name")), []).append(one.get("value") or {})
    role = _value(Role, "role", _chosen(given, "role"))
    polarity = _value(Polarity, "polarity", _chosen(given, "polarity"))
    if role is None or polarity is None:
        raise UnusableError("has no role" if role is None else "has no polarity")
    basis = _value(Basis, "basis", _chosen(given, "basis"))
    if polarity not in STANCES:
        basis = Basis.NONE
    elif basis is Basis.NONE:
        raise UnusableError(f"polarity {polarity} does not go with basis none")
    others = [_value(Role, "other_roles", [value]) for value in _chosen(given, "other_roles")]
    # The machine's reason stands in the note of every task as a pre-annotation: it is not the person's.
    machine = result.prediction.label.rationale if result.prediction.label else None
    notes = [line for value in given.get("note", ()) for line in _lines(value.get("text")) if line != machine]
    regions = given.get("evidence", [])
    return HumanLabel(
        role=role,
        other_roles=tuple(dict.fromkeys(one for one in others if one and one is not role)),
        polarity=polarity,
        basis=basis,
        evidence=_evidence(regions[0], text, result) if regions else None,
        note="\n".join(notes).strip(),
    )


def _lines(text: object) -> list[str]:
    return [str(line) for line in text] if isinstance(text, list) else [str(text or "")]


def _chosen(given: Mapping[str, Any], name: str) -> list[str]:
    return [str(choice) for value in given.get(name, ()) for choice in value.get("choices", ())]


def _value(kind: type[Value], name: str, chosen: list[str]) -> Value | None:
    if not chosen:
        return None
    try:
        return kind(chosen[0])
    except ValueError:
        raise UnusableError(f"{name}: unknown value {chosen[0]!r}; one of {', '.join(kind)}") from None


def _evidence(region: Mapping[str, Any], text: str, result: Result) -> Evidence:
    """The region as evidence of the text that it lies in; found by its words where the offsets do not fit."""
    words = str(region.get("text") or "")
    try:
        start, end = (int(region[edge]) for edge in ("start", "end"))
    except (KeyError, TypeError, ValueError) as error:
        raise UnusableError("evidence: the region has no offsets") from error
    for shown in shown_texts(result.citing, None, None):
        whole = source_text(result.citing, shown.source, shown.context_index)
        first = text.find(whole)
        if 0 <= first <= start < end <= first + len(whole) and text[start:end] == words:
            return Evidence(text=words, source=shown.source, start=start - first, end=end - first,
                            context_index=shown.context_index)  # fmt: skip
    found = find_evidence(words, result)
    if found is None:
        raise UnusableError(f"evidence: the words {words[:60]!r} stand in no text of this work")
    return found
