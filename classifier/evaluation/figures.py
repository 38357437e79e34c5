"""Reliability diagram and risk-coverage curve as SVG, in the page's own text colour."""

from __future__ import annotations

from collections.abc import Sequence

from classifier.evaluation.confidence import Bin, RiskPoint

SIZE, LEFT, TOP = 220, 52, 10


def reliability_svg(bins: Sequence[Bin]) -> str:
    """Bars of accuracy by confidence, the diagonal of perfect calibration, and the count in each bar's title."""
    marks = [_line(0, 0, 1, 1, "diagonal")]
    for one in bins:
        x, width = LEFT + one.low * SIZE + 1, (one.high - one.low) * SIZE - 2
        height = one.accuracy * SIZE
        title = f"confidence {one.confidence:.2f}, accuracy {one.accuracy:.2f}, n = {one.n}"
        marks.append(
            f'<rect class="bar" x="{x:.1f}" y="{TOP + SIZE - height:.1f}" width="{width:.1f}" height="{height:.1f}">'
            f"<title>{title}</title></rect>"
        )
        y = TOP + (1 - one.confidence) * SIZE
        marks.append(f'<line class="mark" x1="{x:.1f}" x2="{x + width:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>')
    return _plot(marks, "confidence", "accuracy", 1.0)


def risk_coverage_svg(points: Sequence[RiskPoint]) -> str:
    """Error among the most confident share of items, against that share; the axis ends at the largest error."""
    top = max([point.risk for point in points] + [0.05])
    path = " ".join(f"{LEFT + point.coverage * SIZE:.1f},{TOP + (1 - point.risk / top) * SIZE:.1f}" for point in points)
    dots = [
        f'<circle class="dot" cx="{LEFT + p.coverage * SIZE:.1f}" cy="{TOP + (1 - p.risk / top) * SIZE:.1f}" r="2">'
        f"<title>coverage {p.coverage:.1%}, error {p.risk:.1%}, confidence from {p.threshold:.2f}</title></circle>"
        for p in points
    ]
    return _plot([f'<polyline class="curve" points="{path}"/>', *dots], "coverage", "error", top)


def _line(x1: float, y1: float, x2: float, y2: float, name: str) -> str:
    ends = (LEFT + x1 * SIZE, LEFT + x2 * SIZE, TOP + (1 - y1) * SIZE, TOP + (1 - y2) * SIZE)
    return '<line class="{}" x1="{:.1f}" x2="{:.1f}" y1="{:.1f}" y2="{:.1f}"/>'.format(name, *ends)


def _plot(marks: Sequence[str], x: str, y: str, top: float) -> str:
    bottom, middle = TOP + SIZE, LEFT + SIZE / 2
    ticks = "".join(
        f'<text x="{LEFT + share * SIZE:.0f}" y="{bottom + 14}" text-anchor="middle">{share:g}</text>'
        f'<text x="{LEFT - 5}" y="{bottom - share * SIZE + 4:.0f}" text-anchor="end">{share * top:.2g}</text>'
        for share in (0, 0.5, 1)
    )
    return (
        f'<svg viewBox="0 0 {LEFT + SIZE + 15} {bottom + 34}" role="img" aria-label="{y} against {x}">'
        f'<rect class="frame" x="{LEFT}" y="{TOP}" width="{SIZE}" height="{SIZE}"/>{"".join(marks)}{ticks}'
        f'<text x="{middle}" y="{bottom + 29}" text-anchor="middle">{x}</text>'
        f'<text x="12" y="{TOP + SIZE / 2}" text-anchor="middle" transform="rotate(-90 12 {TOP + SIZE / 2})">{y}</text>'
        "</svg>"
    )
