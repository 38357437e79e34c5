"""What a candidate asserts at its thresholds: against labels, over whole data sets, at the rates of citations at large.

Silver labels cover a data set only in part, but nearly every passage of which the networks assert a stance has one (the
`hard` ones were drawn for that). So the precision of what is asserted over a whole set, at its own share of stances, is
known; the stances that are there are estimated from labels and from a random sample of the passages without one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from classifier.evaluation.intervals import RESAMPLES
from classifier.judges.local.stances import GATES
from classifier.training import calibration, matrices
from classifier.training.corpora import POLARITIES, SILVER, Example
from classifier.training.fitting import Floats
from classifier.training.matrices import Table
from classifier.training.train import Settings, kinds_of, usable

KINDS = tuple(f"{polarity}/{how}" for polarity in POLARITIES[1:] for how in ("told", "implied"))
"""Kinds of stance with the encoder: told by a pattern of words, or implied."""
RATES = {"supporting": 0.035, "contrasting": 0.007}
"""Shares of a random sample of citation statements, as the notes on the public data sets give them."""
_TRUTH = {"supporting": "supporting", "contrasting": "contrasting", "mixed": "contrasting"}


class Scores(NamedTuple):
    """Probabilities [rows, values] for `rows` of a table, and the thresholds that apply to them."""

    rows: NDArray[np.int64]
    p: Floats
    tuned: dict[str, float]

    def only(self, kept: NDArray[np.bool_]) -> Scores:
        """Some of the rows."""
        return Scores(self.rows[kept], self.p[kept], self.tuned)


class Asserted(NamedTuple):
    """Asserted stances of one kind: how many in how many rows, how many right."""

    rows: int
    asserted: int
    right: int
    neutral_given: int
    neutral_right: int


def fixed(scores: Scores, shipped: Mapping[str, Any]) -> Scores:
    """The scores at the shipped model's temperature for polarity, with its thresholds: for what it asserts."""
    logits = np.log(np.maximum(scores.p, 1e-300)) * scores.tuned["temperature"]
    p = calibration.probabilities(logits, shipped["temperature"]["polarity"])
    return Scores(scores.rows, p, dict(shipped["thresholds"]))


def _limits(scores: Scores, settings: Settings) -> dict[str, float]:
    """The threshold of each kind of stance."""
    if settings.blend:
        return {kind: scores.tuned[kind.split("/")[1]] for kind in KINDS}
    return {kind: scores.tuned[kind] for kind in GATES}


def kinds_asserted(scores: Scores, table: Table, settings: Settings) -> NDArray[np.str_]:
    """The kind of stance that is asserted of each row, "" for none."""
    kinds = np.array(kinds_of(table, scores.rows, scores.p.argmax(axis=1), settings), dtype="U32")
    limits = _limits(scores, settings)
    sure = scores.p.max(axis=1) >= np.array([limits.get(k, calibration.NEVER) for k in kinds.tolist()])
    return np.where(sure, kinds, "")


def asserted(scores: Scores, table: Table, settings: Settings) -> dict[str, Asserted]:
    """What is asserted at the thresholds, against the label, by kind of stance (as in `kinds_of`)."""
    best = scores.p.argmax(axis=1)
    allowed = matrices.allowed_matrix([table.examples[i] for i in scores.rows], "polarity", POLARITIES)
    hit = allowed[np.arange(len(best)), best]
    given = kinds_asserted(scores, table, settings)
    neutral = (best == 0) & (scores.p.max(axis=1) >= scores.tuned["neutral"])
    out: dict[str, Asserted] = {}
    for kind in _limits(scores, settings):
        sure = given == kind
        counts = (int(sure.sum()), int((sure & hit).sum()), int(neutral.sum()), int((neutral & hit).sum()))
        out[kind] = Asserted(len(best), *counts)
    return out


def silver_polarity(examples: Iterable[Example]) -> dict[str, str]:
    """The silver polarity of passages by the key of the passage; `unclear` where the label takes no polarity."""
    return {
        e.key.removeprefix("silver:"): next(iter(e.allowed.get("polarity", ("unclear",))))
        for e in examples
        if e.corpus in SILVER
    }


def whole_rows(table: Table, corpus: str) -> NDArray[np.int64]:
    """All passages of a data set but those of parts that are held back."""
    kept = [e.corpus == corpus and usable(e, everything=True) for e in table.examples]
    return np.flatnonzero(np.array(kept, dtype=bool))


def whole_set(
    scores: Scores, table: Table, settings: Settings, labels: Mapping[str, str], sample: Mapping[str, str]
) -> dict[str, Any]:
    """What is asserted over a whole data set (`scores` of its `whole_rows`), as plain data.

    labels: silver polarity by key; sample: of passages without a label, drawn at random. `counts`: by asserted value
    ("" for none), then by silver label ("" for none), the passages. `sampled`: the labels of the sample.
    """
    given = [kind.split("/")[0] for kind in kinds_asserted(scores, table, settings).tolist()]
    keys = [table.examples[i].key for i in scores.rows]
    counts: dict[str, dict[str, int]] = {value: {} for value in ("", *POLARITIES[1:])}
    sampled: dict[str, int] = {}
    for key, value in zip(keys, given, strict=True):
        label = labels.get(key, sample.get(key, "") if value else "")
        counts[value][label] = counts[value].get(label, 0) + 1
        if key not in labels and key in sample:
            sampled[sample[key]] = sampled.get(sample[key], 0) + 1
    return {"counts": counts, "sampled": sampled}


def by_truth(found: Mapping[str, Any]) -> dict[str, Floats]:
    """Passages of a whole set [supporting asserted, contrasting asserted, neither], by what they are.

    What they are: supporting, contrasting (mixed among them), or "" for neither. Passages without a label are shared
    out as the sample was; where it is empty, and where a stance is asserted, they count as neither.
    """
    counts, sampled = found["counts"], found["sampled"]
    out = {truth: np.zeros(3) for truth in (*RATES, "")}
    for at, values in enumerate((("supporting",), ("contrasting",), ("mixed", ""))):
        for label, n in [pair for value in values for pair in counts[value].items()]:
            out[_TRUTH.get(label, "")][at] += n
    for label, n in sampled.items():
        moved = counts[""].get("", 0) * n / sum(sampled.values())
        out[""][2] -= moved
        out[_TRUTH.get(label, "")][2] += moved
    return out


def at_rates(counts: Mapping[str, Floats]) -> dict[str, tuple[float, float, float]]:
    """Of the stances that would be asserted where stances come at `RATES`, the share that is right, by value.

    counts: as of `by_truth`. Bayes' rule on the shares asserted of each kind of passage; the percentile interval of
    95 % is over `RESAMPLES` resamples of the passages. `mixed` passages are contrasting here. A value that is never
    asserted is left out.
    """
    prior = {**RATES, "": 1 - sum(RATES.values())}
    rng = np.random.default_rng(0)
    shares = {t: c / max(c.sum(), 1) for t, c in counts.items()}
    drawn = {t: rng.multinomial(round(c.sum()), shares[t], size=RESAMPLES).astype(float) for t, c in counts.items()}
    out: dict[str, tuple[float, float, float]] = {}
    for at, value in enumerate(RATES):
        hits, every = (
            {t: prior[t] * rows[..., at] / np.maximum(rows.sum(axis=-1), 1) for t, rows in source.items()}
            for source in (counts, drawn)
        )
        if sum(hits.values()) == 0:
            continue
        with np.errstate(invalid="ignore"):
            low, high = np.nanpercentile(every[value] / sum(every.values()), [2.5, 97.5])
        out[value] = (float(hits[value] / sum(hits.values())), float(low), float(high))
    return out
