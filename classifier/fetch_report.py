"""The report of a fetch: what could not be read, found or told apart."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple


class Row(NamedTuple):
    """One line of the report: where, which file or work, what became of it, and why."""

    source: str
    item: str
    outcome: str
    detail: str


def write_report(path: Path, rows: Iterable[Row]) -> None:
    """One row for everything that could not be read, found or told apart; a header alone where all went well."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(Row._fields)
        for row in rows:
            writer.writerow([("'" + cell if cell[:1] in "=+-@\t\r" else cell) for cell in row])
