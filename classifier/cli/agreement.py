"""``classify agreement``: what a gold set holds and how far its annotators agreed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from classifier.cli.terminal import out


def agreement(
    gold: Annotated[Path, typer.Argument(metavar="GOLD", help="Gold folder.", show_default=False)],
    write: Annotated[bool, typer.Option("--write", help="Renew the measured part of GOLD/README.md.")] = False,
) -> None:
    """Print the composition of GOLD and the agreement of its annotators before adjudication, with intervals."""
    from classifier.evaluation.card import measured, write_card
    from classifier.evaluation.gold import read_gold

    if write:
        out.print(str(write_card(gold)), markup=False)
    else:
        out.print(measured(read_gold(gold)), markup=False)
