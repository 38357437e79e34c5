"""OpenCitations: who cites a DOI or PubMed id (Index v2), and what those works are called (Meta v1)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from classifier.identifiers import clean_ids
from classifier.schema import CitedWork, CitingWork, WorkIds
from classifier.sources.http import SourceClient
from classifier.sources.records import Loose, NotCoveredError, Page, Pages, one_line, validated, work_id
from classifier.sources.settings import Host, SourceSettings

NAME = "opencitations"
META_BATCH = 10
"""Ids in one request to Meta: above about 14 it answers 500."""


class _Citation(Loose):
    citing: str
    cited: str
    creation: str | None = None


class _Meta(Loose):
    id: str
    title: str | None = None
    author: str | None = None
    pub_date: str | None = None
    venue: str | None = None


class _Citations(Loose):
    rows: list[_Citation]


class _Metas(Loose):
    rows: list[_Meta]


def host(settings: SourceSettings) -> Host:
    """The service as configured: 180 requests a minute; a token, where there is one, goes in ``authorization``."""
    url, token = settings.opencitations_url.rstrip("/"), settings.opencitations_token
    return Host(NAME, url, 1 / 3, token, key_header="authorization")


def ids_of(text: str) -> WorkIds:
    """Ids from ``omid:.. doi:.. pmid:..`` (v2), from a bare DOI (v1), or from v1's ``source => id`` form."""
    found: dict[str, object] = {}
    for token in re.sub(r"\w+\s*=>\s*|;", " ", text).split():
        kind, _, value = token.partition(":")
        if kind in ("doi", "pmid", "pmcid") and value:
            found.setdefault(kind, value)
        elif kind == "openalex" and value:
            found.setdefault("openalex_id", value)
        elif token.startswith("10."):
            found.setdefault("doi", token)
    return clean_ids(found)


def citing(
    client: SourceClient, service: Host, cited: CitedWork, known: Callable[[WorkIds], bool] = lambda _: False
) -> Pages:
    """Pages of citing works. Titles are asked for only of works that ``known`` does not have yet."""
    wanted = f"doi:{cited.ids.doi}" if cited.ids.doi else f"pmid:{cited.ids.pmid}" if cited.ids.pmid else None
    if wanted is None and cited.ids.arxiv_id:
        wanted = f"doi:10.48550/arxiv.{cited.ids.arxiv_id}"
    if wanted is None:
        raise NotCoveredError(f"{NAME}: the hub has neither DOI nor PubMed id, and the service knows no others")
    answer = client.get(service, f"/index/v2/citations/{wanted}")
    rows = validated(_Citations, answer, {"rows": answer.json()}).rows if answer.status == 200 else []
    listed = {work_id(ids, ""): (ids, row) for row in rows if any((ids := ids_of(row.citing)).model_dump().values())}
    old = [_work(ids, None, row.creation) for ids, row in listed.values() if known(ids)]
    notes = (f"{len(rows) - len(listed)} rows repeat a work or name no usable id",) if len(listed) < len(rows) else ()
    yield Page(tuple(old), answer.retrieved_at, len(listed), notes)
    new = [(ids, row.creation) for ids, row in listed.values() if not known(ids)]
    for batch in _batches(new, META_BATCH):
        yield described(client, service, batch)


def _batches(items: Sequence[tuple[WorkIds, str | None]], size: int) -> Iterator[list[tuple[WorkIds, str | None]]]:
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch


def described(client: SourceClient, service: Host, batch: Sequence[tuple[WorkIds, str | None]]) -> Page:
    """At most ``META_BATCH`` works, each given by its ids and a date, with titles from OpenCitations Meta."""
    names = [f"doi:{ids.doi}" if ids.doi else f"pmid:{ids.pmid}" for ids, _ in batch if ids.doi or ids.pmid]
    answer = client.get(service, f"/meta/v1/metadata/{'__'.join(names)}")
    rows = validated(_Metas, answer, {"rows": answer.json()}).rows if answer.status == 200 else []
    by_id: dict[str, _Meta] = {}
    for row in rows:
        ids = ids_of(row.id)
        by_id.update({value: row for value in (ids.doi, ids.pmid) if value})
    works = [_work(ids, by_id.get(ids.doi or "") or by_id.get(ids.pmid or ""), made) for ids, made in batch]
    titled = tuple(work for work in works if work.title)
    lost = len(works) - len(titled)
    notes = (f"{lost} works without a title in OpenCitations Meta are left out",) if lost else ()
    return Page(titled, answer.retrieved_at, notes=notes)


def _work(ids: WorkIds, meta: _Meta | None, created: str | None) -> CitingWork:
    title = one_line(meta.title) if meta else ""
    date = (meta.pub_date if meta else None) or created or ""
    authors = re.sub(r"\s*\[[^\]]*\]", "", meta.author or "").split(";") if meta else []
    venue = re.sub(r"\s*\[[^\]]*\]", "", meta.venue or "").strip() if meta else ""
    return CitingWork(
        citing_id=work_id(ids, title),
        title=title,
        authors=tuple(a.strip() for a in authors if a.strip()),
        year=int(date[:4]) if date[:4].isdigit() else None,
        venue=venue or None,
        ids=ids,
    )
