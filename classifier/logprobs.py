"""Token log-probabilities: what an endpoint said of its own tokens, and how likely it found the values of a label."""

from __future__ import annotations

import json
import math
from typing import Any

from classifier.answering import value_spans
from classifier.schema import Label

SCORED = ("role", "polarity")
"""The values of an answer whose tokens are looked at."""

LEAST = -9999.0
"""What OpenAI and vLLM say of a token that is as good as impossible; servers that say less are taken to mean this."""

ROUNDING = 1e-3
"""A log-probability above 0 by less than this is a certainty that the server rounded."""


def read_logprobs(given: object) -> str | None:
    """The tokens of a choice's ``logprobs`` as ``[[token, logprob], ...]`` in JSON; ``None`` where there are none.

    A token is its bytes read as UTF-8 with ``surrogateescape``, since a character may be split over tokens. A
    log-probability that is no number is ``null``.
    """
    content = given.get("content") if isinstance(given, dict) else None
    if not isinstance(content, list) or not content:
        return None
    tokens = [[_text(one), _number(one.get("logprob"))] for one in content if isinstance(one, dict)]
    return json.dumps(tokens, separators=(",", ":")) if any(value is not None for _, value in tokens) else None


def _text(token: dict[str, Any]) -> str:
    numbers = token.get("bytes")
    if isinstance(numbers, list) and all(type(one) is int and 0 <= one < 256 for one in numbers):
        return bytes(numbers).decode("utf-8", "surrogateescape")
    text = token.get("token")
    return text.encode("utf-8", "replace").decode("utf-8") if isinstance(text, str) else ""


def _number(value: object) -> float | None:
    if not isinstance(value, int | float) or not math.isfinite(value) or value > ROUNDING:
        return None
    return min(0.0, max(LEAST, float(value)))


def value_logprobs(tokens: str, label: Label) -> dict[str, float] | None:
    """The natural logarithm of the probability of each value in ``SCORED`` of a label; ``None`` where none is shown.

    The values are found in the concatenated tokens, by the JSON object that gives this label (the last one, as a model
    may think aloud before). Every token that holds a character of the value counts, also where it holds a quote or a
    blank as well: the probability of the value is the product of the probabilities of its tokens, each given all that
    stood before. A value with a token of unknown probability has none.
    """
    pairs: list[tuple[str, float | None]] = json.loads(tokens)
    raw = [text.encode("utf-8", "surrogateescape") for text, _ in pairs]
    # As latin-1 a byte is a character: places in the text are places in the bytes, and ASCII stays what it is.
    matching = [
        spans
        for answer, spans in value_spans(b"".join(raw).decode("latin-1"), SCORED)
        if all(getattr(answer, field) == getattr(label, field) for field in SCORED)
    ]
    if not matching:
        return None
    found = {field: _joint(raw, pairs, *matching[-1][field]) for field in SCORED if field in matching[-1]}
    return {field: value for field, value in found.items() if value is not None} or None


def _joint(raw: list[bytes], pairs: list[tuple[str, float | None]], start: int, end: int) -> float | None:
    total, at = 0.0, 0
    for token, (_, value) in zip(raw, pairs, strict=True):
        if at < end and at + len(token) > start:
            if value is None:
                return None
            total += value
        at += len(token)
    return round(total, 6)
