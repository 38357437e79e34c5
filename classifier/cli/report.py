"""``classify report``: the hub page of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from classifier.cli import options as opt
from classifier.cli.terminal import out
from classifier.report import write_report


def report(
    run: opt.Run,
    target: Annotated[
        Path | None, typer.Option("--out", help="File to write. Default: RUN/report.html.", show_default=False)
    ] = None,
    hub_id: Annotated[
        str | None, typer.Option("--hub", help="Where a run holds several hubs; default the first.")
    ] = None,
) -> None:
    """Write the hub page of RUN, one HTML file that opens without a network."""
    out.print(str(write_report(run, target, hub_id=hub_id)), markup=False)
