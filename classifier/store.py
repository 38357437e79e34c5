"""Every request and its raw answer, kept by content, so that nothing is asked twice and every run can be repeated.

One SQLite file in WAL mode, shared by any number of processes. ``answers`` holds what a model said, exactly as it
said it, before anything reads it; a request that failed to get an answer leaves nothing here. ``facts`` holds what
was found out about an endpoint (:mod:`classifier.judges.probe`).
"""

from __future__ import annotations

import os
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, Self

import platformdirs

from classifier.errors import StoreError

STORE_VARIABLE = "CLASSIFIER_STORE"
BUSY_SECONDS = 30.0
"""How long one process waits for another that is writing."""

_BATCH = 500
_SCHEMA_VERSION = 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS answers (
    key BLOB PRIMARY KEY NOT NULL, -- sha256 of the canonical request
    content TEXT NOT NULL,         -- the raw answer
    finish_reason TEXT NOT NULL,
    refusal TEXT,
    max_tokens INTEGER,            -- the limit it was asked with; NULL: none
    prompt_tokens INTEGER,
    completion_tokens INTEGER,
    model_served TEXT,
    provenance TEXT NOT NULL,      -- who answered: the endpoint, or the file it was imported from
    created_at TEXT NOT NULL,
    request BLOB NOT NULL          -- the canonical request, zlib
);  -- with rowids: an index of bare keys is three pages deep where one of whole rows was seven
CREATE TABLE IF NOT EXISTS logprobs (
    key BLOB PRIMARY KEY,          -- of the answer whose tokens these are
    tokens BLOB NOT NULL           -- JSON, zlib; only of requests that asked for them
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS facts (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""
_COLUMNS = "content, finish_reason, refusal, max_tokens, prompt_tokens, completion_tokens, model_served"

_UPSERT = f"""
INSERT INTO answers (key, {_COLUMNS}, provenance, created_at, request) VALUES (?,?,?,?,?,?,?,?,?,?,?)
ON CONFLICT(key) DO UPDATE SET
    content=excluded.content, finish_reason=excluded.finish_reason, refusal=excluded.refusal,
    max_tokens=excluded.max_tokens, prompt_tokens=excluded.prompt_tokens,
    completion_tokens=excluded.completion_tokens, model_served=excluded.model_served,
    provenance=excluded.provenance, created_at=excluded.created_at
WHERE answers.finish_reason='length'
    AND (excluded.finish_reason<>'length' OR excluded.max_tokens>answers.max_tokens)
"""  # noqa: S608 (column names only)
_KEEP_LOGPROBS = """
INSERT INTO logprobs SELECT ?, ? WHERE EXISTS (SELECT 1 FROM answers WHERE key=? AND content=?)
ON CONFLICT(key) DO UPDATE SET tokens=excluded.tokens
"""  # of the answer that stands, and of no other
_REMEMBER = "INSERT INTO facts VALUES (?,?) ON CONFLICT(key) DO UPDATE SET value=excluded.value"


class RawAnswer(NamedTuple):
    """What the model said. ``finish_reason`` ``length`` means cut off at ``max_tokens``.

    ``logprobs`` is what :func:`classifier.logprobs.read_logprobs` gives, where they were asked for.
    """

    content: str
    finish_reason: str = "stop"
    refusal: str | None = None
    max_tokens: int | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    model_served: str | None = None
    logprobs: str | None = None

    @property
    def truncated(self) -> bool:
        """Whether the answer stopped at the token limit."""
        return self.finish_reason == "length"

    def serves(self, limit: int | None, highest: int | None) -> bool:
        """Whether asking with ``limit`` (and at most ``highest`` on a second try) could say nothing else.

        A complete answer serves where it fits into ``highest``; a truncated one where it was asked with at least
        ``limit``. ``None`` is no limit.
        """
        if self.truncated:
            return self.max_tokens is None or (limit is not None and self.max_tokens >= limit)
        length = self.completion_tokens if self.completion_tokens is not None else self.max_tokens
        return highest is None or length is None or length <= highest


class StoredAnswer(NamedTuple):
    """A row to write: the answer beside the canonical request that it answers."""

    key: bytes
    request: str
    answer: RawAnswer
    provenance: str
    created_at: str = ""


def default_store_path() -> Path:
    """``$CLASSIFIER_STORE``, else the user's data folder of this system."""
    named = os.environ.get(STORE_VARIABLE)
    return Path(named) if named else Path(platformdirs.user_data_dir("citation-polarity-classifier")) / "answers.sqlite"


class Store:
    """The open store. Use as a context manager, or call :meth:`close`.

    Raises ``StoreError`` with one line (path, what, what to do) where the file cannot be opened, read or written.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or default_store_path()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")  # a kill loses nothing, a power cut at most the last rows
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
            if version not in (0, _SCHEMA_VERSION):
                raise StoreError(
                    f"{self.path}: store of version {version}, this program writes {_SCHEMA_VERSION}; "
                    f"set {STORE_VARIABLE} to another file"
                )
            self._db.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version={_SCHEMA_VERSION}; COMMIT;")
        except (sqlite3.Error, OSError) as error:
            raise self._failed("opened", error) from error

    def find(self, keys: Sequence[bytes]) -> list[RawAnswer | None]:
        """The stored answer of each key, one for one; ``None`` where there is none."""
        found: dict[bytes, RawAnswer] = {}
        try:
            for start in range(0, len(keys), _BATCH):
                part = keys[start : start + _BATCH]
                marks = ",".join("?" * len(part))
                rows = self._db.execute(f"SELECT key, {_COLUMNS} FROM answers WHERE key IN ({marks})", part)  # noqa: S608 (only question marks)
                found.update((key, RawAnswer(*rest)) for key, *rest in rows)
        except sqlite3.Error as error:
            raise self._failed("read", error) from error
        return [found.get(key) for key in keys]

    def put(self, rows: Iterable[StoredAnswer]) -> int:
        """Write answers in one transaction; how many were new or better.

        An answer that is there is replaced only where it was truncated, by a complete one or by one asked with a
        higher limit: what a published run rests on never changes under it.
        """
        rows = list(rows)
        tokens = [(r.key, _packed(r.answer.logprobs), r.key, r.answer.content) for r in rows if r.answer.logprobs]
        values = [(r.key, *r.answer[:7], r.provenance, r.created_at or _now(), _packed(r.request)) for r in rows]
        try:
            before = self._db.total_changes
            self._db.execute("BEGIN IMMEDIATE")
            try:
                self._db.executemany(_UPSERT, values)
                changed = self._db.total_changes - before
                self._db.executemany(_KEEP_LOGPROBS, tokens)
            except BaseException:
                if self._db.in_transaction:  # a full disk has rolled back by itself
                    self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            raise self._failed("written", error) from error
        return changed

    def with_logprobs(self, keys: Sequence[bytes], found: Sequence[RawAnswer | None]) -> list[RawAnswer | None]:
        """The answers that :meth:`find` gave for ``keys``, with their token log-probabilities where there are any."""
        try:
            query = "SELECT tokens FROM logprobs WHERE key=?"
            rows = [self._db.execute(query, (key,)).fetchone() for key in keys]
            return [
                one._replace(logprobs=_unpacked(row[0])) if one is not None and row else one
                for one, row in zip(found, rows, strict=True)
            ]
        except (sqlite3.Error, zlib.error) as error:
            raise self._failed("read", error) from error

    def fact(self, key: str) -> str | None:
        """What was remembered under ``key``."""
        try:
            row = self._db.execute("SELECT value FROM facts WHERE key=?", (key,)).fetchone()
        except sqlite3.Error as error:
            raise self._failed("read", error) from error
        return row[0] if row else None

    def remember(self, key: str, value: str) -> None:
        """Keep ``value`` under ``key``, in place of what was there."""
        try:
            self._db.execute(_REMEMBER, (key, value))
        except sqlite3.Error as error:
            raise self._failed("written", error) from error

    def rows(self) -> Iterator[StoredAnswer]:
        """All answers in the order of their keys."""
        try:
            query = f"""SELECT key, {_COLUMNS}, tokens, provenance, created_at, request
                FROM answers LEFT JOIN logprobs USING (key) ORDER BY key"""  # noqa: S608 (column names only)
            for key, *rest in self._db.execute(query):
                tokens, provenance, created_at, request = rest[7:]
                answer = RawAnswer(*rest[:7])._replace(logprobs=_unpacked(tokens) if tokens else None)
                yield StoredAnswer(key, _unpacked(request), answer, provenance, created_at)
        except (sqlite3.Error, zlib.error) as error:
            raise self._failed("read", error) from error

    def facts(self) -> dict[str, str]:
        """All facts by key."""
        try:
            return dict(self._db.execute("SELECT key, value FROM facts ORDER BY key"))
        except sqlite3.Error as error:
            raise self._failed("read", error) from error

    def delete(self, keys: Iterable[bytes]) -> int:
        """Remove answers; how many there were."""
        try:
            before = self._db.total_changes
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany("DELETE FROM answers WHERE key=?", ((key,) for key in keys))
            deleted = self._db.total_changes - before
            self._db.execute("DELETE FROM logprobs WHERE key NOT IN (SELECT key FROM answers)")
            self._db.execute("COMMIT")
            self._db.execute("VACUUM")
        except sqlite3.Error as error:
            raise self._failed("written", error) from error
        return deleted

    def close(self) -> None:
        """Close the file; the write-ahead log is folded in by the last process that closes."""
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _failed(self, what: str, error: Exception) -> StoreError:
        return StoreError(
            f"{self.path}: the answer store cannot be {what}: {error}; "
            f"check the folder and free space, or set {STORE_VARIABLE} to another file"
        )


def _packed(request: str) -> bytes:
    return zlib.compress(request.encode("utf-8", "surrogatepass"), 1)


def _unpacked(request: bytes) -> str:
    return zlib.decompress(request).decode("utf-8", "surrogatepass")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
