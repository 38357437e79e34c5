"""From a document to the passages that cite the hub."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from classifier.fulltext.bibliography import HubMatch, find_hub
from classifier.fulltext.document import Document, Paragraph, Reference
from classifier.fulltext.pointers import Marker, Numbering, Resolved, markers, printed_mentions, resolve
from classifier.fulltext.sentences import Span, sentences
from classifier.schema import CitationContext, CitedWork, CocitedWork

MAX_SENTENCE = 1500
"""Characters kept of one sentence: a longer one is a table or a list, and is cut around the mention."""
TEXT_CONFIDENCE = 0.8
"""Weight of a pointer that was read from its printed text instead of a link."""


class Found(NamedTuple):
    """What a document says about the hub; ``pointers`` counts places, several of which can share a sentence.

    ``unclear`` counts markers without a link whose text fits the hub and another entry as well: not used.
    """

    contexts: tuple[CitationContext, ...]
    match: HubMatch
    pointers: int
    cocited: tuple[CocitedWork, ...] = ()
    unclear: int = 0


class _Sentence(NamedTuple):
    paragraph: Paragraph
    spans: Sequence[Span]
    place: int
    hub: Sequence[tuple[Marker, Resolved]]
    all: Sequence[Marker]


def find_contexts(document: Document, cited: CitedWork) -> Found:
    """The passages of a document that cite ``cited``, in reading order, with what else is cited beside it."""
    match = find_hub(document.references.values(), cited)
    if not match.ref_ids:
        return Found((), match, 0)
    wanted = frozenset(match.ref_ids)
    numbering = Numbering(document)
    contexts: list[CitationContext] = []
    count = unclear = 0
    for paragraph in document.paragraphs:
        resolved = resolve(paragraph, numbering)
        extra = printed_mentions(paragraph, resolved, document.references[match.ref_ids[0]], document.references)
        unclear += sum(_unclear(paragraph.text[p.start : p.end], numbering, wanted) for p in resolved if not p.ref_ids)
        resolved = tuple(sorted([*resolved, *extra]))
        hub_here = [pointer for pointer in resolved if wanted & set(pointer.ref_ids)]
        if hub_here:
            count += len(hub_here)
            contexts += _paragraph_contexts(document, paragraph, resolved, wanted, match)
    rest = tuple(_cocited(ref, "paper") for key, ref in document.references.items() if key not in wanted)
    return Found(tuple(contexts), match, count, tuple(work for work in rest if work.title), unclear)


def _unclear(text: str, numbering: Numbering, wanted: frozenset[str]) -> bool:
    return any(len(fits) > 1 and wanted & set(fits) for fits in numbering.candidates(text))


def _paragraph_contexts(
    document: Document, paragraph: Paragraph, resolved: Sequence[Resolved], wanted: frozenset[str], match: HubMatch
) -> list[CitationContext]:
    groups = markers(paragraph, resolved)
    spans = sentences(paragraph.text, [(group.start, group.end) for group in groups])
    hub = [(group, p) for group in groups for p in group.pointers if wanted & set(p.ref_ids)]
    marks = _merged([mark_span(paragraph.text, group, pointer) for group, pointer in hub])
    found = []
    for index, (start, end) in enumerate(spans):
        inside = [(group, p) for group, p in hub if start <= p.start < end]
        if inside:
            sentence = _Sentence(paragraph, spans, index, inside, groups)
            found.append(_context(document, sentence, marks, wanted, match))
    return found


def _context(
    document: Document, sentence: _Sentence, marks: Sequence[Span], wanted: frozenset[str], match: HubMatch
) -> CitationContext:
    paragraph, spans, index = sentence.paragraph, sentence.spans, sentence.place
    start, end = _window(spans[index], sentence.hub[0][1].start)
    neighbours = [
        document.finish(marked(paragraph.text, *_window(spans[i], edge), marks)) if 0 <= i < len(spans) else ""
        for i, edge in ((index - 1, start), (index + 1, end))
    ]
    linked = any(not pointer.from_text for _, pointer in sentence.hub)
    return CitationContext(
        text=document.finish(marked(paragraph.text, start, end, marks)),
        before=neighbours[0],
        after=neighbours[1],
        section=paragraph.section,
        source=document.source,
        source_id=document.name,
        offset=paragraph.offset + start,
        shared=min(_works(group, wanted) for group, _ in sentence.hub),
        cocited=_beside(document.references, sentence, wanted),
        match_method=match.method if linked else f"{match.method}+marker_text",
        match_confidence=round(match.confidence * (1.0 if linked else TEXT_CONFIDENCE), 3),
    )


def _works(group: Marker, wanted: frozenset[str]) -> int:
    """Works in a marker, the hub counted once even where it has two entries."""
    mine = {ref for pointer in group.pointers for ref in pointer.ref_ids} & wanted
    return group.works - max(0, len(mine) - 1)


def _beside(
    references: Mapping[str, Reference], sentence: _Sentence, wanted: frozenset[str]
) -> tuple[CocitedWork, ...]:
    start, end = sentence.spans[sentence.place]
    levels: dict[str, Literal["sentence", "paragraph"]] = {}
    for group in sentence.all:
        for pointer in group.pointers:
            for ref in pointer.ref_ids:
                if ref in references and ref not in wanted:
                    near = start <= pointer.start < end
                    levels[ref] = "sentence" if near or levels.get(ref) == "sentence" else "paragraph"
    works = (_cocited(references[ref], level) for ref, level in levels.items())
    return tuple(work for work in works if work.title)


def _cocited(ref: Reference, level: Literal["sentence", "paragraph", "paper"]) -> CocitedWork:
    """The entry as a work; where the title was not parsed the printed entry stands in its place."""
    return CocitedWork(title=ref.title or ref.raw[:300], authors=ref.authors, year=ref.year, ids=ref.ids, level=level)


def mark_span(text: str, group: Marker, pointer: Resolved) -> Span:
    """What is marked: the hub's own part of an author-year marker, all of a bracket of numbers or keys."""
    inner = text[pointer.start : pointer.end]
    start = pointer.start + len(inner) - len(inner.lstrip("([ "))
    end = pointer.end - (len(inner) - len(inner.rstrip(")];, ")))
    if end <= start:
        return pointer.start, pointer.end
    if (
        text[group.start] == "["
        and text[group.end - 1] == "]"
        and not re.search(r"[^\W\d_]{2,}.*\d{4}", text[start:end])
    ):
        return group.start, group.end
    if re.fullmatch(r"\d{4}[a-z]?", text[start:end]):  # the link is on the year alone: take the names before it
        names = re.search(r"[^\W\d_][\w'’-]*(?:\s+et\s+al\.?|\s+(?:and|&)\s+[^\W\d_][\w'’-]*)?,?\s*\(?$", text[:start])
        if names and names[0][0].isupper():
            start = names.start()
    if text[start:end].count("(") > text[start:end].count(")"):  # a note may stand before the bracket closes
        closing = re.match(r"[^();]{0,60}\)", text[end:])
        end += closing.end() if closing else 0
    return start, end


def _merged(spans: Sequence[Span]) -> list[Span]:
    found: list[Span] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return found


def marked(text: str, start: int, end: int, marks: Sequence[Span]) -> str:
    """``text[start:end]`` with every mark inside it put in double brackets."""
    parts, last = [], start
    for a, b in marks:
        if start <= a and b <= end:
            parts += [text[last:a], "[[", text[a:b], "]]"]
            last = b
    return "".join([*parts, text[last:end]]).strip()


def _window(span: Span, centre: int) -> Span:
    """The sentence, or of a very long one the part around ``centre``."""
    start, end = span
    if end - start <= MAX_SENTENCE:
        return span
    left = max(start, min(centre, end) - MAX_SENTENCE // 2)
    return left, min(end, left + MAX_SENTENCE)
