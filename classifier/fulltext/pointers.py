"""Give every pointer its works: ranges and lists expanded, missing targets filled in from the printed text.

What cannot be told from the text (two entries of one author and year) stays without a target.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from classifier.fulltext.document import Document, Paragraph, Reference
from classifier.identifiers import same_surname, squash, surname

MAX_RANGE = 60
"""A longer range of numbers is a span of pages or years, not of references."""
_DASH = r"[-‐‑‒–—−]"
_NUMBERS = re.compile(
    rf"[\s\[\](){{}},;.&]*(?:refs?\.?\s*)?\d{{1,4}}(?:[\s\[\](){{}},;.&]|and|{_DASH}|\d{{1,4}})*", re.I
)
_NUMBER_OR_RANGE = re.compile(rf"(\d{{1,4}})(?:\]?\s*{_DASH}\s*\[?(\d{{1,4}}))?")
_NAMED = re.compile(
    r"(?P<name>[^\W\d_][\w'’.-]*(?:\s+[^\W\d_][\w'’.-]*)*?)[^;()\d]*?[\s,(]*(?P<year>(?:18|19|20)\d{2})(?P<letter>[a-z])?\b"
)
_BETWEEN = re.compile(rf"[\s,;&]*(?:and)?[\s,;&]*|\]\s*[,;]?\s*\[|[\s\]]*{_DASH}[\s\[]*")
_RANGE_GAP = re.compile(rf"\]?\s*{_DASH}\s*\[?")


class Resolved(NamedTuple):
    """A pointer with its works; ``from_text`` says that the printed text, not the source's link, names them."""

    start: int
    end: int
    ref_ids: tuple[str, ...]
    from_text: bool = False


class Marker(NamedTuple):
    """Pointers that stand together, the span with its brackets, and how many works they name in all."""

    start: int
    end: int
    pointers: tuple[Resolved, ...]
    works: int


class Numbering:
    """Which entry a printed number or author and year means in one document."""

    def __init__(self, document: Document) -> None:
        self._references = document.references
        self._by_number = _numbers(document)
        self._numeric = _is_numeric(document)
        self._families: list[tuple[str, int | None, Reference]] = [
            (surname(ref.authors[0]) if ref.authors else _first_word(ref.raw), ref.year, ref)
            for ref in document.references.values()
        ]

    def numbered(self, text: str) -> tuple[str, ...]:
        """The entries that a text of numbers and ranges names, in order."""
        found: list[str] = []
        for match in _NUMBER_OR_RANGE.finditer(text):
            low, high = int(match[1]), int(match[2] or match[1])
            if low <= high <= low + MAX_RANGE:
                found += [self._by_number[n] for n in range(low, high + 1) if n in self._by_number]
        return tuple(dict.fromkeys(found))

    def candidates(self, text: str) -> list[list[str]]:
        """For each author-year segment of a marker the entries that it fits."""
        found: list[list[str]] = []
        for segment in text.split(";"):
            match = _NAMED.search(segment)
            if match:
                family = squash(match["name"].split()[0])
                found.append(
                    [
                        r.ref_id
                        for name, year, r in self._families
                        if year == int(match["year"]) and same_surname(name, family)
                    ]
                )
        return found

    def named(self, text: str) -> tuple[str, ...]:
        """The entries that author-year segments name; a segment that fits two entries names none."""
        return tuple(dict.fromkeys(fits[0] for fits in self.candidates(text) if len(fits) == 1))

    def read(self, text: str) -> tuple[str, ...]:
        """The entries that a printed marker names, by number or by author and year."""
        if _NUMBERS.fullmatch(text):  # in a paper that cites by name a lone number is a footnote
            return self.numbered(text) if self._numeric else ()
        return self.named(text)


def _is_numeric(document: Document) -> bool:
    """Whether at least half of the linked pointers print numbers."""
    texts = [
        p.text[pointer.start : pointer.end] for p in document.paragraphs for pointer in p.pointers if pointer.ref_ids
    ]
    return 2 * sum(bool(_NUMBERS.fullmatch(text)) for text in texts) >= len(texts)


def _first_word(raw: str) -> str:
    found = re.match(r"\W*(?:[A-Z]\.[\s-]*)*([^\W\d_][\w'’-]+)", raw)
    return squash(found[1]) if found else ""


def _numbers(document: Document) -> dict[int, str]:
    """Number -> entry: printed labels first, then what linked pointers print, then the order of the list."""
    labels = {
        int(m[1]): r.ref_id for r in document.references.values() if (m := re.fullmatch(r"\W*(\d{1,4})\W*", r.label))
    }
    printed: dict[int, str] = {}
    for paragraph in document.paragraphs:
        for pointer in paragraph.pointers:
            found = re.fullmatch(r"\W*(\d{1,4})\W*", paragraph.text[pointer.start : pointer.end])
            if found and len(pointer.ref_ids) == 1:
                printed.setdefault(int(found[1]), pointer.ref_ids[0])
    order = dict(enumerate(document.references, start=1))
    return {**order, **printed, **labels}


def resolve(paragraph: Paragraph, numbering: Numbering) -> tuple[Resolved, ...]:
    """The pointers of a paragraph with their works: lists in one pointer, ranges over two, missing targets."""
    found: list[Resolved] = []
    for pointer in sorted(paragraph.pointers):
        text = paragraph.text[pointer.start : pointer.end]
        if not pointer.ref_ids:
            found.append(Resolved(pointer.start, pointer.end, numbering.read(text), True))
        elif re.search(rf"\d\s*(?:{_DASH}|[,;])\s*\[?\d", text) or text.count(";") > 1:
            extra = numbering.read(text)
            found.append(Resolved(pointer.start, pointer.end, tuple(dict.fromkeys((*pointer.ref_ids, *extra)))))
        else:
            found.append(Resolved(pointer.start, pointer.end, pointer.ref_ids))
    return _with_ranges(paragraph.text, found, numbering)


def _with_ranges(text: str, found: list[Resolved], numbering: Numbering) -> tuple[Resolved, ...]:
    """``[3]-[7]`` in two pointers gains one pointer over both for the works in between."""
    added = []
    for left, right in pairwise(found):
        if _RANGE_GAP.fullmatch(text[left.end : right.start]):
            inner = numbering.numbered(text[left.start : right.end])
            between = tuple(r for r in inner if r not in (*left.ref_ids, *right.ref_ids))
            if between and set(left.ref_ids) & set(inner) and set(right.ref_ids) & set(inner):
                added.append(Resolved(left.start, right.end, between))
    return tuple(sorted([*found, *added]))


def markers(paragraph: Paragraph, resolved: Sequence[Resolved]) -> tuple[Marker, ...]:
    """Pointers grouped into markers: joined by the source, or with nothing but punctuation or *and* between."""
    groups: list[list[Resolved]] = []
    end = -1
    for pointer in resolved:
        gap = paragraph.text[end : pointer.start] if end >= 0 else ""
        drawn = any(
            a <= end - 1 and pointer.start < b and groups and groups[-1][0].start >= a for a, b in paragraph.markers
        )
        if groups and (pointer.start < end or drawn or _BETWEEN.fullmatch(gap)):
            groups[-1].append(pointer)
        else:
            groups.append([pointer])
        end = max(end, pointer.end)
    return tuple(_marker(paragraph, group) for group in groups)


def _marker(paragraph: Paragraph, group: list[Resolved]) -> Marker:
    start, end = group[0].start, max(pointer.end for pointer in group)
    for a, b in paragraph.markers:
        if a <= start and end <= b:
            start, end = a, b
            break
    works = len({ref for pointer in group for ref in pointer.ref_ids}) + sum(not p.ref_ids for p in group)
    text = paragraph.text
    while start and end < len(text) and text[start - 1] + text[end] in ("[]", "()"):
        start, end = start - 1, end + 1
    return Marker(start, end, tuple(group), works)


def printed_mentions(
    paragraph: Paragraph, resolved: Sequence[Resolved], hub: Reference | None, others: Mapping[str, Reference]
) -> tuple[Resolved, ...]:
    """Author and year of the hub printed without a pointer (GROBID drops some), where no other entry shares them."""
    if hub is None or hub.year is None or not hub.authors:
        return ()
    family = surname(hub.authors[0])
    rivals = [
        r
        for r in others.values()
        if r.ref_id != hub.ref_id and r.year == hub.year and r.authors and same_surname(surname(r.authors[0]), family)
    ]
    if rivals or len(family) < 3:
        return ()
    last = hub.authors[0].split(",")[0].split()[-1] if hub.authors[0].split(",")[0].split() else ""
    pattern = re.compile(
        rf"\b{re.escape(last)}\b(?:\s+et\s+al\.?|\s+(?:and|&)\s+[^\W\d_][\w'’-]+)?,?\s*\(?{hub.year}\)?"
    )
    return tuple(
        Resolved(m.start(), m.end(), (hub.ref_id,), True)
        for m in pattern.finditer(paragraph.text)
        if not any(p.start < m.end() and m.start() < p.end for p in resolved)
    )
