"""``classify export``: a run in the forms that other programs read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from classifier.cli import options as opt
from classifier.cli.terminal import out
from classifier.export.writing import Format, write_export


def export(
    run: opt.Run,
    form: Annotated[Format, typer.Option("--format", help="What to write.", show_default=False)],
    target: Annotated[
        Path | None,
        typer.Option("--out", help="File to write. Default: in RUN, named after the hub.", show_default=False),
    ] = None,
    hub_id: Annotated[
        str | None, typer.Option("--hub", help="Where a run holds several hubs; default the first.")
    ] = None,
) -> None:
    """Write RUN as linked data, for a reference manager, for Label Studio, or as a badge."""
    for path in write_export(run, form, target, hub_id=hub_id):
        out.print(str(path), markup=False)
