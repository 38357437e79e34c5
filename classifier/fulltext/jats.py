"""JATS (Europe PMC, PubMed Central, PLOS): ``<xref ref-type="bibr" rid="B1">`` points to ``<ref id="B1">``."""

from __future__ import annotations

from lxml import etree

from classifier.errors import SourceError
from classifier.fulltext.document import Document, Reference, first_year
from classifier.fulltext.markup import Dialect, every, first, named, paragraphs, parse_xml, tag, text_of
from classifier.identifiers import clean_ids, find_arxiv_id, find_doi

_SKIPPED = {"ref-list", "front", "journal-meta", "tex-math", "object-id", "graphic", "permissions", "title", "label"}
_ID_KINDS = {"doi": "doi", "pmid": "pmid", "pmc": "pmcid", "pmcid": "pmcid", "arxiv": "arxiv_id"}


def _pointer(element: etree._Element) -> list[str] | None:
    if tag(element) != "xref" or element.get("ref-type") not in ("bibr", "bib"):
        return None
    return (element.get("rid") or "").split()


def _section(element: etree._Element) -> str | None:
    if tag(element) not in ("sec", "app", "ack", "abstract"):
        return None
    title = next((child for child in element if tag(child) == "title"), None)
    return text_of(title) or None


_DIALECT = Dialect(
    paragraph=lambda e: tag(e) == "p",
    skip=lambda e: tag(e) in _SKIPPED,
    pointer=_pointer,
    section=_section,
)


def read_jats(data: bytes, name: str) -> Document:
    """The document; several articles in one file are refused, an article without a body may have no paragraphs."""
    root = parse_xml(data, name)
    articles = [root] if tag(root) == "article" else every(root, named("article"))
    if not articles:
        raise SourceError(f"{name}: no <article> element: not a JATS file (root is <{tag(root)}>)")
    if len(articles) > 1:
        raise SourceError(f"{name}: holds {len(articles)} articles; give one a file")
    article = articles[0]
    front = first(article, "./*[local-name()='front']")
    found = [p for part in ("body", "back", "floats-group") for p in every(article, f"./*[local-name()='{part}']")]
    abstract = every(front, named("abstract")) if front is not None else []
    merged = etree.Element("article")
    merged.extend([*abstract, *found])  # moves the parts: one walk gives one running offset
    references = {ref.ref_id: ref for ref in (_reference(e) for e in every(merged, named("ref")))}
    ids = _ids(front, "article-id") if front is not None else {}
    title = first(front, named("article-title")) if front is not None else None
    return Document("jats", name, paragraphs(merged, _DIALECT), references, text_of(title), clean_ids(ids))


def _ids(element: etree._Element, id_tag: str) -> dict[str, object]:
    found: dict[str, object] = {}
    for item in every(element, named(id_tag)):
        kind = _ID_KINDS.get((item.get("pub-id-type") or "").lower())
        if kind:
            found.setdefault(kind, text_of(item))
    return found


def _reference(ref: etree._Element) -> Reference:
    citation = first(ref, "./*[contains(local-name(), 'citation')]")
    citation = citation if citation is not None else ref
    # element-citation has no text between its parts: without spaces they would run into each other
    printed = bool((citation.text or "").strip())
    raw = text_of(citation) if printed else " ".join(text_of(child) for child in citation)
    ids: dict[str, object] = {**_ids(ref, "object-id"), **_ids(ref, "pub-id")}
    links = " ".join([raw, *(str(v) for e in ref.iter() for v in e.attrib.values())])
    ids.setdefault("doi", find_doi(links))
    ids.setdefault("arxiv_id", find_arxiv_id(links, named=True))
    title = first(citation, named("article-title"))
    if title is None:
        title = first(citation, named("chapter-title"))
    if title is None and first(citation, named("volume")) is None:
        title = first(citation, named("source"))  # books and reports carry their title there
    year = text_of(first(citation, named("year")))
    return Reference(
        ref_id=ref.get("id") or "",
        title=text_of(title),
        authors=tuple(a for a in (_author(e) for e in _authors(citation)) if a),
        year=int(year[:4]) if year[:4].isdigit() else first_year(raw),
        ids=clean_ids(ids),
        raw=raw or text_of(ref),
        label=text_of(first(ref, "./*[local-name()='label']")),
    )


def _authors(citation: etree._Element) -> list[etree._Element]:
    group = first(citation, "./*[local-name()='person-group'][not(@person-group-type='editor')]")
    where = citation if group is None else group
    return every(where, "./*[local-name()='name' or local-name()='string-name' or local-name()='collab']")


def _author(element: etree._Element) -> str:
    family = text_of(first(element, named("surname")))
    given = text_of(first(element, named("given-names")))
    return f"{family}, {given}".strip(", ") if family else text_of(element)
