"""The measured part of a gold set's data card: what it holds, and how far its annotators agreed before adjudication."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from classifier.evaluation.agreement import annotator_agreement
from classifier.evaluation.croissant import croissant
from classifier.evaluation.gold import FIELDS, Gold, read_gold
from classifier.evaluation.intervals import SEED, Estimate
from classifier.evaluation.markers import replace_between
from classifier.outputs import write_json

NAME = "measured"
BEGIN, END = f"<!-- begin {NAME} -->", f"<!-- end {NAME} -->"
RESAMPLES = 2000


def measured(gold: Gold) -> str:
    """Markdown: items by split, labels in each cell, agreement with 95 % intervals, adjudicated items."""
    parts = [_splits(gold), _cells(gold), _agreement(gold)]
    return "\n\n".join(part for part in parts if part)


def write_card(folder: Path) -> Path:
    """Renew the measured part of ``folder/README.md`` between its markers, and ``croissant.json`` beside it.

    Raises ``InputError`` without markers.
    """
    page = folder / "README.md"
    replace_between(page, NAME, measured(read_gold(folder)))
    text = page.read_text(encoding="utf-8")
    title = next((line[2:] for line in text.splitlines() if line.startswith("# ")), folder.name)
    write_json(folder / "croissant.json", croissant(folder, name=folder.name, description=title))
    return page


def _splits(gold: Gold) -> str:
    by_split = Counter(item.split or "all" for item in gold.items)
    hubs = {name: len({i.hub_id for i in gold.items if (i.split or "all") == name}) for name in by_split}
    adjudicated = Counter(item.split or "all" for item in gold.items if item.adjudicated)
    rows = [f"| {name} | {hubs[name]} | {by_split[name]} | {adjudicated[name]} |" for name in sorted(by_split)]
    return "\n".join(["| split | hubs | items | of them adjudicated |", "|---|---:|---:|---:|", *rows])


def _cells(gold: Gold) -> str:
    stances = list(dict.fromkeys((i.polarity, i.basis) for i in gold.items))
    stances.sort(key=lambda s: (FIELDS["polarity"].index(str(s[0])), FIELDS["basis"].index(str(s[1]))))
    counts = Counter((i.role, i.polarity, i.basis) for i in gold.items)
    names = [f"{p}{f' ({b})' if str(b) != 'none' else ''}" for p, b in stances]
    rows = [
        f"| {role} | " + " | ".join(str(counts[role, p, b]) for p, b in stances) + " |"
        for role in dict.fromkeys(sorted((i.role for i in gold.items), key=lambda r: FIELDS["role"].index(str(r))))
    ]
    return "\n".join([f"| role | {' | '.join(names)} |", "|---|" + "---:|" * len(names), *rows])


def _agreement(gold: Gold) -> str:
    rows = []
    for field in FIELDS:
        found = annotator_agreement(gold.annotations, field, resamples=RESAMPLES, seed=SEED)
        if found is None:
            continue
        alpha = with_interval(found.alpha)
        for pair in found.pairs:
            rows.append(
                f"| {field} | {pair.first} / {pair.second} | {pair.n} | {with_interval(pair.accuracy)} "
                f"| {with_interval(pair.cohen_kappa)} | {with_interval(pair.gwet_ac1)} | {alpha} |"
            )
            alpha = "as above"
    if not rows:
        return ""
    head = "| field | annotators | items | same value | Cohen's kappa | Gwet's AC1 | Krippendorff's alpha, all |"
    return "\n".join([head, "|---|---|---:|---|---|---|---|", *rows])


def with_interval(estimate: Estimate) -> str:
    """A value with its interval as every table of agreement writes it."""
    if estimate.value is None:
        return "not defined"
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.3f}"
    return f"{estimate.value:.3f} ({estimate.low:.3f} to {estimate.high:.3f})"
