"""Pairs of works by their titles, with the group of roles that the passages joining them show."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from classifier.training import corpora
from classifier.training.evaluate import ROLE_GROUPS

GROUPS = ("background", "uses", "compares")
"""Roles in three groups, in the order of `ROLE_GROUPS`."""
GROUP_OF = {role: int(group) for role, group in zip(corpora.ROLES, ROLE_GROUPS, strict=True)}


class TitlePair(NamedTuple):
    """Two works by their titles, the group of the label, and the roles of ours that the label allows."""

    cited: str
    citing: str
    truth: int
    allowed: frozenset[str]


def read_pairs(paths: Sequence[Path], labels: Mapping[str, str] | None = None) -> list[TitlePair]:
    """The pairs of all rows that have both titles; `labels` (role by row id) stand in for the native ones."""
    found: dict[tuple[str, str], list[frozenset[str]]] = defaultdict(list)
    titles: dict[tuple[str, str], tuple[str, str]] = {}
    for path in paths:
        for row in corpora.read_rows(path):
            cited, citing = (str(row.get(key) or "").strip() for key in ("cited_title", "citing_title"))
            native = corpora.to_example(row).allowed.get("role", frozenset())
            role = labels.get(str(row.get("id"))) if labels is not None else None
            allowed = native if labels is None else frozenset({role} if role in GROUP_OF else ())
            if cited and citing and len({GROUP_OF[r] for r in allowed}) == 1:
                key = (cited.lower(), citing.lower())
                titles.setdefault(key, (cited, citing))
                found[key].append(frozenset(str(r) for r in allowed))
    return [_merged(*titles[key], kept) for key, kept in found.items()]


def _merged(cited: str, citing: str, labels: Sequence[frozenset[str]]) -> TitlePair:
    counts = Counter(GROUP_OF[min(allowed)] for allowed in labels)
    truth = max(counts, key=lambda g: (g > 0, counts[g], -g))
    return TitlePair(cited, citing, truth, frozenset().union(*(a for a in labels if GROUP_OF[min(a)] == truth)))
