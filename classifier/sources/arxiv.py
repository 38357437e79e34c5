"""arXiv: metadata of the hub, LaTeXML HTML and source of citing works. One request in three seconds, one connection.

Most papers may be read but not passed on: what is fetched stays in the cache of this user.
"""

from __future__ import annotations

from classifier.errors import SourceError
from classifier.fulltext.markup import every, first, named, parse_xml, text_of
from classifier.identifiers import clean_ids, find_arxiv_id
from classifier.schema import CitedWork
from classifier.sources.http import Answer, SourceClient, TemporaryError
from classifier.sources.records import Candidate, one_line, work_id
from classifier.sources.settings import Host, SourceSettings

NAME = "arxiv"


def host(settings: SourceSettings) -> Host:
    """The site that serves HTML and sources."""
    return Host(NAME, settings.arxiv_url.rstrip("/"), settings.arxiv_interval)


def api_host(settings: SourceSettings) -> Host:
    """The metadata interface; it shares its turn with the site."""
    return Host(NAME, settings.arxiv_api_url.rstrip("/"), settings.arxiv_interval)


def _not_limited(answer: Answer) -> None:
    """Raise for the rate limit that comes as a plain text."""
    if answer.body[:40].strip().startswith(b"Rate exceeded"):
        raise TemporaryError(f"{answer.where}: rate exceeded; arXiv takes one request in three seconds")


def find(client: SourceClient, service: Host, arxiv_id: str) -> Candidate | None:
    """The metadata of a paper, or ``None`` where there is none. Raises ``SourceError`` for an error feed."""
    answer = client.get(service, "/api/query", {"id_list": arxiv_id, "max_results": "1"}, _not_limited)
    feed = parse_xml(answer.body, answer.where)
    entry = first(feed, named("entry"))
    if entry is None:
        return None
    identifier = text_of(first(entry, named("id")))
    if "/api/errors" in identifier:
        raise SourceError(f"{answer.where}: {text_of(first(entry, named('summary'))) or 'an error without a reason'}")
    title = text_of(first(entry, named("title")))
    ids = clean_ids({"arxiv_id": find_arxiv_id(identifier, named=True), "doi": text_of(first(entry, named("doi")))})
    if not title or ids.arxiv_id is None:
        raise SourceError(f"{answer.where}: changed schema: an entry without title or id")
    published = text_of(first(entry, named("published")))
    work = CitedWork(
        hub_id=work_id(ids, title),
        title=title,
        abstract=one_line(text_of(first(entry, named("summary")))),
        authors=tuple(text_of(e) for e in every(entry, ".//*[local-name()='author']/*[local-name()='name']")),
        year=int(published[:4]) if published[:4].isdigit() else None,
        ids=ids,
    )
    return Candidate(work, None, answer.retrieved_at, NAME)


def html(client: SourceClient, service: Host, arxiv_id: str) -> Answer | None:
    """The LaTeXML page of a paper, or ``None`` where arXiv made none."""
    answer = client.get(service, f"/html/{arxiv_id}", check=_not_limited)
    if answer.status == 404 or b"ltx_" not in answer.body:
        return None
    return answer


def source(client: SourceClient, service: Host, arxiv_id: str) -> Answer | None:
    """The source of a paper as packed by arXiv (tar.gz, gz, or a PDF), or ``None`` where there is none."""
    answer = client.get(service, f"/e-print/{arxiv_id}", check=_not_limited)
    return None if answer.status == 404 else answer
