"""``classify gold``: gold sets made from reviewed works."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from classifier.cli import options as opt
from classifier.cli.terminal import out, say
from classifier.errors import InputError

app = typer.Typer(help="Make and extend gold sets.", no_args_is_help=True)


@app.callback()
def _root() -> None:
    """Without it, Typer would make the one command the whole group."""


@app.command("add")
def add(
    run: opt.Run,
    to: Annotated[Path, typer.Option("--to", help="Gold folder, such as eval/gold/NAME; made where absent.")],
    split: Annotated[str, typer.Option("--split", help="Split that the works go to; never a held-out one.")] = "dev",
    blind_only: Annotated[
        bool, typer.Option("--blind-only", help="Only works that were labelled without seeing the machine's label.")
    ] = False,
) -> None:
    """Turn the reviewed works of RUN into gold labels, items and annotations."""
    from classifier.review.decisions import LOG_NAME, DecisionLog
    from classifier.review.gold import add_gold
    from classifier.review.run import open_run

    opened = open_run(run)
    if not (run / LOG_NAME).is_file():
        raise InputError("nobody has reviewed this run", path=run, do="see `classify review`")
    done = add_gold(opened, DecisionLog(run), to, split=split, blind_only=blind_only)
    out.print(f"{to}: {done.added} works added to {split}, {done.already} were there", markup=False)
    for key in done.changed:
        say(f"kept as it was: {key[1]} has another label in the gold than in the review; edit the gold by hand")
    for hub in done.held_out:
        say(f"left alone: hub {hub} has gold rows outside the split {split}, and its works resemble each other")
    if done.disagreed:
        say(f"left out: {done.disagreed} works on which annotators disagree; see `classify review --adjudicate`")
    if done.without_basis:
        say(f"left out: {done.without_basis} stances without a basis")
    if done.seen:
        say(f"{done.seen} of the added were labelled with the machine's answer in view: say so where you use them")
