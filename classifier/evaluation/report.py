"""An evaluation as plain text: coverage first, then scores, classes, confusion, agreement, confidence."""

from __future__ import annotations

from collections.abc import Sequence

from classifier.evaluation.confidence import ConfidenceReport, RiskPoint
from classifier.evaluation.intervals import Estimate
from classifier.evaluation.measure import Evaluation, FieldReport, HumanMachine

HEADLINES = {
    "accuracy": "accuracy",
    "macro_f1": "macro-F1",
    "balanced_accuracy": "balanced acc.",
    "cohen_kappa": "Cohen kappa",
    "krippendorff_alpha": "Krippendorff alpha",
    "gwet_ac1": "Gwet AC1",
}
CHANCE_CORRECTED = ("cohen_kappa", "krippendorff_alpha", "gwet_ac1")
AGREEMENTS = {"accuracy": "same", **{name: HEADLINES[name] for name in CHANCE_CORRECTED}}
BAR = 40


def number(value: float | None, digits: int = 3) -> str:
    """A number to three digits, or ``-`` where it is not defined."""
    return "-" if value is None else f"{value:.{digits}f}"


def interval(one: Estimate, digits: int = 3) -> str:
    """``0.812 [0.776, 0.845]``; the interval is left out where it is not defined."""
    if one.value is None or one.low is None or one.high is None:
        return number(one.value, digits)
    return f"{one.value:.{digits}f} [{one.low:.{digits}f}, {one.high:.{digits}f}]"


def columns(rows: Sequence[Sequence[str]], indent: str = "  ") -> list[str]:
    """Rows as lines with aligned columns: the first to the left, the others to the right."""
    first, *rest = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    aligned = ([row[0].ljust(first), *(c.rjust(w) for c, w in zip(row[1:], rest, strict=True))] for row in rows)
    return [(indent + "  ".join(cells)).rstrip() for cells in aligned]


def text(found: Evaluation, *further: Sequence[str]) -> str:
    """The whole evaluation as text, ending in a newline; ``further`` sections stand after the scores."""
    lines = [f"{found.run}: {found.judge} {found.model}, prompt {found.prompt or '-'}"]
    lines.append(f"gold {found.gold}" + (f", split {found.split}" if found.split else ""))
    lines += ["", *coverage_lines(found)]
    sections = [field_lines(field) for field in found.fields]
    sections += [agreement_lines(one) for one in found.agreement]
    sections += [confidence_lines(one) for one in found.confidence]
    for section in (*sections, *(list(one) for one in further if one)):
        lines += ["", *section]
    lines += ["", "Intervals: 95 % percentile bootstrap, by hub where there are several. -: not defined."]
    return "\n".join(lines) + "\n"


def coverage_lines(found: Evaluation) -> list[str]:
    """What became of the gold pairs, before any score."""
    c = found.coverage
    share = f"{c.labelled / c.gold:.1%}"
    lines = [
        f"Coverage: {c.labelled} of {c.gold} gold pairs labelled ({share}); abstained {c.abstained}, "
        f"failed {c.failed}, missing from the run {c.missing}. Predictions without gold: {c.without_gold}."
    ]
    return lines + [f"  {n} x {reason}" for reason, n in found.failures.items()]


def field_lines(field: FieldReport) -> list[str]:
    """Scores on answered and on all items, by class, and the confusion matrix with examples."""
    hubs = f"{field.hubs} hubs" if field.hubs > 1 else "1 hub"
    lines = [f"{field.field.upper()} ({hubs})"]
    rows = [["", *(f"{h.items} items (n={h.n})" for h in field.headlines)]]
    rows += [[title, *(interval(getattr(h, name)) for h in field.headlines)] for name, title in HEADLINES.items()]
    lines += columns(rows)
    if field.any_role:
        lines.append(f"  any gold role, all items: {interval(field.any_role)}")
    if 1 < field.hubs < 10:
        lines.append("  Few hubs: the intervals are likely too narrow.")
    shown = [one for one in field.classes if one.support or one.predicted]
    head = ["class, all items", "gold", "predicted", "precision", "recall", "F1"]
    lines += ["", *columns([head, *([c.label, str(c.support), str(c.predicted), interval(c.precision, 2),
                                     interval(c.recall, 2), interval(c.f1, 2)] for c in shown)])]  # fmt: skip
    return [*lines, "", *_matrix_lines(field), *_cell_lines(field)]


def _matrix_lines(field: FieldReport) -> list[str]:
    rows = [["gold \\ predicted", *field.columns]]
    rows += [[label, *(str(n) for n in row)] for label, row in zip(field.labels, field.matrix, strict=True)]
    return columns(rows)


def _cell_lines(field: FieldReport) -> list[str]:
    lines: list[str] = []
    for cell in field.cells:
        lines += ["", f"  gold {cell.gold}, predicted {cell.predicted}: {cell.n}"]
        for one in cell.examples:
            lines.append(f"    {one.hub_id} / {one.citing_id}  {clip(one.title, 70)}".rstrip())
            said = (("evidence", one.evidence), ("said", one.rationale), ("gold note", one.gold_note))
            lines += [f"      {name}: {clip(value)}" for name, value in said if value]
    return lines


def clip(value: str, width: int = 110) -> str:
    """One line of at most ``width`` characters, control characters removed, as the text comes from papers."""
    flat = " ".join("".join(c if c.isprintable() else " " for c in value).split())
    return flat if len(flat) <= width else flat[: width - 1] + "…"


def agreement_lines(one: HumanMachine) -> list[str]:
    """Annotators with each other, then each with the run: no machine can be expected to beat the first."""
    lines = [f"AGREEMENT on {one.field}"]
    if one.annotators:
        who, n = ", ".join(one.annotators.annotators), one.annotators.items
        lines.append(f"  Krippendorff alpha of {who} on {n} pairs: {interval(one.annotators.alpha)}")
    pairs = [*(one.annotators.pairs if one.annotators else ()), *one.with_machine]
    rows = [["", "n", *AGREEMENTS.values()]]
    rows += [[f"{p.first} - {p.second}", str(p.n), *(interval(getattr(p, name)) for name in AGREEMENTS)] for p in pairs]
    return lines + columns(rows)


def confidence_lines(one: ConfidenceReport) -> list[str]:
    """Reliability diagram in characters, calibration error, and a few points of the risk-coverage curve."""
    what = "role and polarity both right" if one.field == "label" else f"{one.field} right"
    lines = [
        f"CONFIDENCE: {what} (n={one.n})",
        f"  mean confidence {number(one.mean_confidence)}, accuracy {number(one.accuracy)}",
        f"  Brier score {interval(one.brier)}",
        f"  ECE {interval(one.ece)}; {number(one.ece_if_calibrated)} is expected of perfect calibration at this size",
        f"  AURC {interval(one.aurc)}; {number(1 - one.accuracy)} is no skill",
        "  reliability: # accuracy, | mean confidence",
    ]
    for b in one.bins:
        lines.append(f"  {b.low:.1f}-{b.high:.1f} {_bar(b.accuracy, b.confidence)} {b.accuracy:.2f}  n={b.n}")
    points = _thin(one.risk_coverage)
    lines.append("  error at coverage: " + ", ".join(f"{p.risk:.1%} at {p.coverage:.0%}" for p in points))
    return lines


def _bar(share: float, mark: float) -> str:
    bar = list("#" * round(share * BAR) + "." * (BAR - round(share * BAR)))
    bar[min(BAR - 1, round(mark * BAR))] = "|"
    return "".join(bar)


def _thin(points: Sequence[RiskPoint]) -> list[RiskPoint]:
    """The points nearest to round coverages, each once."""
    near = [min(points, key=lambda point: abs(point.coverage - share)) for share in (0.1, 0.25, 0.5, 0.75, 0.9, 1.0)]
    return list(dict.fromkeys(near))
