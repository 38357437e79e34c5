"""``classify agreement``: what a gold set holds and how far its annotators agree."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from classifier.cli.evaluate import Split


def agreement(
    gold: Annotated[Path, typer.Argument(help="Folder with gold.jsonl and annotations.jsonl.", show_default=False)],
    split: Split = None,
    write: Annotated[bool, typer.Option("--write", help="Renew README.md and croissant.json of GOLD.")] = False,
) -> None:
    """Count the labels of a gold set and measure how far its annotators agree, with intervals."""
    from classifier.evaluation.card import measured, write_card
    from classifier.evaluation.gold import read_gold

    typer.echo(measured(read_gold(gold, split)))
    if write:
        typer.echo(f"written: {write_card(gold)}", err=True)
