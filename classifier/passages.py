"""Full text into the list of citing works: the user's files, and what may be fetched from arXiv and Europe PMC."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from classifier.errors import SourceError
from classifier.fetch_report import Row
from classifier.fulltext.archive import unpack
from classifier.fulltext.contexts import Found, find_contexts
from classifier.fulltext.document import Document
from classifier.fulltext.jats import read_jats
from classifier.fulltext.latex import read_latex
from classifier.fulltext.latexml import read_latexml_html
from classifier.fulltext.reader import Grobid, Unreadable, read_folder
from classifier.identifiers import clean_ids, find_arxiv_id, find_doi
from classifier.schema import CitedWork, CitingWork, Provenance, WorkIds
from classifier.sources import arxiv, europepmc
from classifier.sources.cache import now
from classifier.sources.http import Answer, SourceClient
from classifier.sources.merge import Staging
from classifier.sources.records import work_id
from classifier.sources.settings import SourceSettings


class Passages:
    """Adds passages to the staged works; what does not work becomes a row."""

    def __init__(self, staging: Staging, cited: CitedWork, rows: list[Row], say: Callable[[str], None]) -> None:
        self._staging, self._cited, self._rows, self._say = staging, cited, rows, say

    def from_folder(self, folder: Path, grobid: Grobid | None) -> Provenance:
        """Read every file below a folder. A paper that cites the hub and is not listed yet joins the list."""
        files, cites = 0, 0
        for document in read_folder(folder, grobid):
            files += 1
            if isinstance(document, Unreadable):
                self._row("fulltext", document.name, "unreadable", document.reason)
                continue
            work = self._work_of(document)
            found = self._found(document)
            if found is None:
                continue
            cites += 1
            self._staging.add(
                work.model_copy(update={"contexts": found.contexts, "cocited": found.cocited}), document.source
            )
        self._say(f"fulltext: {cites} of {files} documents cite the hub")
        note = f"{files} documents, {cites} cite the hub"
        return Provenance(source=f"fulltext:{folder.name}", retrieved_at=now(), note=note)

    def from_services(
        self, client: SourceClient, settings: SourceSettings, sources: Sequence[str], limit: int | None
    ) -> list[Provenance]:
        """Fetch the full text of works that have no passage with a known place; arXiv first, then Europe PMC."""
        provenance = []
        for name, kind in ((arxiv.NAME, "arxiv_id"), (europepmc.NAME, "pmcid")):
            if name not in sources:
                continue
            numbers = [n for n in self._staging.numbers() if self._wants(self._staging.work(n), kind)][:limit]
            if numbers and name == arxiv.NAME:
                minutes = len(numbers) * settings.arxiv_interval * 2 / 60
                self._say(f"arxiv: full text of {len(numbers)} works, at most {minutes:.0f} min")
            read = sum(self._fetched(client, settings, name, number) for number in numbers)
            provenance.append(
                Provenance(
                    source=f"{name}:fulltext", retrieved_at=now(), note=f"{read} of {len(numbers)} full texts read"
                )
            )
        return provenance

    def _wants(self, work: CitingWork, kind: str) -> bool:
        return bool(getattr(work.ids, kind)) and not any(context.offset is not None for context in work.contexts)

    def _fetched(self, client: SourceClient, settings: SourceSettings, name: str, number: int) -> bool:
        work = self._staging.work(number)
        try:
            document = (
                _from_arxiv(client, settings, work.ids.arxiv_id or "")
                if name == arxiv.NAME
                else _from_europepmc(client, settings, work.ids.pmcid or "")
            )
        except SourceError as error:
            self._row(name, work.citing_id, "unreadable", str(error))
            return False
        found = self._found(document)
        if found:
            new = CitingWork(
                citing_id=work.citing_id, title=work.title, ids=work.ids, contexts=found.contexts, cocited=found.cocited
            )
            self._staging.add(new, document.source)
            self._say(f"{name}: {work.citing_id}: {len(found.contexts)} passages")
        return True

    def _found(self, document: Document) -> Found | None:
        """What the document says of the hub; ``None`` with a row where it does not, or it cannot be told."""
        try:
            found = find_contexts(document, self._cited)
        except Exception as error:  # noqa: BLE001 - a file of a stranger may break what nobody thought of; it becomes a row
            self._row(document.source, document.name, "unreadable", f"{type(error).__name__}: {error}")
            return None
        if found.match.ambiguous:
            entries = "; ".join(_entry(document, ref) for ref in found.match.ambiguous[:3])
            self._row(
                document.source, document.name, "ambiguous", f"these entries may be the hub, none was used: {entries}"
            )
        elif not document.references:
            self._row(
                document.source, document.name, "no bibliography", "no entries were found; nothing can point to the hub"
            )
        elif not found.match.ref_ids:
            self._row(
                document.source, document.name, "not cited", f"none of {len(document.references)} entries is the hub"
            )
        elif found.unclear:
            detail = f"{found.unclear} markers fit the hub and another entry as well, they were not used"
            self._row(document.source, document.name, "ambiguous", detail)
        elif not found.contexts:
            self._row(
                document.source,
                document.name,
                "no pointer",
                "the hub is listed; no place in the text points to it",
            )
            return found
        return found if found.match.ref_ids else None

    def _work_of(self, document: Document) -> CitingWork:
        """The work a file holds: by the ids and title it carries, else by an identifier in its name."""
        ids = document.ids
        if not any(ids.model_dump().values()):
            ids = ids_in_name(document.name)
        title = document.title or ("" if any(ids.model_dump().values()) else Path(document.name).stem)
        return CitingWork(citing_id=work_id(ids, title), title=title, ids=ids)

    def _row(self, source: str, item: str, outcome: str, detail: str) -> None:
        self._rows.append(Row(source, item, outcome, detail))


def ids_in_name(name: str) -> WorkIds:
    """Identifiers in a file name: ``2305.20050v1.html``, ``10.1000_x.xml``, ``PMC123.nxml``, a 40-digit S2 id."""
    stem = re.sub(
        r"(?:\.tar)?\.(?:gz|tgz|zip|html?|xml|nxml|json|tex|pdf)$", "", Path(name.split(":")[0]).name, flags=re.I
    )
    stem = stem.removesuffix(".tei")
    sha = re.fullmatch(r"[0-9a-f]{40}", stem)
    pmc = re.search(r"PMC\d+", stem)
    old = re.fullmatch(r"([a-z-]+(?:\.[A-Z]{2})?)[_-]?(\d{7})(?:v\d+)?", stem)
    return clean_ids(
        {
            "arxiv_id": f"{old[1]}/{old[2]}" if old else find_arxiv_id(f" {stem} "),
            "doi": find_doi(stem.replace("_", "/", 1)) if stem.startswith("10.") else None,
            "pmcid": pmc.group() if pmc else None,
            "s2_id": sha.group() if sha else None,
        }
    )


def _entry(document: Document, ref_id: str) -> str:
    ref = document.references[ref_id]
    return (ref.raw or ref.title)[:120]


def _from_arxiv(client: SourceClient, settings: SourceSettings, arxiv_id: str) -> Document:
    """HTML where arXiv has it, the source otherwise. Raises ``SourceError``."""
    host = arxiv.host(settings)
    page = arxiv.html(client, host, arxiv_id)
    if page:
        document = read_latexml_html(page.body, f"arxiv.org/html/{arxiv_id}")
        if document.references:
            return document
    packed = arxiv.source(client, host, arxiv_id)
    return _from_source(packed, f"arxiv.org/e-print/{arxiv_id}")


def _from_source(packed: Answer | None, name: str) -> Document:
    if packed is None:
        raise SourceError(f"{name}: arXiv has neither HTML nor source")
    if packed.body.startswith(b"%PDF-"):
        raise SourceError(f"{name}: arXiv has only a PDF; save it in a folder and use --fulltext with --grobid")
    try:
        return read_latex(unpack(packed.body, name), name)
    except SourceError:
        raise
    except Exception as error:  # a stranger's source may break the scanner; it becomes a row
        raise SourceError(f"{name}: {type(error).__name__}: {error}") from error


def _from_europepmc(client: SourceClient, settings: SourceSettings, pmcid: str) -> Document:
    answer = europepmc.full_text(client, europepmc.host(settings), pmcid)
    if answer is None:
        raise SourceError(f"{pmcid}: not open access in Europe PMC")
    return read_jats(answer.body, f"europepmc/{pmcid}")
