"""``classify agreement``: what a gold set holds and how far its annotators agree."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from classifier.cli.evaluate import Split


def agreement(
    gold: Annotated[Path, typer.Argument(help="Folder with gold.jsonl and annotations.jsonl.", show_default=False)],
    split: Split = None,
    write: Annotated[bool, typer.Option("--write", help="Renew the measured part of GOLD/README.md.")] = False,
) -> None:
    """Count the labels of a gold set and measure how far its annotators agree, with intervals."""
    from classifier.evaluation.describe import describe
    from classifier.evaluation.gold import read_gold
    from classifier.evaluation.markers import replace_between

    found = describe(read_gold(gold, split))
    typer.echo(found)
    if write:
        replace_between(gold / "README.md", "measured", found)
        typer.echo(f"written: {gold / 'README.md'}", err=True)
