"""Content words of a text in the form in which texts are compared; nothing learned, nothing configured."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping

from classifier.naming import fold

_COMMON = frozenset(
    "about above across after again against all also although among approach based been before being between both "
    "could data different does each either even exist find found from further given have here high however into its "
    "just large like many method model more most much need only other over paper propose proposed provide recent "
    "recently result results same several should show shown shows some still study such than that their them then "
    "there these they this those through thus under upon used uses using very well were what when where which while "
    "will with within work works would".split()
)
Vector = Mapping[str, float]
STEM = 6
"""Words are compared by their first letters: prefix stemming, which needs no language data (McNamee et al. 2009)."""


def terms(text: str) -> tuple[str, ...]:
    """Stems of the content words in order: four letters or more, or with a digit (``prm800k``), no function words."""
    words = (word for word in fold(text).split() if word not in _COMMON)
    return tuple(word[:STEM] if word.isalpha() else word for word in words if len(word) > 3 or not word.isalpha())


def inverse_document_frequency(documents: Iterable[Iterable[str]]) -> dict[str, float]:
    """``1 + ln((1 + N) / (1 + df))`` for every term of ``N`` documents, the smoothed form that is never zero."""
    frequency: Counter[str] = Counter()
    count = 0
    for document in documents:
        count += 1
        frequency.update(set(document))
    return {term: 1 + math.log((1 + count) / (1 + n)) for term, n in frequency.items()}


def weighted(bag: Iterable[str], weights: Vector) -> Vector:
    """The bag as a vector of length 1, ``(1 + ln n) x weight``; a term without a weight is left out."""
    vector = {term: (1 + math.log(n)) * weights[term] for term, n in sorted(Counter(bag).items()) if term in weights}
    norm = math.sqrt(sum(value * value for value in vector.values()))
    return {term: value / norm for term, value in vector.items()}


def cosine(left: Vector, right: Vector) -> float:
    """Cosine of two vectors of ``weighted``, 0 to 1."""
    small, large = (left, right) if len(left) <= len(right) else (right, left)
    return sum(value * large[term] for term, value in small.items() if term in large)
