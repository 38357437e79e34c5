"""Semantic Scholar Graph API: the list of citing works with citation contexts, in one call a page.

``/citations`` gives no total and stops at 9,999; contexts are snippets that may have lost the marker.
Source: the OpenAPI description (2026) and recorded answers.
"""

from __future__ import annotations

import re
from typing import Any

from classifier.errors import SourceError
from classifier.identifiers import Identifier, clean_ids, surname
from classifier.schema import CitationContext, CitedWork, CitingWork
from classifier.sources.http import Answer, SourceClient
from classifier.sources.records import Candidate, Loose, NotCoveredError, Page, Pages, one_line, validated, work_id
from classifier.sources.settings import Host, SourceSettings

NAME = "semantic_scholar"
CAP = 9999
"""``offset + limit`` must stay below 10,000 (maintainers: will not change)."""
PAGE = 500
"""Half of the allowed 1,000: with contexts and abstracts a full page can pass the 10 MB limit of an answer."""
_PAPER = "title,abstract,year,venue,authors,externalIds,citationCount"
_CITATION = "contexts,isInfluential,title,abstract,year,venue,authors,externalIds"
_PREFIX = {"arxiv_id": "ARXIV:", "doi": "DOI:", "pmid": "PMID:", "pmcid": "PMCID:", "acl_id": "ACL:", "s2_id": ""}


class _Author(Loose):
    name: str | None = None


class _Paper(Loose):
    paperId: str | None = None  # noqa: N815 - the service's name
    externalIds: dict[str, Any] | None = None  # noqa: N815
    title: str | None = None
    abstract: str | None = None
    venue: str | None = None
    year: int | None = None
    authors: list[_Author | None] | None = None
    citationCount: int | None = None  # noqa: N815


class _Citation(Loose):
    contexts: list[str | None] | None = None
    isInfluential: bool | None = None  # noqa: N815
    citingPaper: _Paper | None = None  # noqa: N815


class _Citations(Loose):
    offset: int
    data: list[_Citation | None]
    next: int | None = None


class _Found(Loose):
    total: int | None = None
    data: list[_Paper] | None = None


def host(settings: SourceSettings) -> Host:
    """The service as configured; a key goes in the header ``x-api-key``."""
    return Host(NAME, settings.s2_url.rstrip("/"), settings.s2_interval, settings.s2_api_key, key_header="x-api-key")


def find(client: SourceClient, service: Host, wanted: Identifier) -> Candidate | None:
    """The paper with an identifier, or ``None`` where the service does not know it (or the kind of identifier)."""
    if wanted.kind not in _PREFIX:
        return None
    answer = client.get(service, f"/paper/{_PREFIX[wanted.kind]}{wanted.value}", {"fields": _PAPER})
    if answer.status == 404:
        return None
    return _candidate(validated(_Paper, answer, answer.json()), answer)


def search(client: SourceClient, service: Host, title: str) -> list[Candidate]:
    """Papers whose title is like ``title``, best first, at most ten."""
    query = re.sub(r"[^\w\s]", " ", title)  # a hyphen in a query finds nothing (documented)
    answer = client.get(service, "/paper/search", {"query": one_line(query), "fields": _PAPER, "limit": "10"})
    found = validated(_Found, answer, answer.json()) if answer.status == 200 else _Found()
    return [_candidate(paper, answer) for paper in found.data or () if paper.title]


def match(client: SourceClient, service: Host, title: str) -> list[Candidate]:
    """The service's best match for a title, alone in a list; the search below may rank it late. Often empty."""
    answer = client.get(service, "/paper/search/match", {"query": title, "fields": _PAPER})
    found = validated(_Found, answer, answer.json()) if answer.status == 200 else _Found()
    return [_candidate(paper, answer) for paper in found.data or () if paper.title]


def citing(client: SourceClient, service: Host, cited: CitedWork) -> Pages:
    """Pages of citing works. The paper is asked for by its best identifier; the cap is said in a note."""
    wanted = next((f"{p}{v}" for kind, p in _PREFIX.items() if (v := getattr(cited.ids, kind))), None)
    if wanted is None:
        raise NotCoveredError(f"{NAME}: the hub has no identifier that the service knows")
    offset, size = 0, PAGE
    while True:
        limit = min(size, CAP - offset)
        parameters = {"fields": _CITATION, "offset": str(offset), "limit": str(limit)}
        try:
            answer = client.get(service, f"/paper/{wanted}/citations", parameters)
        except SourceError as error:
            if "exceed maximum size" not in str(error) or size < 10:
                raise
            size //= 2
            continue
        if answer.status == 404:
            raise NotCoveredError(f"{answer.where}: not known to the service")
        page = validated(_Citations, answer, answer.json())
        reached = page.next is not None and page.next >= CAP
        notes = (
            (f"the list stops at {CAP:,} citing works, the most this service gives; it has more",) if reached else ()
        )
        yield _page(page, answer, cited, notes)
        if page.next is None or reached:
            return
        if page.next <= offset:
            raise SourceError(f"{answer.where}: changed schema: next is {page.next}, not beyond offset {offset}")
        offset = page.next


def _page(page: _Citations, answer: Answer, cited: CitedWork, notes: tuple[str, ...]) -> Page:
    works = [
        _work(item.citingPaper, item, cited)
        for item in page.data
        if item and item.citingPaper and (item.citingPaper.title or item.citingPaper.paperId)
    ]
    empty = len(page.data) - len(works)
    if empty:
        notes = (*notes, f"{empty} entries name no citing paper and are left out")
    return Page(tuple(works), answer.retrieved_at, notes=notes)


def _ids(paper: _Paper) -> dict[str, object]:
    other = paper.externalIds or {}
    return {
        "s2_id": paper.paperId,
        "arxiv_id": other.get("ArXiv"),
        "doi": other.get("DOI"),
        "pmid": other.get("PubMed"),
        "pmcid": other.get("PubMedCentral"),
        "acl_id": other.get("ACL"),
    }


def _authors(paper: _Paper) -> tuple[str, ...]:
    return tuple(author.name for author in paper.authors or () if author and author.name)


def _candidate(paper: _Paper, answer: Answer) -> Candidate:
    ids = clean_ids(_ids(paper))
    title = one_line(paper.title)
    work = CitedWork(
        hub_id=work_id(ids, title),
        title=title,
        abstract=one_line(paper.abstract),
        authors=_authors(paper),
        year=paper.year,
        venue=paper.venue or None,
        ids=ids,
    )
    return Candidate(work, paper.citationCount, answer.retrieved_at, NAME)


def _work(paper: _Paper, item: _Citation, cited: CitedWork) -> CitingWork:
    ids = clean_ids(_ids(paper))
    title = one_line(paper.title)
    contexts = dict.fromkeys(one_line(text) for text in item.contexts or ())
    return CitingWork(
        citing_id=work_id(ids, title),
        title=title,
        abstract=one_line(paper.abstract),
        authors=_authors(paper),
        year=paper.year,
        venue=paper.venue or None,
        ids=ids,
        influential=item.isInfluential,
        contexts=tuple(
            CitationContext(text=mark_names(text, cited), source=NAME, source_id=paper.paperId)
            for text in contexts
            if text
        ),
    )


def mark_names(text: str, cited: CitedWork) -> str:
    """The snippet with the hub's author and year marked where they stand once; a number cannot be told, so is not."""
    if not cited.authors or cited.year is None or "[[" in text:
        return text
    family = re.escape(cited.authors[0].split(",")[0].split()[-1]) if surname(cited.authors[0]) else None
    years = "|".join(str(cited.year + apart) for apart in (-1, 0, 1))
    found = list(re.finditer(rf"\b{family}\b(?:\s+et\s+al\.?|\s+(?:and|&)\s+[\w'’-]+)?,?\s*\(?(?:{years})\)?", text))
    if family is None or len(found) != 1:
        return text
    start, end = found[0].span()
    end -= text[start:end].endswith(")") and "(" not in text[start:end]
    return f"{text[:start]}[[{text[start:end]}]]{text[end:]}"
