"""Scores of candidates on passages of corpora they never saw, and in domain; nothing named test is opened.

Leave one corpus out: a passage is scored by a model without any row of its family (the same papers or the same
annotation project). A corpus that is not in the training data at all is scored by the full model. Thresholds and
temperatures for a corpus are found without it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from classifier.training import calibration, matrices
from classifier.training.assertions import Scores, asserted, fixed, silver_polarity, whole_rows, whole_set
from classifier.training.calibration import Held
from classifier.training.corpora import HEADS, SILVER, Example
from classifier.training.files import HeadFit
from classifier.training.fitting import Floats
from classifier.training.matrices import Table
from classifier.training.train import (
    Settings,
    Shown,
    fit_head,
    rows_of,
    score,
    tune,
    tune_stances,
    usable,
)

ROLE_CORPORA = ("scicite", "acl-arc", "act", "sdcf", "focal")
POLARITY_CORPORA = ("athar", "clinical-sentiment", "kumpa-arxiv", "sdcf")
DRAWS = 1000
DIGITS = 6
"""Decimals of a calibration error that are kept: further ones differ between processors."""

ROLE_GROUPS = np.array([0, 0, 1, 1, 1, 2, 0])
"""Roles in three groups, as in the literature: motivation and future work are background, extension is use."""
POLARITY_GROUPS = np.array([0, 1, 2, 0])
"""Native sets have no mixed; a prediction of mixed counts as neutral there."""


class Result(NamedTuple):
    """Macro-F1 in percent with a bootstrap interval of 95 %, per-class F1, and how many rows."""

    macro: float
    low: float
    high: float
    classes: tuple[float, ...]
    rows: int


def macro_f1(truth: NDArray[np.int64], guess: NDArray[np.int64], classes: int) -> tuple[float, tuple[float, ...]]:
    """Macro-F1 and the F1 of each class, in percent; a class without truth and guess is left out of the mean."""
    f1: list[float] = []
    for k in range(classes):
        hit = int(((truth == k) & (guess == k)).sum())
        size = int((truth == k).sum() + (guess == k).sum())
        f1.append(200.0 * hit / size if size else float("nan"))
    return float(np.nanmean(f1)), tuple(f1)


def bootstrap(
    truth: NDArray[np.int64], guess: NDArray[np.int64], classes: int, seed: int = 0, scored: int | None = None
) -> Result:
    """Macro-F1 with a percentile interval over `DRAWS` resamples of the rows; only the first `scored` classes count."""
    pairs = np.bincount(truth * classes + guess, minlength=classes * classes)
    drawn = np.random.default_rng(seed).multinomial(len(truth), pairs / pairs.sum(), size=DRAWS)
    tables = drawn.reshape(DRAWS, classes, classes).astype(float)
    hits = np.einsum("nkk->nk", tables)[:, :scored]
    sizes = (tables.sum(axis=1) + tables.sum(axis=2))[:, :scored]
    with np.errstate(invalid="ignore", divide="ignore"):
        macros = np.nanmean(np.where(sizes > 0, 200.0 * hits / sizes, np.nan), axis=1)
    macro, f1 = macro_f1(truth, guess, scored or classes)
    low, high = np.percentile(macros, [2.5, 97.5])
    return Result(macro, float(low), float(high), f1, len(truth))


def shown(result: Mapping[str, float]) -> str:
    """Macro-F1 and its interval as they stand in every table: ``66.6 (65.4 to 67.7)``."""
    return f"{result['macro']:.1f} ({result['low']:.1f} to {result['high']:.1f})"


def average(results: Sequence[Result]) -> tuple[float, float, float]:
    """Mean of macro-F1 over corpora; the interval adds the corpora's half widths in quadrature."""
    mean = float(np.mean([r.macro for r in results]))
    half = float(np.sqrt(sum(((r.high - r.low) / 2) ** 2 for r in results))) / len(results)
    return mean, mean - half, mean + half


Fits = dict[tuple[str, str], HeadFit]
"""Linear heads by head and by the family left out."""


class Unseen:
    """Out-of-corpus probabilities for any corpus of `pool`, by models trained on `train_rows` of the table.

    fits: linear heads that are already fitted on these rows, and where those fitted here are added.
    """

    def __init__(
        self, table: Table, train_rows: NDArray[np.bool_], settings: Settings, fits: Fits | None = None
    ) -> None:
        self.table, self.settings = table, settings
        self.train = train_rows
        self._held: dict[str, Held] = {}
        self._watched: dict[str, Held] = {}
        self._tuned: dict[tuple[str, str], dict[str, float]] = {}
        self._fits: Fits = {} if fits is None else fits

    def held(self, head: str) -> Held:
        """Held-out scores of all training rows with this head (computed once)."""
        if head not in self._held:
            rows = self._rows(head)
            parts, order = [], []
            for family in np.unique(self.table.families[rows]):
                inside = rows[self.table.families[rows] == family]
                parts.append(score(self.table, inside, self._without(head, str(family)), head, self.settings))
                order.append(inside)
            kept = np.concatenate(order)
            self._held[head] = Held(np.concatenate(parts), self._allowed(kept, head), self.table.corpora[kept], kept)
        return self._held[head]

    def _without(self, head: str, family: str) -> HeadFit:
        """The head trained on all training rows but those of a family (computed once)."""
        rows = self._rows(head)
        kept = rows[self.table.families[rows] != family]
        key = (head, family if len(kept) < len(rows) else "")
        if key not in self._fits:
            self._fits[key] = fit_head(self.table, kept, head, self.settings)
        return self._fits[key]

    def scores(self, head: str, rows: NDArray[np.int64]) -> Scores:
        """Calibrated probabilities of `rows` (one family), the family left out of fit and tuning."""
        family = str(self.table.families[rows[0]])
        tuned = self.tuned(head, family)
        raw = score(self.table, rows, self._without(head, family), head, self.settings)
        return Scores(rows, calibration.probabilities(raw, tuned["temperature"]), tuned)

    def tuned(self, head: str, family: str) -> dict[str, float]:
        """Temperature and thresholds found without a family (computed once)."""
        key = (head, family)
        if key not in self._tuned:
            parts = [
                part.only(self.table.families[part.rows] != family) for part in (self.held(head), self.watched(head))
            ]
            seen = [Shown(self.table, part) for part in parts]
            found = tune(seen, HEADS[head], head, self.settings)
            if head == "polarity":
                found |= tune_stances(seen, found["temperature"], self.settings)
            self._tuned[key] = found
        return self._tuned[key]

    def watched(self, head: str) -> Held:
        """Labelled rows that are not trained on, scored by the model of all training rows: for tuning only."""
        if head not in self._watched:
            rows = rows_of(self.table, head)
            usual = np.array([usable(self.table.examples[i], everything=True) for i in rows], dtype=bool)
            rows = rows[~self.train[rows] & usual]
            raw = score(self.table, rows, self._without(head, ""), head, self.settings)
            self._watched[head] = Held(raw, self._allowed(rows, head), self.table.corpora[rows], rows)
        return self._watched[head]

    def _rows(self, head: str) -> NDArray[np.int64]:
        return rows_of(self.table, head)[self.train[rows_of(self.table, head)]]

    def _allowed(self, rows: NDArray[np.int64], head: str) -> NDArray[np.bool_]:
        return matrices.allowed_matrix([self.table.examples[i] for i in rows], head, HEADS[head])


def truth_of(examples: Sequence[Example], head: str, groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """The group each label falls in; -1 where it allows several."""
    values = HEADS[head]
    found = [{int(groups[values.index(v)]) for v in e.allowed.get(head, ())} for e in examples]
    return np.array([next(iter(f)) if len(f) == 1 else -1 for f in found])


def grouped(p: Floats, groups: NDArray[np.int64]) -> Floats:
    """Probabilities summed within groups [rows, groups]."""
    return np.stack([p[:, groups == k].sum(axis=1) for k in range(int(groups.max()) + 1)], axis=1)


def corpus_rows(table: Table, corpus: str, head: str, own: bool = False) -> NDArray[np.int64]:
    """Rows of a corpus with this head: its native labels, or (`own`) the silver labels on its passages."""
    silver = np.isin(table.corpora, SILVER) & (table.families == corpus)
    inside = silver if own else table.corpora == corpus
    rows = np.flatnonzero(inside)
    return rows[[head in table.examples[int(i)].allowed for i in rows]] if len(rows) else rows


def head_result(scores: Scores, table: Table, head: str, groups: NDArray[np.int64]) -> Result | None:
    """Macro-F1 over groups; None where no row has a single group."""
    truth = truth_of([table.examples[i] for i in scores.rows], head, groups)
    known = truth >= 0
    if not known.any():
        return None
    guess = grouped(scores.p, groups).argmax(axis=1)
    return bootstrap(truth[known], guess[known], int(groups.max()) + 1)


def sureness(scores: Scores, table: Table, head: str, groups: NDArray[np.int64]) -> calibration.Sureness:
    """How sure the model is of each row whose label is one group, and whether it is right."""
    truth = truth_of([table.examples[i] for i in scores.rows], head, groups)
    p = grouped(scores.p, groups)[truth >= 0]
    return calibration.Sureness(p.max(axis=1), p.argmax(axis=1) == truth[truth >= 0])


def candidate(
    table: Table,
    train_rows: NDArray[np.bool_],
    settings: Settings,
    fits: Fits | None = None,
    shipped: Mapping[str, Any] | None = None,
    sample: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """All out-of-corpus figures of one candidate, as plain data; `fits` as in `Unseen`.

    shipped: temperatures and thresholds of the shipped model; what is asserted is then counted with these as well, and
    over whole data sets. sample: silver polarity, by key, of passages drawn at random from those without a label.
    """
    unseen = Unseen(table, train_rows, settings, fits)
    labels = silver_polarity(table.examples)
    out: dict[str, Any] = {}
    for head, groups, natives in (
        ("role", ROLE_GROUPS, ROLE_CORPORA),
        ("polarity", POLARITY_GROUPS, POLARITY_CORPORA),
    ):
        owns = sorted({str(f) for f in table.families[(table.corpora == "silver")]})
        for kind, names in (("native", natives), ("own", owns)):
            found: dict[str, Any] = {}
            results: list[Result] = []
            sure: list[calibration.Sureness] = []
            for name in names:
                rows = corpus_rows(table, name, head, own=kind == "own")
                if len(rows) < 50:
                    continue
                scores = unseen.scores(head, rows)
                plain = scores.only(table.corpora[rows] != "silver-hard")
                result = head_result(plain, table, head, groups)
                if result is None:
                    continue
                results.append(result)
                sure.append(sureness(plain, table, head, groups))
                error = round(calibration.calibration_error(*sure[-1]), DIGITS)
                found[name] = result._asdict() | {"ece": error}
                if head == "polarity":
                    found[name] |= _stances(scores, table, settings, shipped)
                if head == "polarity" and kind == "own" and shipped is not None:
                    every = fixed(unseen.scores(head, whole_rows(table, name)), shipped)
                    found[name]["whole set"] = whole_set(every, table, settings, labels, sample or {})
            if results:
                mean, low, high = average(results)
                error = round(calibration.pooled_error(sure), DIGITS)
                found["mean"] = {"macro": mean, "low": low, "high": high, "ece": error}
            out[f"{head} {kind}"] = found
    return out


def _stances(
    scores: Scores, table: Table, settings: Settings, shipped: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Stances in the labels of `scores`; what is asserted by thresholds found without the set, and as shipped."""
    labels = [table.examples[i].allowed["polarity"] for i in scores.rows]
    found: dict[str, Any] = {
        "stances": sum("neutral" not in values for values in labels),
        "contrasting": sum(values == {"contrasting"} for values in labels),
        "asserted": {k: v._asdict() for k, v in asserted(scores, table, settings).items()},
        "thresholds": {k: v for k, v in scores.tuned.items() if k not in ("temperature", "floor")},
    }
    if shipped is not None:
        counted = asserted(fixed(scores, shipped), table, settings)
        found["asserted as shipped"] = {k: v._asdict() for k, v in counted.items()}
    return found
