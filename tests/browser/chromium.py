"""A real Chromium for the tests and the screenshots: the system's own, driven by Playwright, closed to the network."""

import os
import shutil
from contextlib import contextmanager

import pytest

FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()


def chromium():
    """The path of Chromium: CLASSIFIER_CHROMIUM, or the first of the usual names."""
    named = os.environ.get("CLASSIFIER_CHROMIUM")
    return named or next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@contextmanager
def browser():
    """A headless Chromium; skips the test, saying so, where there is none."""
    path = chromium()
    if path is None:
        pytest.skip("no Chromium here: apt-get install chromium, or set CLASSIFIER_CHROMIUM")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield started
        started.close()
