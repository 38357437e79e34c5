"""Walk a marked-up paper (JATS, TEI, LaTeXML) and collect its paragraphs; XML is parsed without DTD or network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lxml import etree, html

from classifier.errors import SourceError
from classifier.fulltext.document import Paragraph, TextBuilder

MAX_BYTES = 50 * 1024 * 1024
"""A larger file is not a paper."""
MAX_DEPTH = 300
"""Deeper nesting than this is an attack or an accident, and would exhaust the recursion."""


def parse_xml(data: bytes, name: str) -> etree._Element:
    """The root element. No DTD is loaded, no entity resolved, nothing fetched; broken markup is recovered."""
    _check_size(data, name)
    parser = etree.XMLParser(
        load_dtd=False, no_network=True, resolve_entities=False, recover=True, huge_tree=False, remove_comments=True
    )
    return _root(data, parser, name)


def parse_html(data: bytes, name: str) -> etree._Element:
    """The root element of an HTML page; nothing is fetched."""
    _check_size(data, name)
    return _root(data, html.HTMLParser(no_network=True, huge_tree=False, encoding="utf-8"), name)


def _check_size(data: bytes, name: str) -> None:
    if len(data) > MAX_BYTES:
        raise SourceError(f"{name}: {len(data) // 2**20} MiB is larger than the limit of {MAX_BYTES // 2**20} MiB")


def _root(data: bytes, parser: etree.XMLParser | html.HTMLParser, name: str) -> etree._Element:
    try:
        root = etree.fromstring(data, parser)
    except (etree.LxmlError, ValueError) as error:
        raise SourceError(f"{name}: not readable as markup: {error}") from error
    if root is None:
        raise SourceError(f"{name}: not readable as markup: no element found")
    return root


def tag(element: etree._Element) -> str:
    """The local name; empty for comments, entities and processing instructions."""
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def classes(element: etree._Element) -> frozenset[str]:
    """The values of the class attribute."""
    return frozenset((element.get("class") or "").split())


def text_of(element: etree._Element | None) -> str:
    """All text below an element, white space collapsed; empty for ``None``."""
    return "" if element is None else " ".join("".join(str(part) for part in element.itertext()).split())


def first(element: etree._Element, path: str) -> etree._Element | None:
    """The first element at an XPath of local names such as ``.//*[local-name()='title']``, or ``None``."""
    found = element.xpath(path)
    return found[0] if isinstance(found, list) and found and isinstance(found[0], etree._Element) else None


def every(element: etree._Element, path: str) -> list[etree._Element]:
    """All elements at an XPath."""
    found = element.xpath(path)
    return [e for e in found if isinstance(e, etree._Element)] if isinstance(found, list) else []


def named(name: str) -> str:
    """XPath of all descendants with this local name."""
    return f".//*[local-name()='{name}']"


@dataclass(frozen=True)
class Dialect:
    """What the elements of one format mean.

    ``pointer`` gives the ids an element points to, or ``None`` where it is no pointer; ``section`` the heading
    that an element opens, or ``None``; ``printed`` a text that stands for the element, or ``None``.
    """

    paragraph: Callable[[etree._Element], bool]
    skip: Callable[[etree._Element], bool]
    pointer: Callable[[etree._Element], Sequence[str] | None]
    section: Callable[[etree._Element], str | None]
    marker: Callable[[etree._Element], bool] = lambda _: False
    printed: Callable[[etree._Element], str | None] = lambda _: None
    row: Callable[[etree._Element], bool] = lambda element: tag(element) in ("tr", "row")


def paragraphs(root: etree._Element, dialect: Dialect) -> tuple[Paragraph, ...]:
    """The paragraphs below ``root`` in reading order; a table row that points to works counts as one."""
    walker = _Walker(dialect)
    walker.walk(root, None, 0)
    return tuple(walker.found)


class _Walker:
    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self.found: list[Paragraph] = []
        self._offset = 0

    def walk(self, element: etree._Element, section: str | None, depth: int) -> None:
        if not tag(element) or self.dialect.skip(element) or depth > MAX_DEPTH:
            return
        is_row = self.dialect.row(element)
        if is_row or self.dialect.paragraph(element):
            builder, nested = TextBuilder(), list[etree._Element]()
            self._inline(element, builder, nested, depth, cells=is_row)
            paragraph = builder.paragraph(section, self._offset)
            if paragraph and is_row:
                paragraph = paragraph._replace(text=paragraph.text.rstrip(" |"))
            if paragraph and (paragraph.pointers or not is_row):
                self.found.append(paragraph)
                self._offset += len(paragraph.text) + 1
            for child in nested:
                self.walk(child, section, depth + 1)
            return
        section = self.dialect.section(element) or section
        for child in element:
            self.walk(child, section, depth + 1)

    def _inline(
        self, element: etree._Element, out: TextBuilder, nested: list[etree._Element], depth: int, *, cells: bool
    ) -> None:
        out.add(element.text)
        for child in element:
            name = tag(child)
            if name and depth < MAX_DEPTH and not self.dialect.skip(child):
                if not cells and (self.dialect.paragraph(child) or self.dialect.row(child)):
                    nested.append(child)
                else:
                    self._child(child, out, nested, depth, cells=cells)
                    if cells and name in ("td", "th", "cell"):
                        out.add(" | ")
            out.add(child.tail)

    def _child(
        self, child: etree._Element, out: TextBuilder, nested: list[etree._Element], depth: int, *, cells: bool
    ) -> None:
        start, printed = len(out), self.dialect.printed(child)
        ref_ids = self.dialect.pointer(child)
        if printed is not None:
            out.add(printed)
        else:
            self._inline(child, out, nested, depth + 1, cells=cells)
        if ref_ids is not None:
            out.point(start, tuple(ref_ids))
        if self.dialect.marker(child):
            out.mark(start)
