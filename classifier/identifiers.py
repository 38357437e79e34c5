"""Identifiers, titles and names of works in one comparable form; pure functions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import SequenceMatcher
from functools import lru_cache
from typing import NamedTuple

from anyascii import anyascii

from classifier.schema import WorkIds

_ARXIV_NEW = r"\d{4}\.\d{4,5}"
_ARXIV_OLD = r"[a-z][a-z-]+(?:\.[A-Z]{2})?/\d{7}"
_ARXIV = re.compile(
    rf"(?:^|[^\w./-])(?:arxiv[:.\s/]*|abs/|pdf/|html/)?({_ARXIV_NEW}|{_ARXIV_OLD})(?:v\d+)?(?![\w/])", re.I
)
_ARXIV_NAMED = re.compile(
    rf"(?:arxiv[:.\s]*(?:preprint\s*)?(?:arxiv[:.\s]*)?|abs[/\s]*|arxiv\.org/\w+/)\s*({_ARXIV_NEW}|{_ARXIV_OLD})(?:v\d+)?",
    re.I,
)
_DOI = re.compile(r"\b(10\.\d{4,9}/[^\s\"'<>{}|\\^]+)", re.I)
_ACL = re.compile(r"^(?:[A-Z]\d{2}-\d{4}|\d{4}\.[a-z0-9_]+(?:-[a-z0-9_]+)*\.\d+)$")


class Identifier(NamedTuple):
    """What the user typed: ``kind`` is a field of ``WorkIds`` or ``title``."""

    kind: str
    value: str


def find_arxiv_id(text: str, *, named: bool = False) -> str | None:
    """The first arXiv id in the text without its version; ``named`` asks for the word arXiv (or abs/) before it."""
    found = (_ARXIV_NAMED if named else _ARXIV).search(text)
    return found.group(1).lower() if found else None


def find_doi(text: str) -> str | None:
    """The first DOI in the text, lower case, without resolver and without closing punctuation."""
    found = _DOI.search(text)
    if not found:
        return None
    doi = found.group(1).lower().rstrip(".,;:")
    while doi.endswith((")", "]")) and doi.count("(") + doi.count("[") < doi.count(")") + doi.count("]"):
        doi = doi[:-1].rstrip(".,;:")
    return doi


def parse_identifier(text: str) -> Identifier:
    """An arXiv id, DOI, Semantic Scholar, OpenAlex, PubMed or ACL id in any usual spelling; otherwise a title."""
    value = " ".join(text.split())
    bare = re.sub(r"^(?:https?:/{1,2})?(?:www\.|export\.)?", "", value)
    patterns: tuple[tuple[str, str], ...] = (
        ("arxiv_id", rf"(?:arxiv(?:\.org/(?:abs|pdf|html)/|:\s*))?({_ARXIV_NEW}|{_ARXIV_OLD})(?:v\d+)?(?:\.pdf)?"),
        ("s2_id", r"(?:semanticscholar\.org/(?:paper/)?(?:[^/]+/)?|s2:)?([0-9a-f]{40})"),
        ("s2_id", r"(corpusid:\d+)"),
        ("openalex_id", r"(?:openalex\.org/(?:works/)?|openalex:)?(W\d{4,})"),
        ("pmcid", r"(?:pmcid:\s*|(?:\S*/)?)(PMC\d+)/?"),
        ("pmid", r"(?:pmid:\s*|pubmed\.ncbi\.nlm\.nih\.gov/)(\d+)/?"),
        ("acl_id", r"(?:acl:|aclanthology\.org/)([^/\s]+?)(?:\.pdf)?/?"),
    )
    for kind, pattern in patterns:
        found = re.fullmatch(pattern, bare, re.I)
        if found:
            return Identifier(kind, _canonical(kind, found.group(1)))
    doi = find_doi(value) if re.match(r"(?:doi:\s*|(?:dx\.)?doi\.org/)?10\.", bare, re.I) else None
    if doi:
        arxiv = re.fullmatch(rf"10\.48550/arxiv\.({_ARXIV_NEW}|{_ARXIV_OLD})(?:v\d+)?", doi)
        return Identifier("arxiv_id", arxiv.group(1)) if arxiv else Identifier("doi", doi)
    if _ACL.match(value):
        return Identifier("acl_id", value)
    return Identifier("title", value)


def _canonical(kind: str, value: str) -> str:
    if kind in ("openalex_id", "pmcid"):
        return value.upper()
    return "CorpusID:" + value.split(":")[1] if value.lower().startswith("corpusid:") else value.lower()


def clean_ids(raw: Mapping[str, object]) -> WorkIds:
    """Ids of a work with prefixes, versions and resolvers off; an arXiv DOI becomes the arXiv id as well."""
    values = {kind: str(value).strip() for kind, value in raw.items() if value}
    doi = find_doi(values.get("doi", ""))
    arxiv = find_arxiv_id(" " + values.get("arxiv_id", "")) if values.get("arxiv_id") else None
    if doi and doi.startswith("10.48550/arxiv."):
        arxiv = arxiv or find_arxiv_id(" " + doi.removeprefix("10.48550/arxiv."))
    openalex = re.search(r"W\d+", values.get("openalex_id", ""), re.I)
    pmid, pmc = re.search(r"\d+", values.get("pmid", "")), re.search(r"\d+", values.get("pmcid", ""))
    return WorkIds(
        arxiv_id=arxiv,
        doi=doi,
        s2_id=values.get("s2_id"),
        openalex_id=openalex.group().upper() if openalex else None,
        pmid=pmid.group() if pmid else None,
        pmcid=f"PMC{pmc.group()}" if pmc else None,
        acl_id=values.get("acl_id"),
        url=values.get("url"),
    )


@lru_cache(maxsize=65536)
def squash(text: str) -> str:
    """Lower-case ASCII letters and digits only: spaces, hyphenation, accents, scripts and ligatures do not matter."""
    return re.sub(r"[^0-9a-z]", "", anyascii(text).lower())


def similarity(left: str, right: str) -> float:
    """Ratio of matching characters of the folded texts, 0 to 1 (Ratcliff and Obershelp, as in difflib)."""
    return SequenceMatcher(None, squash(left), squash(right), autojunk=False).ratio()


def surname(name: str) -> str:
    """The folded family name of one author in any usual order: ``Ada Lovelace``, ``Lovelace, Ada``, ``Lovelace A``."""
    name = re.sub(r"\b(?:jr|sr|iii|ii)\b\.?", "", name, flags=re.I).strip(" ,;")
    if "," in name:
        return squash(name.split(",")[0])
    parts = name.split()
    if len(parts) > 1 and re.fullmatch(r"(?:[A-Z]\.?-?){1,4}", parts[-1]) and not re.fullmatch(r"[A-Z]\.?", parts[0]):
        return squash("".join(parts[:-1]))
    if not parts:
        return ""
    start = len(parts) - 1
    while start > 0 and parts[start - 1].lower() in _PARTICLES:
        start -= 1
    return squash("".join(parts[start:]))


_PARTICLES = {"van", "von", "der", "den", "de", "la", "le", "di", "da", "dos", "del", "ten", "ter", "al", "bin", "el"}


def same_surname(left: str, right: str) -> bool:
    """Whether two folded family names may be one: equal, a particle apart, or spelled by another transliteration."""
    if not left or not right:
        return False
    if left == right or (min(len(left), len(right)) > 3 and (left.endswith(right) or right.endswith(left))):
        return True
    umlauts = [re.sub("([aou])e", r"\1", name) for name in (left, right)]
    if umlauts[0] == umlauts[1]:
        return True
    return min(len(left), len(right)) > 4 and SequenceMatcher(None, left, right).ratio() >= 0.8


def years_close(left: int | None, right: int | None, apart: int = 1) -> bool:
    """Whether two years can be one work's: a preprint and its publication lie at most ``apart`` years apart."""
    return left is None or right is None or abs(left - right) <= apart


def ids_conflict(left: WorkIds, right: WorkIds) -> bool:
    """Whether two works carry different identifiers of one kind; DOIs of preprints do not count."""
    dois = [ids.doi for ids in (left, right) if ids.doi and not ids.doi.startswith("10.48550/")]
    arxiv = left.arxiv_id and right.arxiv_id and left.arxiv_id != right.arxiv_id
    return bool(arxiv) or (len(dois) == 2 and dois[0] != dois[1])
