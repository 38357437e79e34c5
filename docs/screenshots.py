"""Take the report page's screenshots anew: ``python -m docs.screenshots``. Needs a Chromium and the test group.

The hub on them is made up (``tests.sample_hub``), so that every part of the page has something to show.
"""

from __future__ import annotations

import io
import tempfile
from pathlib import Path

from PIL import Image

from classifier.report import write_report
from tests.browser.chromium import Watched, chromium
from tests.sample_hub import make_hub, make_run

IMAGES = Path(__file__).resolve().parent / "img"
COLOURS = 128
"""Colours kept in an image; the page has few, and the files stay below 200 kB."""


def main() -> None:
    """Write ``docs/img/report-*.png``."""
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        page = write_report(make_run(Path(folder), make_hub(90)))
        for name, width, height, scheme, fragment, anchor in (
            ("report-top", 1200, 1180, "light", "", "body"),
            ("report-claims-dark", 1200, 900, "dark", "", "#claims"),
            ("report-explorer", 1200, 1000, "light", "#polarity=contrasting&work=w00003", "#explorer"),
            ("report-phone", 390, 844, "light", "#polarity=supporting", "#explorer"),
        ):
            watched = Watched(browser, viewport={"width": width, "height": height}, color_scheme=scheme)
            shown = watched.open(page, fragment.partition("&work")[0])
            if "work=" in fragment:
                shown.locator("#works .open").first.click()
                shown.wait_for_selector("td.details mark")
            shown.evaluate(f"document.querySelector('{anchor}').scrollIntoView({{behavior: 'instant'}})")
            shown.wait_for_timeout(200)
            image = Image.open(io.BytesIO(shown.screenshot())).convert("RGB").quantize(COLOURS)
            image.save(IMAGES / f"{name}.png", optimize=True)
            print(f"{IMAGES / name}.png: {(IMAGES / f'{name}.png').stat().st_size:,} bytes")
            watched.context.close()


if __name__ == "__main__":
    main()
