"""PDF to TEI by a GROBID server that the user runs."""

from __future__ import annotations

import httpx2

from classifier.errors import SettingsError, SourceError

TIMEOUT = 300.0
"""Seconds for one PDF: GROBID needs up to a minute for a long one on a laptop."""


class GrobidClient:
    """Calls ``/api/processFulltextDocument`` of one server."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self._client = httpx2.Client(timeout=TIMEOUT)

    def check(self) -> None:
        """Raise ``SettingsError`` where no GROBID answers at the address."""
        try:
            alive = self._client.get(f"{self._url}/api/isalive", timeout=10.0)
        except httpx2.HTTPError as error:
            raise SettingsError(
                f"--grobid {self._url}: no server answers ({error}); start one with "
                "`docker run -p 8070:8070 grobid/grobid` and give http://localhost:8070"
            ) from error
        if alive.status_code != 200:
            raise SettingsError(f"--grobid {self._url}: /api/isalive answers HTTP {alive.status_code}: not GROBID?")

    def __call__(self, pdf: bytes, name: str) -> bytes:
        """The TEI of a PDF, with raw citations. Raises ``SourceError``."""
        try:
            answer = self._client.post(
                f"{self._url}/api/processFulltextDocument",
                files={"input": ("paper.pdf", pdf, "application/pdf")},
                data={"includeRawCitations": "1"},
            )
        except httpx2.HTTPError as error:
            raise SourceError(f"{name}: GROBID did not answer: {error}") from error
        if answer.status_code == 204:
            raise SourceError(f"{name}: GROBID found no text in the PDF (a scan without OCR?)")
        if answer.status_code != 200:
            hint = "; the server is busy, try again later" if answer.status_code == 503 else ""
            raise SourceError(f"{name}: GROBID answered HTTP {answer.status_code}{hint}")
        return answer.content

    def close(self) -> None:
        """Close the connection."""
        self._client.close()
