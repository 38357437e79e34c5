"""pith.science: the JSON of a hub page. Optional and undocumented: only its first fields are known for sure.

The list of citing works is looked for, not assumed: the longest list of records with titles outside ``work``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from classifier.errors import SourceError
from classifier.identifiers import clean_ids
from classifier.schema import CitedWork, CitingWork
from classifier.sources.http import SourceClient
from classifier.sources.records import Candidate, NotCoveredError, Page, Pages, one_line, work_id
from classifier.sources.settings import Host, SourceSettings

NAME = "pith"
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.I)


def host(settings: SourceSettings) -> Host:
    """The site as configured; its limits are unknown, so it is asked slowly."""
    return Host(NAME, settings.pith_url.rstrip("/"), 2.0)


def hub_uuid(text: str) -> str | None:
    """The work id in an address such as ``https://pith.science/citations/UUID``, or ``None``."""
    found = _UUID.search(text)
    return found.group().lower() if found else None


def read(record: object, where: str) -> tuple[CitedWork, tuple[CitingWork, ...], int | None, str]:
    """Hub, citing works, announced number and a note on where the list stood. Raises ``SourceError``."""
    work = record.get("work") if isinstance(record, Mapping) else None
    if not isinstance(record, Mapping) or not isinstance(work, Mapping) or not work.get("title"):
        raise SourceError(f"{where}: changed schema: no work with a title; the JSON of pith.science is undocumented")
    cited = _work(work)
    lists = sorted(_lists({k: v for k, v in record.items() if k != "work"}, ""), key=lambda found: -len(found[1]))
    place, rows = lists[0] if lists else ("", [])
    announced = work.get("cited_by_count")
    note = f"undocumented import: citing works read from {place!r}" if place else "undocumented import: no list found"
    hub = CitedWork(
        hub_id=cited.citing_id,
        title=cited.title,
        abstract=cited.abstract,
        authors=cited.authors,
        year=cited.year,
        venue=cited.venue,
        ids=cited.ids,
    )
    return hub, tuple(_work(row) for row in rows), announced if isinstance(announced, int) else None, note


def _lists(value: object, place: str) -> Iterator[tuple[str, list[Mapping[str, Any]]]]:
    """Lists of titled records whose place speaks of citing; references and co-cited works are not that."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _lists(inner, f"{place}.{key}" if place else str(key))
    elif isinstance(value, list) and "cit" in place and not re.search(r"cocit|co_cit|reference|outbound", place):
        rows = [
            item.get("work") if isinstance(item, Mapping) and isinstance(item.get("work"), Mapping) else item
            for item in value
        ]
        titled = [row for row in rows if isinstance(row, Mapping) and (row.get("title") or row.get("display_title"))]
        if titled:
            yield place, titled


def _work(row: Mapping[str, Any]) -> CitingWork:
    ids = clean_ids(
        {
            "arxiv_id": row.get("arxiv_id") or row.get("pith_arxiv_id"),
            "doi": row.get("doi"),
            "openalex_id": row.get("openalex_id"),
            "url": row.get("external_url"),
        }
    )
    title = one_line(str(row.get("display_title") or row.get("title") or ""))
    authors = row.get("authors")
    names = authors if isinstance(authors, list) else str(row.get("authors_text") or "").split(",")
    year = row.get("year")
    return CitingWork(
        citing_id=work_id(ids, title),
        title=title,
        abstract=one_line(str(row.get("abstract") or "")),
        summary=one_line(str(row.get("summary") or row.get("headline") or "")),
        authors=tuple(name for name in map(_name, names) if name),
        year=year if isinstance(year, int) else None,
        venue=str(row["venue"]) if row.get("venue") else None,
        ids=ids,
    )


def _name(author: object) -> str:
    return one_line(str((author.get("name") or "") if isinstance(author, Mapping) else author))


def fetch(client: SourceClient, service: Host, uuid: str) -> tuple[Candidate, Page]:
    """The hub and its citing works. Raises ``SourceError`` where the page is not known."""
    answer = client.get(service, f"/citations/{uuid}.json")
    if answer.status == 404:
        raise SourceError(f"{answer.where}: no such hub")
    hub, works, announced, note = read(answer.json(), answer.where)
    return Candidate(hub, announced, answer.retrieved_at, NAME), Page(works, answer.retrieved_at, announced, (note,))


def citing(client: SourceClient, service: Host, cited: CitedWork) -> Pages:
    """The citing works of a hub whose pith address is in its ids; one page."""
    uuid = hub_uuid(cited.ids.url or "") or hub_uuid(cited.hub_id)
    if uuid is None:
        raise NotCoveredError(f"{NAME}: give the address of the hub page, https://pith.science/citations/…, as ID")
    yield fetch(client, service, uuid)[1]
