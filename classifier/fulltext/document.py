"""What every full-text reader returns: paragraphs with pointers into a bibliography."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from classifier.schema import WorkIds


class Pointer(NamedTuple):
    """A place in a paragraph that points to works; ``ref_ids`` is empty where the source does not say which."""

    start: int
    end: int
    ref_ids: tuple[str, ...] = ()


class Paragraph(NamedTuple):
    """Running text. ``markers`` are the spans of whole citation markers where the source draws them.

    ``offset`` is the position of the paragraph in the document, in characters of all paragraphs before it.
    """

    text: str
    pointers: tuple[Pointer, ...] = ()
    section: str | None = None
    offset: int = 0
    markers: tuple[tuple[int, int], ...] = ()


class Reference(NamedTuple):
    """One entry of the bibliography; ``raw`` is the entry as printed, ``label`` its printed number or key."""

    ref_id: str
    title: str = ""
    authors: tuple[str, ...] = ()
    year: int | None = None
    ids: WorkIds = WorkIds()
    raw: str = ""
    label: str = ""


def as_it_is(text: str) -> str:
    """The text unchanged: most formats need no further conversion."""
    return text


class Document(NamedTuple):
    """A paper read from one file. ``finish`` turns a slice of a paragraph into plain text (LaTeX needs that)."""

    source: str
    name: str
    paragraphs: tuple[Paragraph, ...]
    references: Mapping[str, Reference]
    title: str = ""
    ids: WorkIds = WorkIds()
    finish: Callable[[str], str] = as_it_is


class TextBuilder:
    """Collects one paragraph: white space collapsed, pointers kept at their place in the collapsed text."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._length = 0
        self._space = True
        self._pointers: list[Pointer] = []
        self._markers: list[tuple[int, int]] = []

    def __len__(self) -> int:
        return self._length

    def add(self, text: str | None) -> None:
        """Append text."""
        if not text:
            return
        text = re.sub(r"\s+", " ", text)
        if self._space:
            text = text.lstrip(" ")
        if text:
            self._parts.append(text)
            self._length += len(text)
            self._space = text.endswith(" ")

    def point(self, start: int, ref_ids: tuple[str, ...]) -> None:
        """Close a pointer that began at ``start``; an empty one is dropped."""
        span = self._trimmed(start)
        if span:
            self._pointers.append(Pointer(*span, ref_ids))

    def mark(self, start: int) -> None:
        """Close a whole marker that began at ``start``."""
        span = self._trimmed(start)
        if span:
            self._markers.append(span)

    def _trimmed(self, start: int) -> tuple[int, int] | None:
        text = "".join(self._parts)[start:]
        left, right = len(text) - len(text.lstrip()), len(text.rstrip())
        return (start + left, start + right) if right > left else None

    def paragraph(self, section: str | None, offset: int) -> Paragraph | None:
        """The paragraph, or ``None`` where no text came."""
        text = "".join(self._parts).rstrip()
        if not text:
            return None
        return Paragraph(text, tuple(self._pointers), section, offset, tuple(self._markers))


def first_year(text: str) -> int | None:
    """The last plausible year in a printed entry: entries end with it far more often than they begin with it."""
    years = [int(y) for y in re.findall(r"(?<![\d.:/-])((?:18|19|20)\d{2})(?![\d./]\d|\d)", text)]
    return years[-1] if years else None
