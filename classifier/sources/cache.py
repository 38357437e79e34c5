"""Answers of scholarly services on disk, with the date of retrieval; never a key.

Own file instead of an HTTP cache library: those follow the servers' cache headers, and a fetch that was killed must
resume from what arrived whatever these say.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import platformdirs

from classifier.errors import StoreError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS answers (
    key TEXT PRIMARY KEY, host TEXT NOT NULL, request TEXT NOT NULL, status INTEGER NOT NULL,
    kind TEXT NOT NULL, body BLOB NOT NULL, retrieved_at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS hosts (host TEXT PRIMARY KEY, last_request REAL NOT NULL);
"""


def default_cache() -> Path:
    """The cache of this user, shared by all fetches."""
    return Path(platformdirs.user_cache_dir("citation-polarity-classifier")) / "sources.sqlite"


class CachedAnswer(NamedTuple):
    """One answer: HTTP status, content type, body, and when it came (UTC, ISO 8601)."""

    status: int
    kind: str
    body: bytes
    retrieved_at: str


def now() -> str:
    """The present moment, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


class SourceCache:
    """One SQLite file; every answer is on disk before it is used, so that a killed fetch asks nothing twice."""

    def __init__(self, path: Path, max_age_days: float | None = None) -> None:
        self._oldest = (
            None
            if max_age_days is None
            else (datetime.now(UTC) - timedelta(days=max_age_days)).isoformat(timespec="seconds")
        )
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, timeout=30.0, isolation_level=None)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.executescript(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise StoreError(f"{path}: the cache of sources cannot be opened: {error}") from error

    @staticmethod
    def key(host: str, path: str, parameters: Mapping[str, str]) -> str:
        """Digest of the request without its key: equal for equal questions to one address."""
        return hashlib.sha256(json.dumps([host, path, sorted(parameters.items())]).encode()).hexdigest()

    def get(self, key: str) -> CachedAnswer | None:
        """The stored answer, unless it is older than asked for."""
        row = self._db.execute(
            "SELECT status, kind, body, retrieved_at FROM answers WHERE key = ? AND (? IS NULL OR retrieved_at >= ?)",
            (key, self._oldest, self._oldest),
        ).fetchone()
        return CachedAnswer(row[0], row[1], zlib.decompress(row[2]), row[3]) if row else None

    def put(self, key: str, host: str, request: str, answer: CachedAnswer) -> None:
        """Store an answer; committed when this returns."""
        body = zlib.compress(answer.body, 6)
        try:
            self._db.execute(
                "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?, ?, ?)",
                (key, host, request, answer.status, answer.kind, body, answer.retrieved_at),
            )
        except sqlite3.Error as error:
            raise StoreError(f"the cache of sources cannot be written: {error}") from error

    def reserve(self, host: str, interval: float) -> float:
        """Seconds to wait before the next request to a host may go out; the turn is taken, across processes."""
        moment = time.time()
        self._db.execute("BEGIN IMMEDIATE")
        row = self._db.execute("SELECT last_request FROM hosts WHERE host = ?", (host,)).fetchone()
        last = row[0] if row and row[0] <= moment + 60 else 0.0  # a clock that was set back must not block for long
        turn = max(moment, last + interval)
        self._db.execute("INSERT OR REPLACE INTO hosts VALUES (?, ?)", (host, turn))
        self._db.execute("COMMIT")
        return turn - moment

    def close(self) -> None:
        """Close the file."""
        self._db.close()
