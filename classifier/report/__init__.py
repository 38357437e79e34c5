"""The hub page, filled in: one HTML file that opens from disk.

``data`` gathers what the page shows, ``charts`` draws, ``page`` renders and writes.
"""

from classifier.report.page import write_report

__all__ = ["write_report"]
