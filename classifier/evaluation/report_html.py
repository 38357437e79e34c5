"""An evaluation as one HTML file: no script, nothing loaded from elsewhere, text from papers escaped."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from classifier.evaluation.confidence import Bin, RiskPoint
from classifier.evaluation.figures import reliability_svg, risk_coverage_svg
from classifier.evaluation.intervals import Estimate
from classifier.evaluation.measure import Evaluation
from classifier.evaluation.report import AGREEMENTS, HEADLINES, interval, number


def html(found: Evaluation, *further: Sequence[str]) -> str:
    """The page; each of ``further`` is a text section whose first line is its heading."""
    pages = Environment(
        loader=FileSystemLoader(Path(__file__).parent, encoding="utf-8"),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
    )
    pages.filters |= {"interval": _interval, "number": number, "reliability": _reliability, "risk": _risk}
    sections = [(lines[0], "\n".join(lines[1:])) for lines in further if lines]
    return pages.get_template("report.html.j2").render(
        e=found, headlines=HEADLINES, agreements=AGREEMENTS, sections=sections
    )


def _interval(one: Estimate) -> str:
    return interval(one, 2).replace("-", "\N{MINUS SIGN}") if one.value is not None else "\N{EN DASH}"


def _reliability(bins: Sequence[Bin]) -> Markup:
    return Markup(reliability_svg(bins))  # noqa: S704 - made of numbers only


def _risk(points: Sequence[RiskPoint]) -> Markup:
    return Markup(risk_coverage_svg(points))  # noqa: S704 - made of numbers only
