"""The model card's section on whole data sets: what is asserted of every passage, and what to expect at large."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from classifier.evaluation.prevalence import wilson
from classifier.training.assertions import RATES, at_rates, by_truth

_ABOUT = """
## Over whole sets

Every passage of the training parts (FOCAL: its dev part), labelled or not, by the networks and thresholds of the table
above. Nearly all that is asserted has a silver label, so its precision at the set's own share of stances is known,
with a 95 % interval; what has none counts as wrong. Stances: those labelled, and as many of the others as a
random sample of them holds (`eval/silver/sample`, labelled by sessions of a language model). Labels that leave role
and polarity open are not counted as labels.

| set | passages | labelled | sampled | stances | asserted | without a label | right | contrasting | right |
|---|--:|--:|--:|--:|--:|--:|---|--:|---|
"""
_AT_LARGE = """
**Citations at large.** Where {often} (a random sample of citation statements, by the notes
on the public data sets) and the same shares of each kind of passage are asserted, right are
{said}.
Read every contrasting one before counting it.
"""


def section(results: Mapping[str, Any]) -> str:
    """The section as Markdown, from the results of `classifier.training.candidates`; empty where they have none."""
    owns = results.get("shipped", {}).get("polarity own", {})
    sets = {name: found["whole set"] for name, found in owns.items() if "whole set" in found}
    if not sets:
        return ""
    rows = {name: _numbers(found) for name, found in sets.items()}
    rows["all"] = [sum(column) for column in zip(*rows.values(), strict=True)]
    if "scicite" in rows:
        rows["all but scicite"] = [a - b for a, b in zip(rows["all"], rows["scicite"], strict=True)]
    lines = []
    for name, (*sizes, there, given, bare, right, against, hits) in rows.items():
        cells = [name, *(f"{n:,.0f}" for n in (*sizes, there, given, bare)), _sure(right, given)]
        lines.append("| " + " | ".join([*cells, f"{against:.0f}", _sure(hits, against)]) + " |")
    tables = [by_truth(found) for found in sets.values()]
    at = at_rates({truth: np.sum([table[truth] for table in tables], axis=0) for truth in tables[0]})
    said = "\nand ".join(
        f"{100 * share:.0f} in 100 ({100 * low:.0f} to {100 * high:.0f}) of what is asserted as {value}"
        for value, (share, low, high) in at.items()
    )
    often = " and ".join(f"{100 * rate:.1f} % are {value}" for value, rate in RATES.items())
    return _ABOUT + "\n".join([*lines, _AT_LARGE.format(often=often, said=said)])


def _numbers(found: Mapping[str, Any]) -> list[float]:
    """Passages, labelled, sampled, stances there, asserted, of these without a label, right; contrasting, right."""
    counts = found["counts"]
    every = sum(sum(labels.values()) for labels in counts.values())
    bare = sum(labels.get("", 0) for value, labels in counts.items() if value)
    known = every - bare - counts[""].get("", 0)
    given = every - sum(counts[""].values())
    right = sum(labels.get(value, 0) for value, labels in counts.items() if value)
    there = sum(float(by_truth(found)[truth].sum()) for truth in RATES)
    against = counts["contrasting"]
    contrasting = [sum(against.values()), against.get("contrasting", 0)]
    return [every, known, sum(found["sampled"].values()), there, given, bare, right, *contrasting]


def _sure(part: float, whole: float) -> str:
    """A share with its interval: `12 (75%, 55 to 88)`."""
    if not whole:
        return "0"
    low, high = wilson(part, whole)
    return f"{part:.0f} ({part / whole:.0%}, {100 * low:.0f} to {100 * high:.0f})"
