"""One benchmark from file to figures: rows through the pipeline that ``classify run`` uses, then scored."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import NamedTuple

from classifier.errors import InputError
from classifier.evaluation.benchmarks.readers import Row, read_rows
from classifier.evaluation.benchmarks.schemes import Dataset
from classifier.evaluation.benchmarks.scoring import Measured, Result, score
from classifier.judges.base import Judge
from classifier.pipeline import Answered, predict


def find_file(dataset: Dataset, data: Path) -> Path:
    """The file to measure: ``data`` itself or the data set's file in it; ``InputError`` says where to get it."""
    if data.is_file():
        return data
    found = next((data / name for name in dataset.files if (data / name).is_file()), None)
    if found is None:
        raise InputError(
            f"{dataset.title} is not here: {' or '.join(dataset.files)}", path=data, do=f"get it from {dataset.where}"
        )
    return found


def sample(rows: Sequence[Row], limit: int | None) -> list[Row]:
    """At most ``limit`` rows, drawn by the hash of their id: the same for everyone, at the natural class rates."""
    if limit is None or limit >= len(rows):
        return list(rows)
    return sorted(rows, key=lambda row: hashlib.sha256(row.pair.citing.citing_id.encode()).digest())[:limit]


async def judge_rows(
    rows: Sequence[Row],
    judge: Judge,
    *,
    concurrency: int,
    on_answer: Callable[[Answered], None] = lambda answered: None,
    stop: Callable[[], bool] = lambda: False,
) -> list[Measured]:
    """Every row with its prediction, in order; fewer where ``stop`` broke it off."""
    found: list[Measured] = []
    async with aclosing(predict([row.pair for row in rows], judge, concurrency=concurrency, stop=stop)) as answers:
        async for answered in answers:
            on_answer(answered)
            found.append(Measured(rows[len(found)], answered.prediction))
    return found


class Plan(NamedTuple):
    """What to measure. ``lenient``: data sets that are not in the folder are named and left out.

    ``shots`` is how many labelled examples the judge is shown, for the record.
    """

    datasets: Sequence[Dataset]
    data: Path
    limit: int | None
    concurrency: int
    lenient: bool
    shots: int = 0


async def run(
    plan: Plan, judge: Judge, *, say: Callable[[str], None], stop: Callable[[], bool] = lambda: False
) -> list[Result]:
    """The results of every task of the plan. ``InputError`` where a data set, or with ``lenient`` each, is absent."""
    found: list[Result] = []
    try:
        for dataset in plan.datasets:
            try:
                file = find_file(dataset, plan.data)
            except InputError as error:
                if not plan.lenient:
                    raise
                say(f"left out: {error}")
                continue
            rows = list(read_rows(file, dataset.name))
            chosen = sample(rows, plan.limit)
            say(f"{dataset.name}: {len(chosen)} of {len(rows)} rows of {file.name}")
            measured = await judge_rows(chosen, judge, concurrency=plan.concurrency, stop=stop)
            if len(measured) < len(chosen):
                break  # stopped: the part that was answered is stored, and scored by the next run
            sampled = len(chosen) < len(rows)
            results = (score(dataset, task, measured, file, sampled=sampled) for task in dataset.task)
            found.extend(one.model_copy(update={"shots": plan.shots}) for one in results if one is not None)
    finally:
        await judge.aclose()
    if not found and not stop():
        raise InputError("nothing to score: no row has a label that the scheme knows", path=plan.data)
    return found
