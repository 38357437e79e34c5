"""Columns of ``predictions.csv`` that only some runs have: further judges, token probabilities."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from classifier.schema import Prediction, Status


class Extra(NamedTuple):
    """One column: its name, its type in Table Schema's words, what it means, and its cell of a prediction."""

    name: str
    kind: str
    meaning: str
    cell: Callable[[Prediction], object]


def extra_columns(others: int = 0, *, logprobs: bool = False) -> tuple[Extra, ...]:
    """The columns for ``others`` further judges and for token log-probabilities, in their order."""
    found = []
    if logprobs:
        found += [
            Extra(
                f"{field}_logprob", "number",
                f"natural logarithm of the probability that the model gave the tokens of its {field}; raw",
                partial(_logprob, field),
            )
            for field in ("role", "polarity")
        ]  # fmt: skip
    if others:
        found += [
            Extra(
                f"{field}_agree", "boolean",
                f"whether all judges that labelled the work gave the same {field}; empty where fewer than two did",
                partial(_agree, field),
            )
            for field in ("role", "polarity")
        ]  # fmt: skip
        found.append(Extra("review_reason", "string", "on what the judges disagree", lambda one: one.review_reason))
    for number in range(others):
        found += _of_other(number)
    return tuple(found)


def _of_other(number: int) -> list[Extra]:
    place = number + 2
    meanings = {
        "judge": ("string", lambda one: one.judge, "who it is: openai or local"),
        "model": ("string", lambda one: one.model, "its model"),
        "status": ("string", lambda one: one.status.value, "what became of the work with it"),
        "role": ("string", lambda one: one.label.role.value if one.label else None, "the role it gave"),
        "polarity": ("string", lambda one: one.label.polarity.value if one.label else None, "the polarity it gave"),
        "confidence": (
            "number", lambda one: f"{one.label.confidence:.3f}" if one.label else None, "its confidence in both",
        ),
    }  # fmt: skip
    return [
        Extra(f"{name}_{place}", kind, f"judge {place} of the run: {meaning}", partial(_other, number, cell))
        for name, (kind, cell, meaning) in meanings.items()
    ]


def _other(number: int, cell: Callable[[Prediction], object], prediction: Prediction) -> object:
    others = prediction.others or ()
    return cell(others[number]) if number < len(others) else None


def _logprob(field: str, prediction: Prediction) -> str | None:
    value = (prediction.logprobs or {}).get(field)
    return None if value is None else f"{value:.4f}"


def _agree(field: str, prediction: Prediction) -> str | None:
    given = [
        getattr(one.label, field)
        for one in (prediction, *(prediction.others or ()))
        if one.status is Status.LABELLED and one.label is not None
    ]
    return None if len(given) < 2 else "true" if len(set(given)) == 1 else "false"
