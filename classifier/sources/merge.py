"""Citing works from several sources made one list: by identifier, then by normalised title with year.

The list lives in a SQLite file, not in memory; what sources disagree on is kept, with both sides.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from classifier.fulltext.overlap import merge_contexts
from classifier.identifiers import ids_conflict, same_surname, squash, surname, years_close
from classifier.schema import CitingWork, WorkIds

_SCHEMA = """
CREATE TABLE works (n INTEGER PRIMARY KEY, json TEXT NOT NULL, sources TEXT NOT NULL);
CREATE TABLE keys (key TEXT NOT NULL, n INTEGER NOT NULL, PRIMARY KEY (key, n)) WITHOUT ROWID;
CREATE TABLE disagreements (n INTEGER NOT NULL, field TEXT NOT NULL, kept TEXT, kept_from TEXT, other TEXT, source TEXT,
    PRIMARY KEY (n, field, other, source));
"""
_KINDS = ("arxiv_id", "doi", "pmid", "pmcid", "openalex_id", "s2_id", "acl_id")


class Disagreement(NamedTuple):
    """A field of one work on which two sources differ; the value that came first is kept."""

    citing_id: str
    field: str
    kept: str
    kept_from: str
    other: str
    source: str


class Staging:
    """The citing works collected so far. ``sources`` counts the works each source named."""

    def __init__(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=OFF")  # rebuilt from the cache at every start: nothing to recover
        self._db.execute("PRAGMA synchronous=OFF")
        self._db.executescript(_SCHEMA)
        self._ids: set[str] = set()

    def __len__(self) -> int:
        return int(self._db.execute("SELECT count(*) FROM works").fetchone()[0])

    def add(self, work: CitingWork, source: str) -> int:
        """Take a work in, merged with the one that is there already; its number in the list."""
        matches = self.find(work)
        if not matches:
            work = self._unique(work)
            cursor = self._db.execute("INSERT INTO works (json, sources) VALUES (?, ?)", (_dump(work), source))
            number = int(cursor.lastrowid or 0)
            self._index(number, work)
            return number
        number = matches[0]
        self._merge(number, work, source)
        for other in matches[1:]:  # this work's ids show that two that stood apart are one
            row = self._db.execute("SELECT json, sources FROM works WHERE n = ?", (other,)).fetchone()
            if row and not ids_conflict(self.work(number).ids, _load(row[0]).ids):
                self._db.execute("DELETE FROM works WHERE n = ?", (other,))
                self._db.execute("DELETE FROM keys WHERE n = ?", (other,))
                self._merge(number, _load(row[0]), row[1])
        return number

    def find(self, work: CitingWork) -> list[int]:
        """Numbers of the works that this one is: by any identifier, else by title, year and first author."""
        query = "SELECT DISTINCT n FROM keys WHERE key IN (SELECT value FROM json_each(?)) ORDER BY n"
        found = [row[0] for row in self._db.execute(query, (json.dumps(_id_keys(work.ids)),))]
        if found:
            return found
        rows = self._db.execute("SELECT n FROM keys WHERE key = ? ORDER BY n", (f"title:{squash(work.title)}",))
        return [row[0] for row in rows.fetchall() if work.title and same_work(self.work(row[0]), work)][:1]

    def knows(self, ids: WorkIds) -> bool:
        """Whether a work with one of these identifiers is in the list."""
        query = "SELECT 1 FROM keys WHERE key IN (SELECT value FROM json_each(?)) LIMIT 1"
        return self._db.execute(query, (json.dumps(_id_keys(ids)),)).fetchone() is not None

    def work(self, number: int) -> CitingWork:
        """The work with a number."""
        return _load(self._db.execute("SELECT json FROM works WHERE n = ?", (number,)).fetchone()[0])

    def numbers(self) -> list[int]:
        """The numbers of all works in order."""
        return [row[0] for row in self._db.execute("SELECT n FROM works ORDER BY n")]

    def works(self) -> Iterator[CitingWork]:
        """All works in the order in which they came, one at a time."""
        for number in self.numbers():
            yield self.work(number)

    def disagreements(self) -> Iterator[Disagreement]:
        """What sources said differently."""
        query = "SELECT n, field, kept, kept_from, other, source FROM disagreements ORDER BY n, field"
        for number, *rest in self._db.execute(query).fetchall():
            yield Disagreement(self.work(number).citing_id, *rest)

    def _merge(self, number: int, new: CitingWork, source: str) -> None:
        text, sources = self._db.execute("SELECT json, sources FROM works WHERE n = ?", (number,)).fetchone()
        old = _load(text)
        rows = [(number, field, kept, sources, other, source) for field, kept, other in _differences(old, new)]
        self._db.executemany("INSERT OR IGNORE INTO disagreements VALUES (?, ?, ?, ?, ?, ?)", rows)
        merged = merge_works(old, new)
        joined = "+".join(dict.fromkeys([*sources.split("+"), *source.split("+")]))
        self._db.execute("UPDATE works SET json = ?, sources = ? WHERE n = ?", (_dump(merged), joined, number))
        self._index(number, merged)

    def _index(self, number: int, work: CitingWork) -> None:
        keys = [*_id_keys(work.ids), *([f"title:{squash(work.title)}"] if work.title else [])]
        self._db.executemany("INSERT OR IGNORE INTO keys VALUES (?, ?)", [(key, number) for key in keys])

    def _unique(self, work: CitingWork) -> CitingWork:
        name, count = work.citing_id, 1
        while name in self._ids:
            count += 1
            name = f"{work.citing_id}-{count}"
        self._ids.add(name)
        return work if count == 1 else work.model_copy(update={"citing_id": name})

    def close(self) -> None:
        """Close the file."""
        self._db.close()


def _dump(work: CitingWork) -> str:
    return work.model_dump_json(exclude_defaults=True)


def _load(text: str) -> CitingWork:
    return CitingWork.model_validate_json(text)


def _id_keys(ids: WorkIds) -> list[str]:
    keys = [f"{kind}:{value.lower()}" for kind in _KINDS if (value := getattr(ids, kind))]
    return [*keys, f"arxiv_id:{ids.doi[15:]}"] if ids.doi and ids.doi.startswith("10.48550/arxiv.") else keys


def same_work(old: CitingWork, new: CitingWork) -> bool:
    """Whether two works of equal title are one: years close or unknown, no conflicting ids, authors not different."""
    if not years_close(old.year, new.year) or _distinct(old, new):
        return False
    if old.authors and new.authors:
        names = [surname(author) for author in new.authors]
        return any(same_surname(surname(old.authors[0]), name) for name in names)
    return len(squash(new.title)) >= 15 or (old.year is not None and old.year == new.year)


def _distinct(old: CitingWork, new: CitingWork) -> bool:
    """Two arXiv ids are two works; two DOIs may be a preprint and its publication."""
    if old.ids.arxiv_id and new.ids.arxiv_id:
        return old.ids.arxiv_id != new.ids.arxiv_id
    return ids_conflict(old.ids, new.ids) and not (old.authors and new.authors)


def _differences(old: CitingWork, new: CitingWork) -> Iterator[tuple[str, str, str]]:
    if old.title and new.title and squash(old.title) != squash(new.title):
        yield "title", old.title, new.title
    if old.year and new.year and old.year != new.year:
        yield "year", str(old.year), str(new.year)
    for kind in _KINDS:
        kept, other = getattr(old.ids, kind), getattr(new.ids, kind)
        if kept and other and kept.lower() != other.lower():
            yield kind, kept, other


def merge_works(old: CitingWork, new: CitingWork) -> CitingWork:
    """One work from two: what the first lacks comes from the second, contexts of one place become one."""
    ids = {kind: getattr(old.ids, kind) or value for kind, value in new.ids.model_dump().items()}
    titles = {squash(work.title) for work in old.cocited}
    return old.model_copy(
        update={
            "title": old.title or new.title,
            "summary": old.summary or new.summary,
            "abstract": old.abstract or new.abstract,
            "authors": old.authors or new.authors,
            "year": old.year if old.year is not None else new.year,
            "venue": old.venue or new.venue,
            "ids": WorkIds(**ids),
            "representative": old.representative or new.representative,
            "influential": new.influential if old.influential is None else old.influential or bool(new.influential),
            "contexts": merge_contexts(old.contexts, new.contexts),
            "cocited": (*old.cocited, *(work for work in new.cocited if squash(work.title) not in titles)),
        }
    )


def as_json_line(work: CitingWork) -> str:
    """A work as one line of JSON without defaults, for a hub that is written piece by piece."""
    return json.dumps(json.loads(_dump(work)), ensure_ascii=False)
