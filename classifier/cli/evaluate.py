"""``classify evaluate``: measure a run against gold labels."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def evaluate(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run (holds predictions.jsonl).")],
    gold: Annotated[Path, typer.Option(help="Gold folder, or a gold .jsonl or .csv file.")],
    split: Annotated[str | None, typer.Option(help="Only the gold rows of this split: dev or test.")] = None,
    resamples: Annotated[int, typer.Option(min=100, help="Bootstrap resamples behind each interval.")] = 2000,
) -> None:
    """Measure a run against gold labels: coverage first, then scores with intervals, agreement and confidence."""
    from classifier.evaluation.gold import read_gold
    from classifier.evaluation.measure import measure
    from classifier.evaluation.report import text
    from classifier.evaluation.runs import read_run

    found = measure(read_run(run), read_gold(gold, split), split=split, resamples=resamples)
    typer.echo(text(found), nl=False)
