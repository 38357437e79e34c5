"""Co-cited works: what the citing works cite together with the hub, the closer the heavier.

Weights follow the Citation Proximity Index (Gipp and Beel 2009): same sentence 1, same paragraph 1/2. Its next step,
the same chapter, 1/4, is used for the same paper, since chapters are not known here. A citing work counts once for
each co-cited work, at the closest place where both stand.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Literal

from classifier.naming import fold
from classifier.schema import CitedWork, CitingWork, CocitedWork, Record, WorkIds

Level = Literal["sentence", "paragraph", "paper"]
WEIGHTS: dict[Level, float] = {"sentence": 1.0, "paragraph": 0.5, "paper": 0.25}
"""Closest first."""


class Cocitation(Record):
    """One co-cited work: how many citing works name it with the hub, at which level, and the sum of weights."""

    title: str
    authors: tuple[str, ...] = ()
    year: int | None = None
    ids: WorkIds = WorkIds()
    weight: float
    sentence: int
    paragraph: int
    paper: int
    citing_ids: tuple[str, ...]


def cocited_works(cited: CitedWork, works: Iterable[CitingWork]) -> tuple[Cocitation, ...]:
    """Every work cited with the hub, heaviest first, then by title. Empty where the input names no co-cited works."""
    listed = list(works)
    names = _Names()
    for work in listed:
        for other in _others(work):
            names.join(_keys(other.title, other.ids))
    hub_names = {names.of(key) for key in _keys(cited.title, cited.ids)}
    seen: dict[str, CocitedWork] = {}
    closest: dict[str, dict[str, Level]] = {}
    for work in listed:
        for other in _others(work):
            keys = _keys(other.title, other.ids)
            if not keys or (name := names.of(keys[0])) in hub_names:
                continue
            seen[name] = _richer(seen.get(name), other)
            levels = closest.setdefault(name, {})
            levels[work.citing_id] = _closer(levels.get(work.citing_id), other.level)
    found = [_cocitation(seen[name], levels) for name, levels in closest.items()]
    return tuple(sorted(found, key=lambda c: (-c.weight, fold(c.title), c.title)))


class _Names:
    """Which keys name the same work: sets that are joined (union-find), each called by its first key."""

    def __init__(self) -> None:
        self._first: dict[str, str] = {}

    def of(self, key: str) -> str:
        while (first := self._first.get(key, key)) != key:
            key = first
        return key

    def join(self, keys: list[str]) -> None:
        for key in keys[1:]:
            name, other = self.of(keys[0]), self.of(key)
            if name != other:
                self._first[other] = name


def _others(work: CitingWork) -> Iterable[CocitedWork]:
    return (*(c for context in work.contexts for c in context.cocited), *work.cocited)


def _keys(title: str, ids: WorkIds) -> list[str]:
    """Every name a work goes by, identifiers before the title; two works with one in common are the same."""
    keys = [f"{kind}:{value.casefold()}" for kind, value in ids.model_dump(exclude_none=True).items() if kind != "url"]
    folded = fold(title)
    return [*keys, f"title:{folded}"] if folded else keys


def _richer(old: CocitedWork | None, new: CocitedWork) -> CocitedWork:
    if old is None:
        return new
    ids = WorkIds(**(new.ids.model_dump(exclude_none=True) | old.ids.model_dump(exclude_none=True)))
    title = old.title or new.title
    return old.model_copy(
        update={"title": title, "ids": ids, "authors": old.authors or new.authors, "year": old.year or new.year}
    )


def _closer(old: Level | None, new: Level) -> Level:
    return new if old is None or WEIGHTS[new] > WEIGHTS[old] else old


def _cocitation(work: CocitedWork, levels: dict[str, Level]) -> Cocitation:
    counts = Counter(levels.values())
    return Cocitation(
        title=work.title,
        authors=work.authors,
        year=work.year,
        ids=work.ids,
        weight=sum(WEIGHTS[level] * n for level, n in sorted(counts.items())),
        sentence=counts["sentence"],
        paragraph=counts["paragraph"],
        paper=counts["paper"],
        citing_ids=tuple(levels),
    )
