"""What the templates are given: plain values, and nothing that must stay hidden from the person."""

from __future__ import annotations

import json
from typing import NamedTuple

from classifier.review.form import Form, evidence_fields, filled
from classifier.review.guide import Guide, read_guide
from classifier.review.progress import AgreementSoFar, Progress
from classifier.review.session import Session, Settings
from classifier.review.texts import ShownText, evidence_at, shown_texts, visible
from classifier.schema import STANCES, CitedWork, CitingWork, Evidence, Label, Prediction


class Proposal(NamedTuple):
    """A label that can be taken over into the form: the machine's, or an annotator's, unnamed, in adjudication.

    ``fields`` is the form's content as JSON. ``evidence`` are its words, ``note`` its reason.
    """

    title: str
    role: str
    other_roles: tuple[str, ...]
    polarity: str
    basis: str
    evidence: str
    note: str
    fields: str
    confidence: float | None = None


class Frame(NamedTuple):
    """What every page shows around its content."""

    base: str
    settings: Settings
    progress: Progress
    time_left: str | None
    agreement: list[AgreementSoFar]
    notice: str


class WorkPage(NamedTuple):
    """One work. ``machine`` and ``prediction`` are ``None`` where they are hidden."""

    number: int
    hub: CitedWork
    work: CitingWork
    texts: tuple[ShownText, ...]
    prediction: Prediction | None
    proposals: tuple[Proposal, ...]
    form: Form
    problems: dict[str, str]
    state: str
    guide: Guide
    stances: str


def frame(session: Session, base: str, notice: str = "") -> Frame:
    """Progress and agreement as of now."""
    now = session.progress()
    return Frame(base, session.settings, now, _duration(now.seconds_left), session.agreement(), notice)


def work_page(
    session: Session, number: int, form: Form | None = None, problems: dict[str, str] | None = None
) -> WorkPage:
    """The page of the work with this number in the queue; ``form`` is what was sent and could not be taken."""
    key = session.queue[number - 1]
    result = session.run.results[key]
    decision = session.done().get(key)
    form = form if form is not None else filled(decision.label if decision else None)
    hidden = session.settings.hides_machine
    label = None if hidden else result.prediction.label
    return WorkPage(
        number=number,
        hub=session.run.hubs[key[0]],
        work=result.citing,
        texts=shown_texts(result.citing, label.evidence if label else None, _chosen(form, result.citing)),
        prediction=None if hidden else result.prediction,
        proposals=_proposals(session, number, label),
        form=form,
        problems=problems or {},
        state="" if decision is None else decision.action.value,
        guide=read_guide(),
        stances=" ".join(sorted(STANCES)),
    )


def _chosen(form: Form, work: CitingWork) -> Evidence | None:
    try:
        return evidence_at(work, *form.evidence)
    except ValueError:
        return None


def _proposals(session: Session, number: int, machine: Label | None) -> tuple[Proposal, ...]:
    found = []
    if machine is not None:
        form = Form(machine.role, tuple(machine.other_roles), machine.polarity, machine.basis,
                    evidence=evidence_fields(machine.evidence))  # fmt: skip
        found.append(_proposal("The machine's label", form, machine.rationale, machine.confidence))
    for place, decision in enumerate(session.answers(session.queue[number - 1]), 1):
        if decision.label:
            form = filled(decision.label)._replace(note="")
            found.append(_proposal(f"Answer {place}", form, decision.label.note))
    return tuple(found)


def _proposal(title: str, form: Form, note: str, confidence: float | None = None) -> Proposal:
    fields = form._asdict() | {"other_roles": list(form.other_roles), "evidence": form.evidence._asdict()}
    return Proposal(title, form.role, form.other_roles, form.polarity, form.basis, form.evidence.text, visible(note),
                    json.dumps(fields), confidence)  # fmt: skip


def _duration(seconds: float | None) -> str | None:
    """A time as people say it; ``None`` for none."""
    if seconds is None:
        return None
    if seconds < 60:
        return "less than a minute"
    minutes = round(seconds / 60)
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest} min" if hours else f"{minutes} min"
