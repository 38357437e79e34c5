"""The page's charts as SVG. Colours come from the page's style sheet by class, so that they follow light and dark.

svg.py draws: every number is in the table beside the chart, so what is needed is typed, escaped, deterministic
elements, not a plotting system (vl-convert, which was tried, adds 33 MB and 1.7 s to every run).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import svg
from markupsafe import Markup, escape

from classifier.report.shares import Interval

_WIDTH, _ROW, _LEFT, _RIGHT = 460, 30, 104, 84
BarRow = tuple[str, int, Interval | None]
"""Value, count, share."""


def share_bars(title: str, rows: Sequence[BarRow]) -> Markup:
    """Horizontal bars of shares from 0, each with its interval as a whisker, and ``count share`` at the end.

    The axis ends at the next tenth above the highest bound.
    """
    top = max((share.high for _, _, share in rows if share), default=0.0)
    limit = min(1.0, max(0.1, math.ceil(top * 10 - 1e-9) / 10))
    inner = _WIDTH - _LEFT - _RIGHT
    bottom = len(rows) * _ROW
    parts: list[svg.Element] = []
    step = 0.1 if limit <= 0.5 else 0.2
    for tick in range(round(limit / step) + 1):
        x = _LEFT + inner * tick * step / limit
        if x > _LEFT + inner + 0.5:
            break
        parts.append(svg.Line(x1=_r(x), x2=_r(x), y1=0, y2=bottom, class_=["grid"]))
        parts.append(svg.Text(x=_r(x), y=bottom + 14, text=f"{tick * step:.0%}", class_=["tick"]))
    for index, (value, count, share) in enumerate(rows):
        y = index * _ROW
        parts.append(svg.Text(x=_LEFT - 8, y=y + 19, text=escape(value.replace("_", " ")), class_=["name"]))
        number = f"{count:,}"
        end = float(_LEFT)
        if share is not None:
            end += inner * share.value / limit
            low, high = (_LEFT + inner * bound / limit for bound in (share.low, share.high))
            parts.append(
                svg.Rect(x=_LEFT, y=y + 7, width=_r(end - _LEFT), height=16, rx=2, class_=["bar", f"v-{value}"])
            )
            if count:
                parts.append(svg.Line(x1=_r(low), x2=_r(high), y1=y + 15, y2=y + 15, class_=["whisker"]))
                parts += [svg.Line(x1=_r(x), x2=_r(x), y1=y + 11, y2=y + 19, class_=["whisker"]) for x in (low, high)]
                end = max(end, high)
            number += f"  {share.value:.0%}"
        parts.append(svg.Text(x=_r(end + 8), y=y + 19, text=number, class_=["number"]))
    spoken = "; ".join(
        f"{value.replace('_', ' ')} {count}" + (f" ({share.value:.0%})" if share else "")
        for value, count, share in rows
    )
    return _figure(title, spoken, _WIDTH, bottom + 20, parts)


def year_columns(title: str, years: Mapping[int, Mapping[str, int]], values: Sequence[str]) -> Markup:
    """Stacked columns, one a year from the first to the last, in the order of ``values`` from below."""
    span = range(min(years), max(years) + 1)
    highest = max(sum(counts.values()) for counts in years.values())
    unit = _nice(highest)
    limit = math.ceil(highest / unit) * unit
    left, height = 40, 180
    width = max(_WIDTH, left + 26 * len(span) + 10)
    pitch = (width - left - 10) / len(span)
    parts: list[svg.Element] = []
    for tick in range(0, limit + 1, unit):
        y = 8 + height * (1 - tick / limit)
        parts.append(svg.Line(x1=left, x2=width - 10, y1=_r(y), y2=_r(y), class_=["grid"]))
        parts.append(svg.Text(x=left - 6, y=_r(y + 4), text=str(tick), class_=["name"]))
    every = max(1, math.ceil(36 / pitch))
    for index, year in enumerate(span):
        y, x = 8.0 + height, left + pitch * index + pitch * 0.15
        for value in values:
            count = years.get(year, {}).get(value, 0)
            if count:
                tall = height * count / limit
                y -= tall
                parts.append(
                    svg.Rect(
                        x=_r(x), y=_r(y), width=_r(min(pitch * 0.7, 48)), height=_r(tall), class_=["bar", f"v-{value}"],
                        elements=[svg.Title(text=f"{year}: {count} {value}")],
                    )
                )  # fmt: skip
        if index % every == 0:
            parts.append(svg.Text(x=_r(x + min(pitch * 0.7, 48) / 2), y=height + 24, text=str(year), class_=["tick"]))
    spoken = "; ".join(f"{year}: {', '.join(f'{n} {value}' for value, n in c.items())}" for year, c in years.items())
    return _figure(title, spoken, width, height + 30, parts)


def _figure(title: str, spoken: str, width: int, height: int, parts: list[svg.Element]) -> Markup:
    drawing = svg.SVG(
        viewBox=svg.ViewBoxSpec(0, 0, width, height),
        width=width,
        height=height,
        class_=["chart"],
        extra={"role": "img", "aria-label": str(escape(f"{title}: {spoken}"))},
        elements=parts,
    )
    return Markup(str(drawing))  # noqa: S704 - every text in it was escaped above or is a number


def _nice(highest: int) -> int:
    """A tick distance of 1, 2 or 5 times a power of ten that gives at most five steps."""
    power = 1
    while highest > 50 * power:
        power *= 10
    return next(unit * power for unit in (1, 2, 5, 10) if highest <= 5 * unit * power)


def _r(value: float) -> float:
    return round(value, 1)
