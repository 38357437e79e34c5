"""How many tokens requests will take: learned from the usage that the store remembers, else assumed and said so."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable
from itertools import islice
from math import sqrt
from typing import NamedTuple

from classifier.prices import CHARACTERS_PER_TOKEN, Price, Tokens
from classifier.store import Store, StoredAnswer

SCANNED = 5_000
ENOUGH = 500
LEAST = 20
"""Stored answers that are looked at, that are enough, and below which nothing is learned from them."""

TOKENS_OF_ANSWER = 150
"""A typical answer in the schema: one or two sentences of reasoning, the labels, a copied span."""
_ASSUMED_SPREAD = 0.25
_ASSUMED_ANSWER_SPREAD = 0.5
_Z = 1.96


class Range(NamedTuple):
    """An estimate with the bounds within which 95 of 100 such runs should fall, rounded to whole tokens."""

    low: float
    middle: float
    high: float

    @classmethod
    def around(cls, middle: float, half: float) -> Range:
        """``middle`` ± ``half``, never below 0."""
        return cls(max(0.0, middle - half), middle, middle + half)


class Estimator(NamedTuple):
    """Tokens from characters. ``answers``: how many stored answers it was learned from, 0 where it is assumed.

    ``tokens = fixed + characters / per_token`` for the first request of a work; ``more_prompt`` multiplies it for the
    requests that ask again. ``answer`` is the mean of all answer tokens of a work.
    """

    answers: int = 0
    fixed: float = 0.0
    per_token: float = CHARACTERS_PER_TOKEN
    spread: float = 0.0
    more_prompt: float = 1.0
    answer: float = TOKENS_OF_ANSWER
    answer_spread: float = 0.0

    def prompt(self, requests: int, characters: int) -> Range:
        """Prompt tokens of ``requests`` works whose first requests have so many characters together."""
        middle = self.more_prompt * (requests * self.fixed + characters / self.per_token)
        if not self.answers:
            return Range.around(middle, _ASSUMED_SPREAD * middle)
        return Range.around(middle, self._half(requests, self.more_prompt * self.spread))

    def completion(self, requests: int) -> Range:
        """Answer tokens of so many works."""
        middle = requests * self.answer
        if not self.answers:
            return Range.around(middle, _ASSUMED_ANSWER_SPREAD * middle)
        return Range.around(middle, self._half(requests, self.answer_spread))

    def _half(self, requests: int, spread: float) -> float:
        """Half a prediction interval of a sum: the works' own spread, and that of the mean that was learned."""
        return _Z * spread * sqrt(requests + requests**2 / self.answers)

    @property
    def how(self) -> str:
        """How the estimate came about, for the user."""
        if not self.answers:
            return f"assumed: {self.per_token:g} characters a token, {self.answer:g} tokens an answer"
        return (
            f"learned from {self.answers} stored answers of this model: {self.per_token:.2f} characters a token, "
            f"{self.answer:.0f} tokens an answer"
        )


def learn(store: Store, endpoint: str, model: str) -> Estimator:
    """What the stored answers of this model at this endpoint teach; keys are digests, so their order is random."""
    return _learned(islice(store.rows(), SCANNED), endpoint, model)


def _learned(rows: Iterable[StoredAnswer], endpoint: str, model: str) -> Estimator:
    firsts: list[tuple[int, int, int]] = []
    prompt = completion = 0
    for row in rows:
        request, answer = json.loads(row.request), row.answer
        if (request["endpoint"], request["model"]) != (endpoint, model):
            continue
        if answer.prompt_tokens is None or answer.completion_tokens is None:
            continue
        prompt, completion = prompt + answer.prompt_tokens, completion + answer.completion_tokens
        if len(request["messages"]) == 2:
            characters = sum(len(message["content"]) for message in request["messages"])
            firsts.append((characters, answer.prompt_tokens, answer.completion_tokens))
            if len(firsts) >= ENOUGH:
                break
    if len(firsts) < LEAST:
        return Estimator()
    characters_, tokens, answers = ([float(x) for x in column] for column in zip(*firsts, strict=True))
    slope, fixed = _line(characters_, tokens)
    residuals = [t - fixed - slope * c for c, t in zip(characters_, tokens, strict=True)]
    return Estimator(
        answers=len(firsts), fixed=fixed, per_token=1 / slope, spread=statistics.pstdev(residuals),
        more_prompt=prompt / sum(tokens), answer=completion / len(firsts), answer_spread=statistics.pstdev(answers),
    )  # fmt: skip


def _line(x: list[float], y: list[float]) -> tuple[float, float]:
    """Slope and intercept by least squares; through the origin where the lengths hardly differ."""
    if len(set(x)) > 2:
        slope, fixed = statistics.linear_regression(x, y)
        if slope > 0:
            return slope, fixed
    return sum(y) / sum(x), 0.0


def cost(price: Price, prompt: Range, completion: Range, *, batch: bool = False) -> Range:
    """Dollars, from the low ends to the high ends of both; nothing is taken to be cached by the service."""
    return Range(*(
        price.cost(Tokens(prompt=round(p), completion=round(c)), batch=batch)
        for p, c in zip(prompt, completion, strict=True)
    ))  # fmt: skip
