"""GROBID TEI: ``<ref type="bibr" target="#b11">`` points to ``<biblStruct xml:id="b11">``, or has no target."""

from __future__ import annotations

from lxml import etree

from classifier.errors import SourceError
from classifier.fulltext.document import Document, Reference, first_year
from classifier.fulltext.markup import Dialect, every, first, named, paragraphs, parse_xml, tag, text_of
from classifier.identifiers import clean_ids, find_arxiv_id, find_doi

XML_ID = "{http://www.w3.org/XML/1998/namespace}id"
_SKIPPED = {"listBibl", "teiHeader", "graphic", "head"}


def _pointer(element: etree._Element) -> list[str] | None:
    if tag(element) != "ref" or element.get("type") != "bibr":
        return None
    return [target.lstrip("#") for target in (element.get("target") or "").split()]


def _section(element: etree._Element) -> str | None:
    head = next((child for child in element if tag(child) == "head"), None) if tag(element) == "div" else None
    return text_of(head) or None


_DIALECT = Dialect(
    paragraph=lambda e: tag(e) in ("p", "note", "figDesc", "item"),
    skip=lambda e: tag(e) in _SKIPPED,
    pointer=_pointer,
    section=_section,
)


def read_tei(data: bytes, name: str) -> Document:
    """The document with its abstract, body and back matter."""
    root = parse_xml(data, name)
    if tag(root) != "TEI":
        raise SourceError(f"{name}: root is <{tag(root)}>, not <TEI>: not a GROBID file")
    header = first(root, "./*[local-name()='teiHeader']")
    merged = etree.Element("text")
    references = {r.ref_id: r for r in (_reference(e) for e in every(root, ".//*[local-name()='listBibl']/*")) if r}
    abstract = every(header, named("abstract")) if header is not None else []
    title = first(header, ".//*[local-name()='titleStmt']/*[local-name()='title']") if header is not None else None
    ids = _ids(header) if header is not None else {}
    merged.extend([*abstract, *every(root, "./*[local-name()='text']")])
    return Document("grobid", name, paragraphs(merged, _DIALECT), references, text_of(title), clean_ids(ids))


def _ids(element: etree._Element) -> dict[str, object]:
    kinds = {"doi": "doi", "arxiv": "arxiv_id", "pmid": "pmid", "pmcid": "pmcid"}
    found: dict[str, object] = {}
    for item in every(element, named("idno")):
        kind = kinds.get((item.get("type") or "").lower())
        if kind:
            found.setdefault(kind, text_of(item))
    return found


def _reference(entry: etree._Element) -> Reference:
    raw = text_of(first(entry, ".//*[local-name()='note'][@type='raw_reference']"))
    title = first(entry, "./*[local-name()='analytic']/*[local-name()='title']")
    title = title if title is not None else first(entry, "./*[local-name()='monogr']/*[local-name()='title']")
    date = first(entry, ".//*[local-name()='date'][@when]")
    when = (date.get("when") or "") if date is not None else ""
    ids = _ids(entry)
    links = " ".join([raw, *(str(v) for e in entry.iter() for v in e.attrib.values())])
    ids.setdefault("doi", find_doi(links))
    ids.setdefault("arxiv_id", find_arxiv_id(links, named=True))
    places = ("analytic", "monogr")
    people = next(
        (p for p in (every(entry, f"./*[local-name()='{x}']/*[local-name()='author']") for x in places) if p), []
    )
    return Reference(
        ref_id=entry.get(XML_ID) or "",
        title=text_of(title),
        authors=tuple(name for name in (_author(a) for a in people) if name),
        year=int(when[:4]) if when[:4].isdigit() else first_year(raw),
        ids=clean_ids(ids),
        raw=raw or text_of(entry),
    )


def _author(element: etree._Element) -> str:
    family = text_of(first(element, named("surname")))
    given = " ".join(text_of(e) for e in every(element, named("forename")))
    return f"{family}, {given}".strip(", ") if family else ""
