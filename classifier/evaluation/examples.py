"""The nearest labelled examples for a prompt: every user draws the lines elsewhere, and examples show where.

Nearest by cosine of TF-IDF weights (words and word pairs), taken in turn from each class so that rare ones are seen.
Nothing leaks: the same passage, near-duplicates of it, and passages of the same citing work are left out.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from classifier.errors import InputError
from classifier.evaluation.extras import load
from classifier.evaluation.gold import GoldItem, read_gold, read_jsonl, rows_of
from classifier.evidence import Task
from classifier.prompting import NOT_LABELLED, Shot
from classifier.schema import MENTION, EvidenceSource

SHINGLE = 5
"""Words in a run; passages that share half of the shorter one's runs are the same text, edited."""

SAME_TEXT = 0.5

_NORMALISED: dict[str, dict[str, dict[str, str]]] = {
    "role": {
        "uses": {"role": "uses_method or uses_data"},
        "uses_dataset": {"role": "uses_data"},
    },
    "polarity": {
        "supports": {"polarity": "supporting"},
        "critical": {"polarity": "contrasting"},
        "contrast": {"polarity": "neutral", "basis": "none"},
        "neutral": {"polarity": "neutral", "basis": "none"},
    },
}
"""How the coarser labels of the normalised public data sets are worded; other values are ours already."""


class Example(NamedTuple):
    """One labelled passage. ``works`` are names of the citing work: id, title, document."""

    shot: Shot
    works: frozenset[str]
    shingles: frozenset[str]
    passages: bool

    @property
    def kind(self) -> tuple[str, str, str]:
        """The label as shown: what the choice is balanced over."""
        return self.shot.role, self.shot.polarity, self.shot.basis


class NearestExamples:
    """Gives the ``shots`` nearest examples of a task: callable as the openai judge's ``examples``. Deterministic."""

    def __init__(self, examples: Sequence[Example], shots: int) -> None:
        if shots < 1:
            raise InputError("--shots must be 1 or more", value=shots)
        self.examples, self.shots = tuple(examples), shots
        text = load("sklearn.feature_extraction.text")
        self._weights = text.TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
        self._index = self._weights.fit_transform(plain(example.shot.text) for example in self.examples)

    @property
    def sha256(self) -> str:
        """Names the examples and their number: another file or another ``shots`` is another experiment."""
        digest = hashlib.sha256(str(self.shots).encode())
        for example in self.examples:
            digest.update(example.shot.model_dump_json().encode())
        return digest.hexdigest()

    def __call__(self, task: Task) -> tuple[Shot, ...]:
        """The nearest examples, nearest last, next to the item; fewer where not enough may be shown."""
        asked = " ".join(passage.text for passage in task.passages)
        passages = task.source is EvidenceSource.CONTEXT
        works, runs = _works_of(task), shingles(asked)
        near = np.asarray((self._index @ self._weights.transform([plain(asked)]).T).todense()).ravel()
        order = np.lexsort((np.arange(len(near)), -np.round(near, 9)))
        by_kind: dict[tuple[str, str, str], list[int]] = {}
        for i in order:
            example = self.examples[i]
            if example.passages == passages and not example.works & works and not same_text(example.shingles, runs):
                by_kind.setdefault(example.kind, []).append(int(i))
        chosen: list[int] = []
        for turn in range(self.shots):
            chosen += [members[turn] for members in by_kind.values() if turn < len(members)]
        kept = sorted(chosen[: self.shots], key=lambda i: (near[i], -i))
        return tuple(self.examples[i].shot for i in kept)


def plain(text: str) -> str:
    """The text as it is compared: lower case, every mention of the hub the same word."""
    return MENTION.sub(" citation ", text).casefold()


def shingles(text: str) -> frozenset[str]:
    """All runs of ``SHINGLE`` words of the text without mentions; a shorter text is one run."""
    words = re.findall(r"\w+", MENTION.sub(" ", text).casefold())
    if len(words) <= SHINGLE:
        return frozenset({" ".join(words)}) if words else frozenset()
    return frozenset(" ".join(words[i : i + SHINGLE]) for i in range(len(words) - SHINGLE + 1))


def same_text(one: frozenset[str], other: frozenset[str]) -> bool:
    """Whether half of the shorter text's word runs stand in the other (Broder 1997, containment)."""
    return bool(one and other) and len(one & other) >= SAME_TEXT * min(len(one), len(other))


def read_examples(path: Path, shots: int) -> NearestExamples:
    """Examples of a gold folder (with ``items.jsonl``; its test split is never shown) or of a JSONL or CSV file.

    A row of a file has ``text`` and one of ``role``, ``polarity``; further ``basis``, ``citing_id``,
    ``citing_title``. Rows of the normalised public data sets are taken too. ``InputError`` for other rows.
    """
    found = list(_of_gold(path) if path.is_dir() else _of_file(path))
    if not found:
        raise InputError("no labelled examples", path=path, do="rows need `text` and `role` or `polarity`")
    return NearestExamples(found, shots)


def _of_gold(folder: Path) -> Iterator[Example]:
    items = folder / "items.jsonl"
    if not items.is_file():
        raise InputError("a gold folder without items.jsonl has no texts to show", path=folder)
    labels = {item.key: item for item in read_gold(folder).items if item.split != "test"}
    for _, row in read_jsonl(items):
        label = labels.get((str(row.get("hub_id")), str(row.get("citing_id"))))
        if label is None:
            continue
        contexts = row.get("contexts") or []
        parts = [" ".join(str(c.get(k) or "") for k in ("before", "text", "after")).strip() for c in contexts]
        text = (
            " ".join(part for part in parts if part) or f"{row.get('summary') or ''} {row.get('title') or ''}".strip()
        )
        if text:
            yield _example(text, _stated(label), row, passages=bool(contexts))


def _stated(label: GoldItem) -> dict[str, str]:
    return {name: value for name in ("role", "polarity", "basis") if (value := label.value(name)) is not None}


def _of_file(path: Path) -> Iterator[Example]:
    for line, row in rows_of(path):
        text = str(row.get("text") or "")
        if not text or not (row.get("role") or row.get("polarity")):
            if "dataset" in row and text:
                continue  # a row of a public set whose label says nothing in our terms
            raise InputError("no text, or neither role nor polarity", path=path, line=line, value=sorted(row))
        if str(row.get("split")) != "test":
            yield _example(text, _worded(row), row, passages=True)


def _worded(row: dict[str, Any]) -> dict[str, str]:
    stated: dict[str, str] = {}
    for name in ("role", "polarity", "basis"):
        value = str(row.get(name) or "")
        if value:
            stated |= _NORMALISED.get(name, {}).get(value, {name: value})
    return stated


def _example(text: str, stated: dict[str, str], row: dict[str, Any], *, passages: bool) -> Example:
    names = (row.get("citing_id") or row.get("id"), row.get("citing_title") or row.get("title"), row.get("citing"))
    works = frozenset(_name(str(name)) for name in names if name)
    if "dataset" in row:
        works |= {_name(work_in(str(row.get("id"))))}
    shot = Shot(text=text, **{name: stated.get(name, NOT_LABELLED) for name in ("role", "polarity", "basis")})
    return Example(shot, works, shingles(text), passages)


def work_in(key: str) -> str:
    """The citing work that a row id of a public set begins with (``W06-2933_16``, ``a>b_0``), else the id itself."""
    return re.split(r">|_", key, maxsplit=1)[0]


def _works_of(task: Task) -> frozenset[str]:
    work = task.pair.citing
    ids = [value for value in work.ids.model_dump().values() if value]
    documents = [context.source_id for context in work.contexts]
    return frozenset(_name(str(name)) for name in (work.citing_id, work.title, *ids, *documents) if name)


def _name(name: str) -> str:
    return " ".join(re.findall(r"\w+", name.casefold()))
