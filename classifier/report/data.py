"""What the page shows, as frozen models that are JSON-able; read from a run folder, which is not changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import Field

from classifier.claims import ClaimUse, claims_of, link_claims
from classifier.cocitation import Cocitation, cocited_works
from classifier.export.links import work_url
from classifier.hub_view import Tally
from classifier.outputs import Result
from classifier.report.shares import Corrected, Interval, read_corrected, wilson
from classifier.representatives import Representative, representative_works
from classifier.runs import HubRun, open_run
from classifier.schema import (
    STANCES,
    Basis,
    CitedWork,
    Claim,
    EvidenceSource,
    Pair,
    Polarity,
    Record,
    Role,
    Status,
)

MOST_WORKS = 20_000
"""Works listed on one page; more would open slowly in a browser. The counts are always of all."""


class Share(Record):
    """One row of a summary: count among the labelled works, share with interval, and the splits."""

    value: str
    count: int
    share: Interval | None
    corrected: Interval | None = None
    other: int = 0
    basis: dict[str, int] = Field(default_factory=dict)
    source: dict[str, int] = Field(default_factory=dict)


class RunFacts(Record):
    """Of the manifest what a reader of the page needs; every text is as in ``run.json``."""

    date: str
    judge: str
    model: str
    prompts: tuple[str, ...] = ()
    program: str
    input_name: str
    input_sha256: str
    spent: str
    notes: tuple[str, ...] = ()


class Coverage(Record):
    """How much of the hub is known; see ``hub_view.Tally``."""

    announced: int | None
    listed: int
    with_passage: int
    labelled: int
    abstained: int
    failed: int
    needs_review: int
    complete: bool


class PageData(Record):
    """Everything on the page but the entries of the explorer."""

    cited: CitedWork
    url: str | None
    run: RunFacts
    coverage: Coverage
    roles: tuple[Share, ...]
    polarities: tuple[Share, ...]
    years: dict[int, dict[str, int]]
    years_unknown: int
    claims: tuple[Claim, ...]
    claims_by: str
    claim_uses: tuple[ClaimUse, ...]
    cocited: tuple[Cocitation, ...]
    representatives: tuple[Representative, ...]
    corrected_method: str | None = None
    other_hubs: int = 0


class Gathered(NamedTuple):
    """The page's data and the results behind the explorer, at most ``MOST_WORKS``."""

    page: PageData
    results: tuple[Result, ...]
    hub: HubRun


def gather(run: Path, hub_id: str | None = None) -> Gathered:
    """What the page of one hub of ``run`` shows: ``hub_id``, or the run's first hub.

    Raises ``InputError`` where the folder holds no finished run or not that hub.
    """
    hub = open_run(run, hub_id)
    cited = hub.cited
    tally = _SplitTally(cited, hub.coverage["announced"], hub.coverage["listed"])
    listed: list[Result] = []
    for result in hub.results():
        tally.add(Pair(cited, result.citing), result.prediction)
        tally.split(result)
        if len(listed) < MOST_WORKS:
            listed.append(result)
    claims = claims_of(cited)
    corrected = read_corrected(run, cited.hub_id)
    page = PageData(
        cited=cited,
        url=work_url(cited.ids),
        run=_run_facts(hub.manifest),
        coverage=_coverage(tally, hub.complete),
        roles=tally.shares("role", corrected),
        polarities=tally.shares("polarity", corrected),
        years={year: dict(sorted(counts.items())) for year, counts in sorted(tally.years.items())},
        years_unknown=tally.status[Status.LABELLED] - sum(sum(c.values()) for c in tally.years.values()),
        claims=claims,
        claims_by=(hub.claims_by or "input") if cited.claims else "rule",
        claim_uses=link_claims(claims, listed, asked=bool(cited.claims)),
        cocited=cocited_works(cited, (result.citing for result in listed)),
        representatives=representative_works(listed),
        corrected_method=corrected.method if corrected else None,
        other_hubs=hub.other_hubs,
    )
    return Gathered(page, tuple(listed), hub)


class _SplitTally(Tally):
    """A tally that also splits each label by basis, evidence source and year."""

    def __init__(self, cited: CitedWork, announced: int | None, listed: int | None) -> None:
        super().__init__(cited, announced, listed)
        self.by_basis: Counter[tuple[str, str, Basis]] = Counter()
        self.by_source: Counter[tuple[str, str, EvidenceSource]] = Counter()
        self.years: dict[int, Counter[str]] = {}

    def split(self, result: Result) -> None:
        prediction, label = result.prediction, result.prediction.label
        if prediction.status is not Status.LABELLED or label is None:
            return
        for head, value in (("role", label.role.value), ("polarity", label.polarity.value)):
            self.by_basis[head, value, label.basis] += 1
            self.by_source[head, value, prediction.evidence_source] += 1
        if result.citing.year is not None:
            self.years.setdefault(result.citing.year, Counter())[label.polarity.value] += 1

    def shares(self, head: str, corrected: Corrected | None) -> tuple[Share, ...]:
        values: tuple[Role | Polarity, ...] = tuple(Role) if head == "role" else tuple(Polarity)
        total = self.status[Status.LABELLED]
        better = corrected.shares.get(head, {}) if corrected else {}
        return tuple(
            Share(
                value=value.value,
                count=(count := self.role[value] if isinstance(value, Role) else self.polarity[value]),
                share=wilson(count, total),
                corrected=better.get(value.value),
                other=self.other_roles[value] if isinstance(value, Role) else 0,
                basis={basis.value: self.by_basis[head, value.value, basis] for basis in Basis}
                if isinstance(value, Role) or value in STANCES
                else {},
                source={source.value: self.by_source[head, value.value, source] for source in EvidenceSource},
            )
            for value in values
        )


def _coverage(tally: Tally, complete: bool) -> Coverage:
    return Coverage(
        announced=tally.announced,
        listed=tally.listed,
        with_passage=tally.with_passage,
        labelled=tally.status[Status.LABELLED],
        abstained=tally.status[Status.ABSTAINED],
        failed=tally.status[Status.FAILED],
        needs_review=tally.needs_review,
        complete=complete,
    )


def _run_facts(manifest: dict[str, Any]) -> RunFacts:
    judge, program = manifest["judge"], manifest["program"]
    prompts = judge.get("prompts")
    served = judge.get("model_served")
    return RunFacts(
        date=str(manifest["finished"]),
        judge=str(judge["judge"]),
        model=f"{judge['model']}" + (f" (served as {served})" if served and served != judge["model"] else ""),
        prompts=tuple(f"{name} (sha256 {str(digest)[:12]})" for name, digest in sorted(prompts.items()))
        if isinstance(prompts, dict)
        else (),
        program=f"{program['name']} {program['version']}",
        input_name=str(manifest["input"].get("path", "")),
        input_sha256=str(manifest["input"].get("sha256", "")),
        spent=_spent(manifest.get("usage", {})),
        notes=tuple(_strings(judge.get("notes"))) + tuple(_strings(manifest.get("warnings"))),
    )


def _spent(usage: dict[str, object]) -> str:
    """Requests, tokens and the money they cost in words; without a known price that is said, and no sum is given."""
    number = {
        key: int(str(usage.get(key) or 0)) for key in ("requests", "cached", "prompt_tokens", "completion_tokens")
    }
    if not number["requests"] and not number["cached"]:
        return "no request: nothing was sent anywhere"
    dollars = usage.get("dollars")
    cost = "at a price not known here" if dollars is None else f"${float(str(dollars)):,.4f}"
    return (
        f"{number['requests']:,} requests, {number['cached']:,} answers from the store, "
        f"{number['prompt_tokens']:,} tokens in and {number['completion_tokens']:,} out, {cost}"
    )


def _strings(value: object) -> Iterator[str]:
    yield from (str(item) for item in value) if isinstance(value, list) else ()
