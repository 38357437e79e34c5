"""Speed of the review page: start of the program, first work on the screen, and saving one label to the next work.

``python -m benchmarks.review_page`` prints a table. Needs a Chromium. The works are ``tests.sample_hub.prose_hub``,
the program is ``classify review`` as a process of its own, the label is typed on the keyboard. Start is from the
command to the printed address, shown from opening the address to the form being ready, save from the key to the
next work's form: medians of ``LABELS`` works. Every decision is on disk before the next work is shown.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

from tests.browser.chromium import chromium
from tests.browser.review_program import reviewing
from tests.sample_hub import make_run, prose_hub

LABELS = 15


def main() -> None:
    """Print one line a size."""
    print(" ".join(f"{name:>9}" for name in ("works", "start s", "shown ms", "save ms", "slowest")))
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        for works in (100, 1_000, 10_000):
            run = make_run(Path(folder) / str(works), prose_hub(works))
            begun = time.perf_counter()
            with reviewing(run, "--annotator", "bench", "--queue", "random") as program:
                started = time.perf_counter() - begun
                page = browser.new_page()
                begun = time.perf_counter()
                page.goto(program.url)
                shown = time.perf_counter() - begun
                saved = [_label(page) for _ in range(LABELS)]
                page.close()
            numbers = (f"{works:,}", f"{started:.2f}", f"{shown * 1e3:.0f}", f"{statistics.median(saved) * 1e3:.0f}",
                       f"{max(saved) * 1e3:.0f}")  # fmt: skip
            print(" ".join(f"{number:>9}" for number in numbers))


def _label(page: object) -> float:
    """Seconds from the key that saves to the next work: its form has another work."""
    for key in ("8", "5"):  # unclear, unclear: the one label that a work without any passage can get
        page.keyboard.press(key)
    begun = time.perf_counter()
    with page.expect_navigation(wait_until="load"):
        page.keyboard.press("Enter")
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
