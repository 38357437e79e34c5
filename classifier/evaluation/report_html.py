"""An evaluation as one HTML file: no script, nothing loaded from elsewhere, text from papers escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from classifier.evaluation.cascade import CascadeReport
from classifier.evaluation.compare import Comparison
from classifier.evaluation.confidence import Bin, RiskPoint
from classifier.evaluation.figures import reliability_svg, risk_coverage_svg
from classifier.evaluation.intervals import Estimate
from classifier.evaluation.measure import Evaluation, SideBySide
from classifier.evaluation.prevalence import HubShares
from classifier.evaluation.report import AGREEMENTS, HEADLINES, interval, number
from classifier.evaluation.report_runs import BESIDE, estimated


def html(
    found: Evaluation,
    *,
    shares: Sequence[HubShares] = (),
    compared: Mapping[str, Sequence[Comparison]] | None = None,
    together: Sequence[SideBySide] = (),
    saving: CascadeReport | None = None,
) -> str:
    """The page of an evaluation, with what ``classify evaluate`` found beside the scores where it was asked to.

    ``compared``: by the name of another run or judge, the run minus that one.
    """
    pages = Environment(
        loader=FileSystemLoader(Path(__file__).parent, encoding="utf-8"),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
    )
    pages.filters |= {
        "interval": _interval,
        "share": _share,
        "number": number,
        "reliability": _reliability,
        "risk": _risk,
    }
    return pages.get_template("report.html.j2").render(
        e=found,
        headlines=HEADLINES,
        agreements=AGREEMENTS,
        beside=BESIDE,
        shares=estimated(shares),
        compared=compared or {},
        together=together,
        saving=saving,
    )


def _interval(one: Estimate, digits: int = 2) -> str:
    return interval(one, digits).replace("-", "\N{MINUS SIGN}") if one.value is not None else "\N{EN DASH}"


def _share(one: Estimate | None) -> str:
    return _interval(one or Estimate(value=None, low=None, high=None), 3)


def _reliability(bins: Sequence[Bin]) -> Markup:
    return Markup(reliability_svg(bins))  # noqa: S704 - made of numbers only


def _risk(points: Sequence[RiskPoint]) -> Markup:
    return Markup(risk_coverage_svg(points))  # noqa: S704 - made of numbers only
