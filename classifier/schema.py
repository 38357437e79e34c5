"""The types that travel through the program: frozen pydantic models, no input or output.

Label definitions are those of ``eval/guide.md``; every closed list is an enum here and nowhere else.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, model_validator

MENTION = re.compile(r"\[\[(.+?)\]\](?!\])", re.DOTALL)
"""The mention of the hub inside a passage: ``[[...]]``; the inner text may itself be bracketed, ``[[[12]]]``."""


class Role(StrEnum):
    """What the citing work uses the hub for (citation function)."""

    BACKGROUND = "background"
    MOTIVATION = "motivation"
    USES_METHOD = "uses_method"
    USES_DATA = "uses_data"
    EXTENDS = "extends"
    COMPARES = "compares"
    FUTURE_WORK = "future_work"
    UNCLEAR = "unclear"


class Polarity(StrEnum):
    """The stance of the citing work towards the hub."""

    SUPPORTING = "supporting"
    CONTRASTING = "contrasting"
    MIXED = "mixed"
    NEUTRAL = "neutral"
    UNCLEAR = "unclear"


STANCES = frozenset({Polarity.SUPPORTING, Polarity.CONTRASTING, Polarity.MIXED})
"""Polarities that take a side; only these have a basis other than none."""


class Basis(StrEnum):
    """What a stance rests on: findings (scite's sense), a judgement of worth (sentiment), or nothing."""

    EVIDENCE = "evidence"
    ASSESSMENT = "assessment"
    NONE = "none"


class EvidenceSource(StrEnum):
    """Where the words come from, best first: a passage that cites the hub down to the bare title."""

    CONTEXT = "context"
    ABSTRACT = "abstract"
    SUMMARY = "summary"
    TITLE = "title"
    NONE = "none"


class Status(StrEnum):
    """What became of one work: a label; a label held back with a reason; or no label with a reason."""

    LABELLED = "labelled"
    ABSTAINED = "abstained"
    FAILED = "failed"


class ClaimRelation(StrEnum):
    """What a citing work does to one claim of the hub."""

    SUPPORTS = "supports"
    CONTESTS = "contests"
    QUALIFIES = "qualifies"
    USES = "uses"
    EXTENDS = "extends"


class Record(BaseModel):
    """Base of every travelling type: immutable, no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class WorkIds(Record):
    """Identifiers of a work, each without its resolver prefix (``10.1000/x``, ``2305.20050``, ``W123``)."""

    arxiv_id: str | None = None
    doi: str | None = None
    s2_id: str | None = None
    openalex_id: str | None = None
    pmid: str | None = None
    pmcid: str | None = None
    acl_id: str | None = None
    url: str | None = None


class Claim(Record):
    """One claim of the hub, copied from its title or abstract: ``text == source[start:end]``."""

    claim_id: str
    text: str
    source: Literal["title", "abstract"] = "abstract"
    start: int
    end: int


class CitedWork(Record):
    """The hub's own paper."""

    hub_id: str
    title: str
    abstract: str = ""
    authors: tuple[str, ...] = ()
    year: int | None = None
    venue: str | None = None
    ids: WorkIds = WorkIds()
    claims: tuple[Claim, ...] = ()


class CocitedWork(Record):
    """Another work cited near the hub; ``level`` is the closest place where both stand."""

    title: str
    authors: tuple[str, ...] = ()
    year: int | None = None
    ids: WorkIds = WorkIds()
    level: Literal["sentence", "paragraph", "paper"] = "paper"


class CitationContext(Record):
    """A passage that cites the hub, the mention marked ``[[...]]`` where its place is known.

    ``shared`` counts the works in the hub's own marker (1: the hub alone; ``None``: unknown).
    ``offset`` is the character position of the passage in its source, ``match_method`` how the hub was found in
    the citing work's bibliography.
    """

    text: str
    before: str = ""
    after: str = ""
    section: str | None = None
    source: str = "input"
    source_id: str | None = None
    offset: int | None = None
    shared: int | None = None
    cocited: tuple[CocitedWork, ...] = ()
    match_method: str | None = None
    match_confidence: float | None = None

    @property
    def passage(self) -> str:
        """``before``, ``text`` and ``after`` joined by one space: the string that evidence offsets count in."""
        return " ".join(part for part in (self.before, self.text, self.after) if part)


class CitingWork(Record):
    """One work that cites the hub, with all that is known of it."""

    citing_id: str
    title: str
    summary: str = ""
    abstract: str = ""
    authors: tuple[str, ...] = ()
    year: int | None = None
    venue: str | None = None
    ids: WorkIds = WorkIds()
    representative: bool = False
    influential: bool | None = None
    contexts: tuple[CitationContext, ...] = ()
    cocited: tuple[CocitedWork, ...] = ()


class Provenance(Record):
    """Where (part of) a hub came from: a file or a service, when, and what it said that others did not."""

    source: str
    retrieved_at: str | None = None
    note: str | None = None


class Hub(Record):
    """One paper with the works that cite it. ``announced`` is how many the source says there are."""

    cited: CitedWork
    citing: tuple[CitingWork, ...] = ()
    announced: int | None = None
    provenance: tuple[Provenance, ...] = ()


class Pair(NamedTuple):
    """What is judged: one citing work towards one cited work."""

    cited: CitedWork
    citing: CitingWork


class Evidence(Record):
    """Words copied from the input, ``text == source_text[start:end]`` in characters.

    The source text is ``contexts[context_index].passage`` for a context, else the field that ``source`` names.
    """

    text: str
    source: EvidenceSource
    start: int
    end: int
    context_index: int | None = None


class ClaimLink(Record):
    """What the citing work does to one claim of the hub."""

    claim_id: str
    relation: ClaimRelation


class Label(Record):
    """The decision on one pair. A stance has a basis; neutral and unclear have basis none."""

    role: Role
    other_roles: tuple[Role, ...] = ()
    polarity: Polarity
    basis: Basis = Basis.NONE
    evidence: Evidence | None = None
    confidence: Annotated[float, Field(ge=0.0, le=1.0)] = 0.0
    rationale: str = ""
    claims: tuple[ClaimLink, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Label:
        if (self.polarity in STANCES) != (self.basis is not Basis.NONE):
            raise ValueError(f"polarity {self.polarity} does not go with basis {self.basis}")
        if self.role in self.other_roles or len(set(self.other_roles)) != len(self.other_roles):
            raise ValueError("other_roles repeats a role")
        return self


class Prediction(Record):
    """What the program answered for one pair.

    ``labelled``: ``label`` counts. ``abstained``: ``label`` may be there to look at, and counts nowhere;
    ``failure`` says why. ``failed``: no label, ``failure`` says why. ``probabilities`` maps a head
    (role, polarity, basis) to the probability of each value, where the judge gives them. ``logprobs`` maps role and
    polarity to the natural logarithm of the probability that the model gave the tokens of its answer
    (``--logprobs``). ``others`` are the predictions of further judges of the same run, in their order;
    ``review_reason`` says on what the judges disagree.
    """

    hub_id: str
    citing_id: str
    status: Status
    label: Label | None = None
    evidence_source: EvidenceSource = EvidenceSource.NONE
    needs_review: bool = False
    judge: str
    model: str
    prompt: str = ""
    failure: str | None = None
    probabilities: dict[str, dict[str, float]] | None = None
    logprobs: dict[str, float] | None = None
    others: tuple[Prediction, ...] | None = None
    review_reason: str | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Prediction:
        if self.status is Status.LABELLED and (self.label is None or self.failure is not None):
            raise ValueError("a labelled prediction has a label and no failure")
        if self.status is not Status.LABELLED and not self.failure:
            raise ValueError(f"a prediction that is {self.status} says why")
        if self.status is Status.FAILED and self.label is not None:
            raise ValueError("a failed prediction has no label")
        return self
