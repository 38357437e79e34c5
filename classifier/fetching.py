"""From an identifier, or a hub that has no passages, to ``hub.json``: what ``classify fetch`` does.

Works stream from the services to a staging file and from there to ``hub.json``; a hub of any size fits in memory.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import NamedTuple

from classifier.errors import ClassifierError, InputError, SettingsError, SourceError
from classifier.fetch_report import Row, write_report
from classifier.fulltext.grobid import GrobidClient
from classifier.identifiers import parse_identifier
from classifier.inputs import TABLE_SUFFIXES, collect_hub, open_input
from classifier.inputs.bibliography_files import read_list
from classifier.passages import Passages
from classifier.schema import CitedWork, Hub, Provenance
from classifier.sources import arxiv, europepmc, openalex, opencitations, pith, semantic_scholar
from classifier.sources.cache import SourceCache, now
from classifier.sources.http import SourceClient
from classifier.sources.identify import Finder, merged
from classifier.sources.merge import Staging, as_json_line
from classifier.sources.records import NotCoveredError, Pages
from classifier.sources.settings import SourceSettings

LISTS = (semantic_scholar.NAME, openalex.NAME, opencitations.NAME, europepmc.NAME, pith.NAME)
SOURCES = (*LISTS, arxiv.NAME)
DEFAULT_SOURCES = (semantic_scholar.NAME, openalex.NAME, opencitations.NAME)
INPUT_SUFFIXES = TABLE_SUFFIXES | {".json", ".txt", ".bib", ".ris"}
Say = Callable[[str], None]


class FetchOptions(NamedTuple):
    """What of the command line shapes a fetch. ``lists`` are files of works; ``limit`` counts works of each source."""

    out: Path = Path("hub.json")
    sources: tuple[str, ...] = DEFAULT_SOURCES
    lists: tuple[Path, ...] = ()
    fulltext: Path | None = None
    grobid: str | None = None
    limit: int | None = None
    max_age_days: float | None = 30.0
    offline: bool = False


class Fetched(NamedTuple):
    """What came: ``rows`` are things that did not work, also in the report beside the hub."""

    hub: Path
    report: Path
    works: int
    with_passage: int
    passages: int
    requests: int
    rows: tuple[Row, ...]


def is_identifier(text: str) -> bool:
    """Whether a command's INPUT is meant to be fetched: an identifier, or a title, that names no file."""
    path = Path(text)
    if path.exists() or path.suffix.lower() in INPUT_SUFFIXES:
        return False
    return parse_identifier(text).kind != "title" or " " in text.strip() or pith.hub_uuid(text) is not None


def fetch_hub(what: str, options: FetchOptions | None = None, say: Say = lambda _: None) -> Path:
    """Fetch and return the path of ``hub.json``: the one call that ``classify run ID`` makes."""
    return fetch(what, options or FetchOptions(), say).hub


def fetch(what: str, options: FetchOptions, say: Say, settings: SourceSettings | None = None) -> Fetched:
    """Fetch an identifier, a title or an input file. Raises ``InputError``, ``SettingsError`` or ``SourceError``.

    A source or file that fails becomes a row of the report and stops nothing, unless nothing is left.
    """
    settings = settings or SourceSettings()
    unknown = [name for name in options.sources if name not in SOURCES]
    if unknown:
        raise SettingsError(f"unknown source {unknown[0]!r}; there are {', '.join(SOURCES)}")
    if options.fulltext and not options.fulltext.is_dir():
        raise InputError("is not a folder of full texts", path=options.fulltext)
    with ExitStack() as stack:
        cache = stack.enter_context(closing(SourceCache(Path(settings.source_cache), options.max_age_days)))
        client = stack.enter_context(
            closing(
                SourceClient(
                    cache,
                    timeout=settings.source_timeout,
                    tries=settings.source_tries,
                    offline=options.offline,
                    say=say,
                )
            )
        )
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="classify-fetch-")))
        staging = stack.enter_context(closing(Staging(folder / "works.sqlite")))
        grobid = stack.enter_context(closing(GrobidClient(options.grobid))) if options.grobid else None
        if grobid:
            grobid.check()
        return _Fetch(options, settings, client, staging, say).run(what, grobid)


class _Fetch:
    def __init__(
        self, options: FetchOptions, settings: SourceSettings, client: SourceClient, staging: Staging, say: Say
    ) -> None:
        self.options, self.settings, self.client, self.staging, self.say = options, settings, client, staging, say
        self.finder = Finder(client, settings, options.sources, say)
        self.provenance: list[Provenance] = []
        self.rows: list[Row] = []
        self.announced: int | None = None

    def run(self, what: str, grobid: GrobidClient | None) -> Fetched:
        cited = self._hub_of(what)
        self.say(f"hub: {cited.title} ({cited.year or 'year unknown'})")
        for path in self.options.lists:
            self._list_file(path)
        came = [self._list(name, cited) for name in LISTS if name in self.options.sources]
        passages = Passages(self.staging, cited, self.rows, self.say)
        if self.options.fulltext:
            self.provenance.append(passages.from_folder(self.options.fulltext, grobid))
        if len(self.staging) == 0 and came and not any(came):
            raise SourceError("no source gave a list of citing works:\n" + "\n".join(r.detail for r in self.rows))
        self.provenance += passages.from_services(self.client, self.settings, self.options.sources, self.options.limit)
        self._advise()
        return self._write(cited)

    def _advise(self) -> None:
        """Say what could still be had: full text of works that have no passage."""
        if arxiv.NAME in self.options.sources:
            return
        bare = sum(bool(work.ids.arxiv_id) and not work.contexts for work in self.staging.works())
        if bare:
            minutes = max(1, round(bare * self.settings.arxiv_interval / 60))
            command = f"classify fetch {self.options.out} --source arxiv --out {self.options.out}"
            self.say(f"note: {bare} works on arXiv have no passage; `{command}` reads them, in {minutes} min or more")

    def _hub_of(self, what: str) -> CitedWork:
        """The hub's own record; an input file also gives its works, which keep their ids and order."""
        path = Path(what)
        if path.suffix.lower() in INPUT_SUFFIXES and not path.exists() and " " not in what:
            raise InputError("no such file", path=path)
        if path.suffix and path.is_file():
            hub = collect_hub(open_input(path))
            self.announced, self.provenance = hub.announced, list(hub.provenance)
            for work in hub.citing:
                self.staging.add(work, "input")
            count = f"{len(hub.citing)} works"
            self.provenance.append(Provenance(source=f"input:{path.name}", retrieved_at=now(), note=count))
            return self._enriched(hub)
        candidates = self.finder.find(what)
        counts = [c.cited_by for c in candidates if c.cited_by is not None]
        self.announced = counts[0] if counts else None
        for c in candidates:
            said = f"; says it is cited {c.cited_by} times" if c.cited_by is not None else ""
            note = f"record of the hub{said}"
            self.provenance.append(Provenance(source=c.source, retrieved_at=c.retrieved_at, note=note))
        return merged(candidates)

    def _enriched(self, hub: Hub) -> CitedWork:
        if not any(name in LISTS for name in self.options.sources):
            return hub.cited
        try:
            found = self.finder.same(hub.cited)
        except ClassifierError as error:
            if isinstance(error, InputError) and self.options.fulltext is None:
                raise  # nothing can be fetched before the user says which work is meant
            self._failed("hub", hub.cited.title, f"the hub was not found in the sources: {error}")
            found = []
        if not found:
            return hub.cited
        record = merged(found)
        ids = {k: getattr(hub.cited.ids, k) or v for k, v in record.ids.model_dump().items()}
        return hub.cited.model_copy(
            update={
                "abstract": hub.cited.abstract or record.abstract,
                "authors": hub.cited.authors or record.authors,
                "year": hub.cited.year if hub.cited.year is not None else record.year,
                "venue": hub.cited.venue or record.venue,
                "ids": hub.cited.ids.model_validate(ids),
            }
        )

    def _list(self, name: str, cited: CitedWork) -> bool:
        """Take one source's list in. ``False`` where it failed; what came before the failure stays."""
        count, notes, moment, announced = 0, list[str](), "", None
        try:
            for page in self._pages(name, cited):
                taken = page.works if self.options.limit is None else page.works[: max(0, self.options.limit - count)]
                for work in taken:
                    if work.title or self.staging.knows(work.ids):
                        self.staging.add(work, name)
                count, moment, announced = count + len(taken), page.retrieved_at, announced or page.announced
                notes += page.notes
                self.say(f"{name}: {count} works" + (f" of {announced}" if announced else ""))
                if self.options.limit is not None and count >= self.options.limit:
                    notes.append(f"stopped at --limit {self.options.limit}")
                    break
        except NotCoveredError as error:
            if name in self.finder.failed:
                self._failed(name, "list of citing works", f"{name}: the hub could not be looked up there")
                return False
            self.rows.append(Row(name, "list of citing works", "not covered", str(error)))
            self.provenance.append(Provenance(source=name, retrieved_at=now(), note=str(error)))
            self.say(str(error))
            return False
        except (SourceError, SettingsError) as error:
            if isinstance(error, SettingsError) and count == 0:
                raise
            self._failed(name, "list of citing works", str(error))
            self.provenance.append(
                Provenance(source=name, retrieved_at=moment or now(), note=f"failed after {count} works: {error}")
            )
            return False
        for note in notes:
            self.say(f"note: {name}: {note}")
        said = f", says there are {announced}" if announced is not None else ""
        self.announced = self.announced if self.announced is not None else announced
        self.provenance.append(
            Provenance(source=name, retrieved_at=moment or now(), note="; ".join([f"{count} works{said}", *notes]))
        )
        return True

    def _list_file(self, path: Path) -> None:
        """Take a file of works in; those that come without a title are looked up in OpenCitations Meta."""
        works = list(read_list(path))
        for work in works:
            if work.title or self.staging.knows(work.ids):
                self.staging.add(work, f"list:{path.name}")
        named = [w for w in works if w.title or any(w.ids.model_dump().values())]
        if len(named) < len(works):
            self._failed(f"list:{path.name}", f"{len(works) - len(named)} entries", "neither a title nor an identifier")
        untitled = [(w.ids, str(w.year or "")) for w in named if not w.title and not self.staging.knows(w.ids)]
        service = opencitations.host(self.settings)
        for start in range(0, len(untitled), opencitations.META_BATCH):
            batch = untitled[start : start + opencitations.META_BATCH]
            try:
                for work in opencitations.described(self.client, service, batch).works:
                    self.staging.add(work, f"list:{path.name}")
            except SourceError as error:
                self._failed(f"list:{path.name}", f"titles of {len(batch)} works", str(error))
        self.provenance.append(Provenance(source=f"list:{path.name}", retrieved_at=now(), note=f"{len(works)} works"))

    def _pages(self, name: str, cited: CitedWork) -> Pages:
        client, settings = self.client, self.settings
        pages: dict[str, Callable[[], Pages]] = {
            semantic_scholar.NAME: lambda: semantic_scholar.citing(client, semantic_scholar.host(settings), cited),
            openalex.NAME: lambda: openalex.citing(client, openalex.host(settings), cited),
            opencitations.NAME: lambda: opencitations.citing(
                client, opencitations.host(settings), cited, self.staging.knows
            ),
            europepmc.NAME: lambda: europepmc.citing(client, europepmc.host(settings), cited),
            pith.NAME: lambda: pith.citing(client, pith.host(settings), cited),
        }
        return pages[name]()

    def _failed(self, source: str, item: str, detail: str) -> None:
        self.rows.append(Row(source, item, "failed", detail))
        self.say(f"{source}: {item}: {detail}")

    def _write(self, cited: CitedWork) -> Fetched:
        """``hub.json``, written work by work beside its place and moved there, and the report."""
        out = self.options.out
        counts = {"works": 0, "with": 0, "passages": 0}
        for row in self.staging.disagreements():
            sides = f"{row.kept_from} says {row.kept!r}, {row.source} says {row.other!r}"
            note = f"{row.citing_id}: {row.field}: {sides}; the first is kept"
            self.provenance.append(Provenance(source=row.source, note=note))
        part = out.with_name(f".{out.name}.part")
        try:
            out.parent.mkdir(parents=True, exist_ok=True)
            with part.open("w", encoding="utf-8", newline="\n") as file:
                file.write('{"cited": ' + _json(cited.model_dump_json(exclude_defaults=True)) + ',\n"citing": [')
                for work in self.staging.works():
                    file.write(("," if counts["works"] else "") + "\n" + as_json_line(work))
                    counts["works"] += 1
                    counts["with"] += bool(work.contexts)
                    counts["passages"] += len(work.contexts)
                file.write('\n],\n"announced": ' + json.dumps(self.announced) + ',\n"provenance": [\n')
                file.write(
                    ",\n".join(_json(p.model_dump_json(exclude_defaults=True)) for p in self.provenance) + "\n]}\n"
                )
            part.replace(out)
            report = out.with_name(f"{out.stem}.report.csv")
            write_report(report, self.rows)
        except OSError as error:
            raise InputError(f"cannot be written: {error.strerror}", path=out) from error
        return Fetched(
            out, report, counts["works"], counts["with"], counts["passages"], self.client.requests, tuple(self.rows)
        )


def _json(text: str) -> str:
    return json.dumps(json.loads(text), ensure_ascii=False)
