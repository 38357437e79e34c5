"""From a raw answer to a label: the answer must fit the schema, and its evidence must stand in the text sent."""

from __future__ import annotations

import math
from typing import NamedTuple

from classifier.answering import Answer, AnswerWithClaims, read_answer
from classifier.errors import AnswerInvalidError
from classifier.evidence import Passage, Task
from classifier.locating import locate
from classifier.logprobs import SCORED, value_logprobs
from classifier.prompting import visible_range
from classifier.schema import STANCES, Basis, Claim, ClaimLink, Evidence, EvidenceSource, Label, Role

REVIEW_BELOW = 0.6
"""A confidence under this asks for a human look: by the guide, another label is arguable."""


class Checked(NamedTuple):
    """A label, and what is wrong with its evidence (``None``: the label counts). ``review``: look at it.

    ``logprobs``: natural logarithms of the probabilities of role and polarity, where the model gave them.
    """

    label: Label
    problem: str | None
    review: bool
    logprobs: dict[str, float] | None = None


def check(task: Task, raw: str) -> Checked:
    """The label that an answer gives for a task.

    Evidence that is missing or not in the text that was shown leaves the label with ``evidence=None`` and a
    ``problem``. Raises ``AnswerInvalidError`` where there is no label at all. Invariant: ``label.evidence.text ==
    source_text(work, source, context_index)[start:end]``.
    """
    claims = task.pair.cited.claims
    answer = read_answer(raw, bool(claims))
    if answer.polarity in STANCES and answer.basis is Basis.NONE:
        raise AnswerInvalidError(f"polarity {answer.polarity} needs basis evidence or assessment, not none", raw=raw)
    stray = answer.polarity not in STANCES and answer.basis is not Basis.NONE
    evidence, problem = _evidence(task, answer)
    label = Label(
        role=answer.role,
        other_roles=_others(answer),
        polarity=answer.polarity,
        basis=Basis.NONE if stray else answer.basis,
        evidence=evidence,
        confidence=answer.confidence,
        rationale=answer.reasoning.strip(),
        claims=_links(answer, claims, raw),
    )
    return Checked(label, problem, stray or problem is not None or _needs_review(task, label))


def with_logprobs(checked: Checked, tokens: str | None) -> Checked:
    """The checked label with the model's probability of the tokens of role and polarity as its confidence.

    The number that the model wrote stays where ``tokens`` do not show both values.
    """
    found = value_logprobs(tokens, checked.label) if tokens else None
    if not found:
        return checked
    if len(found) < len(SCORED):
        return checked._replace(logprobs=found)
    confidence = math.exp(sum(found.values()))
    label = checked.label.model_copy(update={"confidence": confidence})
    return checked._replace(label=label, logprobs=found, review=checked.review or confidence < REVIEW_BELOW)


def _evidence(task: Task, answer: Answer) -> tuple[Evidence | None, str | None]:
    quote = answer.evidence.strip()
    if not quote:
        silent = answer.role is Role.UNCLEAR and answer.polarity not in STANCES
        return None, None if silent else "the evidence is empty: copy the words that carry the decision"
    named = answer.passage - 1
    for passage in (*task.passages[named : named + 1], *task.passages) if named >= 0 else task.passages:
        found = _in_passage(quote, passage)
        if found:
            return found, None
    shown = quote if len(quote) <= 120 else quote[:119] + "…"
    return None, f"the evidence {shown!r} does not stand in the text that was given"


def _in_passage(quote: str, passage: Passage) -> Evidence | None:
    first, last = visible_range(passage.text)
    span = locate(quote, passage.text[first:last])
    if span is None:
        return None
    start, end = first + span.start, first + span.end
    return Evidence(
        text=passage.text[start:end],
        source=passage.source,
        start=start,
        end=end,
        context_index=passage.context_index if passage.source is EvidenceSource.CONTEXT else None,
    )


def _others(answer: Answer) -> tuple[Role, ...]:
    """Further roles without repeats; the guide (R17) keeps the primary one, background and unclear out."""
    if not answer.other_roles:
        return ()
    left_out = {answer.role, Role.BACKGROUND, Role.UNCLEAR}
    return tuple(dict.fromkeys(role for role in answer.other_roles if role not in left_out))


def _links(answer: Answer, claims: tuple[Claim, ...], raw: str) -> tuple[ClaimLink, ...]:
    if not isinstance(answer, AnswerWithClaims):
        return ()
    known = {claim.claim_id for claim in claims}
    unknown = sorted({link.claim_id for link in answer.claims} - known)
    if unknown:
        raise AnswerInvalidError(f"claims: unknown claim_id {unknown[0]!r}; known: {', '.join(sorted(known))}", raw=raw)
    links = {link.claim_id: ClaimLink(claim_id=link.claim_id, relation=link.relation) for link in answer.claims}
    return tuple(links.values())


def _needs_review(task: Task, label: Label) -> bool:
    if label.confidence < REVIEW_BELOW:
        return True
    index = label.evidence.context_index if label.evidence else None
    shared = index is not None and (task.pair.citing.contexts[index].shared or 1) > 1
    return shared and label.polarity in STANCES
