"""Passages of one place that came from several sources made one."""

from __future__ import annotations

import re

from classifier.schema import MENTION, CitationContext

SAME_PLACE = 0.6
"""Share of the shorter text's word triples that the other must hold; a neighbouring sentence shares almost none."""


def _triples(text: str) -> frozenset[tuple[str, ...]]:
    words = re.findall(r"\w+", MENTION.sub(r"\1", text).lower())
    return frozenset(zip(words, words[1:], words[2:], strict=False)) or frozenset({tuple(words)})


def overlap(left: CitationContext, right: CitationContext) -> float:
    """Share of the shorter sentence's word triples found in the other's sentence, 0 to 1."""
    a, b = _triples(left.text), _triples(right.text)
    return len(a & b) / min(len(a), len(b))


def merge_contexts(old: tuple[CitationContext, ...], new: tuple[CitationContext, ...]) -> tuple[CitationContext, ...]:
    """Both lists, a passage that two sources give being one; the fuller form stays, and names both sources.

    Passages of one source are never joined: an author may repeat a sentence. Those with a known position come
    first, in reading order of their source.
    """
    merged = list(old)
    for context in new:
        if any(_holds(known, context) for known in merged):
            continue
        names = set(context.source.split("+"))
        others = [(i, known) for i, known in enumerate(merged) if not names & set(known.source.split("+"))]
        best, place = max(((overlap(known, context), i) for i, known in others), default=(0.0, -1))
        if best >= SAME_PLACE:
            merged[place] = _joined(merged[place], context)
        else:
            merged.append(context)
    return tuple(sorted(merged, key=_reading_order))


def _holds(known: CitationContext, context: CitationContext) -> bool:
    """Whether a passage was taken in before: alone, or as one of several sources of ``known``."""
    if known.text == context.text and known.offset == context.offset:
        return True
    names, sources = set(context.source.split("+")), set(known.source.split("+"))
    return names < sources and overlap(known, context) >= SAME_PLACE


def _reading_order(context: CitationContext) -> tuple[bool, str, int]:
    placed = context.offset is not None
    return not placed, (context.source_id or "") if placed else "", context.offset or 0


def _joined(left: CitationContext, right: CitationContext) -> CitationContext:
    first, second = sorted((left, right), key=_fullness, reverse=True)
    return first.model_copy(
        update={
            "source": "+".join(dict.fromkeys([*first.source.split("+"), *second.source.split("+")])),
            "section": first.section or second.section,
            "shared": first.shared if first.shared is not None else second.shared,
            "cocited": first.cocited or second.cocited,
        }
    )


def _fullness(context: CitationContext) -> tuple[bool, bool, bool, int]:
    """Better first: a known place, a marked mention, neighbours, length."""
    return (
        context.offset is not None,
        bool(MENTION.search(context.text)),
        bool(context.before or context.after),
        len(context.text),
    )
