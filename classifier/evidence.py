"""Choose and order the texts that a judge sees of one pair; nothing is rewritten, so offsets stay true."""

from __future__ import annotations

from typing import NamedTuple

from classifier.schema import CitationContext, CitingWork, EvidenceSource, Pair

MAX_PASSAGES = 8
"""More passages than this add tokens, not information: the rest is left out, and counted in ``Task.left_out``."""


class Passage(NamedTuple):
    """One text as it stands in the input. ``context_index`` is set for a citation context only."""

    text: str
    source: EvidenceSource
    context_index: int | None = None
    section: str | None = None
    shared: int | None = None


class Task(NamedTuple):
    """A pair with its texts, best source first; ``source`` is the best there is, ``NONE`` for an empty work."""

    pair: Pair
    passages: tuple[Passage, ...]
    source: EvidenceSource
    left_out: int = 0


def source_text(work: CitingWork, source: EvidenceSource, context_index: int | None = None) -> str:
    """The text that offsets of evidence with this source count in; empty for ``NONE``."""
    if source is EvidenceSource.CONTEXT:
        return work.contexts[context_index or 0].passage
    return "" if source is EvidenceSource.NONE else str(getattr(work, source.value))


def prepare(pair: Pair) -> Task:
    """The texts of one pair in the order they are shown: passages in reading order, or abstract, summary, title.

    The title is shown beside either. Of more than ``MAX_PASSAGES`` contexts those are kept in which the hub
    shares its marker with the fewest works, earlier ones first.
    """
    work = pair.citing
    usable = [i for i, context in enumerate(work.contexts) if context.text.strip()]
    kept = usable
    if len(usable) > MAX_PASSAGES:
        kept = sorted(sorted(usable, key=lambda i: (_crowd(work.contexts[i]), i))[:MAX_PASSAGES])
    if kept:
        passages = [
            Passage((context := work.contexts[i]).passage, EvidenceSource.CONTEXT, i, context.section, context.shared)
            for i in kept
        ]
        return Task(pair, tuple(passages), EvidenceSource.CONTEXT, len(usable) - len(kept))
    texts = ((EvidenceSource.ABSTRACT, work.abstract), (EvidenceSource.SUMMARY, work.summary))
    found = [Passage(text, source) for source, text in texts if text.strip()]
    if work.title.strip():
        found.append(Passage(work.title, EvidenceSource.TITLE))
    return Task(pair, tuple(found), found[0].source if found else EvidenceSource.NONE)


def _crowd(context: CitationContext) -> int:
    return 1 if context.shared is None else context.shared
