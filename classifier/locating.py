"""Find quoted words in a text as it stands, forgiving only what carries no meaning.

Forgiven: white space, quotation marks, dashes, ligatures and width (NFKD), accents, case, invisible characters, the
``[[ ]]`` marks, and in a second try blanks and hyphens inside words (``cross- validation``). Words, digits, signs and
their order are never forgiven.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

from classifier.prompting import INVISIBLE

MIN_CHARACTERS = 4
"""Fewer letters and digits than this could stand anywhere: they show nothing."""

_QUOTES = dict.fromkeys('‘’‚‛′´`“”„‟″«»"', "'") | {"‹": "<", "›": ">"}
_DASHES = dict.fromkeys("‐‑‒–—―−﹘﹣－", "-")
_SAME = _QUOTES | _DASHES | {"…": "..."}
_MARK = re.compile(r"\[\[|\]\](?!\])")
_ELLIPSIS = re.compile(r"\s*(?:…|\.\s?\.\s?\.|\[\s*(?:…|\.\.\.)\s*\])\s*")


class Span(NamedTuple):
    """Character positions ``[start, end)`` in the text that was searched."""

    start: int
    end: int


class _Folded(NamedTuple):
    """A text with the differences that do not count removed; ``origin[i]`` is where character ``i`` stood."""

    text: str
    origin: tuple[int, ...]


def locate(quote: str, text: str) -> Span | None:
    """Where ``quote`` stands in ``text``, or ``None``. The span never cuts a word, and covers whole mention marks.

    A quote with an ellipsis is found by its longest part that stands in the text.
    """
    quote = quote.strip()
    start = text.find(quote)
    if start >= 0 and _says_something(quote) and _on_boundaries(text, start, start + len(quote)):
        return _whole_marks(text, start, start + len(quote))
    parts = sorted((part for part in _ELLIPSIS.split(quote) if part), key=len, reverse=True)
    for candidate in [quote, *parts] if len(parts) > 1 else parts or [quote]:
        found = _find(candidate, text)
        if found:
            return found
    return None


def _find(quote: str, text: str) -> Span | None:
    for tight in (False, True):
        folded, wanted = _fold(text, tight), _fold(quote, tight).text.strip()
        for needle in dict.fromkeys((wanted, wanted.strip(" '.,;:"))):
            start = folded.text.find(needle) if _says_something(needle) else -1
            while start >= 0:
                first, last = folded.origin[start], folded.origin[start + len(needle) - 1]
                end = _past_trailing(text, last + 1)
                if _on_boundaries(text, first, end):
                    return _whole_marks(text, first, end)
                start = folded.text.find(needle, start + 1)
    return None


@lru_cache(maxsize=64)
def _fold(text: str, tight: bool) -> _Folded:
    dropped = {i for mark in _MARK.finditer(text) for i in range(mark.start(), mark.end())}
    characters: list[str] = []
    origin: list[int] = []
    for i, character in enumerate(text):
        if i in dropped or INVISIBLE.match(character):
            continue
        for folded in _fold_character(character):
            if folded == " " and (tight or (characters and characters[-1] == " ")):
                continue
            characters.append(folded)
            origin.append(i)
    if tight:
        kept = [i for i, c in enumerate(characters) if not _soft_hyphen(characters, i)]
        characters, origin = [characters[i] for i in kept], [origin[i] for i in kept]
    return _Folded("".join(characters), tuple(origin))


@lru_cache(maxsize=4096)
def _fold_character(character: str) -> str:
    if character in _SAME:
        return _SAME[character]
    folded = unicodedata.normalize("NFKD", character).casefold()
    kept = (_SAME.get(c, c) for c in folded if not unicodedata.combining(c))
    return "".join(" " if c.isspace() or unicodedata.category(c) == "Cc" else c for c in kept)


def _soft_hyphen(characters: list[str], i: int) -> bool:
    """A hyphen between two letters; one before a digit may be a sign and stays."""
    return (
        characters[i] == "-"
        and 0 < i < len(characters) - 1
        and (characters[i - 1].isalpha() and characters[i + 1].isalpha())
    )


def _says_something(folded: str) -> bool:
    return len(list(islice(filter(str.isalnum, folded), MIN_CHARACTERS))) == MIN_CHARACTERS


def _on_boundaries(text: str, start: int, end: int) -> bool:
    before = start > 0 and text[start - 1].isalnum() and text[start].isalnum()
    after = end < len(text) and text[end].isalnum() and text[end - 1].isalnum()
    return not before and not after


def _past_trailing(text: str, end: int) -> int:
    """Take along accents and invisible characters that belong to the last character."""
    while end < len(text) and (unicodedata.combining(text[end]) or INVISIBLE.match(text[end])):
        end += 1
    return end


def _whole_marks(text: str, start: int, end: int) -> Span:
    """Widen a span that holds one half of a mention mark by the other half, if that stands beside it."""
    inside = text[start:end]
    if inside.count("]]") > inside.count("[[") and text[max(0, start - 2) : start] == "[[":
        start -= 2
    if inside.count("[[") > inside.count("]]") and text[end : end + 2] == "]]":
        end += 2
    return Span(start, end)
