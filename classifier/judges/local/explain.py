"""Which sentence, and in it which words, carried a decision: sums of exact linear contributions."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import NamedTuple

from classifier.judges.local.features import Feature, Passage
from classifier.judges.local.tokens import CITATION, TARGET

MAX_CUES = 3
"""More words than this explain nothing to a reader."""

_SAYS_NOTHING = frozenset(
    "a an the of in on at by for from to with as and or that this these those it its is are was were be been has "
    "have had which who where when such other some any each i e g s t p".split()
)
"""Words that the encoder's shares fall on after it has read their neighbours; to a reader they explain nothing."""


class Carrier(NamedTuple):
    """The sentence `text[start:end]`, and the spans of the cue words in it, strongest first."""

    start: int
    end: int
    cues: tuple[tuple[int, int], ...]


def carrier(passage: Passage, contributions: list[tuple[Feature, float]], only_home: bool = False) -> Carrier | None:
    """The sentence with the largest sum of contributions (the mention's own in a tie), or None without tokens.

    `only_home`: always the mention's own sentence; a role is stated there, a stance often in the next one.
    """
    if not passage.tokens:
        return None
    sums = [0.0] * len(passage.sentences)
    for feature, amount in contributions:
        if feature.end > feature.start:
            sums[_sentence_of(passage, feature.start)] += amount
    home = passage.home
    best = max(range(len(sums)), key=lambda k: (sums[k], k == home))
    if only_home or sums[best] <= sums[home] + 1e-9 or sums[best] <= 0:
        best = home
    first, after = passage.sentences[best]
    return Carrier(passage.tokens[first].start, passage.tokens[after - 1].end, _cues(passage, best, contributions))


def _sentence_of(passage: Passage, at: int) -> int:
    for k, (first, after) in enumerate(passage.sentences):
        if after > first and passage.tokens[first].start <= at < passage.tokens[after - 1].end:
            return k
    return passage.home


def _cues(passage: Passage, k: int, contributions: list[tuple[Feature, float]]) -> tuple[tuple[int, int], ...]:
    """The words of sentence `k` with the most positive weight, neighbours joined, punctuation and mentions left out."""
    first, after = passage.sentences[k]
    tokens = passage.tokens[first:after]
    starts, ends = [t.start for t in tokens], [t.end for t in tokens]
    amounts = [0.0] * len(tokens)
    for feature, amount in contributions:
        if feature.name.startswith("cc "):
            continue
        covered = range(bisect_left(starts, feature.start), bisect_right(ends, feature.end))
        for i in covered:
            amounts[i] += amount / len(covered)
    for i, token in enumerate(tokens):
        if token.form in (TARGET, CITATION) or not token.form[0].isalpha() or token.form in _SAYS_NOTHING:
            amounts[i] = 0.0
    top = max(amounts, default=0.0)
    if top <= 0:
        return ()
    runs: list[tuple[float, int, int]] = []
    for i, token in enumerate(tokens):
        if amounts[i] < top / 3:
            continue
        if runs and i and runs[-1][2] == tokens[i - 1].end:
            amount, start, _ = runs.pop()
            runs.append((max(amount, amounts[i]), start, token.end))
        else:
            runs.append((amounts[i], token.start, token.end))
    runs.sort(key=lambda run: (-run[0], run[1]))
    return tuple((start, end) for _, start, end in runs[:MAX_CUES])
