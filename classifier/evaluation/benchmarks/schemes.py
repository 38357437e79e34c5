"""The mapping tables of ``mappings.toml``: which of a scheme's classes an answer of ours is."""

from __future__ import annotations

import tomllib
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from classifier.errors import InputError
from classifier.schema import STANCES, Basis, Label, Polarity, Prediction, Record, Role, Status

MAPPINGS = Path(__file__).with_name("mappings.toml")


class Published(Record):
    """A figure from the literature, in percent, on the authors' test split."""

    what: str
    macro_f1: float
    source: str


class Task(Record):
    """One thing that a data set measures. ``tradition`` says what its polarity counts, for roles it is ``None``."""

    name: str
    head: Literal["role", "polarity"]
    tradition: Literal["evidence", "sentiment"] | None = None
    gold_field: Literal["label", "polarity"] = "label"
    multi: bool = False
    protocol: str
    gold: dict[str, tuple[str, ...]]
    ours: dict[str, str]
    reasons: dict[str, str] = Field(default_factory=dict)
    published: tuple[Published, ...] = ()

    @model_validator(mode="after")
    def _known(self) -> Task:
        for ours, theirs in self.ours.items():
            value, _, basis = ours.partition("/")
            (Role if self.head == "role" else Polarity)(value)
            if basis:
                Basis(basis)
            if theirs not in self.gold:
                raise ValueError(f"{self.name}: {ours} is mapped to {theirs}, which is no class")
        return self

    @property
    def classes(self) -> tuple[str, ...]:
        """The scheme's classes in the order of every table."""
        return tuple(self.gold)

    def gold_classes(self, native: tuple[str, ...]) -> tuple[str, ...]:
        """The classes that a row's native labels mean, in table order; empty for a row that is not scored."""
        return tuple(name for name, labels in self.gold.items() if any(one in labels for one in native))

    def answer(self, prediction: Prediction) -> str | None:
        """The class of an answer; ``None`` for no answer and for a value the scheme has no class for.

        The schemes force a choice. Where the judge gives probabilities, those of our values are added up by class
        and the largest sum is the answer, also where the label itself was left ``unclear``.
        """
        if prediction.status is not Status.LABELLED or prediction.label is None:
            return None
        shares = (prediction.probabilities or {}).get(self.head)
        if not shares:
            return self._of_label(prediction.label)
        given = (prediction.probabilities or {}).get("basis", {})
        bases = {basis: given.get(basis, 0.0) for basis in (Basis.EVIDENCE, Basis.ASSESSMENT)}
        whole = sum(bases.values())
        sums: dict[str, float] = defaultdict(float)
        for value, share in shares.items():
            parts = bases.items() if value in STANCES and whole else [(prediction.label.basis, whole or 1.0)]
            for basis, part in parts:
                if (name := self._class(value, basis)) is not None:
                    sums[name] += share * part / (whole or 1.0)
        return max(sums, key=lambda name: sums[name], default=None)

    def answers(self, prediction: Prediction) -> tuple[str, ...]:
        """All classes of an answer in a scheme with several labels a row: the answer and the other roles."""
        first = self.answer(prediction)
        if first is None or prediction.label is None:
            return ()
        others = (self._class(role) for role in prediction.label.other_roles)
        return tuple(dict.fromkeys([first, *(name for name in others if name)]))

    def _of_label(self, label: Label) -> str | None:
        return self._class(label.role if self.head == "role" else label.polarity, label.basis)

    def _class(self, value: str, basis: str = "") -> str | None:
        return self.ours.get(f"{value}/{basis}", self.ours.get(str(value)))


class Dataset(Record):
    """A public data set: where to get it, which file is measured, and its tasks. ``family``: the same texts again."""

    name: str
    title: str
    where: str
    files: tuple[str, ...]
    aliases: tuple[str, ...] = ()
    family: tuple[str, ...] = ()
    task: tuple[Task, ...]

    @property
    def names(self) -> frozenset[str]:
        """All names under which a model card may list these texts."""
        return frozenset({self.name, *self.aliases, *self.family})


@cache
def datasets() -> dict[str, Dataset]:
    """All data sets by name, in the order of the mapping file."""
    tables = tomllib.loads(MAPPINGS.read_text(encoding="utf-8"))
    return {name: Dataset.model_validate({"name": name, **table}) for name, table in tables.items()}


def dataset(name: str) -> Dataset:
    """The data set of that name (``clinical`` and ``kumpa`` are short for theirs); ``InputError`` for others."""
    for one in datasets().values():
        if name in (one.name, *one.aliases, *(task.name for task in one.task)):
            return one
    raise InputError("unknown benchmark", value=name, do=f"known: {', '.join(datasets())}")
