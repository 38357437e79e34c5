"""Claims ledger: what the hub claims, and what each citing work does to each claim.

The claims are those of the hub's record (``hub.json`` is where a person edits them), else sentences of its title and
abstract that state a contribution or a finding. The links are the judge's (``Label.claims``), else a fallback: the
relation follows from the label, the claim is the one whose words the passage shares. Both are verbatim or nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from nupunkt import sent_spans

from classifier.errors import InputError
from classifier.evidence import source_text
from classifier.outputs import Result
from classifier.schema import (
    Basis,
    CitedWork,
    Claim,
    ClaimRelation,
    Label,
    Polarity,
    Record,
    Role,
    Status,
)
from classifier.terms import Vector, cosine, inverse_document_frequency, terms, weighted

MIN_SIMILARITY = 0.2
"""Least cosine of passage and claim for a link by words. Set by hand and not measured: there is no gold for claims."""
MIN_SHARED = 2
"""A link by words needs this many different content words in common."""

LOCAL = "local"
"""The one judge that reads no claims; see :mod:`classifier.judges.local.judge`."""

_AUTHORS = r"\b(?:we|our|us|this (?:paper|work|study|article|survey|trial|review|dataset|corpus|model))\b"
_STATES = (
    r"\b(?:achiev|argu|confirm|conclud|construct|contribut|demonstrat|deriv|describ|detect|develop|discover|establish|"
    r"find|found|identif|improv|increas|indicat|interpret|introduc|observ|outperform|present|propos|"
    r"prov(?:e|es|ed)\b|publish|reduc|releas|report|reveal|show|solv|suggest|surpass|validat|yield)\w*"
)
_CONTRIBUTION = re.compile(rf"(?=.*{_AUTHORS})(?=.*{_STATES})", re.IGNORECASE | re.DOTALL)
_FINDING = re.compile(
    r"^\s*(?:results?|findings?|conclusions?|interpretation)\s*[:.—-]"
    r"|^(?:the |these |our )?(?:results?|findings?|experiments?|evaluations?) (?:\w+ ){0,4}"
    r"(?:show|demonstrat|indicat|suggest|confirm|reveal)\w*",
    re.IGNORECASE,
)
_RESULT = re.compile(
    r"\b(?:explain|predict|impair|prevent|enabl|outperform|exceed|persist|narrow|inflat|halv|doubl|reach|reduc|improv|"
    r"increas|decreas|declin|raise|rise|favour|favor|confirm|mediat|correlat)(?:s|es|ed|d)\b"
    r"|\b(?:rose|fell|higher|lower|greater|fewer|longer|shorter|better|worse) (?:\w+ ){0,6}(?:than|with|by|from|in)\b"
    r"|\b(?:do|does|did) not (?:differ|change|improve|depend|affect|predict|explain)\b"
    r"|\b(?:is|are|was|were) (?:\w+ ){0,2}(?:associated|correlated|mediated|released|deposited|distributed)\b"
    r"|\d\s?(?:%|percent|per cent|percentage points)",
    re.IGNORECASE,
)
_BACKGROUND = re.compile(
    r"\?\s*$|\b(?:ask|test|examine|stud)\w* whether\b|"
    r"\b(?:is|are) (?:commonly|often|usually|still|widely|thought|said)\b|\bremains? \w+|\blittle is known\b|"
    r"\b(?:was|were) (?:\w+ly )?(?:randomi[sz]ed|recruited|assigned|coded|collected|enrolled|sampled|asked|placed)\b",
    re.IGNORECASE,
)
_NOT_YET = re.compile(r"\b(?:previous|prior|earlier|recent) (?:work|stud|method|approach)\w*\b", re.IGNORECASE)
_TITLE_STATES = re.compile(
    r"\b(?:is|are|can|cannot|does|do|improves?|outperforms?|reduces?|increases?|enables?|predicts?|causes?|prevents?|"
    r"makes?|matters?|needs?|beats?|helps?|hurts?|fails?)\b",
    re.IGNORECASE,
)


class ClaimUse(Record):
    """One citing work under one claim. ``by``: the judge said so, or the words match (``similarity``, cosine)."""

    claim_id: str
    citing_id: str
    relation: ClaimRelation
    by: Literal["judge", "words"]
    similarity: float | None = None


def claims_of(cited: CitedWork) -> tuple[Claim, ...]:
    """The hub's own claims where it lists any, else those found in its title and abstract.

    Raises ``InputError`` for a listed claim whose text does not stand at its offsets.
    """
    for claim in cited.claims:
        source = cited.title if claim.source == "title" else cited.abstract
        if not claim.text or source[claim.start : claim.end] != claim.text:
            raise InputError(
                f"claim {claim.claim_id} of hub {cited.hub_id} is not what stands at {claim.start}:{claim.end} "
                f"of the {claim.source}",
                value=claim.text,
                do="a claim is copied word for word, with its offsets",
            )
    return cited.claims or extract_claims(cited)


def extract_claims(cited: CitedWork) -> tuple[Claim, ...]:
    """Sentences of title and abstract in which the authors say what they did or found, in order, ids ``c1`` on.

    A rule: an author's mark (we, our, this paper …) with a verb of contribution or finding, the opening of a results
    or conclusions sentence, or, after the first sentence, a result in words or per cent that is neither background
    nor the account of a procedure. A title counts where it is a statement. May be empty.
    """
    found: list[tuple[Literal["title", "abstract"], int, int]] = []
    if _TITLE_STATES.search(cited.title) and not cited.title.rstrip().endswith("?"):
        found.append(("title", 0, len(cited.title)))
    for start, end in sent_spans(cited.abstract):
        sentence = cited.abstract[start:end]
        stated = _CONTRIBUTION.match(sentence) or _FINDING.match(sentence)
        result = start > 0 and _RESULT.search(sentence) and not _BACKGROUND.search(sentence)
        if not (stated or result) or _NOT_YET.match(sentence):
            continue
        stripped = sentence.strip()
        begin = start + sentence.index(stripped)
        found.append(("abstract", begin, begin + len(stripped)))
    return tuple(
        Claim(
            claim_id=f"c{number}",
            text=(cited.title if source == "title" else cited.abstract)[start:end],
            source=source,
            start=start,
            end=end,
        )
        for number, (source, start, end) in enumerate(found, 1)
    )


def relations(label: Label) -> tuple[ClaimRelation, ...]:
    """What a label does to a claim, whichever claim it is.

    Only a stance that rests on evidence supports or contests: praise is not support. A mixed stance qualifies.
    """
    found: list[ClaimRelation] = []
    if label.polarity is Polarity.MIXED:
        found.append(ClaimRelation.QUALIFIES)
    elif label.basis is Basis.EVIDENCE:
        found.append(ClaimRelation.SUPPORTS if label.polarity is Polarity.SUPPORTING else ClaimRelation.CONTESTS)
    roles = {label.role, *label.other_roles}
    if roles & {Role.USES_METHOD, Role.USES_DATA}:
        found.append(ClaimRelation.USES)
    if Role.EXTENDS in roles:
        found.append(ClaimRelation.EXTENDS)
    return tuple(found)


def link_claims(claims: Sequence[Claim], results: Iterable[Result], asked: bool = False) -> tuple[ClaimUse, ...]:
    """Every link of the labelled works, in the order of the run: the judge's where it gave any, else by words.

    ``asked``: the run knew the claims, so a judge that reads them and gave no link said that there is none.
    """
    listed = [(result, label) for result in results if (label := _counted(result)) is not None]
    known = {claim.claim_id for claim in claims}
    texts = [terms(_stated(result)) for result, _ in listed]
    bags = {claim.claim_id: terms(claim.text) for claim in claims}
    weights = inverse_document_frequency([*texts, *bags.values()])
    vectors = {claim_id: weighted(bag, weights) for claim_id, bag in bags.items()}
    links: list[ClaimUse] = []
    for (result, label), words in zip(listed, texts, strict=True):
        citing_id = result.prediction.citing_id
        judged = [link for link in label.claims if link.claim_id in known]
        links.extend(
            ClaimUse(claim_id=link.claim_id, citing_id=citing_id, relation=link.relation, by="judge") for link in judged
        )
        silent = asked and result.prediction.judge != LOCAL
        found = relations(label) if not judged and not silent else ()
        nearest = _nearest(weighted(words, weights), vectors) if found else None
        if nearest is not None:
            links.extend(
                ClaimUse(
                    claim_id=nearest[1], citing_id=citing_id, relation=relation, by="words",
                    similarity=round(nearest[0], 3),
                )
                for relation in found
            )  # fmt: skip
    return tuple(links)


def _nearest(text: Vector, claims: Mapping[str, Vector]) -> tuple[float, str] | None:
    """The claim most like the text, the first of equals, with the cosine; ``None`` where none is like enough."""
    best: tuple[float, str] | None = None
    for claim_id, vector in claims.items():
        similarity = cosine(text, vector)
        shared = len(text.keys() & vector.keys())
        if similarity >= MIN_SIMILARITY and shared >= MIN_SHARED and (best is None or similarity > best[0]):
            best = (similarity, claim_id)
    return best


def _counted(result: Result) -> Label | None:
    return result.prediction.label if result.prediction.status is Status.LABELLED else None


def _stated(result: Result) -> str:
    """The text in which a work says what it does with the hub: the source of its evidence, else its passages."""
    label = result.prediction.label
    evidence = label.evidence if label else None
    if evidence is not None:
        return source_text(result.citing, evidence.source, evidence.context_index)
    return " ".join(context.passage for context in result.citing.contexts)
