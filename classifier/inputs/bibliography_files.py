"""Lists of works without passages: CSL-JSON, BibTeX and RIS of reference managers, CSV of OpenCitations."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

import rispy  # type: ignore[import-untyped]
from bibtexparser.entrypoint import write_string
from bibtexparser.library import Library
from bibtexparser.model import Entry, Field

from classifier.errors import InputError
from classifier.fulltext.latex_bibliography import bib_reference, bibtex_fields
from classifier.identifiers import clean_ids, find_arxiv_id, find_doi
from classifier.naming import UniqueNames, slug
from classifier.schema import CitingWork, WorkIds
from classifier.sources.opencitations import ids_of
from classifier.sources.records import one_line, work_id


def read_list(path: Path) -> Iterator[CitingWork]:
    """The works of a list, its format told by its suffix. Raises ``InputError`` where nothing can be read."""
    readers: dict[str, Callable[[str, Path], Iterator[CitingWork]]] = {
        ".json": _csl,
        ".bib": _bibtex,
        ".bibtex": _bibtex,
        ".ris": _ris,
        ".csv": _opencitations,
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise InputError("is not a list of works", path=path, do="give CSL-JSON, .bib, .ris or OpenCitations .csv")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", path=path) from error
    except UnicodeDecodeError as error:
        raise InputError(f"not UTF-8 text at byte {error.start}", path=path) from error
    return reader(text, path)


def _csl(text: str, path: Path) -> Iterator[CitingWork]:
    """CSL-JSON: a list of items (citation-style-language schema, csl-data.json)."""
    try:
        items = json.loads(text)
    except ValueError as error:
        raise InputError(f"not valid JSON: {error}", path=path) from error
    if not isinstance(items, list) or not all(isinstance(item, Mapping) for item in items):
        raise InputError("is not CSL-JSON, which is a list of items", path=path)
    for item in items:
        note = " ".join(str(item.get(name) or "") for name in ("note", "archive_location", "number", "URL"))
        ids = clean_ids({"doi": item.get("DOI"), "pmid": item.get("PMID"), "pmcid": item.get("PMCID"),
                         "arxiv_id": find_arxiv_id(note, named=True), "url": item.get("URL")})  # fmt: skip
        parts = (item.get("issued") or {}).get("date-parts") or [[None]]
        names = [_csl_name(name) for name in item.get("author") or () if isinstance(name, Mapping)]
        yield _work(str(item.get("title") or ""), names, parts[0][0] if parts[0] else None,
                    item.get("container-title"), item.get("abstract"), ids)  # fmt: skip


def _csl_name(name: Mapping[str, Any]) -> str:
    if name.get("literal"):
        return str(name["literal"])
    family = " ".join(str(part) for part in (name.get("non-dropping-particle"), name.get("family")) if part)
    return f"{family}, {name['given']}" if name.get("given") else family


def _bibtex(text: str, path: Path) -> Iterator[CitingWork]:
    entries = bibtex_fields(text)
    if text.strip() and not entries:
        raise InputError("no BibTeX entry could be read", path=path)
    for key, fields in entries.items():
        ref = bib_reference(key, fields)
        venue = bib_reference(key, {"title": fields.get("journal") or fields.get("booktitle") or ""}).title
        yield _work(ref.title, ref.authors, ref.year, venue, fields.get("abstract"), ref.ids)


def _ris(text: str, path: Path) -> Iterator[CitingWork]:
    try:
        entries = rispy.loads(text)
    except (ValueError, KeyError, OSError) as error:
        raise InputError(f"not readable as RIS: {error}", path=path) from error
    for entry in entries:
        urls = " ".join(map(str, entry.get("urls") or ()))
        doi = entry.get("doi") or find_doi(urls)
        ids = clean_ids({"doi": doi, "arxiv_id": find_arxiv_id(f"{urls} {entry.get('custom1', '')}", named=True)})
        names = entry.get("authors") or entry.get("first_authors") or ()
        year = str(entry.get("year") or entry.get("publication_year") or "")[:4]
        venue = entry.get("journal_name") or entry.get("secondary_title") or entry.get("alternate_title1")
        yield _work(str(entry.get("title") or entry.get("primary_title") or ""), names,
                    int(year) if year.isdigit() else None, venue, entry.get("abstract"), ids)  # fmt: skip


def _opencitations(text: str, path: Path) -> Iterator[CitingWork]:
    """CSV of the Index (``oci,citing,cited,creation,…``): identifiers and a date, no titles."""
    rows = csv.DictReader(text.splitlines())
    if rows.fieldnames is None or not {"citing", "cited"} <= set(rows.fieldnames):
        raise InputError("has no columns citing and cited, so it is not OpenCitations CSV", path=path, line=1)
    for number, row in enumerate(rows, start=2):
        ids = ids_of(row["citing"] or "")
        if not any(ids.model_dump().values()):
            raise InputError("no identifier in this row", path=path, line=number, column="citing", value=row["citing"])
        created = (row.get("creation") or "")[:4]
        yield _work("", (), int(created) if created.isdigit() else None, None, None, ids)


def _work(
    title: str, authors: Iterable[str], year: object, venue: object, abstract: object, ids: WorkIds
) -> CitingWork:
    title = one_line(title)
    return CitingWork(
        citing_id=work_id(ids, title), title=title, authors=tuple(one_line(name) for name in authors if one_line(name)),
        year=int(str(year)) if str(year or "").isdigit() else None, venue=one_line(str(venue or "")) or None,
        abstract=one_line(str(abstract or "")), ids=ids,
    )  # fmt: skip


def write_list(works: Iterable[CitingWork], path: Path) -> int:
    """Write works as CSL-JSON (.json), BibTeX (.bib) or RIS (.ris), by the suffix; the number written."""
    writers: dict[str, Callable[[list[CitingWork], TextIO], None]] = {
        ".json": _write_csl,
        ".bib": _write_bibtex,
        ".ris": _write_ris,
    }
    writer = writers.get(path.suffix.lower())
    if writer is None:
        raise InputError("is not a list format", path=path, do="end its name in .json (CSL-JSON), .bib or .ris")
    listed = list(works)
    try:
        with path.open("w", encoding="utf-8", newline="\n") as file:
            writer(listed, file)
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror}", path=path) from error
    return len(listed)


def _write_csl(works: list[CitingWork], file: TextIO) -> None:
    items = []
    for work in works:
        item: dict[str, Any] = {"id": work.citing_id, "type": "article", "title": work.title}
        item["author"] = [dict(zip(("family", "given"), _halves(name), strict=False)) for name in work.authors]
        item["issued"] = {"date-parts": [[work.year]]} if work.year else None
        item |= {"container-title": work.venue, "abstract": work.abstract, "DOI": work.ids.doi,
                 "PMID": work.ids.pmid, "PMCID": work.ids.pmcid, "URL": _url(work)}  # fmt: skip
        items.append({name: value for name, value in item.items() if value})
    file.write(json.dumps(items, ensure_ascii=False, indent=2) + "\n")


def _write_bibtex(works: list[CitingWork], file: TextIO) -> None:
    library, names = Library(), UniqueNames()
    for work in works:
        values = {"title": f"{{{work.title}}}", "author": " and ".join(work.authors), "year": str(work.year or ""),
                  "journal": work.venue or "", "doi": work.ids.doi or "", "eprint": work.ids.arxiv_id or "",
                  "archiveprefix": "arXiv" if work.ids.arxiv_id else "", "pmid": work.ids.pmid or ""}  # fmt: skip
        fields = [Field(name, _balanced(value)) for name, value in values.items() if value]
        library.add(Entry("article", names.take(slug(work.citing_id)), fields))
    file.write(write_string(library))


def _balanced(value: str) -> str:
    """The value without its braces where they do not pair: one stray brace would swallow the rest of the file."""
    depth = 0
    for character in value:
        depth += (character == "{") - (character == "}")
        if depth < 0:
            break
    return value if depth == 0 else "{" + value.replace("{", "").replace("}", "") + "}"


class PlainRis(rispy.RisWriter):  # type: ignore[misc]
    """RIS without the running number that rispy puts before each record: the format knows no such line."""

    def set_header(self, count: int) -> str:
        """Nothing."""
        return ""


def _write_ris(works: list[CitingWork], file: TextIO) -> None:
    entries = []
    for work in works:
        entry: dict[str, Any] = {
            "type_of_reference": "JOUR", "title": work.title, "authors": list(work.authors), "id": work.citing_id,
            "year": str(work.year or ""), "journal_name": work.venue, "doi": work.ids.doi, "abstract": work.abstract,
            "urls": [url] if (url := _url(work)) else [],
        }  # fmt: skip
        entries.append({name: value for name, value in entry.items() if value})
    rispy.dump(entries, file, implementation=PlainRis)


def _halves(name: str) -> tuple[str, ...]:
    family, comma, given = name.partition(",")
    if comma:
        return family.strip(), given.strip()
    given, _, family = name.rpartition(" ")
    return (family, given) if given else (family,)


def _url(work: CitingWork) -> str | None:
    return f"https://arxiv.org/abs/{work.ids.arxiv_id}" if work.ids.arxiv_id else work.ids.url
