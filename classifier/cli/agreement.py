"""``classify agreement``: what a gold set holds and how far its annotators agree."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from classifier.cli.evaluate import Split


def agreement(
    gold: Annotated[Path, typer.Argument(help="Folder with gold.jsonl and annotations.jsonl.", show_default=False)],
    split: Split = None,
    write: Annotated[
        bool, typer.Option("--write", help="Renew the measured part of GOLD/README.md, and GOLD/croissant.json.")
    ] = False,
) -> None:
    """Count the labels of a gold set and measure how far its annotators agree, with intervals."""
    from classifier.evaluation.croissant import croissant, heading
    from classifier.evaluation.describe import describe
    from classifier.evaluation.gold import read_gold
    from classifier.evaluation.markers import replace_between
    from classifier.outputs import write_json

    found = describe(read_gold(gold, split))
    typer.echo(found)
    if write:
        page = gold / "README.md"
        replace_between(page, "measured", found)
        write_json(gold / "croissant.json", croissant(gold, name=gold.name, description=heading(page)))
        typer.echo(f"written: {gold / 'README.md'}", err=True)
