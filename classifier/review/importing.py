"""A ``predictions.csv`` that was edited in a spreadsheet: the changed rows become decisions, all or none."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter, defaultdict
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple, TypeVar

from classifier.errors import InputError
from classifier.evidence import source_text
from classifier.locating import locate
from classifier.outputs import COLUMNS, Result, csv_cells
from classifier.review.decisions import Action, Decision, DecisionLog, HumanLabel, Key
from classifier.review.run import ReviewedRun, what_is_shown
from classifier.review.texts import shown_texts
from classifier.schema import STANCES, Basis, Evidence, Polarity, Role

EDITABLE = ("role", "other_roles", "polarity", "basis", "evidence")
"""Columns of ``predictions.csv`` that a reviewer may change; ``note`` and ``reviewed`` may be added."""
_YES = frozenset({"x", "yes", "y", "true", "1", "ok", "✓"})
_NO = frozenset({"", "no", "n", "false", "0"})
Value = TypeVar("Value", bound=StrEnum)


class Problem(NamedTuple):
    """One cell that cannot be used; ``row`` as the spreadsheet counts, the header being row 1."""

    row: int
    column: str
    value: str
    what: str


class Imported(NamedTuple):
    """What an import took in: decisions recorded, rows that change nothing, and remarks of one line each."""

    recorded: tuple[Decision, ...]
    unchanged: int
    remarks: tuple[str, ...]


class _Row(NamedTuple):
    number: int
    cells: dict[str, str]


def import_csv(path: Path, run: ReviewedRun, log: DecisionLog, annotator: str) -> Imported:
    """Record the rows of an edited CSV that differ from the run, or that say ``reviewed``, as the annotator's labels.

    Raises ``InputError`` with one line for each cell that cannot be used; nothing is recorded then. A row that
    says what the annotator's standing label says already is not recorded twice.
    """
    problems: list[Problem] = []
    remarks: list[str] = []
    labels: dict[Key, HumanLabel] = {}
    rows = _rows(path)
    finder = _Finder(run)
    for row in rows:
        key = finder.find(row, problems, remarks)
        if key is None:
            continue
        if key in labels:
            problems.append(Problem(row.number, "citing_id", key[1], "this work stands in an earlier row too"))
            continue
        label = _changed(row, run, key, problems)
        if label is not None:
            labels[key] = label
            if label.basis is None:
                remarks.append(f"row {row.number}: a {label.polarity} without a basis; recorded as not given")
    if problems:
        shown = "\n".join(_line(path, problem) for problem in problems)
        raise InputError(f"{shown}\n{len(problems)} cells of {path} cannot be used; nothing was recorded")
    standing = log.of(annotator)
    new = {k: v for k, v in labels.items() if not (k in standing and standing[k].label == v)}
    recorded = log.append(
        imported_decision(run, key, label, annotator, f"csv:{path.name}") for key, label in new.items()
    )
    return Imported(tuple(recorded), len(rows) - len(new), tuple(remarks))


def imported_decision(run: ReviewedRun, key: Key, label: HumanLabel, annotator: str, origin: str) -> Decision:
    """A spreadsheet shows the machine's label: such a decision is never blind."""
    return Decision(
        annotator=annotator, hub_id=key[0], citing_id=key[1], action=Action.LABEL, label=label, origin=origin,
        shown=what_is_shown(run.results[key], blind=False),
    )  # fmt: skip


def _line(path: Path, problem: Problem) -> str:
    return str(InputError(problem.what, path=f"{path}: row {problem.row}", column=problem.column, value=problem.value))


def _rows(path: Path) -> list[_Row]:
    """The rows with the columns of their header; comma, semicolon or tab, whichever the header is written with."""
    text = _text(path)
    first, _, rest = text.partition("\n")
    if first.strip().lower().startswith("sep="):  # a line that Excel writes for itself
        text, first = rest, rest.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    try:
        table = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise InputError(f"not a CSV file: {error}", path=path) from error
    header = [name.strip().lower() for name in table[0]] if table else []
    missing = [name for name in ("citing_id", "role", "polarity") if name not in header]
    if missing:
        raise InputError(f"has no column {', '.join(missing)}", path=path, do="edit the predictions.csv of the run")
    twice = [name for name, count in Counter(header).items() if count > 1 and name]
    if twice:
        raise InputError(f"has the column {twice[0]} twice", path=path)
    return [
        _Row(number, dict(zip(header, cells, strict=False)))
        for number, cells in enumerate(table[1:], 2)
        if any(cell.strip() for cell in cells)
    ]


def _text(path: Path) -> str:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", path=path) from error
    encoding = "utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        raise InputError(f"not {encoding[:6].rstrip('-')} text at byte {error.start}", path=path,
                         do="save it as `CSV UTF-8`") from error  # fmt: skip


class _Finder:
    """Which work a row is about: by its ids, or by its title where a spreadsheet turned an id into a number."""

    def __init__(self, run: ReviewedRun) -> None:
        self._run = run
        self._by_id: dict[str, list[Key]] = defaultdict(list)
        self._by_title: dict[str, list[Key]] = defaultdict(list)
        for key, result in run.results.items():
            cells = dict(zip(COLUMNS, csv_cells(run.pair(key), result.prediction), strict=True))
            self._by_id[cells["citing_id"]].append(key)
            self._by_title[cells["title"]].append(key)

    def find(self, row: _Row, problems: list[Problem], remarks: list[str]) -> Key | None:
        citing_id, hub_id = row.cells["citing_id"].strip(), row.cells.get("hub_id", "").strip()
        known = [k for k in self._by_id.get(citing_id, ()) if not hub_id or k[0] == hub_id]
        if len(known) == 1:
            return known[0]
        if len(known) > 1:
            problems.append(Problem(row.number, "hub_id", hub_id, "needed: the run has this work under several hubs"))
            return None
        title = row.cells.get("title", "")
        like = [k for k in self._by_title.get(title, ()) if _same_number(k[1], citing_id)]
        if len(like) == 1:
            remarks.append(f"row {row.number}: citing_id {citing_id} read as {like[0][1]}; the spreadsheet changed it")
            return like[0]
        problems.append(Problem(row.number, "citing_id", citing_id, "no such citing work in this run"))
        return None


def _same_number(known: str, cell: str) -> bool:
    """True for ids that are one number to a spreadsheet: ``2305.20050`` and ``2305.2005`` (or ``2305,2005``)."""
    try:
        return float(known) == float(cell.replace(",", "."))
    except ValueError:
        return False


def _changed(row: _Row, run: ReviewedRun, key: Key, problems: list[Problem]) -> HumanLabel | None:
    """The label of a row that was changed or is marked as reviewed; ``None`` for one left as it was."""
    result = run.results[key]
    machine = dict(zip(COLUMNS, csv_cells(run.pair(key), result.prediction), strict=True))
    cells = {name: _tidy(row.cells.get(name, machine[name])) for name in EDITABLE}
    edited = {name for name in EDITABLE if cells[name] != _tidy(machine[name])}
    note = _unquoted(_tidy(row.cells.get("note", "")))
    mark = _tidy(row.cells.get("reviewed", "")).lower()
    before = len(problems)
    if mark not in _YES | _NO:
        problems.append(Problem(row.number, "reviewed", mark, "not yes or no"))
    if not edited and not note and mark in _NO:
        return None
    role = _value(Role, cells["role"], row.number, "role", problems)
    polarity = _value(Polarity, cells["polarity"], row.number, "polarity", problems)
    others = _others(cells["other_roles"], role, row.number, problems)
    basis = _basis(cells["basis"], polarity, "basis" in edited, row.number, problems)
    evidence = _evidence(cells["evidence"], "evidence" in edited, result, row.number, problems)
    if len(problems) > before or role is None or polarity is None:
        return None
    return HumanLabel(role=role, other_roles=others, polarity=polarity, basis=basis, evidence=evidence, note=note)


def _tidy(cell: str) -> str:
    return cell.replace("\r\n", "\n").strip()


def _value(kind: type[Value], cell: str, row: int, column: str, problems: list[Problem]) -> Value | None:
    """The value of a cell; case and blanks around it do not matter."""
    try:
        return kind(cell.lower())
    except ValueError:
        what = f"unknown {column}" if cell else f"no {column}"
        problems.append(Problem(row, column, cell, f"{what}; one of {', '.join(kind)}"))
        return None


def _others(cell: str, role: Role | None, row: int, problems: list[Problem]) -> tuple[Role, ...]:
    """Further roles; one that has become the primary role is no longer a further one."""
    parts = [part for part in re.split(r"[;,|]\s*", cell) if part.strip()]
    found = [_value(Role, part.strip(), row, "other_roles", problems) for part in parts]
    return tuple(dict.fromkeys(one for one in found if one and one is not role))


def _basis(cell: str, polarity: Polarity | None, edited: bool, row: int, problems: list[Problem]) -> Basis | None:
    """The basis. Neutral and unclear have none; a stance whose basis cell was left at none has an unknown one."""
    basis = _value(Basis, cell, row, "basis", problems) if cell else None
    if polarity is None or (cell and basis is None):
        return basis
    if polarity in STANCES:
        if basis is Basis.NONE and edited:
            problems.append(Problem(row, "basis", cell, f"polarity {polarity} does not go with basis none"))
        return None if basis is Basis.NONE else basis
    if edited and basis in (Basis.EVIDENCE, Basis.ASSESSMENT):
        problems.append(Problem(row, "basis", cell, f"polarity {polarity} does not go with basis {basis}"))
    return Basis.NONE


def _evidence(cell: str, edited: bool, result: Result, row: int, problems: list[Problem]) -> Evidence | None:
    """The evidence: the machine's where its cell was left alone, else the words looked up in the work's texts."""
    label = result.prediction.label
    if not edited:
        return label.evidence if label else None
    if not cell:
        return None
    found = find_evidence(_unquoted(cell), result)
    if found is None:
        problems.append(Problem(row, "evidence", cell, "these words stand in no text of this work"))
    return found


def find_evidence(words: str, result: Result) -> Evidence | None:
    """Where words stand in the texts of a work, passages first; ``None`` where they do not."""
    for text in shown_texts(result.citing, None, None):
        whole = source_text(result.citing, text.source, text.context_index)
        span = locate(words, whole)
        if span is not None:
            return Evidence(text=whole[span.start : span.end], source=text.source, start=span.start, end=span.end,
                            context_index=text.context_index)  # fmt: skip
    return None


def _unquoted(cell: str) -> str:
    """The cell without the apostrophe that kept a spreadsheet from taking it for a formula."""
    return cell[1:] if re.match(r"'\s*[=+\-@＝＋－＠|%]", cell) else cell
