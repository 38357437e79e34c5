"""The texts of one work as the page shows them: cut at every mark, harmless, and as long as they were."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple

from classifier.evidence import source_text
from classifier.schema import MENTION, CitingWork, Evidence, EvidenceSource

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Control characters and those that change the direction of writing: they could make a text read otherwise."""


def visible(text: str) -> str:
    """The text as it is shown, one character for one: control and direction characters as ``�``, no bare CR."""
    return _CONTROL.sub("�", text).replace("\r", " ").encode("utf-8", "replace").decode("utf-8")


class Segment(NamedTuple):
    """A stretch of a text under the same marks (``mention``, ``machine``, ``chosen``)."""

    text: str
    marks: tuple[str, ...]


class ShownText(NamedTuple):
    """One text; evidence offsets count in the segments joined. ``beside``: not what the labels are made from."""

    name: str
    source: EvidenceSource
    context_index: int | None
    segments: tuple[Segment, ...]
    beside: bool = False


def shown_texts(work: CitingWork, machine: Evidence | None, chosen: Evidence | None) -> tuple[ShownText, ...]:
    """Every text of a work, passages first; abstract, summary and title stand beside where there is a passage."""
    passages = [i for i, context in enumerate(work.contexts) if context.text.strip()]
    shown = [
        _shown(work, _passage_name(work, i, place, len(passages)), EvidenceSource.CONTEXT, i, machine, chosen)
        for place, i in enumerate(passages, 1)
    ]
    for source in (EvidenceSource.ABSTRACT, EvidenceSource.SUMMARY, EvidenceSource.TITLE):
        if source_text(work, source).strip():
            one = _shown(work, source.value.capitalize(), source, None, machine, chosen)
            shown.append(one._replace(beside=bool(passages)))
    return tuple(shown)


def _passage_name(work: CitingWork, index: int, place: int, of: int) -> str:
    context = work.contexts[index]
    parts = [f"Passage {place} of {of}" if of > 1 else "Passage"]
    if context.section:
        parts.append(visible(context.section))
    if context.shared and context.shared > 1:
        parts.append(f"{context.shared} works in the same bracket")
    return ", ".join(parts)


def _shown(
    work: CitingWork,
    name: str,
    source: EvidenceSource,
    index: int | None,
    machine: Evidence | None,
    chosen: Evidence | None,
) -> ShownText:
    text = source_text(work, source, index)
    spans = [("mention", m.start(), m.end()) for m in MENTION.finditer(text)]
    for mark, evidence in (("machine", machine), ("chosen", chosen)):
        if evidence and evidence.source is source and evidence.context_index == index:
            spans.append((mark, evidence.start, evidence.end))
    return ShownText(name, source, index, tuple(_segments(visible(text), spans)))


def _segments(text: str, spans: Iterable[tuple[str, int, int]]) -> Iterable[Segment]:
    spans = list(spans)
    cuts = sorted({0, len(text), *(min(edge, len(text)) for _, *edges in spans for edge in edges)})
    for start, end in pairwise(cuts):
        yield Segment(text[start:end], tuple(mark for mark, first, last in spans if first <= start and end <= last))


def digest(texts: Iterable[ShownText]) -> str:
    """sha256, hex, of the texts in the order shown: what a decision was based on."""
    found = hashlib.sha256()
    for text in texts:
        found.update("".join(segment.text for segment in text.segments).encode() + b"\0")
    return found.hexdigest()


def evidence_at(work: CitingWork, source: str, context_index: str, start: str, end: str, text: str) -> Evidence | None:
    """The evidence that a form names by its offsets, ``None`` for none.

    Raises ``ValueError`` where the offsets are outside the text, or other words stand there than the person saw.
    """
    if not (start or end or text):
        return None
    try:
        kind, first, last = EvidenceSource(source), int(start), int(end)
        index = int(context_index) if kind is EvidenceSource.CONTEXT else None
        if index is not None and not 0 <= index < len(work.contexts):
            raise ValueError
    except ValueError:
        raise ValueError("the selection names no text of this work; select the words again") from None
    whole = source_text(work, kind, index)
    if not 0 <= first < last <= len(whole):
        raise ValueError("the selection is outside the text; select the words again")
    found = whole[first:last]
    if _lines(visible(found)) != _lines(text):
        raise ValueError("the selected words do not stand there in the text; select them again")
    if not found.strip():
        raise ValueError("the selection holds no words; select the words again")
    return Evidence(text=found, source=kind, start=first, end=last, context_index=index)


def _lines(text: str) -> str:
    """A form turns line ends into CR LF; how a line ends is not compared."""
    return re.sub(r"\s*\r?\n", "\n", text)
