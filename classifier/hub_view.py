"""Counting: coverage first, then roles and polarities, for one hub or a whole run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from classifier.schema import STANCES, Basis, CitedWork, EvidenceSource, Pair, Polarity, Prediction, Role, Status

MAX_REASONS = 1000
OTHER_REASONS = "(other reasons, in predictions.csv)"
"""So many different reasons of failure are counted singly, the others together: memory is bounded."""


class Tally:
    """Counts of one hub, one prediction at a time; memory does not grow with the number of works.

    ``announced`` and ``listed``: citing works that the source says there are, and that it lists. ``taken``: works
    counted here, fewer than ``listed`` after ``--limit`` or an interruption.
    """

    def __init__(self, cited: CitedWork, announced: int | None = None, listed: int | None = None) -> None:
        self.cited, self.announced, self._listed = cited, announced, listed
        self.taken = self.with_passage = self.needs_review = 0
        self.claims_by_judge = False
        self.status: Counter[Status] = Counter()
        self.role: Counter[Role] = Counter()
        self.other_roles: Counter[Role] = Counter()
        self.polarity: Counter[Polarity] = Counter()
        self.stance: Counter[tuple[Polarity, Basis]] = Counter()
        self.source: Counter[EvidenceSource] = Counter()
        self.failures: Counter[str] = Counter()

    @property
    def listed(self) -> int:
        """How many citing works the source lists; those that were taken where it was not asked."""
        return self.taken if self._listed is None else self._listed

    def add(self, pair: Pair, prediction: Prediction) -> None:
        """Count one work. Only labelled works enter the role and polarity counts."""
        self.taken += 1
        self.with_passage += any(context.text.strip() for context in pair.citing.contexts)
        self.status[prediction.status] += 1
        self.source[prediction.evidence_source] += 1
        self.needs_review += prediction.needs_review
        if prediction.failure:
            known = prediction.failure in self.failures or len(self.failures) < MAX_REASONS
            self.failures[prediction.failure if known else OTHER_REASONS] += 1
        label = prediction.label
        if prediction.status is not Status.LABELLED or label is None:
            return
        self.role[label.role] += 1
        for role in label.other_roles:
            self.other_roles[role] += 1
        self.polarity[label.polarity] += 1
        if label.polarity in STANCES:
            self.stance[label.polarity, label.basis] += 1

    def read_claims(self, cited: CitedWork) -> None:
        """Take over the claims that the judge found, where it found any."""
        self.claims_by_judge = cited.claims != self.cited.claims
        self.cited = cited

    def summary(self) -> dict[str, object]:
        """The counts as JSON: coverage, roles, polarities, stances by basis, evidence sources, failures."""
        return {
            "hub": self.cited.model_dump(mode="json", exclude_defaults=True),
            **({"claims_by": "judge"} if self.claims_by_judge else {}),
            "coverage": {
                "announced": self.announced,
                "listed": self.listed,
                "with_passage": self.with_passage,
                **{status.value: self.status[status] for status in Status},
                "needs_review": self.needs_review,
            },
            "role": {role.value: self.role[role] for role in Role},
            "other_roles": {role.value: self.other_roles[role] for role in Role if self.other_roles[role]},
            "polarity": {polarity.value: self.polarity[polarity] for polarity in Polarity},
            "stance_by_basis": {
                polarity.value: {b.value: self.stance[polarity, b] for b in (Basis.EVIDENCE, Basis.ASSESSMENT)}
                for polarity in Polarity
                if polarity in STANCES
            },
            "evidence_source": {source.value: self.source[source] for source in EvidenceSource},
            "failures": dict(self.failures.most_common()),
        }


class HubTallies:
    """One ``Tally`` a hub, in order of appearance."""

    def __init__(self, announced: int | None = None, listed: Mapping[str, int] | None = None) -> None:
        self._announced, self._listed = announced, listed or {}
        self._by_hub: dict[str, Tally] = {}

    def add(self, pair: Pair, prediction: Prediction) -> None:
        """Count one work under its hub."""
        tally = self._by_hub.get(pair.cited.hub_id)
        if tally is None:
            listed = self._listed.get(pair.cited.hub_id)
            tally = self._by_hub[pair.cited.hub_id] = Tally(pair.cited, self._announced, listed)
        tally.add(pair, prediction)

    def __iter__(self) -> Iterator[Tally]:
        return iter(self._by_hub.values())

    def total(self) -> Counter[Status]:
        """Works by status over all hubs."""
        return sum((tally.status for tally in self._by_hub.values()), Counter())
