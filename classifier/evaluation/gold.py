"""Gold labels and the annotations behind them, read from a folder, a JSONL file or a CSV file."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from classifier.errors import InputError
from classifier.schema import STANCES, Basis, Polarity, Record, Role

Key = tuple[str, str]
"""``(hub_id, citing_id)``: what names one pair in gold, annotations and predictions."""

FIELDS: dict[str, tuple[str, ...]] = {
    "role": tuple(Role),
    "polarity": tuple(Polarity),
    "basis": tuple(Basis),
}
"""The scored fields with their values in the order of every table."""


class GoldItem(Record):
    """One labelled pair. A field that is ``None`` was not annotated and is not scored."""

    hub_id: str
    citing_id: str
    split: str | None = None
    role: Role | None = None
    other_roles: tuple[Role, ...] = ()
    polarity: Polarity | None = None
    basis: Basis | None = None
    evidence: str = ""
    adjudicated: bool = False
    note: str = ""
    annotator: str | None = None

    @property
    def key(self) -> Key:
        """The pair that is labelled."""
        return self.hub_id, self.citing_id

    def value(self, field: str) -> str | None:
        """The gold value of ``role``, ``polarity`` or ``basis``; ``None`` where it was not annotated."""
        found = getattr(self, field)
        return None if found is None else str(found)


class Gold(NamedTuple):
    """The adjudicated items of one split and the single annotations of the same pairs."""

    path: Path
    items: tuple[GoldItem, ...]
    annotations: tuple[GoldItem, ...]


def read_gold(path: Path, split: str | None = None) -> Gold:
    """Gold of a folder (``gold.jsonl``, ``annotations.jsonl``) or of one ``.jsonl`` or ``.csv`` file.

    Annotations are those of the items that were kept. ``InputError`` for a missing file, a line that is no
    label, a pair labelled twice, and a split that no row has.
    """
    file = _gold_file(path)
    rows = [_item(row, file, line) for line, row in rows_of(file)]
    _refuse_duplicates(rows, file)
    kept = [item for item in rows if split is None or item.split == split]
    if not kept:
        splits = sorted({item.split for item in rows if item.split})
        what = f"no gold row has split {split!r}" if rows else "no gold rows"
        raise InputError(what, path=file, do=f"splits there: {', '.join(splits) or 'none'}")
    keys = {item.key for item in kept}
    beside = file.with_name("annotations.jsonl")
    annotations = [_item(row, beside, line) for line, row in rows_of(beside)] if beside.is_file() else []
    return Gold(path, tuple(kept), tuple(one for one in annotations if one.key in keys))


def _gold_file(path: Path) -> Path:
    if path.is_dir():
        for name in ("gold.jsonl", "gold.csv"):
            if (path / name).is_file():
                return path / name
        raise InputError("no gold.jsonl or gold.csv in this folder", path=path)
    if not path.is_file():
        raise InputError("no such gold file or folder", path=path)
    return path


def rows_of(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """``(line number from 1, row)`` of a CSV or JSONL file; empty cells of a CSV are left out of their row."""
    if file.suffix.lower() == ".csv":
        with file.open(encoding="utf-8-sig", newline="") as handle:
            for row in (reader := csv.DictReader(handle)):
                yield reader.line_num, {k: v for k, v in row.items() if k and v not in (None, "")}
        return
    yield from read_jsonl(file)


def read_jsonl(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """``(line number from 1, object)`` of each line that is not blank; ``InputError`` for one that is no object."""
    try:
        handle = file.open(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", path=file) from error
    with handle:
        for number, line in enumerate(handle, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except json.JSONDecodeError as error:
                raise InputError(f"not JSON ({error.msg})", path=file, line=number, value=line.strip()) from error
            if not isinstance(row, dict):
                raise InputError("not a JSON object", path=file, line=number, value=row)
            yield number, row


def _item(row: dict[str, Any], file: Path, line: int) -> GoldItem:
    known = {name: row[name] for name in GoldItem.model_fields if row.get(name) is not None}
    if isinstance(roles := known.get("other_roles"), str):
        known["other_roles"] = [part.strip() for part in roles.replace("|", ";").split(";") if part.strip()]
    try:
        item = GoldItem.model_validate(known)
    except ValidationError as error:
        first = error.errors()[0]
        column = str(first["loc"][0]) if first["loc"] else None
        raise InputError(first["msg"], path=file, line=line, column=column, value=first["input"]) from error
    if item.polarity and item.basis and (item.polarity in STANCES) != (item.basis is not Basis.NONE):
        raise InputError(
            f"polarity {item.polarity} does not go with basis {item.basis}",
            path=file,
            line=line,
            column="basis",
            do="a stance has basis evidence or assessment, neutral and unclear have none",
        )
    return item


def _refuse_duplicates(items: list[GoldItem], file: Path) -> None:
    seen: set[Key] = set()
    for item in items:
        if item.key in seen:
            raise InputError("this pair has two gold labels", path=file, value=item.key, do="keep one")
        seen.add(item.key)
