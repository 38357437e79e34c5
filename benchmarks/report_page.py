"""Size, first paint and filter latency of the report page at 1,000 and 10,000 works.

``python -m benchmarks.report_page`` prints a table. Needs a Chromium. The works are ``tests.sample_hub.prose_hub``: two
passages of three sentences each, words drawn from a large vocabulary, which gzip packs as well as it packs SciCite's
passages (2.6 and 2.7 bytes a word). First paint is Chromium's own first-contentful-paint, ready is when the explorer
can be used, filter is from the change of a filter to the next frame: medians of ``ROUNDS`` loads from disk.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

from classifier.report import write_report
from tests.browser.chromium import Watched, chromium
from tests.sample_hub import make_run, prose_hub

ROUNDS = 5
MEASURE = """async () => {
  const paint = performance.getEntriesByName('first-contentful-paint')[0];
  const frame = () => new Promise(resolve => requestAnimationFrame(() => setTimeout(resolve)));
  const timed = async (act) => {
    const start = performance.now(); act(); await new Promise(r => setTimeout(r)); await frame();
    return performance.now() - start;
  };
  const select = document.querySelector('#filters [name=polarity]');
  const choose = (value) => () => { select.value = value; select.dispatchEvent(new Event('input', {bubbles: true})); };
  const filter = await timed(choose('contrasting'));
  await timed(choose(''));
  const form = document.querySelector('#filters');
  const sort = await timed(() => { location.hash = '#sort=title.desc'; });
  const search = await timed(() => { location.hash = '#q=feedback'; });
  return {paint: paint ? paint.startTime : NaN, filter, sort, search};
}"""


def main() -> None:
    """Print one line a size."""
    names = ("works", "write s", "MB", "paint ms", "ready ms", "filter ms", "sort ms", "search ms")
    print(" ".join(f"{name:>9}" for name in names))
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        for works in (1_000, 10_000):
            run = make_run(Path(folder) / str(works), prose_hub(works))
            start = time.perf_counter()
            page = write_report(run)
            took = time.perf_counter() - start
            rounds = [_load(browser, page) for _ in range(ROUNDS)]
            middle = {key: statistics.median(one[key] for one in rounds) for key in rounds[0]}
            numbers = [f"{works:,}", f"{took:.2f}", f"{page.stat().st_size / 1e6:.2f}"]
            numbers += [f"{middle[key]:.0f}" for key in ("paint", "ready", "filter", "sort", "search")]
            print(" ".join(f"{number:>9}" for number in numbers))


def _load(browser: object, page: Path) -> dict[str, float]:
    watched = Watched(browser)
    shown = watched.open(page)
    ready = shown.evaluate("performance.getEntriesByName('ready')[0].startTime")
    found: dict[str, float] = shown.evaluate(MEASURE)
    watched.context.close()
    return found | {"ready": ready}


if __name__ == "__main__":
    main()
