"""A real Chromium for tests and screenshots: the system's own, driven by Playwright, which downloads none."""

import os
import shutil
import time
from contextlib import contextmanager

import pytest

FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()


def chromium_path():
    """CLASSIFIER_CHROMIUM, or the first of the usual names on the path; ``None`` without one."""
    named = os.environ.get("CLASSIFIER_CHROMIUM")
    return named or next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@contextmanager
def chromium():
    """A headless Chromium; skips the test, saying so, where there is none."""
    path = chromium_path()
    if path is None:
        pytest.skip("no Chromium here: apt-get install chromium, or set CLASSIFIER_CHROMIUM")
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield started
        started.close()


def until(page, expression, seconds=10):
    """Wait until the expression is true; asked through the debugger, since the page's policy forbids eval."""
    end = time.monotonic() + seconds
    while not page.evaluate(expression):
        assert time.monotonic() < end, f"never true: {expression}"
        page.wait_for_timeout(20)


class Watched:
    """A page with everything that it asked for and everything that went wrong in it."""

    def __init__(self, browser, **context):
        self.context = browser.new_context(accept_downloads=True, **context)
        self.page = self.context.new_page()
        self.requests, self.problems = [], []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("console", lambda message: self.problems.append(message.text) if message.type == "error" else None)
        self.page.on("dialog", lambda dialog: (self.problems.append(f"dialog {dialog.message}"), dialog.dismiss()))

    def open(self, path, fragment=""):
        """Open the file and wait until its explorer stands."""
        self.page.goto("about:blank")
        self.page.goto(path.as_uri() + fragment)
        self.page.wait_for_selector("html[data-ready]")
        return self.page

    def foreign_requests(self):
        """Requests for anything but the file itself and what the page made in memory."""
        return [url for url in self.requests if not url.startswith(("file:", "about:", "blob:"))]
