"""The append-only log of what people decided: one SQLite file beside the run, which itself is never written to.

SQLite, not a text file of our own: a decision is there in whole or not at all after ``kill -9`` or a power cut, and
two annotators write from two processes at once. Nothing is ever changed or deleted (triggers refuse it): an undo is
one more row.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from pydantic import ValidationError, model_validator

from classifier.errors import InputError, StoreError
from classifier.schema import STANCES, Basis, Evidence, Label, Polarity, Record, Role, Status

LOG_NAME = "review.sqlite"
Key = tuple[str, str]
"""``(hub_id, citing_id)``."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS decisions (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    made_at TEXT NOT NULL,
    annotator TEXT NOT NULL,
    hub_id TEXT NOT NULL,
    citing_id TEXT NOT NULL,
    action TEXT NOT NULL,
    record TEXT NOT NULL CHECK (json_valid(record))
);
CREATE TRIGGER IF NOT EXISTS never_changed BEFORE UPDATE ON decisions
BEGIN SELECT RAISE(ABORT, 'decisions are only ever added'); END;
CREATE TRIGGER IF NOT EXISTS never_deleted BEFORE DELETE ON decisions
BEGIN SELECT RAISE(ABORT, 'decisions are only ever added'); END;
"""


class Action(StrEnum):
    """What a person did with a work."""

    LABEL = "label"
    ADJUDICATE = "adjudicate"
    SKIP = "skip"
    UNDO = "undo"


class HumanLabel(Record):
    """A person's label. ``basis`` is ``None`` only where a spreadsheet gave a stance and not what it rests on."""

    role: Role
    other_roles: tuple[Role, ...] = ()
    polarity: Polarity
    basis: Basis | None = Basis.NONE
    evidence: Evidence | None = None
    shared: bool = False
    note: str = ""

    @model_validator(mode="after")
    def _consistent(self) -> HumanLabel:
        if (self.polarity in STANCES) == (self.basis is Basis.NONE):
            raise ValueError(f"polarity {self.polarity} does not go with basis {self.basis}")
        if self.role in self.other_roles or len(set(self.other_roles)) != len(self.other_roles):
            raise ValueError("other_roles repeats a role")
        return self

    @property
    def decision(self) -> tuple[Role, Polarity, Basis | None]:
        """The three fields that must be equal for two annotators to agree (guide, section 10)."""
        return self.role, self.polarity, self.basis


class Shown(Record):
    """What the person had in view. ``machine`` is the run's label at the time; it was visible unless ``blind``.

    ``text_sha256`` is that of the texts on the page, ``guide`` the version of the annotation guide beside them.
    ``adjudicating``: on the adjudication page; ``answers`` are the log numbers of the annotators' labels that lay
    before the adjudicator. ``seconds`` passed from opening the page to the decision; ``None`` where it was not timed.
    """

    blind: bool
    status: Status
    machine: Label | None = None
    judge: str = ""
    model: str = ""
    text_sha256: str = ""
    guide: str = ""
    adjudicating: bool = False
    answers: tuple[int, ...] = ()
    seconds: float | None = None


class Decision(Record):
    """One row of the log; ``seq`` and ``made_at`` (UTC) are set when it is written. ``origin``: page, or a file."""

    seq: int = 0
    made_at: str = ""
    annotator: str
    hub_id: str
    citing_id: str
    action: Action
    label: HumanLabel | None = None
    undoes: int | None = None
    shown: Shown
    origin: str = "page"

    @model_validator(mode="after")
    def _consistent(self) -> Decision:
        if (self.action in (Action.LABEL, Action.ADJUDICATE)) != (self.label is not None):
            raise ValueError(f"a decision to {self.action} {'has no' if self.label is None else 'has a'} label")
        if self.label is not None and self.shown.adjudicating != (self.action is Action.ADJUDICATE):
            raise ValueError("only the adjudication page adjudicates")
        if (self.action is Action.UNDO) != (self.undoes is not None):
            raise ValueError("an undo, and only an undo, names the decision that it undoes")
        return self

    @property
    def key(self) -> Key:
        """The pair that was decided on."""
        return self.hub_id, self.citing_id


class DecisionLog:
    """The log of one run, as far as it was read. ``refresh`` takes in what other processes added since."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / LOG_NAME
        self._seen = 0
        self._by_seq: dict[int, Decision] = {}
        self._undone: set[int] = set()
        with self._open() as connection:
            connection.executescript(_SCHEMA)
        self.refresh()

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(self.path, timeout=10)) as connection:
                connection.execute("PRAGMA synchronous = FULL")
                with connection:
                    yield connection
        except sqlite3.Error as error:
            raise StoreError(f"{self.path}: the review log cannot be used: {error}; is the folder writable?") from error

    def refresh(self) -> None:
        """Read what was added since the last look."""
        with self._open() as connection:
            rows = connection.execute("SELECT seq, record FROM decisions WHERE seq > ? ORDER BY seq", (self._seen,))
            for seq, record in rows:
                self._take(self._read(seq, record))

    def _read(self, seq: int, record: str) -> Decision:
        try:
            return Decision.model_validate_json(record).model_copy(update={"seq": seq})
        except ValidationError as error:
            raise InputError(f"decision {seq} is not one of this program: {error.errors()[0]['msg']}",
                             path=self.path) from error  # fmt: skip

    def _take(self, decision: Decision) -> None:
        self._seen = decision.seq
        self._by_seq[decision.seq] = decision
        if decision.undoes is not None:
            self._undone.add(decision.undoes)

    def append(self, decisions: Iterable[Decision]) -> list[Decision]:
        """The decisions as written: on disk, all or none, when this returns."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        written: list[Decision] = []
        with self._open() as connection:
            for decision in (one.model_copy(update={"made_at": now}) for one in decisions):
                cursor = connection.execute(
                    "INSERT INTO decisions (made_at, annotator, hub_id, citing_id, action, record)"
                    " VALUES (?, ?, ?, ?, ?, ?)",
                    (now, decision.annotator, *decision.key, decision.action, decision.model_dump_json()),
                )
                written.append(decision.model_copy(update={"seq": cursor.lastrowid}))
        self.refresh()
        return written

    def standing(self) -> Iterator[Decision]:
        """Every decision that was not undone and is no undo, in the order in which they were made."""
        return (d for d in self._by_seq.values() if d.action is not Action.UNDO and d.seq not in self._undone)

    def of(self, annotator: str, *, adjudicating: bool = False) -> dict[Key, Decision]:
        """The annotator's last standing decision on each work; labels and adjudications are kept apart."""
        return {d.key: d for d in self.standing() if d.annotator == annotator and d.shown.adjudicating == adjudicating}

    def labels(self) -> dict[str, dict[Key, Decision]]:
        """Annotator -> work -> the last standing label; a work that the annotator then skipped is left out."""
        names = dict.fromkeys(d.annotator for d in self.standing() if d.action is Action.LABEL)
        return {n: {k: d for k, d in self.of(n).items() if d.action is Action.LABEL} for n in names}

    def adjudications(self) -> dict[Key, Decision]:
        """The last standing adjudication of each work, whoever made it."""
        return {d.key: d for d in self.standing() if d.action is Action.ADJUDICATE}

    @property
    def last_seq(self) -> int:
        """The number of the newest row that was read; 0 for an empty log."""
        return self._seen
