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
STEM = 6
"""Words are compared by their first letters: prefix stemming, which needs no language data (McNamee et al. 2009)."""


def terms(text: str) -> tuple[str, ...]:
    """Stems of the content words in order: four letters or more, or with a digit (``prm800k``), no function words."""
    words = (w for w in fold(text).split() if w not in _COMMON and (len(w) > 3 or any(ch.isdigit() for ch in w)))
    return tuple(word if any(ch.isdigit() for ch in word) else word[:STEM] for word in words)


def inverse_document_frequency(documents: Iterable[Iterable[str]]) -> dict[str, float]:
    """``1 + ln((1 + N) / (1 + df))`` for every term of ``N`` documents, the smoothed form that is never zero."""
    frequency: Counter[str] = Counter()
    count = 0
    for document in documents:
        count += 1
        frequency.update(set(document))
    return {term: 1 + math.log((1 + count) / (1 + n)) for term, n in frequency.items()}


def cosine(left: Iterable[str], right: Iterable[str], weights: Mapping[str, float]) -> float:
    """Cosine of two bags of terms under term weights, 0 to 1; a term without a weight counts nothing."""
    a, b = (_vector(side, weights) for side in (left, right))
    norm = math.sqrt(sum(v * v for v in a.values()) * sum(v * v for v in b.values()))
    return sum(value * b.get(term, 0.0) for term, value in sorted(a.items())) / norm if norm else 0.0


def _vector(bag: Iterable[str], weights: Mapping[str, float]) -> dict[str, float]:
    return {term: (1 + math.log(n)) * weights[term] for term, n in Counter(bag).items() if term in weights}
