"""Every error this program raises on purpose.

    ClassifierError                     exit 1
    ├── SettingsError                   exit 2   missing key, unknown prompt, impossible setting
    ├── InputError                      exit 2   path, line, column, value
    ├── JudgeError
    │   ├── JudgeUnavailableError       retryable: timeout, connection, 429, 5xx
    │   ├── JudgeRejectedError          not retryable: 400, 401, 403, 404, 422
    │   └── BudgetSpentError            the work was not asked: --max-cost is reached
    ├── AnswerError                     keeps the raw answer; asked again with the reason, then failed
    │   ├── AnswerTruncatedError        the server stopped at max_tokens
    │   ├── AnswerRefusedError          the model declined or a content filter cut in
    │   └── AnswerInvalidError          not JSON, not the schema, evidence that is not in the text
    ├── SourceError                     exit 1   a scholarly source or full text that cannot be used
    └── StoreError                      exit 1   cannot be written or read

A message says what, where, got and do, in one line. Exit codes of the command line: 0 everything
labelled or abstained, 1 failed, 2 usage, settings or input, 3 finished with failed works, 130 interrupted.
"""

from __future__ import annotations

from pathlib import Path

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_PARTIAL = 3
EXIT_INTERRUPTED = 130


class ClassifierError(Exception):
    """Base of the tree; ``str(error)`` is the one line shown to the user."""

    exit_code = EXIT_FAILED
    retryable = False


class SettingsError(ClassifierError):
    """A setting that is missing, unknown or impossible; raised before the first request."""

    exit_code = EXIT_USAGE


class InputError(ClassifierError):
    """Input that cannot be read. Carries ``path``, ``line`` (from 1), ``column`` and ``value`` where known."""

    exit_code = EXIT_USAGE

    def __init__(
        self,
        what: str,
        *,
        path: Path | str | None = None,
        line: int | None = None,
        column: str | None = None,
        value: object = None,
        do: str | None = None,
    ) -> None:
        self.what, self.path, self.line, self.column, self.value, self.do = what, path, line, column, value, do
        where = "" if path is None else f"{path}: " if line is None else f"{path}:{line}: "
        parts = [f"{where}{f'column {column}: ' if column else ''}{what}"]
        if value is not None:
            shown = repr(value)
            parts.append(f"got {shown if len(shown) <= 80 else shown[:77] + '...'}")
        if do:
            parts.append(do)
        super().__init__("; ".join(parts))


class JudgeError(ClassifierError):
    """The judge could not be asked."""


class JudgeUnavailableError(JudgeError):
    """Worth another try: timeout, cut connection, 429 or 5xx. ``retry_after`` in seconds where the server said it."""

    retryable = True

    def __init__(self, message: str, *, status: int | None = None, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status, self.retry_after = status, retry_after


class JudgeRejectedError(JudgeError):
    """Not worth another try: the endpoint said no (400, 401, 403, 404, 422). Stops the run."""

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class BudgetSpentError(JudgeError):
    """The money of ``--max-cost`` is spent: this work was not asked. The run stops, and can be gone on with."""


class AnswerError(ClassifierError):
    """An answer that cannot become a label; ``raw`` is the text as the judge gave it."""

    def __init__(self, message: str, *, raw: str = "") -> None:
        super().__init__(message)
        self.raw = raw


class AnswerTruncatedError(AnswerError):
    """The answer stopped at the token limit."""


class AnswerRefusedError(AnswerError):
    """The model refused, or a content filter cut in."""


class AnswerInvalidError(AnswerError):
    """The answer is not JSON, breaks the schema, or quotes words that are not in the text."""


class SourceError(ClassifierError):
    """A scholarly source or a full-text file that cannot be used; says which and what to do."""


class StoreError(ClassifierError):
    """The answer store cannot be opened, read or written."""
