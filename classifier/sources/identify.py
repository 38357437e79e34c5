"""From what the user typed to one work: by identifier, or by title, asking back when several carry it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from classifier.errors import InputError, SourceError
from classifier.identifiers import Identifier, ids_conflict, parse_identifier, same_surname, surname, years_close
from classifier.schema import CitedWork, WorkIds
from classifier.sources import arxiv, openalex, pith, semantic_scholar
from classifier.sources.http import SourceClient
from classifier.sources.records import Candidate, title_fits
from classifier.sources.settings import SourceSettings

Say = Callable[[str], None]


class Finder:
    """Looks works up. Failures of one service are said and the next is asked; only if all fail it is an error."""

    def __init__(self, client: SourceClient, settings: SourceSettings, sources: Sequence[str], say: Say) -> None:
        self._client, self._settings, self._sources, self._say = client, settings, sources, say
        self.failed: set[str] = set()  # services that gave no answer to some question: not the same as not knowing

    def find(self, text: str) -> list[Candidate]:
        """Records of the one work meant, one a service, best described first. Raises ``InputError`` where not one."""
        uuid = pith.hub_uuid(text) if "pith.science" in text else None
        if uuid:
            candidate, _ = pith.fetch(self._client, pith.host(self._settings), uuid)
            work = candidate.work
            work = work.model_copy(update={"ids": work.ids.model_copy(update={"url": text})})
            return [candidate._replace(work=work), *self.same(work)]
        wanted = parse_identifier(text)
        if wanted.kind == "title":
            chosen = self._by_title(wanted.value)
            return [chosen, *self.same(chosen.work, without=chosen.source)]
        found, problems = self._by_identifier(wanted)
        if found:
            known = {candidate.source for candidate in found}
            others = [c for c in self.same(found[0].work) if c.source not in known]
            return [*found, *others]
        if problems:
            raise SourceError(f"{text}: no source could be asked: {'; '.join(problems)}")
        raise InputError("no source knows this work", value=text, do="check the identifier, or give the title")

    def same(self, work: CitedWork, without: str = "") -> list[Candidate]:
        """What the services say of a work that is known by at least one identifier; by its title otherwise."""
        ids = [
            Identifier(kind, value) for kind, value in work.ids.model_dump(exclude_none=True).items() if kind != "url"
        ]
        found: dict[str, Candidate] = {}
        for wanted in sorted(ids, key=lambda i: i.kind not in ("arxiv_id", "doi")):
            for candidate in self._by_identifier(wanted, skip={without, *found})[0]:
                found.setdefault(candidate.source, candidate)
        if not found and not ids:
            chosen = self._by_title(work.title, work)
            return [chosen, *(c for c in self.same(chosen.work, without=chosen.source))]
        return [c for c in found.values() if not _is_other(c.work, work)]

    def _by_identifier(
        self, wanted: Identifier, skip: set[str] | frozenset[str] = frozenset()
    ) -> tuple[list[Candidate], list[str]]:
        found: list[Candidate] = []
        problems: list[str] = []
        for name, ask in self._askers(wanted).items():
            if name in skip or (name != arxiv.NAME and name not in self._sources):
                continue
            if name == arxiv.NAME and any(c.work.abstract for c in found):
                continue  # arXiv is asked only for what the others lack
            try:
                candidate = ask()
            except SourceError as error:
                self._say(str(error))
                self.failed.add(name)
                problems.append(str(error))
                continue
            if candidate:
                found.append(candidate)
        return found, problems

    def _askers(self, wanted: Identifier) -> dict[str, Callable[[], Candidate | None]]:
        settings, client = self._settings, self._client
        askers: dict[str, Callable[[], Candidate | None]] = {
            semantic_scholar.NAME: lambda: semantic_scholar.find(client, semantic_scholar.host(settings), wanted),
            openalex.NAME: lambda: openalex.find(client, openalex.host(settings), wanted),
        }
        if wanted.kind == "arxiv_id":
            askers[arxiv.NAME] = lambda: arxiv.find(client, arxiv.api_host(settings), wanted.value)
        return askers

    def _by_title(self, title: str, known: CitedWork | None = None) -> Candidate:
        candidates: list[Candidate] = []
        problems: list[str] = []
        client, settings = self._client, self._settings
        searches: dict[str, Callable[[], list[Candidate]]] = {
            semantic_scholar.NAME: lambda: [
                *semantic_scholar.match(client, semantic_scholar.host(settings), title),
                *semantic_scholar.search(client, semantic_scholar.host(settings), title),
            ],
            openalex.NAME: lambda: openalex.search(client, openalex.host(settings), title),
        }
        for name, search in searches.items():
            if name not in self._sources:
                continue
            try:
                candidates += search()
            except SourceError as error:
                self._say(str(error))
                self.failed.add(name)
                problems.append(str(error))
        exact = _distinct([c for c in candidates if title_fits(title, c.work.title) and not _is_other(c.work, known)])
        if len(exact) == 1:
            return exact[0]
        if not candidates and problems:
            raise SourceError(f"{title!r}: no source could be asked: {'; '.join(problems)}")
        shown = "\n".join(f"  {describe(c)}" for c in (exact or _distinct(candidates))[:10])
        what = f"{len(exact)} works carry this title" if exact else "no work carries exactly this title"
        raise InputError(
            f"{what}; got {title!r}; give the identifier of the one you mean" + (f":\n{shown}" if shown else "")
        )


def describe(candidate: Candidate) -> str:
    """One line to choose by: identifier, title, first author, year, citations."""
    work = candidate.work
    author = f"{work.authors[0]}{' et al.' if len(work.authors) > 1 else ''}, " if work.authors else ""
    cited = f", cited {candidate.cited_by} times" if candidate.cited_by is not None else ""
    return f"{best_id(work.ids) or work.hub_id}  {work.title} ({author}{work.year or 'year unknown'}{cited})"


def best_id(ids: WorkIds) -> str | None:
    """The identifier to type: ``arXiv:…``, a DOI, or the service's own."""
    return (f"arXiv:{ids.arxiv_id}" if ids.arxiv_id else None) or ids.doi or ids.openalex_id or ids.s2_id


def _is_other(work: CitedWork, known: CitedWork | None) -> bool:
    """Whether a record cannot be the known work: other first author and a year apart."""
    if known is None or not known.authors or not work.authors:
        return False
    names = [surname(author) for author in work.authors]
    return not any(same_surname(surname(known.authors[0]), name) for name in names)


def _distinct(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Candidates that are different works: a preprint and its publication, or one work in two services, count once."""
    kept: list[Candidate] = []
    for candidate in candidates:
        if not any(_one(candidate.work, other.work) for other in kept):
            kept.append(candidate)
    return kept


def _one(left: CitedWork, right: CitedWork) -> bool:
    for kind, value in left.ids.model_dump(exclude_none=True).items():
        if kind != "url" and getattr(right.ids, kind) == value:
            return True
    if (left.ids.arxiv_id and right.ids.arxiv_id) or not title_fits(left.title, right.title):
        return False
    if not left.authors or not right.authors:
        return years_close(left.year, right.year, 0) and not ids_conflict(left.ids, right.ids)
    return years_close(left.year, right.year, 2) and not _is_other(left, right)


def merged(candidates: Sequence[Candidate]) -> CitedWork:
    """One record of the hub: the first, with what it lacks taken from the others."""
    work = candidates[0].work
    for other in (candidate.work for candidate in candidates[1:]):
        ids = {kind: getattr(work.ids, kind) or value for kind, value in other.ids.model_dump().items()}
        work = work.model_copy(
            update={
                "abstract": work.abstract or other.abstract,
                "authors": work.authors or other.authors,
                "year": work.year if work.year is not None else other.year,
                "venue": work.venue or other.venue,
                "ids": WorkIds(**ids),
            }
        )
    return work
