"""LaTeXML: the HTML of arXiv and ar5iv (``<a class="ltx_ref" href="#bib.bib13">``) and its own XML (``<bibref>``)."""

from __future__ import annotations

import re

from lxml import etree

from classifier.errors import SourceError
from classifier.fulltext.document import Document, Reference, first_year
from classifier.fulltext.markup import (
    Dialect,
    classes,
    every,
    first,
    named,
    paragraphs,
    parse_html,
    parse_xml,
    tag,
    text_of,
)
from classifier.identifiers import clean_ids, find_arxiv_id, find_doi

XML_ID = "{http://www.w3.org/XML/1998/namespace}id"


def _html_pointer(element: etree._Element) -> list[str] | None:
    if "ltx_missing_citation" in classes(element):
        return []
    inside = any(tag(parent) == "cite" for parent in element.iterancestors())
    target = (element.get("href") or "").rpartition("#")[2]
    if tag(element) == "a" and inside and target.startswith("bib"):
        return [target]
    return None


def _html_section(element: etree._Element) -> str | None:
    if not classes(element) & {"ltx_section", "ltx_subsection", "ltx_subsubsection", "ltx_appendix", "ltx_abstract"}:
        return None
    heading = next((child for child in element if tag(child) in ("h1", "h2", "h3", "h4", "h5", "h6")), None)
    return re.sub(r"^(?:Appendix )?[\dA-Z][\d.]*\.?\s+", "", text_of(heading)) or None


def _math(element: etree._Element) -> str | None:
    return element.get("alttext") or element.get("tex") or "" if tag(element).lower() == "math" else None


_HTML = Dialect(
    paragraph=lambda e: bool(classes(e) & {"ltx_p", "ltx_note_content", "ltx_caption"}),
    skip=lambda e: (
        tag(e) in ("script", "style", "nav", "head", "footer")
        or bool(classes(e) & {"ltx_bibliography", "ltx_note_mark", "ltx_tag_note", "ltx_ERROR", "ltx_page_footer"})
    ),
    pointer=_html_pointer,
    section=_html_section,
    marker=lambda e: tag(e) == "cite",
    printed=_math,
)


def read_latexml_html(data: bytes, name: str) -> Document:
    """The document of an arXiv or ar5iv HTML page; a page that is not LaTeXML's is refused."""
    root = parse_html(data, name)
    if first(root, "//*[contains(@class, 'ltx_document') or contains(@class, 'ltx_page_main')]") is None:
        raise SourceError(f"{name}: not a LaTeXML page (an error page, or the paper has no HTML version)")
    entries = every(root, "//li[contains(concat(' ', @class, ' '), ' ltx_bibitem ')]")
    references = {r.ref_id: r for r in (_html_reference(e) for e in entries)}
    title = text_of(first(root, "//h1[contains(@class, 'ltx_title_document')]"))
    ids = clean_ids({"arxiv_id": find_arxiv_id(_canonical(root), named=True)})
    return Document("latexml_html", name, paragraphs(root, _HTML), references, title, ids)


def _canonical(root: etree._Element) -> str:
    links = every(root, "//link[@rel='canonical'] | //base")
    return " ".join([e.get("href") or "" for e in links] + [text_of(first(root, "//*[@id='watermark-tr']"))])


def _html_reference(item: etree._Element) -> Reference:
    blocks = [text_of(e) for e in every(item, ".//*[contains(@class, 'ltx_bibblock')]")]
    label = text_of(first(item, "./*[contains(@class, 'ltx_tag')]"))
    links = " ".join(e.get("href") or "" for e in every(item, ".//a"))
    return printed_reference(item.get("id") or "", blocks, label.strip("[]"), links)


def printed_reference(ref_id: str, blocks: list[str], label: str, links: str = "") -> Reference:
    r"""A reference from its printed blocks (``\newblock``): authors first, then title, then the rest."""
    blocks = [block for block in blocks if block]
    raw = " ".join(blocks)
    title = blocks[1].strip(' .,“”"') if len(blocks) > 1 and len(blocks[1].split()) > 1 else ""
    authors = split_authors(blocks[0]) if title else ()
    year = first_year(blocks[0]) if title else None
    ids = {"doi": find_doi(f"{raw} {links}"), "arxiv_id": find_arxiv_id(f"{raw} {links}", named=True)}
    return Reference(ref_id, title, authors, year or first_year(raw), clean_ids(ids), raw, label)


def split_authors(text: str) -> tuple[str, ...]:
    """Author names from a printed author list; the year in brackets and ``et al.`` are left out."""
    text = re.sub(r"\(?\b(?:18|19|20)\d{2}[a-z]?\b\)?.*$", "", text)
    text = re.sub(r"\bet al\b\.?|\betc\b\.?", "", text)
    parts = re.split(r"\s*;\s*|\s+(?:and|&)\s+|,\s+(?:and|&)\s+", text)
    joined = [name for part in parts for name in _split_commas(part)]
    return tuple(name.strip(" .,:") for name in joined if name.strip(" .,:"))


def _split_commas(text: str) -> list[str]:
    """``Lovelace, A., Turing, A.`` pairs each family name with its initials; other commas divide names."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    names: list[str] = []
    for part in parts:
        if names and "," not in names[-1] and re.fullmatch(r"(?:[A-Z]\.?[\s-]*){1,4}:?", part):
            names[-1] += f", {part}"
        else:
            names.append(part)
    return names


def _xml_pointer(element: etree._Element) -> list[str] | None:
    return [key for key in (element.get("bibrefs") or "").split(",") if key] if tag(element) == "bibref" else None


def _xml_printed(element: etree._Element) -> str | None:
    if tag(element) == "bibref":
        return ", ".join((element.get("bibrefs") or "").split(","))
    return _math(element)


def _xml_section(element: etree._Element) -> str | None:
    if tag(element) not in ("chapter", "section", "subsection", "subsubsection", "appendix"):
        return None
    title = next((child for child in element if tag(child) == "title"), None)
    if title is None:
        return None
    return " ".join(
        "".join([title.text or "", *(f"{text_of(c) if tag(c) != 'tag' else ''}{c.tail or ''}" for c in title)]).split()
    )


_XML = Dialect(
    paragraph=lambda e: tag(e) in ("p", "caption", "note"),
    skip=lambda e: tag(e) in ("bibliography", "resource", "tags", "toctitle", "toccaption"),
    pointer=_xml_pointer,
    section=_xml_section,
    marker=lambda e: tag(e) == "cite",
    printed=_xml_printed,
)


def read_latexml_xml(data: bytes, name: str) -> Document:
    """The document of LaTeXML's own XML; pointers are citation keys, printed as they stand in the source."""
    root = parse_xml(data, name)
    if tag(root) != "document":
        raise SourceError(f"{name}: root is <{tag(root)}>, not LaTeXML's <document>")
    references: dict[str, Reference] = {}
    for item in every(root, named("bibitem")):
        key = item.get("key") or item.get(XML_ID) or ""
        label = text_of(first(item, ".//*[local-name()='tag'][@role='number']"))
        references[key] = printed_reference(key, [text_of(e) for e in every(item, named("bibblock"))], label)
    title = text_of(first(root, "./*[local-name()='title']"))
    return Document("latexml_xml", name, paragraphs(root, _XML), references, title)
