"""How far the silver labels agree with second labels of the same passages: the measured part of their data card.

Run as ``python -m classifier.training.silver_agreement``. Both labels are by sessions of one language model, so it is
the consistency of that model, not its truth.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from classifier.evaluation.agreement import cell_agreement
from classifier.evaluation.card import NAME, RESAMPLES, with_interval
from classifier.evaluation.gold import FIELDS
from classifier.evaluation.markers import replace_between

SAMPLE = "sample/labels.jsonl"
FILES = ("labels.jsonl", SAMPLE)
AT_RANDOM = "language-model:D1"
"""The session whose passages were drawn at random from all: they alone stand for the whole file."""
Pair = tuple[Mapping[str, Any], Mapping[str, Any]]


def pairs_of(path: Path) -> list[Pair]:
    """First and second label of each passage that was labelled twice, in the file's order of second labels.

    Raises `KeyError` for a second label without a first.
    """
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    first = {(row["dataset"], row["id"]): row for row in rows if not row["second"]}
    return [(first[row["dataset"], row["id"]], row) for row in rows if row["second"]]


def groups_of(pairs: Sequence[Pair]) -> dict[str, list[Pair]]:
    """All pairs, those labelled by two sessions, and of these the ones drawn at random; of equal groups the last."""
    others = [pair for pair in pairs if pair[0]["annotator"] != pair[1]["annotator"]]
    drawn = [pair for pair in others if pair[1]["annotator"] == AT_RANDOM]
    found = {"all": list(pairs), "by another session": others, "by another session, drawn at random": drawn}
    by_size = {len(group): (name, group) for name, group in found.items() if group}
    return dict(by_size.values())


def measured(silver: Path) -> str:
    """A Markdown table: a row for each file, group of second labels and field, with 95 % bootstrap intervals."""
    head = "| file | second labels | passages | field | same value | Cohen's kappa | Gwet's AC1 |"
    lines = [head, "|---|---|---:|---|---|---|---|"]
    for name in FILES:
        for group, pairs in groups_of(pairs_of(silver / name)).items():
            lines += [f"| {name} | {group} | {len(pairs)} | {field} | {_agreement(pairs, field)} |" for field in FIELDS]
    return "\n".join(lines)


def _agreement(pairs: Sequence[Pair], field: str) -> str:
    values = FIELDS[field]
    places = [[values.index(row[field]) for row in pair] for pair in pairs]
    cells = np.array([one * len(values) + two for one, two in places], dtype=np.int64)
    one_cluster = np.zeros(len(cells), dtype=np.int64)  # so that passages are drawn again one by one
    found = cell_agreement("first", "second", cells, one_cluster, len(values), resamples=RESAMPLES)
    return " | ".join(with_interval(score) for score in (found.accuracy, found.cohen_kappa, found.gwet_ac1))


def main(arguments: Sequence[str] | None = None) -> int:
    """Renew the table between the markers of the card."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--silver", type=Path, default=Path("eval/silver"))
    given = parser.parse_args(arguments)
    replace_between(given.silver / "README.md", NAME, measured(given.silver))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
