"""unarXive: text with ``{{cite:SHA}}`` and ``{{formula:UUID}}`` in place of pointers and formulas."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from classifier.errors import SourceError
from classifier.fulltext.document import Document, Paragraph, Reference, TextBuilder, first_year
from classifier.identifiers import clean_ids, find_arxiv_id, find_doi

_PLACEHOLDER = re.compile(r"\{\{(cite|formula|figure|table|ref|section):([^}]*)\}\}")


def read_unarxive(record: Mapping[str, Any], name: str) -> Document:
    """The document of one line; a pointer is printed ``[n]``, n the place of its entry in ``bib_entries``."""
    entries, body = record.get("bib_entries"), record.get("body_text")
    if not isinstance(entries, Mapping) or not isinstance(body, list):
        raise SourceError(f"{name}: bib_entries or body_text is missing: not an unarXive record")
    numbers = {str(key): str(number) for number, key in enumerate(entries, start=1)}
    references = {str(key): _reference(str(key), entry, numbers[str(key)]) for key, entry in entries.items()}
    found: list[Paragraph] = []
    offset = 0
    for block in body:
        paragraph = _paragraph(block, numbers, record.get("ref_entries") or {}, offset)
        if paragraph:
            found.append(paragraph)
            offset += len(paragraph.text) + 1
    meta = record.get("metadata") or {}
    ids = clean_ids({"arxiv_id": record.get("paper_id"), "doi": meta.get("doi")})
    return Document("unarxive", name, tuple(found), references, " ".join(str(meta.get("title") or "").split()), ids)


def _paragraph(
    block: Mapping[str, Any], numbers: Mapping[str, str], others: Mapping[str, Any], offset: int
) -> Paragraph | None:
    text, builder, last = str(block.get("text") or ""), TextBuilder(), 0
    for found in _PLACEHOLDER.finditer(text):
        builder.add(text[last : found.start()])
        kind, key = found.groups()
        start = len(builder)
        if kind == "cite":
            builder.add(f"[{numbers.get(key, '?')}]")
            builder.point(start, (key,) if key in numbers else ())
        elif kind == "formula":
            builder.add(str((others.get(key) or {}).get("latex") or ""))
        last = found.end()
    builder.add(text[last:])
    return builder.paragraph(block.get("section") or None, offset)


def _reference(ref_id: str, entry: Mapping[str, Any], label: str) -> Reference:
    raw, ids = str(entry.get("bib_entry_raw") or ""), entry.get("ids") or {}
    contained = entry.get("contained_arXiv_ids") or []
    arxiv = ids.get("arxiv_id") or (contained[0].get("id") if contained and isinstance(contained[0], Mapping) else None)
    return Reference(
        ref_id=ref_id,
        year=first_year(raw),
        ids=clean_ids(
            {
                "doi": ids.get("doi") or find_doi(raw),
                "arxiv_id": arxiv or find_arxiv_id(raw, named=True),
                "openalex_id": ids.get("open_alex_id"),
                "pmid": ids.get("pubmed_id"),
                "pmcid": ids.get("pmc_id"),
            }
        ),
        raw=raw,
        label=label,
    )
