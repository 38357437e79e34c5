"""What a gold set holds and how far its annotators agree, as Markdown for its data card."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from classifier.evaluation.agreement import AnnotatorAgreement, annotator_agreement
from classifier.evaluation.gold import FIELDS, Gold, GoldItem
from classifier.evaluation.intervals import RESAMPLES, SEED
from classifier.evaluation.report import interval


def describe(gold: Gold, *, resamples: int = RESAMPLES, seed: int = SEED) -> str:
    """Counts by split, role, polarity and basis, then the agreement of the single annotations on every field."""
    hubs = len({item.hub_id for item in gold.items})
    splits = Counter(item.split or "no split" for item in gold.items)
    sizes = ", ".join(f"{n} {name}" for name, n in sorted(splits.items()))
    adjudicated = sum(item.adjudicated for item in gold.items)
    parts = [f"{len(gold.items)} pairs of {hubs} {'hubs' if hubs > 1 else 'hub'} ({sizes}); {adjudicated} adjudicated."]
    parts.append(_crossed(gold.items))
    found = [annotator_agreement(gold.annotations, field, resamples=resamples, seed=seed) for field in FIELDS]
    measured = [one for one in found if one is not None]
    parts.append(_agreement(measured) if measured else "No pair was annotated twice, so agreement is unknown.")
    return "\n\n".join(parts)


def _crossed(items: Sequence[GoldItem]) -> str:
    """Roles in rows, polarity with its basis in columns."""
    seen = {column for item in items if (column := _stance(item))}
    columns = [column for column in _STANCES if column in seen]
    lines = ["| role | " + " | ".join(columns) + " | all |", "|---|" + "--:|" * (len(columns) + 1)]
    for role in (*FIELDS["role"], None):
        of_role = [item for item in items if item.value("role") == role]
        if of_role:
            counts = Counter(_stance(item) for item in of_role)
            cells = " | ".join(str(counts[column] or "") for column in columns)
            lines.append(f"| {role or 'not labelled'} | {cells} | {len(of_role)} |")
    total = Counter(_stance(item) for item in items)
    return "\n".join([*lines, "| all | " + " | ".join(str(total[c]) for c in columns) + f" | {len(items)} |"])


_STANCES = [
    f"{polarity}, {basis}" if basis != "none" else polarity
    for polarity in FIELDS["polarity"]
    for basis in FIELDS["basis"]
]


def _stance(item: GoldItem) -> str:
    basis = item.value("basis")
    return f"{item.value('polarity')}, {basis}" if basis not in (None, "none") else item.value("polarity") or ""


def _agreement(found: Sequence[AnnotatorAgreement]) -> str:
    lines = [
        "| field | raters | n | same | Cohen kappa | Krippendorff alpha | Gwet AC1 |",
        "|---|---|--:|--:|--:|--:|--:|",
    ]
    for one in found:
        everyone = ", ".join(one.annotators)
        lines.append(f"| {one.field} | {everyone} | {one.items} | - | - | {interval(one.alpha, 2)} | - |")
        for pair in one.pairs:
            figures = (pair.accuracy, pair.cohen_kappa, pair.krippendorff_alpha, pair.gwet_ac1)
            cells = " | ".join(interval(figure, 2) for figure in figures)
            lines.append(f"| {one.field} | {pair.first} - {pair.second} | {pair.n} | {cells} |")
    return "\n".join([*lines, "", "With 95 % bootstrap intervals, resampled by hub where there are several."])
