"""``classify gold add``: reviewed works become gold, in one split; rows of any other split are never touched."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from classifier.errors import InputError, SettingsError
from classifier.evaluation.gold import GoldItem, read_gold, read_jsonl
from classifier.review.consensus import Consensus, Outcome, consensus
from classifier.review.decisions import Decision, DecisionLog, HumanLabel, Key
from classifier.review.run import ReviewedRun
from classifier.schema import CitingWork, Pair

GOLD, ANNOTATIONS, ITEMS = "gold.jsonl", "annotations.jsonl", "items.jsonl"
HELD_OUT = frozenset({"test", "heldout", "held-out", "held_out"})
_FIELDS = (
    "hub_id",
    "citing_id",
    "split",
    "role",
    "other_roles",
    "polarity",
    "basis",
    "evidence",
    "adjudicated",
    "note",
)


class Added(NamedTuple):
    """What was done: works added, and those left alone with the reason; ``seen`` of the added were not blind."""

    added: int
    already: int
    changed: tuple[Key, ...]
    disagreed: int
    without_basis: int
    held_out: tuple[str, ...]
    seen: int


def add_gold(run: ReviewedRun, log: DecisionLog, to: Path, *, split: str = "dev", blind_only: bool = False) -> Added:
    """Add the reviewed works of ``run`` to the gold folder ``to`` and say what was left alone.

    Lines that are there stay as they are, byte for byte. Left alone: works that are gold already; every work of a
    hub that has rows in another split, since its works resemble each other; works on which annotators disagree
    and nobody adjudicated; stances without a basis. Raises ``SettingsError`` for a held-out split.
    """
    if split.strip().lower() in HELD_OUT or not split.strip():
        raise SettingsError(f"--split {split}: reviewed works are never added to a held-out split; use dev")
    found = consensus(log)
    if not found:
        raise InputError("nobody has reviewed anything yet", path=log.path, do="see `classify review`")
    there = {item.key: item for item in _gold_there(to)}
    elsewhere = {item.key[0] for item in there.values() if item.split != split}
    usable = {k: one for k, one in found.items() if k[0] not in elsewhere and k in run.results}
    if blind_only:
        usable = {k: one for k, one in usable.items() if all(d.shown.blind for d in one.labels)}
    new = {k: one for k, one in usable.items() if k not in there}
    complete = {k: one for k, one in new.items() if one.label is not None and one.label.basis is not None}
    _write(run, to, split, complete)
    return Added(
        added=len(complete),
        already=sum(k in there for k in usable),
        changed=tuple(k for k, one in usable.items() if k in there and _differs(there[k], one)),
        disagreed=sum(one.outcome is Outcome.DISAGREED for one in new.values()),
        without_basis=sum(one.label is not None and one.label.basis is None for one in new.values()),
        held_out=tuple(sorted({k[0] for k in found} & elsewhere)),
        seen=sum(not all(d.shown.blind for d in one.labels) for one in complete.values()),
    )


def _gold_there(folder: Path) -> Sequence[GoldItem]:
    file = folder / GOLD
    return read_gold(file).items if file.is_file() and file.stat().st_size else ()


def _differs(gold: GoldItem, one: Consensus) -> bool:
    return one.label is not None and one.label.decision != (gold.role, gold.polarity, gold.basis)


def _write(run: ReviewedRun, folder: Path, split: str, new: dict[Key, Consensus]) -> None:
    """Items and annotations before gold: broken off in between, the next call adds what is missing, nothing twice."""
    if not new:
        return
    folder.mkdir(parents=True, exist_ok=True)
    items = _keys(folder / ITEMS)
    _append(folder / ITEMS, (_item(run.pair(key)) for key in new if key not in items))
    given = {(row["hub_id"], row["citing_id"], row.get("annotator")) for _, row in _lines(folder / ANNOTATIONS)}
    _append(folder / ANNOTATIONS, (
        _row(d.label, d.key, split) | {"annotator": d.annotator, "blind": d.shown.blind, "guide": d.shown.guide,
                                          "made_at": d.made_at}
        for one in new.values() for d in one.labels if d.label and (*d.key, d.annotator) not in given
    ))  # fmt: skip
    _append(folder / GOLD, (_gold_row(key, one, split) for key, one in new.items()))


def _gold_row(key: Key, one: Consensus, split: str) -> dict[str, object]:
    adjudicated = one.outcome is Outcome.ADJUDICATED
    source: Decision = one.adjudication or one.labels[0]
    return _row(source.label, key, split, adjudicated=adjudicated)


def _row(label: HumanLabel | None, key: Key, split: str, *, adjudicated: bool = False) -> dict[str, object]:
    if label is None:
        raise TypeError(key)
    values = (
        *key, split, label.role.value, [role.value for role in label.other_roles], label.polarity.value,
        label.basis.value if label.basis else None, label.evidence.text if label.evidence else "", adjudicated,
        label.note,
    )  # fmt: skip
    return dict(zip(_FIELDS, values, strict=True))


def _item(pair: Pair) -> dict[str, object]:
    """The pair as a row of an input table (JSONL), so that the item can be run again."""
    hub, work = pair
    dumped = work.model_dump(mode="json", exclude_defaults=True)
    ids = dumped.pop("ids", {})
    kept = {
        name: value for name, value in dumped.items() if name in CitingWork.model_fields and name not in _NOT_IN_A_TABLE
    }
    head: dict[str, object] = {"hub_id": hub.hub_id, "hub_title": hub.title, "hub_abstract": hub.abstract}
    return {**head, **kept, **ids}


_NOT_IN_A_TABLE = frozenset({"representative", "influential", "cocited"})


def _lines(path: Path) -> Iterable[tuple[int, dict[str, object]]]:
    return read_jsonl(path) if path.is_file() else ()


def _keys(path: Path) -> set[tuple[object, object]]:
    return {(row.get("hub_id"), row.get("citing_id")) for _, row in _lines(path)}


def _append(path: Path, rows: Iterable[dict[str, object]]) -> None:
    """The file with lines added, put in place in one step; what was there keeps its bytes."""
    before = path.read_bytes() if path.is_file() else b""
    if before and not before.endswith(b"\n"):
        before += b"\n"
    added = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    if not added:
        return
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    partial.write_bytes(before + added)
    partial.replace(path)
