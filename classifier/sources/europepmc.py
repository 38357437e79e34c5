"""Europe PMC: citing works in the life sciences, and open-access full text as JATS.

Errors come as HTTP 200 with ``errCode``; full text that is not open access is a 404.
"""

from __future__ import annotations

from classifier.errors import SourceError
from classifier.identifiers import clean_ids
from classifier.schema import CitedWork, CitingWork
from classifier.sources.http import Answer, SourceClient
from classifier.sources.records import Loose, NotCoveredError, Page, Pages, one_line, validated, work_id
from classifier.sources.settings import Host, SourceSettings

NAME = "europepmc"
PAGE = 1000


class _Citation(Loose):
    id: str
    source: str
    title: str | None = None
    authorString: str | None = None  # noqa: N815 - the service's name
    journalAbbreviation: str | None = None  # noqa: N815
    pubYear: int | None = None  # noqa: N815


class _CitationList(Loose):
    citation: tuple[_Citation, ...] = ()


class _Citations(Loose):
    hitCount: int  # noqa: N815
    citationList: _CitationList | None = None  # noqa: N815


class _Result(Loose):
    id: str
    source: str


class _ResultList(Loose):
    result: tuple[_Result, ...] = ()


class _Search(Loose):
    hitCount: int  # noqa: N815
    resultList: _ResultList  # noqa: N815


def host(settings: SourceSettings) -> Host:
    """The service as configured; it takes no key."""
    return Host(NAME, settings.europepmc_url.rstrip("/"), 0.2)


def _no_error(answer: Answer) -> None:
    """Raise for an error that came as HTTP 200."""
    if answer.body.lstrip()[:1] == b"{":
        said = answer.json()
        if isinstance(said, dict) and said.get("errCode"):
            raise SourceError(f"{answer.where}: error {said['errCode']}: {said.get('errMsg')}")


def _locate(client: SourceClient, service: Host, cited: CitedWork) -> tuple[str, str] | None:
    if cited.ids.pmid:
        return "MED", cited.ids.pmid
    if cited.ids.pmcid:
        return "PMC", cited.ids.pmcid
    if not cited.ids.doi:
        return None
    parameters = {"query": f'DOI:"{cited.ids.doi}"', "resultType": "lite", "format": "json", "pageSize": "5"}
    answer = client.get(service, "/search", parameters, _no_error)
    results = validated(_Search, answer, answer.json()).resultList.result if answer.status == 200 else ()
    return (results[0].source, results[0].id) if results else None


def citing(client: SourceClient, service: Host, cited: CitedWork) -> Pages:
    """Pages of citing works."""
    place = _locate(client, service, cited)
    if place is None:
        raise NotCoveredError(f"{NAME}: the hub is not known to the service (it covers the life sciences)")
    page, seen = 1, 0
    while True:
        parameters = {"page": str(page), "pageSize": str(PAGE), "format": "json"}
        answer = client.get(service, f"/{place[0]}/{place[1]}/citations", parameters, _no_error)
        if answer.status == 404:
            raise SourceError(f"{answer.where}: not found")
        found = validated(_Citations, answer, answer.json())
        rows = found.citationList.citation if found.citationList else ()
        seen += len(rows)
        yield Page(tuple(_work(row) for row in rows if row.title), answer.retrieved_at, found.hitCount)
        if not rows or seen >= found.hitCount:
            return
        page += 1


def _work(row: _Citation) -> CitingWork:
    kinds = {"MED": "pmid", "PMC": "pmcid"}
    ids = clean_ids({kinds[row.source]: row.id} if row.source in kinds else {})
    title = one_line(row.title).rstrip(".")
    authors = tuple(name.strip() for name in (row.authorString or "").rstrip(". ").split(",") if name.strip())
    return CitingWork(
        citing_id=work_id(ids, title) if row.source in kinds else f"{row.source}:{row.id}",
        title=title,
        authors=authors,
        year=row.pubYear,
        venue=row.journalAbbreviation,
        ids=ids,
    )


def full_text(client: SourceClient, service: Host, pmcid: str) -> Answer | None:
    """The JATS of an article, or ``None`` where it is not open access."""
    answer = client.get(service, f"/{pmcid}/fullTextXML", check=_no_error)
    return None if answer.status == 404 else answer
