"""A passage as the encoder's input: word pieces with offsets, the mention and everything around it as marks.

Word pieces by greedy longest match (Wu et al. 2016) over the tokens that the linear heads read too, so that both see
one text, in which citation style, numbers and formulas are folded away.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from classifier.judges.local.features import Passage, Source, section_kind, title_kinds
from classifier.judges.local.tokens import CITATION, FORMULA, NUMBER, TARGET, Token

LIMIT = 96
"""Pieces of text an input holds, unless the model says otherwise; the citing sentence first, then its neighbours."""
LONGEST = 100
"""Letters of a word that is still split; the search for pieces takes the cube of its length."""
_MARKS = {form: f"[unused{i}]" for i, form in enumerate((TARGET, CITATION, FORMULA, NUMBER), 1)}
_KINDS = ("none", "related", "intro", "method", "discussion", "result", "conclusion", "other")
_AROUND = {f"s {kind}": f"[unused{10 + i}]" for i, kind in enumerate(_KINDS)} | {
    f"t {kind}": f"[unused{20 + i}]" for i, kind in enumerate(("resource", "tool", "named"))
}


class Pieces(NamedTuple):
    """Ids of one input; `home` is 1 inside the citing sentence; `spans` the characters (start == end for marks)."""

    ids: list[int]
    home: list[int]
    spans: list[tuple[int, int]]


class Vocabulary:
    """The encoder's word pieces: a text file, one piece a line, its line number its id."""

    def __init__(self, pieces: Sequence[str], limit: int = LIMIT) -> None:
        self.limit = limit
        self.index = {piece: i for i, piece in enumerate(pieces)}
        self.opens, self.closes, self.unknown = (self.index[p] for p in ("[CLS]", "[SEP]", "[UNK]"))
        self._split = lru_cache(maxsize=50_000)(self._split_word)

    @classmethod
    def load(cls, path: Path, limit: int = LIMIT) -> Vocabulary:
        """The vocabulary in `path`, for inputs of `limit` pieces."""
        return cls(path.read_text(encoding="utf-8").rstrip("\n").split("\n"), limit)

    def _split_word(self, word: str) -> tuple[int, ...]:
        """The pieces of a word, or the unknown piece where some part has none or the word is no word."""
        if len(word) > LONGEST:
            return (self.unknown,)
        found: list[int] = []
        start = 0
        while start < len(word):
            for end in range(len(word), start, -1):
                piece = self.index.get(word[start:end] if not start else "##" + word[start:end])
                if piece is not None:
                    found.append(piece)
                    start = end
                    break
            else:
                return (self.unknown,)
        return tuple(found)

    def encode(self, source: Source, passage: Passage) -> Pieces:
        """Marks of section and hub title, then the pieces nearest to the mention, at most `limit`."""
        around = [f"s {section_kind(source.section)}", *(f"t {kind}" for kind in title_kinds(source.hub_title))]
        first, after = passage.sentences[passage.home]
        split = [self._token(source.text, token) for token in passage.tokens]
        low, high = _window([len(p) for p in split], first, after, passage.targets, self.limit)
        ids = [self.opens, *(self.index[_AROUND[name]] for name in around)]
        home, spans = [0] * len(ids), [(0, 0)] * len(ids)
        for i in range(low, high):
            token = passage.tokens[i]
            ids.extend(split[i])
            home.extend([int(first <= i < after)] * len(split[i]))
            spans.extend([(token.start, token.end)] * len(split[i]))
        return Pieces([*ids, self.closes], [*home, 0], [*spans, (0, 0)])

    def _token(self, text: str, token: Token) -> tuple[int, ...]:
        mark = _MARKS.get(token.form)
        if mark is not None:
            return (self.index[mark],)
        return self._split(text[token.start : token.end].lower().replace("’", "'"))


def _window(sizes: Sequence[int], first: int, after: int, targets: Sequence[int], limit: int) -> tuple[int, int]:
    """Tokens `[low, high)` that fit `limit`: grown from the mention through its sentence, then to both sides."""
    low = high = targets[0] if targets else first
    used = 0
    for floor, ceiling in ((first, after), (0, len(sizes))):
        while low > floor or high < ceiling:
            grown = used
            if high < ceiling and used + sizes[high] <= limit:
                used += sizes[high]
                high += 1
            if low > floor and used + sizes[low - 1] <= limit:
                low -= 1
                used += sizes[low]
            if used == grown:
                return low, high
    return low, high
