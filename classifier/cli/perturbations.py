"""``classify perturbations``: behavioural tests of a run over perturbed items."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

EXPECTATIONS = Path("eval/perturbations/expectations.jsonl")


def perturbations(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A `classify run` over items.jsonl.", show_default=False)],
    expect: Annotated[Path, typer.Option(help="What each perturbed item must do.")] = EXPECTATIONS,
) -> None:
    """Count which labels of RUN stay where they must and flip where they must, and list the others."""
    from classifier.cli.terminal import plain
    from classifier.evaluation.perturbations import judge_pairs, read_expectations, text
    from classifier.evaluation.runs import read_run

    done = read_run(run)
    for line in text(done, judge_pairs(done, read_expectations(expect))).splitlines():
        typer.echo(plain(line))
