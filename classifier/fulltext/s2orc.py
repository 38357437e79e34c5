"""S2ORC in its three shapes and doc2json: ``cite_spans`` with offsets point into ``bib_entries``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from classifier.errors import SourceError
from classifier.fulltext.document import Document, Paragraph, Pointer, Reference, first_year
from classifier.identifiers import clean_ids, find_arxiv_id, find_doi

Json = Mapping[str, Any]


def parsed_part(record: Json) -> Json | None:
    """The part with ``body_text``: at the top (2020), or under ``grobid_parse``, ``pdf_parse`` or ``latex_parse``."""
    for key in ("latex_parse", "pdf_parse", "grobid_parse"):
        part = record.get(key)
        if isinstance(part, Mapping) and part.get("body_text"):
            return part
    return record if isinstance(record.get("body_text"), list) else None


def read_s2orc(record: Json, name: str) -> Document:
    """The document of one S2ORC or doc2json record; no ``body_text`` is an error."""
    part = parsed_part(record)
    if part is None:
        raise SourceError(f"{name}: no body_text at the top, under pdf_parse, latex_parse or grobid_parse: not S2ORC")
    entries = part.get("bib_entries") or {}
    references = {str(key): _reference(str(key), entry) for key, entry in entries.items() if isinstance(entry, Mapping)}
    blocks = [block for key in ("abstract", "body_text", "back_matter") for block in _blocks(part.get(key))]
    header = record.get("header") if isinstance(record.get("header"), Mapping) else record.get("metadata")
    meta: Json = header if isinstance(header, Mapping) else record
    title = str(record.get("title") or meta.get("title") or "")
    ids = clean_ids(
        {
            "arxiv_id": record.get("arxiv_id") or meta.get("arxiv_id"),
            "doi": record.get("doi") or meta.get("doi"),
            "pmcid": meta.get("pmcid"),
            "acl_id": meta.get("acl_id"),
        }
    )
    return Document("s2orc", name, tuple(_paragraphs(blocks)), references, title, ids)


def _blocks(value: object) -> list[Json]:
    return [block for block in value if isinstance(block, Mapping)] if isinstance(value, list) else []


def _paragraphs(blocks: Iterable[Json]) -> Iterable[Paragraph]:
    offset = 0
    for block in blocks:
        text = str(block.get("text") or "")
        pointers = []
        for span in block.get("cite_spans") or ():
            start, end = int(span.get("start") or 0), int(span.get("end") or 0)
            if 0 <= start < end <= len(text):
                ref = span.get("ref_id")
                pointers.append(Pointer(start, end, (str(ref),) if ref else ()))
        section = block.get("section")
        yield Paragraph(text, tuple(sorted(pointers)), str(section) if section else None, offset)
        offset += len(text) + 1


def _reference(ref_id: str, entry: Json) -> Reference:
    raw = str(entry.get("raw_text") or entry.get("bib_entry_raw") or "")
    other = entry.get("other_ids") or {}
    ids = {
        str(kind).lower(): (value[0] if isinstance(value, list) and value else value) for kind, value in other.items()
    }
    year = entry.get("year")
    return Reference(
        ref_id=ref_id,
        title=str(entry.get("title") or ""),
        authors=tuple(_author(a) for a in entry.get("authors") or () if isinstance(a, Mapping)),
        year=int(str(year)) if str(year or "").isdigit() else first_year(raw),
        ids=clean_ids(
            {
                "doi": ids.get("doi") or find_doi(raw),
                "arxiv_id": ids.get("arxiv") or find_arxiv_id(raw, named=True),
                "pmid": ids.get("pmid"),
                "pmcid": ids.get("pmcid"),
            }
        ),
        raw=raw,
        label=str(entry.get("num")) if entry.get("num") is not None else "",
    )


def _author(author: Json) -> str:
    given = " ".join([str(author.get("first") or ""), *(str(m) for m in author.get("middle") or ())]).strip()
    return f"{author.get('last') or ''}, {given}".strip(", ")
