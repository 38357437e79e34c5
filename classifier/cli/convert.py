"""``classify convert``: any input to ``hub.json``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from classifier.cli import options as opt
from classifier.cli.terminal import out, say
from classifier.errors import InputError
from classifier.inputs import collect_hub, open_input
from classifier.inputs.bibliography_files import write_list


def convert(
    source: opt.Input,
    target: Annotated[
        Path, typer.Argument(metavar="OUT", help="The hub.json to write, or .csl.json, .bib, .ris.")
    ] = Path("hub.json"),
    skip_bad_rows: opt.SkipBadRows = False,
) -> None:
    """Write INPUT as hub.json, or its citing works as a list for a reference manager."""
    opened = open_input(source, skip_bad_rows=skip_bad_rows)
    for warning in opened.warnings:
        say(f"note: {warning}")
    count = opened.check()
    hub = collect_hub(opened)
    if target.suffix.lower() in (".bib", ".ris") or target.name.lower().endswith(".csl.json"):
        out.print(f"{target}: {write_list(hub.citing, target)} works", markup=False)
        return
    try:
        target.write_text(hub.model_dump_json(indent=2, exclude_defaults=True) + "\n", encoding="utf-8", newline="\n")
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror}", path=target) from error
    for row in opened.bad_rows:
        say(f"skipped: {row.error()}")
    out.print(f"{target}: {count} citing works", markup=False)
