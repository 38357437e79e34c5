"""From scored passages of one work to one answer: what is asserted, what is left open, and the words it rests on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from classifier.evidence import Passage as SentText
from classifier.evidence import Task, prepare
from classifier.judges.local.encoder import HEADS, Encoded
from classifier.judges.local.explain import Carrier, carrier
from classifier.judges.local.features import Source
from classifier.judges.local.model import LocalModel, Scored
from classifier.judges.local.relation import Relation, relate
from classifier.judges.local.stances import kind_of
from classifier.schema import (
    STANCES,
    Basis,
    CitedWork,
    CitingWork,
    Evidence,
    EvidenceSource,
    Label,
    Pair,
    Polarity,
    Role,
)

OTHER_ROLE = 0.5
"""Another passage's role is listed in `other_roles` from this probability on."""


class LocalAnswer(NamedTuple):
    """One pair's answer. `cues` are spans (start, end) in the evidence's source text, strongest first."""

    label: Label
    evidence_source: EvidenceSource
    needs_review: bool
    probabilities: dict[str, dict[str, float]] | None
    cues: tuple[tuple[int, int], ...] = ()


class _Read(NamedTuple):
    """One passage with what was decided on it."""

    text: SentText
    scored: Scored
    role: Role
    role_p: float
    likely: Polarity
    polarity: Polarity
    polarity_p: float
    basis: Basis

    def withheld(self) -> bool:
        """Whether it more probably takes a side than not, and too little surely to say so."""
        return self.polarity is Polarity.UNCLEAR and self.likely is not Polarity.NEUTRAL


def judge_many(model: LocalModel, pairs: Sequence[tuple[CitedWork, CitingWork]]) -> list[LocalAnswer]:
    """Answers for the pairs, in order; pure, deterministic, no input or output."""
    return [judge_task(model, prepare(Pair(cited, citing))) for cited, citing in pairs]


def judge_task(model: LocalModel, task: Task) -> LocalAnswer:
    """The answer for one prepared pair."""
    if task.source is EvidenceSource.CONTEXT:
        return _from_passages(model, task)
    return _from_summary(model, task)


def _from_passages(model: LocalModel, task: Task) -> LocalAnswer:
    title = task.pair.cited.title
    contexts = task.pair.citing.contexts
    reads: list[_Read] = []
    for text in task.passages:
        context = contexts[text.context_index or 0]
        focus = len(context.before) + 1 if context.before else 0
        scored = model.score([Source(text.text, text.section, title, focus)])[0]
        reads.append(_decide(model, text, scored))
    roles = _main(reads)
    stance, polarity, confidence = _stance(reads)
    shown = stance if polarity in STANCES else roles
    evidence = any(r.basis is Basis.EVIDENCE for r in reads) if polarity is Polarity.MIXED else False
    basis = Basis.EVIDENCE if evidence else stance.basis
    found = _carrier(model, shown, by_polarity=polarity in STANCES)
    others = tuple(
        dict.fromkeys(r.role for r in reads if r.role not in (roles.role, Role.UNCLEAR) and r.role_p >= OTHER_ROLE)
    )
    review = (
        polarity is Polarity.UNCLEAR
        or roles.role is Role.UNCLEAR
        or any(_set_size(model, roles.scored, head) > 1 for head in ("role", "polarity"))
    )
    label = Label(
        role=roles.role,
        other_roles=others,
        polarity=polarity,
        basis=basis,
        evidence=_evidence(shown.text, found),
        confidence=round(min(roles.role_p, confidence), 4),
        rationale=_rationale(shown, roles, _stated(stance, polarity, len(reads) > 1), found),
    )
    probabilities = {
        head: {v: round(float(x), 4) for v, x in zip(model.heads[head], p, strict=True)}
        for head, p in shown.scored.probabilities.items()
    }
    if shown.scored.encoded:
        probabilities["basis"] = _basis(shown.scored.encoded)
    return LocalAnswer(label, EvidenceSource.CONTEXT, review, probabilities, found.cues if found else ())


def _decide(model: LocalModel, text: SentText, scored: Scored) -> _Read:
    """Role and polarity of one passage, each only where its probability clears the model's threshold."""
    limits = model.settings["thresholds"]
    p = scored.probabilities["role"]
    role, role_p = Role(model.heads["role"][int(p.argmax())]), float(p.max())
    if role_p < limits["role"]:
        role = Role.UNCLEAR
    p = scored.probabilities["polarity"]
    polarity, polarity_p = Polarity(model.heads["polarity"][int(p.argmax())]), float(p.max())
    basis = Basis.NONE
    if polarity is Polarity.NEUTRAL:
        sure = polarity_p >= limits["neutral"]
    else:
        told = kind_of(polarity.value, {f.name[2:] for f in scored.features if f.name.startswith("g ")})
        kind, limit = told, told
        if scored.encoded:
            kind = f"{polarity.value}/{HEADS['basis'][int(scored.encoded.logits['basis'].argmax())]}"
            limit = "told" if told else "implied"
        sure = limit is not None and polarity_p >= limits[limit]
        basis = Basis(kind.split("/")[1]) if sure and kind else Basis.NONE
    return _Read(text, scored, role, role_p, polarity, polarity if sure else Polarity.UNCLEAR, polarity_p, basis)


def _basis(encoded: Encoded) -> dict[str, float]:
    """What a stance of this passage would rest on, whether one is asserted or not."""
    raised = np.exp(encoded.logits["basis"] - encoded.logits["basis"].max())
    return {v: round(float(x), 4) for v, x in zip(HEADS["basis"], raised / raised.sum(), strict=True)}


def _main(reads: Sequence[_Read]) -> _Read:
    """The passage that says most about the role: a decided one before an undecided, any role before background."""
    rank = {Role.UNCLEAR: 0, Role.BACKGROUND: 1}
    return max(reads, key=lambda r: (rank.get(r.role, 2), r.role_p, -(r.text.context_index or 0)))


def _stance(reads: Sequence[_Read]) -> tuple[_Read, Polarity, float]:
    """The work's polarity: stances of both signs are mixed, and one stance wins over whatever the other passages say.

    Without one, a passage that may take a side leaves the work `unclear`, beside however many neutral ones: a work is
    neutral only where none of its passages takes a side.
    """
    stances = [r for r in reads if r.polarity in STANCES]
    best = max(stances or [r for r in reads if r.withheld()] or reads, key=lambda r: r.polarity_p)
    kinds = {r.polarity for r in stances}
    polarity = Polarity.MIXED if len(kinds) > 1 else best.polarity
    return best, polarity, best.polarity_p


def _set_size(model: LocalModel, scored: Scored, head: str) -> int:
    """How many values the conformal prediction set holds."""
    return int((scored.probabilities[head] >= model.settings["floor"][head]).sum())


def _carrier(model: LocalModel, read: _Read, by_polarity: bool) -> Carrier | None:
    head = "polarity" if by_polarity else "role"
    p = read.scored.probabilities[head]
    first, second = (model.heads[head][int(i)] for i in np.argsort(-p, kind="stable")[:2])
    moved = model.contributions(read.scored, head, first, second)
    return carrier(read.scored.passage, moved, only_home=not by_polarity)


def _evidence(text: SentText, found: Carrier | None) -> Evidence | None:
    if found is None:
        return None
    return Evidence(
        text=text.text[found.start : found.end],
        source=text.source,
        start=found.start,
        end=found.end,
        context_index=text.context_index,
    )


def _stated(read: _Read, polarity: Polarity, several: bool) -> str:
    """The polarity; where none is sure enough, the most probable one (of which passage), for whoever reviews it."""
    if polarity is not Polarity.UNCLEAR:
        return f"polarity {polarity.value}"
    where = f", passage {(read.text.context_index or 0) + 1}" if several else ""
    return f"no polarity clears its threshold, most probable: {read.likely.value} (p {read.polarity_p:.2f}{where})"


def _rationale(shown: _Read, roles: _Read, polarity: str, found: Carrier | None) -> str:
    words = ", ".join(f'"{shown.text.text[a:b]}"' for a, b in found.cues) if found else ""
    said = f"role {roles.role.value} (p {roles.role_p:.2f}); {polarity}"
    return said + (f"; weighed most: {words}" if words else "")


def _from_summary(model: LocalModel, task: Task) -> LocalAnswer:
    """The relation rules over abstract or summary, then the title; no stance can be seen there."""
    cited = task.pair.cited
    for text in task.passages:
        is_title = text.source is EvidenceSource.TITLE
        found = relate(cited.title, cited.abstract, text.text, model.common, is_title=is_title)
        if found is not None:
            return LocalAnswer(_related(text, found), text.source, True, None, ((found.start, found.end),))
    reason = "no text of the citing work" if not task.passages else "the text names none of the hub's own terms"
    label = Label(role=Role.UNCLEAR, polarity=Polarity.UNCLEAR, rationale=reason)
    return LocalAnswer(label, task.source, True, None)


def _related(text: SentText, found: Relation) -> Label:
    evidence = Evidence(text=text.text[found.start : found.end], source=text.source, start=found.start, end=found.end)
    return Label(
        role=Role(found.role),
        polarity=Polarity.UNCLEAR,
        evidence=evidence,
        confidence=found.confidence,
        rationale=found.rule,
    )
