"""Scores of one benchmark task: the scheme's classes, intervals, and what the judge was trained on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from classifier.evaluation import scores
from classifier.evaluation.align import Codes
from classifier.evaluation.benchmarks.readers import Row
from classifier.evaluation.benchmarks.schemes import Dataset, Published, Task
from classifier.evaluation.intervals import RESAMPLES, Estimate, Floats, item_weights, percentile_interval
from classifier.evaluation.measure import ClassScore, class_scores, headline, tables
from classifier.judges import local
from classifier.judges.local.judge import LocalJudge
from classifier.schema import Prediction, Record, Status

BASE_RATES = {"positive": 0.035, "negative": 0.007}
"""Shares of supporting and contrasting in a random sample of real citation statements (shared/bench/README.md)."""


class Result(Record):
    """What one judge scored on one task of one file. ``unclear`` counts labels left open in the task's head."""

    task: str
    title: str
    head: str
    tradition: str | None
    protocol: str
    file: str
    sha256: str
    split: str
    rows: int
    sampled: bool
    judge: str
    model: str
    prompt: str
    shots: int = 0
    trained_on: str
    labelled: int
    abstained: int
    failed: int
    unclear: int
    accuracy: Estimate
    macro_f1: Estimate
    classes: tuple[ClassScore, ...]
    precision_at_base_rate: dict[str, float | None]
    matrix: tuple[tuple[int, ...], ...] | None
    published: tuple[Published, ...]


class Measured(NamedTuple):
    """A row with the judge's answer."""

    row: Row
    prediction: Prediction


def score(
    dataset: Dataset, task: Task, measured: Sequence[Measured], file: Path, *, sampled: bool, resamples: int = RESAMPLES
) -> Result | None:
    """The scores of one task; ``None`` where no row of the file has a gold label for it."""
    kept = [
        (one, classes)
        for one in measured
        if (classes := task.gold_classes(one.row.polarity if task.gold_field == "polarity" else one.row.native))
    ]
    if not kept:
        return None
    chosen = [one for one, _ in kept]
    gold = [classes for _, classes in kept]
    figures = (_multi if task.multi else _single)(task, chosen, gold, resamples)
    first = chosen[0].prediction
    states = [one.prediction.status for one in chosen]
    splits = sorted({one.row.split for one in chosen})
    return Result(
        task=task.name,
        title=dataset.title,
        head=task.head,
        tradition=task.tradition,
        protocol=task.protocol,
        file=file.name,
        sha256=hashlib.sha256(file.read_bytes()).hexdigest(),
        split="+".join(splits),
        rows=len(chosen),
        sampled=sampled,
        judge=first.judge,
        model=first.model,
        prompt=first.prompt,
        trained_on=trained_on(dataset, first, splits),
        labelled=states.count(Status.LABELLED),
        abstained=states.count(Status.ABSTAINED),
        failed=states.count(Status.FAILED),
        unclear=sum(_unclear(one.prediction, task.head) for one in chosen),
        published=task.published,
        accuracy=figures.accuracy,
        macro_f1=figures.macro_f1,
        classes=figures.classes,
        precision_at_base_rate=figures.at_base_rate,
        matrix=figures.matrix,
    )


class _Figures(NamedTuple):
    accuracy: Estimate
    macro_f1: Estimate
    classes: tuple[ClassScore, ...]
    at_base_rate: dict[str, float | None]
    matrix: tuple[tuple[int, ...], ...] | None


Gold = Sequence[tuple[str, ...]]


def _single(task: Task, measured: Sequence[Measured], gold: Gold, resamples: int) -> _Figures:
    index = {name: i for i, name in enumerate(task.classes)}
    answers = [task.answer(one.prediction) for one in measured]
    codes = Codes(
        task.classes,
        np.array([index[classes[0]] for classes in gold], dtype=np.int64),
        np.array([len(index) if name is None else index[name] for name in answers], dtype=np.int64),
        _works(measured),
        (),
    )
    table, drawn = tables(codes, resamples=resamples)
    found = headline("all", table, drawn)
    return _Figures(
        found.accuracy,
        found.macro_f1,
        class_scores(task.classes, table, drawn),
        _at_base_rate(task, table),
        tuple(tuple(int(n) for n in row) for row in table),
    )


def _multi(task: Task, measured: Sequence[Measured], gold: Gold, resamples: int) -> _Figures:
    """Several labels a row: F1 of each class as a yes or no of its own; accuracy asks for the first answer only."""
    answers = [task.answers(one.prediction) for one in measured]
    truth = np.array([[name in row for name in task.classes] for row in gold])
    said = np.array([[name in row for name in task.classes] for row in answers])
    right = np.array([float(bool(a) and a[0] in g) for a, g in zip(answers, gold, strict=True)])
    weights = item_weights(len(gold), _works(measured), resamples=resamples)
    every = np.ones((1, len(gold)))
    value, drawn = _binary(every, truth, said), _binary(weights, truth, said)
    macro = np.nanmean(drawn[2], axis=1)
    classes = tuple(
        ClassScore(
            label=name,
            support=int(truth[:, i].sum()),
            predicted=int(said[:, i].sum()),
            **{
                score: percentile_interval(float(value[j][0, i]), drawn[j][:, i])
                for j, score in enumerate(("precision", "recall", "f1"))
            },
        )
        for i, name in enumerate(task.classes)
    )
    return _Figures(
        percentile_interval(float(right.mean()), scores.ratio(weights @ right, weights.sum(1))),
        percentile_interval(float(np.nanmean(value[2])), macro),
        classes,
        {},
        None,
    )


def _binary(weights: Floats, truth: NDArray[np.bool_], said: NDArray[np.bool_]) -> tuple[Floats, Floats, Floats]:
    """Precision, recall and F1 of each class ``(resamples, K)`` for weights ``(resamples, n)``."""
    both, gold, found = (weights @ one.astype(np.float64) for one in (truth & said, truth, said))
    return scores.ratio(both, found), scores.ratio(both, gold), scores.ratio(2 * both, gold + found)


def _works(measured: Sequence[Measured]) -> NDArray[np.int64]:
    """A number for each citing work: its rows are resampled together."""
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(one.row.citing, len(numbers)) for one in measured], dtype=np.int64)


def _at_base_rate(task: Task, table: Floats) -> dict[str, float | None]:
    """Precision of the outer classes if they were as rare as in a random sample of citation statements.

    By Bayes from the row shares of the confusion table; only for schemes with a middle class.
    """
    if task.head != "polarity" or len(task.classes) != 3:
        return {}
    rates = np.array([BASE_RATES["positive"], 1 - sum(BASE_RATES.values()), BASE_RATES["negative"]])
    shares = scores.ratio(table, table.sum(1, keepdims=True))
    expected = rates[:, None] * shares
    found: dict[str, float | None] = {}
    for i in (0, 2):
        whole = float(expected[:, i].sum())
        found[task.classes[i]] = round(float(expected[i, i]) / whole, 4) if whole > 0 else None
    return found


def _unclear(prediction: Prediction, head: str) -> bool:
    return prediction.label is not None and str(getattr(prediction.label, head)) == "unclear"


def trained_on(dataset: Dataset, answer: Prediction, splits: Sequence[str]) -> str:
    """Whether the judge was trained on this data set: ``no``, ``other rows``, ``these rows``, or ``unknown``.

    For the embedded model as its manifest lists; ``other rows`` where only the training split was used. What a
    language model or a model trained by the user has seen is unknown.
    """
    if answer.judge != "local" or answer.model != _embedded_model():
        return "unknown"
    manifest = Path(next(iter(local.__path__))) / "model" / "manifest.json"
    examples = json.loads(manifest.read_text(encoding="utf-8"))["examples"]
    if not dataset.names & set(examples):
        return "no"
    # Development rows are kept out of training, save where a set has no others (FOCAL).
    return "other rows" if set(splits) <= {"dev", "test"} and dataset.name != "focal" else "these rows"


@cache
def _embedded_model() -> str:
    return LocalJudge().model_name
