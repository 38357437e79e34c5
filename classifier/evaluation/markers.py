"""Generated parts of a Markdown page, between ``<!-- begin NAME -->`` and ``<!-- end NAME -->``."""

from __future__ import annotations

from pathlib import Path

from classifier.errors import InputError
from classifier.outputs import write_text


def replace_between(page: Path, name: str, content: str) -> None:
    """Put the content between the markers of that name; ``InputError`` for a page that has none."""
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    if not page.is_file():
        raise InputError("no such page", path=page)
    before, found, rest = page.read_text(encoding="utf-8").partition(begin)
    if not found or end not in rest:
        raise InputError(f"no markers {begin} and {end}", path=page, do="add them where the part belongs")
    write_text(page, f"{before}{begin}\n{content}\n{end}{rest.partition(end)[2]}")
