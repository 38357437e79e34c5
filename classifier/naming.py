"""Identifiers made from text: slugs for folders and works, and the form in which titles are compared."""

from __future__ import annotations

import re
import unicodedata

_NOT_WORD = re.compile(r"[^a-z0-9]+")
_APOSTROPHE = re.compile("['’ʼ`]")


def fold(text: str) -> str:
    """Lower-case ASCII letters and digits with single spaces: two titles are the same work when this is equal."""
    if not text.isascii():
        text = "".join(ch for ch in unicodedata.normalize("NFKD", text) if not unicodedata.combining(ch))
    kept = text.casefold()
    ascii_form = _NOT_WORD.sub(" ", _APOSTROPHE.sub("", kept)).strip()
    return ascii_form or kept.strip()


def slug(text: str, limit: int = 60) -> str:
    """A file-name-safe identifier of at most ``limit`` characters, cut at a word; ``untitled`` for nothing."""
    words = _NOT_WORD.sub("-", fold(text)).strip("-")
    if len(words) > limit:
        cut = words[: limit + 1].rpartition("-")[0]
        words = cut or words[:limit]
    return words or "untitled"


class UniqueNames:
    """Hands out each name once: a repeated one gets ``-2``, ``-3`` …, in order of asking."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def take(self, wanted: str) -> str:
        """``wanted``, or the first free numbered form of it."""
        name, number = wanted, 1
        while name in self._taken:
            number += 1
            name = f"{wanted}-{number}"
        self._taken.add(name)
        return name
