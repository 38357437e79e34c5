"""``classify cache``: the answer store."""

from __future__ import annotations

import typer

app = typer.Typer(help="Look into the store of answers, share it, shrink it.", no_args_is_help=True)
