"""What the page says of the labels: read from the annotation guide, so that there is one copy of every definition."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from textwrap import dedent
from typing import NamedTuple

_TABLE_ROW = re.compile(r"^\| `(\w+)` \| (.+?) \|$", re.MULTILINE)


class Guide(NamedTuple):
    """``meanings`` maps a field (role, polarity, basis) to the meaning of each value; ``card``: one rule a line."""

    version: str
    meanings: dict[str, dict[str, str]]
    card: tuple[str, ...]


@cache
def read_guide() -> Guide:
    """The annotation guide of this program: ``eval/guide.md`` in a checkout, packed as ``_guide.md`` in the wheel."""
    package = Path(__file__).resolve().parent.parent
    packed = package / "_guide.md"
    text = (packed if packed.is_file() else package.parent / "eval" / "guide.md").read_text(encoding="utf-8")
    version = re.search(r"^Version ([\d.]+\d)", text, re.MULTILINE)
    lists = text.partition("## 2. Closed lists")[2].partition("\n## ")[0]
    meanings = {}
    for name in ("role", "polarity", "basis"):
        table = lists.partition(f"**{name.capitalize()}**")[2].partition("\n**")[0]
        meanings[name] = {value: meaning.replace("`", "") for value, meaning in _TABLE_ROW.findall(table)}
    card = dedent(text.partition("\n## Card\n")[2]).strip()
    lines = re.sub(r"\n {4,}", " ", card).splitlines()  # an indented line goes on with the one before
    return Guide(version[1] if version else "", meanings, tuple(" ".join(line.split()) for line in lines if line))
