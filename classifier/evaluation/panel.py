"""How far several judges of one run agree, counted while it runs; memory grows with the hubs, not with the works."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import combinations

import numpy as np

from classifier.evaluation.agreement import PairAgreement, cell_agreement
from classifier.evaluation.gold import FIELDS
from classifier.evaluation.intervals import Estimate
from classifier.judges.panel import FIELDS as COMPARED
from classifier.schema import EvidenceSource, Prediction, Status


class PanelAgreement:
    """Implements :class:`classifier.running.Agreement`: counts of pairs of labels, by pair of judges and by hub.

    Works without any text count nowhere: no judge reads them, and all would agree on them.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self.unlabelled: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self._hubs: dict[str, int] = {}
        self._counts: dict[tuple[int, int, str], Counter[tuple[int, int]]] = {
            (i, j, field): Counter() for i, j in combinations(range(len(names)), 2) for field in COMPARED
        }
        self._places = {field: {value: at for at, value in enumerate(FIELDS[field])} for field in COMPARED}

    def add(self, prediction: Prediction) -> None:
        """Count one work with what every judge said of it."""
        if prediction.evidence_source is EvidenceSource.NONE:
            return
        said = (prediction, *(prediction.others or ()))
        labels = [one.label if one.status is Status.LABELLED else None for one in said]
        self.unlabelled.update(n for n, label in zip(self.names, labels, strict=True) if label is None)
        self.failed.update(n for n, one in zip(self.names, said, strict=True) if one.status is Status.FAILED)
        hub = self._hubs.setdefault(prediction.hub_id, len(self._hubs))
        for (i, j, field), counts in self._counts.items():
            first, second = labels[i], labels[j]
            if first is not None and second is not None:
                place = self._places[field]
                cell = place[getattr(first, field)] * len(place) + place[getattr(second, field)]
                counts[hub, cell] += 1

    def found(self) -> list[tuple[str, PairAgreement]]:
        """Field and agreement of each pair of judges on the works that both labelled, with bootstrap intervals."""
        results = []
        for (i, j, field), counts in self._counts.items():
            first, second = self.names[i], self.names[j]
            ordered = sorted(counts.items())
            times = np.array([count for _, count in ordered], dtype=np.int64)
            cells = np.repeat(np.array([cell for (_, cell), _ in ordered], dtype=np.int64), times)
            hubs = np.repeat(np.array([hub for (hub, _), _ in ordered], dtype=np.int64), times)
            results.append((field, cell_agreement(first, second, cells, hubs, len(FIELDS[field]))))
        return results

    def summary(self) -> list[dict[str, object]]:
        """The same as JSON, as it stands in ``summary.json``."""
        return [{"field": field, **found.model_dump(mode="json")} for field, found in self.found()]

    def lines(self) -> list[str]:
        """The same for a person: one line a pair of judges, and what a judge did not label."""
        found: dict[tuple[str, str], list[str]] = {}
        for field, one in self.found():
            head = found.setdefault((one.first, one.second), [f"on {one.n} works that both labelled"])
            if one.n:
                head.append(f"{field} {_share(one.accuracy)}, kappa {_number(one.cohen_kappa)}")
        lines = [f"agreement of {a} and {b}, {'; '.join(parts)}" for (a, b), parts in found.items()]
        return lines + [f"{name} gave no label on {count} works" for name, count in self.unlabelled.items()]


def _share(one: Estimate) -> str:
    if one.value is None:
        return "-"
    interval = "" if one.low is None or one.high is None else f" ({one.low:.1%} to {one.high:.1%})"
    return f"{one.value:.1%}{interval}"


def _number(one: Estimate) -> str:
    if one.value is None:
        return "not defined"
    interval = "" if one.low is None or one.high is None else f" ({one.low:.2f} to {one.high:.2f})"
    return f"{one.value:.2f}{interval}"
