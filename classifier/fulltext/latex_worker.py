"""The worker of ``latex_plain``: one JSON string of LaTeX a line in, one of plain text (or null) out."""

from __future__ import annotations

import json
import sys

from pylatexenc.latex2text import LatexNodes2Text  # type: ignore[import-untyped]


def serve() -> None:
    """Convert lines until the input ends."""
    converter = LatexNodes2Text(keep_comments=False, math_mode="verbatim")
    for line in sys.stdin:
        try:
            answer: str | None = converter.latex_to_text(json.loads(line), tolerant_parsing=True)
        except Exception:  # noqa: BLE001 - whatever a parser of strangers' text raises, the cheap clean-up takes over
            answer = None
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    serve()
