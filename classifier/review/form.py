"""The labelling form: what it is filled with, and the label it is read into."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple, TypeVar

from classifier.review.decisions import HumanLabel
from classifier.review.texts import evidence_at, visible
from classifier.schema import STANCES, Basis, CitingWork, Evidence, Polarity, Role

MOST_NOTE = 5000
Value = TypeVar("Value", bound=StrEnum)


class FormError(Exception):
    """What keeps a form from being a label: field -> what to do."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__("; ".join(problems.values()))
        self.problems = dict(problems)


class EvidenceFields(NamedTuple):
    """Where the chosen words stand, as text: source, number of the passage, first character and one past the last."""

    source: str = ""
    passage: str = ""
    start: str = ""
    end: str = ""
    text: str = ""


class Form(NamedTuple):
    """The fields as text, as they are sent and shown again."""

    role: str = ""
    other_roles: tuple[str, ...] = ()
    polarity: str = ""
    basis: str = ""
    shared: bool = False
    note: str = ""
    evidence: EvidenceFields = EvidenceFields()


def filled(label: HumanLabel | None) -> Form:
    """The form that stands for a label; the empty form for none."""
    if label is None:
        return Form()
    return Form(
        label.role, tuple(label.other_roles), label.polarity, label.basis or "", label.shared, label.note,
        evidence_fields(label.evidence),
    )  # fmt: skip


def evidence_fields(evidence: Evidence | None) -> EvidenceFields:
    """The form's fields for a piece of evidence."""
    if evidence is None:
        return EvidenceFields()
    index = "" if evidence.context_index is None else str(evidence.context_index)
    return EvidenceFields(evidence.source, index, str(evidence.start), str(evidence.end), visible(evidence.text))


def read_form(form: Form, work: CitingWork, *, adjudicating: bool = False) -> HumanLabel:
    """The label that a form gives. Raises ``FormError`` with every problem at once.

    A stance has a basis; a label that rests on words names them, as the guide asks; an adjudication says why.
    """
    problems: dict[str, str] = {}
    role = _choice(Role, form.role, "role", problems)
    polarity = _choice(Polarity, form.polarity, "polarity", problems)
    basis: Basis | None = Basis.NONE
    if polarity in STANCES:
        basis = _choice(Basis, form.basis, "basis", problems)
        if basis is Basis.NONE:
            problems["basis"] = "A stance rests on something: choose evidence or assessment."
    others = tuple(dict.fromkeys(r for r in map(_role, form.other_roles) if r and r not in _never_other(role)))
    evidence = _evidence(form, work, problems)
    rests_on_words = polarity in STANCES or role is not Role.UNCLEAR
    if evidence is None and rests_on_words and role and polarity and "evidence" not in problems:
        problems["evidence"] = "Select the words that the label rests on, or press e for the sentence of the mention."
    if len(form.note) > MOST_NOTE:
        problems["note"] = f"Shorten the note to {MOST_NOTE} characters."
    if adjudicating and not form.note.strip():
        problems["note"] = "Say why, with the number of the rule."
    if problems or role is None or polarity is None:
        raise FormError(problems)
    return HumanLabel(
        role=role, other_roles=others, polarity=polarity, basis=basis, evidence=evidence, shared=form.shared,
        note=form.note.replace("\r\n", "\n").strip(),
    )  # fmt: skip


def _choice(kind: type[Value], text: str, field: str, problems: dict[str, str]) -> Value | None:
    try:
        return kind(text)
    except ValueError:
        problems[field] = f"Choose a {field}."
        return None


def _role(text: str) -> Role | None:
    return Role(text) if text in set(Role) else None


def _never_other(role: Role | None) -> set[Role | None]:
    """Rule R17 of the guide: further roles never repeat the primary one, and never hold background or unclear."""
    return {role, Role.BACKGROUND, Role.UNCLEAR}


def _evidence(form: Form, work: CitingWork, problems: dict[str, str]) -> Evidence | None:
    try:
        return evidence_at(work, *form.evidence)
    except ValueError as error:
        problems["evidence"] = f"{str(error)[:1].upper()}{str(error)[1:]}."
        return None
