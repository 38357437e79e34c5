"""OpenAlex: who cites a work, with abstracts; no contexts. Cursor paging, 100 a page, key since 2026-02."""

from __future__ import annotations

import re
from collections.abc import Mapping

from classifier.errors import SourceError
from classifier.identifiers import Identifier, clean_ids, find_arxiv_id
from classifier.schema import CitedWork, CitingWork, WorkIds
from classifier.sources.http import Answer, SourceClient
from classifier.sources.records import Candidate, Loose, NotCoveredError, Page, Pages, one_line, validated, work_id
from classifier.sources.settings import Host, SourceSettings

NAME = "openalex"
PAGE = 100
_SELECT = "id,doi,title,publication_year,abstract_inverted_index,authorships,primary_location,locations,ids"


class _Named(Loose):
    display_name: str | None = None


class _Authorship(Loose):
    author: _Named | None = None


class _Location(Loose):
    landing_page_url: str | None = None
    source: _Named | None = None


class _Work(Loose):
    id: str
    doi: str | None = None
    title: str | None = None
    publication_year: int | None = None
    cited_by_count: int | None = None
    abstract_inverted_index: dict[str, list[int]] | None = None
    authorships: list[_Authorship] | None = None
    primary_location: _Location | None = None
    locations: list[_Location] | None = None
    ids: dict[str, str | int | None] | None = None


class _Meta(Loose):
    count: int | None = None
    next_cursor: str | None = None


class _List(Loose):
    meta: _Meta
    results: list[_Work]


def host(settings: SourceSettings) -> Host:
    """The service as configured; the key goes in the parameter ``api_key`` (its documented place)."""
    return Host(NAME, settings.openalex_url.rstrip("/"), 0.0, settings.openalex_api_key, key_parameter="api_key")


def find(client: SourceClient, service: Host, wanted: Identifier) -> Candidate | None:
    """The work with an identifier, asked for singly (free, and the only way to a preprint that was merged)."""
    paths = {
        "openalex_id": wanted.value,
        "doi": f"doi:{wanted.value}",
        "pmid": f"pmid:{wanted.value}",
        "pmcid": f"pmcid:{wanted.value}",
        "arxiv_id": f"doi:10.48550/arxiv.{wanted.value}",
    }
    if wanted.kind not in paths:
        return None
    answer = client.get(service, f"/works/{paths[wanted.kind]}", {"select": f"{_SELECT},cited_by_count"})
    return None if answer.status == 404 else _candidate(validated(_Work, answer, answer.json()), answer)


def search(client: SourceClient, service: Host, title: str) -> list[Candidate]:
    """Works with the words of a title in theirs, at most ten."""
    words = one_line(re.sub(r"[^\w\s'’-]", " ", title))  # a comma or bar would end the filter
    parameters = {"filter": f"title.search:{words}", "per_page": "10", "select": f"{_SELECT},cited_by_count"}
    answer = client.get(service, "/works", parameters)
    return [_candidate(work, answer) for work in validated(_List, answer, answer.json()).results if work.title]


def citing(client: SourceClient, service: Host, cited: CitedWork) -> Pages:
    """Pages of citing works; the hub must have an OpenAlex id."""
    if not cited.ids.openalex_id:
        raise NotCoveredError(f"{NAME}: the hub is not known to the service")
    cursor: str | None = "*"
    while cursor:
        parameters = {
            "filter": f"cites:{cited.ids.openalex_id}",
            "per_page": str(PAGE),
            "cursor": cursor,
            "select": _SELECT,
        }
        answer = client.get(service, "/works", parameters)
        if answer.status == 404:
            raise SourceError(f"{answer.where}: HTTP 404 for a list; the address may have changed")
        page = validated(_List, answer, answer.json())
        works = tuple(_work(work) for work in page.results if work.title)
        untitled = len(page.results) - len(works)
        notes = (f"{untitled} entries without a title are left out",) if untitled else ()
        yield Page(works, answer.retrieved_at, page.meta.count, notes)
        cursor = page.meta.next_cursor if page.results else None


def abstract_text(index: Mapping[str, list[int]] | None) -> str:
    """The abstract from its inverted index ``{word: [positions]}``; empty for ``None``."""
    placed = sorted((position, word) for word, positions in (index or {}).items() for position in positions)
    return " ".join(word for _, word in placed)


def _ids(work: _Work) -> WorkIds:
    links = [location.landing_page_url or "" for location in work.locations or ()]
    arxiv = next((found for link in links if "arxiv.org" in link and (found := find_arxiv_id(link, named=True))), None)
    other = work.ids or {}
    return clean_ids(
        {
            "openalex_id": work.id.rpartition("/")[2],
            "doi": work.doi,
            "arxiv_id": arxiv,
            "pmid": other.get("pmid"),
            "pmcid": other.get("pmcid"),
        }
    )


def _authors(work: _Work) -> tuple[str, ...]:
    return tuple(a.author.display_name for a in work.authorships or () if a.author and a.author.display_name)


def _venue(work: _Work) -> str | None:
    place = work.primary_location
    return place.source.display_name if place and place.source else None


def _candidate(work: _Work, answer: Answer) -> Candidate:
    ids, title = _ids(work), one_line(work.title)
    cited = CitedWork(
        hub_id=work_id(ids, title),
        title=title,
        abstract=abstract_text(work.abstract_inverted_index),
        authors=_authors(work),
        year=work.publication_year,
        venue=_venue(work),
        ids=ids,
    )
    return Candidate(cited, work.cited_by_count, answer.retrieved_at, NAME)


def _work(work: _Work) -> CitingWork:
    ids, title = _ids(work), one_line(work.title)
    return CitingWork(
        citing_id=work_id(ids, title),
        title=title,
        abstract=abstract_text(work.abstract_inverted_index),
        authors=_authors(work),
        year=work.publication_year,
        venue=_venue(work),
        ids=ids,
    )
