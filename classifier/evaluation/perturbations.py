"""Behavioural tests: a label must stay where only the surface changed and flip where the meaning did.

After CheckList (Ribeiro et al. 2020, ACL, section 2): ``same`` is its invariance test, ``changed`` its directional
expectation test. Both compare two answers of one run, so a pair whose original is mislabelled counts all the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal, Self

from pydantic import ValidationError, model_validator

from classifier.errors import InputError
from classifier.evaluation.align import predicted_value
from classifier.evaluation.gold import FIELDS, Key, read_jsonl
from classifier.evaluation.intervals import Estimate
from classifier.evaluation.prevalence import wilson
from classifier.evaluation.report import columns, interval
from classifier.evaluation.runs import Run
from classifier.schema import Prediction, Record, Status

MISSING = "missing"


class Expectation(Record):
    """What must become of the label of ``original`` when it is perturbed into ``citing_id``; ``to`` where it flips."""

    hub_id: str
    citing_id: str
    original: str
    perturbation: str
    expect: Literal["same", "changed"]
    field: Literal["role", "polarity", "both"]
    to: str | None = None
    why: str

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.citing_id == self.original:
            raise ValueError("a perturbed item needs a citing_id of its own")
        if self.to is not None and (self.expect == "same" or self.to not in FIELDS.get(self.field, ())):
            raise ValueError(f"`to` goes with `changed` and a value of role or polarity, got {self.to!r}")
        return self

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that are looked at."""
        return ("role", "polarity") if self.field == "both" else (self.field,)


class Outcome(Record):
    """One pair: its states and values before and after; ``met`` is ``None`` unless both items were labelled."""

    expected: Expectation
    states: tuple[str, str]
    before: tuple[str | None, ...]
    after: tuple[str | None, ...]
    reasons: tuple[str, ...] = ()
    met: bool | None


class Tally(Record):
    """One perturbation: rates with 95 % Wilson intervals; over all pairs, one without two labels is not as expected."""

    perturbation: str
    expect: str
    pairs: int
    met: int
    not_met: int
    abstained: int
    failed: int
    missing: int
    of_all: Estimate
    of_answered: Estimate


def read_expectations(path: Path) -> tuple[Expectation, ...]:
    """The expectations of a JSONL file; ``InputError`` for a line that is none, an item twice, and an empty file."""
    if not path.is_file():
        raise InputError("no such file", path=path, do="give it with --expect; it lies in the sources")
    found: dict[Key, Expectation] = {}
    for line, row in read_jsonl(path):
        try:
            one = Expectation.model_validate(row)
        except ValidationError as error:
            first = error.errors()[0]
            column = str(first["loc"][0]) if first["loc"] else None
            raise InputError(first["msg"], path=path, line=line, column=column) from error
        key = (one.hub_id, one.citing_id)
        if key in found:
            raise InputError("this item has two expectations", path=path, line=line, value=key, do="keep one")
        found[key] = one
    if not found:
        raise InputError("nothing to score: no expectations", path=path)
    return tuple(found.values())


def judge_pairs(run: Run, expectations: Iterable[Expectation]) -> tuple[Outcome, ...]:
    """Every expected pair with what the run made of it; ``InputError`` where no pair is labelled on both sides."""
    outcomes = tuple(_outcome(run, one) for one in expectations)
    if all(MISSING in one.states for one in outcomes):
        raise InputError(
            f"nothing to score: none of the {len(outcomes)} pairs is among the {len(run.predictions)} predictions",
            path=run.path,
            do="run `classify run` over the items.jsonl that lies beside the expectations",
        )
    if all(one.met is None for one in outcomes):
        counts = Counter(_worst(one) for one in outcomes)
        raise InputError(
            f"nothing to score: none of the {len(outcomes)} pairs is labelled on both sides "
            f"(abstained {counts['abstained']}, failed {counts['failed']}, missing {counts[MISSING]})",
            path=run.path,
        )
    return outcomes


def _outcome(run: Run, expected: Expectation) -> Outcome:
    pair = [run.predictions.get((expected.hub_id, one)) for one in (expected.original, expected.citing_id)]
    before, after = (tuple(predicted_value(one, field) for field in expected.fields) for one in pair)
    states = tuple(str(one.status) if one else MISSING for one in pair)
    met = _as_expected(expected, before, after) if set(states) == {Status.LABELLED} else None
    reasons = tuple(dict.fromkeys(filter(None, map(_failure, pair))))
    return Outcome(
        expected=expected, states=(states[0], states[1]), before=before, after=after, reasons=reasons, met=met
    )


def _failure(prediction: Prediction | None) -> str | None:
    return prediction.failure if prediction else None


def _as_expected(expected: Expectation, before: tuple[str | None, ...], after: tuple[str | None, ...]) -> bool:
    if expected.expect == "same":
        return before == after
    return before != after and (expected.to is None or expected.to in after)


def tally(outcomes: Sequence[Outcome]) -> tuple[Tally, ...]:
    """The counts and rates of each perturbation and what it expects, in order of first appearance."""
    groups: dict[tuple[str, str], list[Outcome]] = {}
    for one in outcomes:
        groups.setdefault((one.expected.perturbation, one.expected.expect), []).append(one)
    return tuple(_tally(*names, group) for names, group in groups.items())


def _tally(perturbation: str, expect: str, group: Sequence[Outcome]) -> Tally:
    answers = [one.met for one in group]
    met, not_met = answers.count(True), answers.count(False)
    worst = [_worst(one) for one in group]
    return Tally(
        perturbation=perturbation,
        expect=expect,
        pairs=len(group),
        met=met,
        not_met=not_met,
        abstained=worst.count("abstained"),
        failed=worst.count("failed"),
        missing=worst.count(MISSING),
        of_all=_rate(met, len(group)),
        of_answered=_rate(met, met + not_met),
    )


def _worst(one: Outcome) -> str:
    """The state a pair counts under, once: the worse of its two."""
    return next(state for state in (MISSING, "failed", "abstained", "labelled") if state in one.states)


def _rate(count: int, n: int) -> Estimate:
    if n == 0:
        return Estimate(value=None, low=None, high=None)
    low, high = wilson(count, n)
    return Estimate(value=count / n, low=low, high=high)


def text(run: Run, outcomes: Sequence[Outcome]) -> str:
    """The table by perturbation, then every pair that is not as expected or has no two labels; ends in a newline."""
    tallies = tally(outcomes)
    labelled = sum(one.met is not None for one in outcomes)
    head = ("perturbation", "must", "pairs", "as expected", "not", "abstained", "failed", "missing", "all", "answered")
    rows = [list(head)]
    for t in tallies:
        must = "stay" if t.expect == "same" else "flip"
        counts = (t.pairs, t.met, t.not_met, t.abstained, t.failed, t.missing)
        rows.append([t.perturbation, must, *map(str, counts), interval(t.of_all, 2), interval(t.of_answered, 2)])
    lines = [f"{run.name}: {labelled} of {len(outcomes)} pairs labelled on both sides", *columns(rows)]
    lines.append("Share as expected, of all pairs and of those labelled on both sides; 95 % Wilson intervals.")
    lines += _answer_lines(run, outcomes)
    for title, kept in (("Not as expected", False), ("Without two labels", None)):
        listed = [one for one in outcomes if one.met is kept]
        lines += ["", f"{title}: {len(listed)}"] if listed else []
        lines += [f"  {_line(one)}" for one in listed]
    return "\n".join(lines) + "\n"


def _answer_lines(run: Run, outcomes: Sequence[Outcome]) -> list[str]:
    """How often each value was given: a judge that always says the same passes every test of staying."""
    keys = {(e.hub_id, one) for e in (outcome.expected for outcome in outcomes) for one in (e.original, e.citing_id)}
    found = [prediction for key in keys if (prediction := run.predictions.get(key))]
    lines = []
    for field in ("role", "polarity"):
        given = Counter(value for one in found if (value := predicted_value(one, field)))
        shown = ", ".join(f"{value} {given[value]}" for value in FIELDS[field] if given[value])
        lines.append(f"Answers, {field}: {shown or 'none'}")
        if len(given) == 1:
            lines[-1] += f"; it never varies, so that {field} stays says nothing"
    return lines


def _line(one: Outcome) -> str:
    wanted = one.expected
    if one.met is None:
        reasons = "".join(f" ({' '.join(reason.split())})" for reason in one.reasons)
        return f"{wanted.citing_id}: original {one.states[0]}, perturbed {one.states[1]}{reasons}"
    before, after = ("/".join(map(str, values)) for values in (one.before, one.after))
    must = "must stay" if wanted.expect == "same" else f"must flip{f' to {wanted.to}' if wanted.to else ''}"
    return f"{wanted.citing_id}: {before} -> {after}, {must}: {wanted.why}"
