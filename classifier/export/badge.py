"""A badge for a web page or a README: the three stances of a hub and how many works they were read from."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files

from jinja2 import Environment, StrictUndefined

from classifier.schema import Polarity

# Each at least 4.5 : 1 against its white text (WCAG 2.2, 1.4.3); tests measure it.
COLOURS = {
    "head": "#4a4f57",
    Polarity.SUPPORTING.value: "#1d7044",
    Polarity.CONTRASTING.value: "#a8322a",
    Polarity.MIXED.value: "#855a00",
    "coverage": "#5d6470",
}
_CHARACTER = 6.8
"""Width in pixels of a character of Verdana 11, wide ones included: text never leaves its box."""


def badge(polarity: Mapping[str, int], labelled: int, listed: int) -> str:
    """An SVG of 20 pixels height: "citations | n supporting | n contrasting | n mixed | labelled of listed"."""
    stances = (Polarity.SUPPORTING, Polarity.CONTRASTING, Polarity.MIXED)
    texts = [("citations", COLOURS["head"])]
    texts += [(f"{polarity.get(p.value, 0)} {p.value}", COLOURS[p.value]) for p in stances]
    texts.append((f"of {labelled}/{listed} labelled", COLOURS["coverage"]))
    parts, x = [], 0
    for text, colour in texts:
        width = round(len(text) * _CHARACTER) + 12
        parts.append({"x": x, "width": width, "text": text, "colour": colour})
        x += width
    title = (
        ", ".join(text for text, _ in texts[1:4]) + f"; {labelled} of {listed} citing works have a machine-made label"
    )
    template = files("classifier.export").joinpath("assets", "badge.svg.j2").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, keep_trailing_newline=True)
    return environment.from_string(template).render(width=x, parts=parts, title=title)
