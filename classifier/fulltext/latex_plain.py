"""LaTeX to plain text: pylatexenc in a worker process that is stopped when it hangs, else a cheap clean-up."""

from __future__ import annotations

import atexit
import json
import re
import select
import subprocess
import sys
from typing import IO

from classifier.tex import untex

TIME_LIMIT = 5.0
"""Seconds for one sentence (the first one also starts the worker)."""
MAX_LENGTH = 5000
"""Characters: a longer text gets the cheap clean-up."""
_COMMAND = re.compile(r"[\\$~^_&]|--|``|''")


def plain(text: str) -> str:
    """Plain text with white space collapsed; text without LaTeX in it comes back as it is."""
    if not _COMMAND.search(text) and "{" not in text:
        return " ".join(text.split())
    converted = _WORKER.convert(text) if len(text) <= MAX_LENGTH else None
    return cheap_plain(text) if converted is None else " ".join(converted.split())


def cheap_plain(text: str) -> str:
    """Commands and braces off by a few linear patterns: for bibliographies, and where pylatexenc hangs."""
    text = re.sub(r"\\(?:url|href|doi)\s*\{[^{}]*\}", " ", text)
    text = re.sub(r"\\[A-Za-z]+\*?(?:\[[^\]]{0,200}\])?", " ", untex(text))
    text = re.sub(r"\\(.)", r"\1", text)
    text = re.sub(r"[{}$]", "", text).replace("~", " ").replace("``", "“").replace("''", "”")
    return " ".join(text.replace("---", "—").replace("--", "–").split())


class _Worker:
    """One process for all sentences, started at the first; a sentence that takes too long ends it."""

    def __init__(self, *command: str) -> None:
        self._command = command or (sys.executable, "-m", "classifier.fulltext.latex_worker")
        self._process: subprocess.Popen[str] | None = None

    def convert(self, text: str, limit: float | None = None) -> str | None:
        """The text as pylatexenc prints it, or ``None`` where it failed or took too long."""
        process = self._running()
        stdin, stdout = _pipe(process.stdin), _pipe(process.stdout)
        try:
            stdin.write(json.dumps(text) + "\n")
            stdin.flush()
            ready, _, _ = select.select([stdout], [], [], TIME_LIMIT if limit is None else limit)
            line = stdout.readline() if ready else ""
        except OSError:
            line = ""
        if not line:
            self.stop()
            return None
        answer = json.loads(line)
        return answer if isinstance(answer, str) else None

    def _running(self) -> subprocess.Popen[str]:
        if self._process is None or self._process.poll() is not None:
            self._process = subprocess.Popen(  # noqa: S603 - our own module, nothing of the text in the arguments
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                encoding="utf-8",
            )
        return self._process

    def stop(self) -> None:
        """End the worker and close its pipes."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            _pipe(self._process.stdin).close()
            _pipe(self._process.stdout).close()
            self._process = None


def _pipe(stream: IO[str] | None) -> IO[str]:
    if stream is None:  # cannot be: both are opened as pipes
        raise RuntimeError("the worker has no pipe")
    return stream


_WORKER = _Worker()
atexit.register(_WORKER.stop)
