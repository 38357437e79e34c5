"""How far the silver labels agree with second labels of the same passages: the measured part of their data card.

Run as ``python -m classifier.training.silver_agreement``. Both labels are by sessions of one language model, so it is
the consistency of that model, not its truth.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from classifier.evaluation.agreement import cell_agreement
from classifier.evaluation.card import NAME, shown
from classifier.evaluation.gold import FIELDS
from classifier.evaluation.markers import replace_between

SAMPLE = "sample/labels.jsonl"
FILES = ("labels.jsonl", SAMPLE)
Pair = tuple[Mapping[str, str], Mapping[str, str]]


def pairs_of(path: Path) -> list[Pair]:
    """First and second label of each passage that was labelled twice, in the file's order of second labels."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    first = {(row["dataset"], row["id"]): row for row in rows if not row["second"]}
    return [(first[row["dataset"], row["id"]], row) for row in rows if row["second"]]


def measured(silver: Path) -> str:
    """A Markdown table: a row for each file, group of second labels and field, with 95 % bootstrap intervals."""
    head = "| file | second labels | passages | field | same value | Cohen's kappa | Gwet's AC1 |"
    lines = [head, "|---|---|---:|---|---|---|---|"]
    for name in FILES:
        for group, pairs in _groups(pairs_of(silver / name)).items():
            lines += [f"| {name} | {group} | {len(pairs)} | {field} | {_agreement(pairs, field)} |" for field in FIELDS]
    return "\n".join(lines)


def _groups(pairs: Sequence[Pair]) -> dict[str, list[Pair]]:
    """All pairs, and those by another session; one group where that is the same."""
    others = [pair for pair in pairs if pair[0]["annotator"] != pair[1]["annotator"]]
    if len(others) == len(pairs):
        return {"by another session": others}
    return {"all": list(pairs), "by another session": others}


def _agreement(pairs: Sequence[Pair], field: str) -> str:
    values = FIELDS[field]
    places = [[values.index(row[field]) for row in pair] for pair in pairs]
    cells = np.array([one * len(values) + two for one, two in places], dtype=np.int64)
    passages = np.zeros(len(cells), dtype=np.int64)  # passages are drawn again one by one
    found = cell_agreement("first", "second", cells, passages, len(values), resamples=2000)
    return " | ".join(shown(score) for score in (found.accuracy, found.cohen_kappa, found.gwet_ac1))


def main(arguments: Sequence[str] | None = None) -> int:
    """Renew the table between the markers of the card."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--silver", type=Path, default=Path("eval/silver"))
    given = parser.parse_args(arguments)
    replace_between(given.silver / "README.md", NAME, measured(given.silver))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
