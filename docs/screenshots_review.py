"""Take the review page's screenshots anew: ``python -m docs.screenshots_review``. Needs a Chromium and the test group.

The run on them is made up (``tests.reviewing``).
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.browser.chromium import chromium
from tests.browser.review_program import reviewing
from tests.reviewing import write_run

IMAGES = Path(__file__).resolve().parent / "img"


def main() -> None:
    """Write ``docs/img/review-*.png``."""
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        run = write_run(Path(folder) / "run")
        for name, scheme, options, keys in (
            ("review", "light", ("--queue", "influential"), ("e", "4", "4")),
            ("review-blind-dark", "dark", ("--queue", "random", "--blind"), ("e", "6", "2", "?")),
        ):
            with reviewing(run, "--annotator", "ada", *options) as program:
                page = browser.new_page(viewport={"width": 1280, "height": 860}, color_scheme=scheme)
                page.goto(program.url)
                for key in keys:
                    page.keyboard.press(key)
                page.screenshot(path=IMAGES / f"{name}.png")
                page.close()
            print(f"{IMAGES / name}.png: {(IMAGES / f'{name}.png').stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
