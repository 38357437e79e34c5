"""Train the embedded judge's model files from the data a user supplies: one function, the same bytes every time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from classifier.errors import InputError
from classifier.judges.local import stances
from classifier.training import blending, calibration, corpora, fitting, matrices
from classifier.training.calibration import Held
from classifier.training.corpora import HEADS, POLARITIES, Example
from classifier.training.files import HeadFit, TrainingReport, manifest, write
from classifier.training.fitting import Floats
from classifier.training.matrices import Table

_TUNED_ON = frozenset(("silver", "kumpa-arxiv", "athar", "clinical-sentiment", "sdcf"))
"""What stance thresholds are set on: our scheme, and sets that people labelled (not scite's, which a model did)."""
_NOT_DRAWN = ("written", "silver-hard")
"""Passages that were invented, or drawn because an encoder erred on them: only stance thresholds look at the latter."""
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Settings:
    """What was chosen, on leave-one-corpus-out scores over the training data alone (docs/decisions)."""

    penalty: Mapping[str, float] = field(default_factory=lambda: {"role": 1e-4, "polarity": 1e-4})
    class_balance: Mapping[str, float] = field(default_factory=lambda: {"role": 0.7, "polarity": 0.8})
    corpus_balance: float = 0.5
    own_weight: float = 3.0  # a label in our own scheme counts as much as three translated ones
    min_count: int = 3
    min_families: int = 2
    families: Mapping[str, float] = field(default_factory=dict)
    left_out: frozenset[str] = frozenset()  # kinds of features that a candidate does without
    stance_precision: float = 0.75
    neutral_precision: float = 0.9
    role_precision: float = 0.6
    miss: float = 0.1
    blend: Mapping[str, float] = field(default_factory=dict)  # weight of the linear logits beside the encoder's
    enough: int = 300
    least: int = 15


def train(
    data: Sequence[Path],
    out: Path,
    seed: int = 0,
    silver: Path | None = None,
    written: Path | None = None,
    everything: bool = False,
    settings: Settings | None = None,
    encoder_folder: Path | None = None,
) -> TrainingReport:
    """Write `features.txt`, `weights.npz`, `model.json` and `manifest.json` into `out`.

    data: JSON-lines files, or folders of them; sets that may not be trained on only help to set thresholds.
    silver, written: files or folders of labels in our own scheme.
    everything: also train on sets without a permissive licence. Nothing of the linear heads is drawn at random; `seed`
    is recorded. encoder_folder: what `classifier.training.encoder` made of the same data; the model then has an encoder
    beside its linear heads, each with thresholds of its own. Raises `InputError` where there is nothing to train on.
    """
    settings = settings or Settings()
    files = expand(data)
    extra = expand([path for path in (silver, written) if path is not None])
    loaded = corpora.load(files)
    examples = [e for e in loaded if usable(e, everything)] + corpora.load_own(extra, files)
    if not examples:
        raise InputError("no usable training example", path=data[0] if data else None, do="give --data")
    table = matrices.tabulate(examples, settings.min_count)
    others = [e for e in loaded if not usable(e, everything) and usable(e, everything=True)]
    watched = matrices.tabulate(others, settings.min_count, table.names)
    heads = {head: fit_head(table, rows_of(table, head), head, settings) for head in HEADS}
    held = {head: held_out(table, head, settings) for head in HEADS}
    tuned = tune_all(table, held, watched, heads, settings)
    made_from = manifest(files + extra, examples, seed, everything)
    made_from["thresholds_only"] = dict(sorted(Counter(e.corpus for e in others).items()))
    if encoder_folder is None:
        blending.uninstall(out)
    else:
        logits = blending.HeldOut.load(encoder_folder)
        logits.check(made_from["files"], everything, seed)
        table, watched = logits.beside(table), logits.beside(watched)
        recipe = logits.made_from["recipe"]
        shares = {head: blending.share(table, held[head], head, recipe["class_balance"]) for head in HEADS}
        settings = replace(settings, blend=shares)
        both = {head: blending.blended(table, held[head], head, settings.blend[head]) for head in HEADS}
        tuned_both = tune_all(table, both, watched, heads, settings)
        blending.install(encoder_folder, out, recipe["pieces"], settings.blend, tuned_both)
        made_from["encoder"] = logits.made_from
    return write(out, table, heads, tuned, settings.families, made_from)


def tune_all(
    table: Table, held: Mapping[str, Held], watched: Table, heads: Mapping[str, HeadFit], settings: Settings
) -> dict[str, dict[str, float]]:
    """Temperature, thresholds and floor of each head, and under `stance` the thresholds of stances."""
    seen = {
        head: (Shown(table, held[head]), Shown(watched, scored(watched, heads[head], head, settings))) for head in HEADS
    }
    tuned = {head: tune(seen[head], values, head, settings) for head, values in HEADS.items()}
    tuned["stance"] = tune_stances(seen["polarity"], tuned["polarity"]["temperature"], settings)
    return tuned


def usable(example: Example, everything: bool) -> bool:
    """Whether an example may be trained on: never test rows, dev rows or evaluate-only sets."""
    corpus = corpora.CORPORA.get(example.corpus)
    if example.split in corpora.HELD_BACK and example.corpus != "focal":  # focal has no other part
        return False
    return everything if corpus is None else corpus.train and (everything or corpus.permissive)


def expand(paths: Sequence[Path]) -> list[Path]:
    """Files as they are, folders as their `*.jsonl` sorted by name; a missing path is an `InputError`."""
    found: list[Path] = []
    for path in paths:
        if not path.exists():
            raise InputError("no such file or folder", path=path)
        found += sorted(path.glob("*.jsonl")) if path.is_dir() else [path]
    return found


def rows_of(table: Table, head: str) -> Rows:
    """The rows that carry a label for `head`."""
    return np.flatnonzero(np.array([head in e.allowed for e in table.examples], dtype=bool))


def fit_head(table: Table, rows: Rows, head: str, settings: Settings) -> HeadFit:
    """Fit one head on `rows`."""
    columns = matrices.vocabulary(table, rows, settings.min_count, settings.min_families)
    if settings.left_out:
        columns = columns[[str(n).split(" ", 1)[0] not in settings.left_out for n in table.names[columns]]]
    scale = matrices.family_scale(table.names[columns], settings.families)
    allowed = matrices.allowed_matrix([table.examples[i] for i in rows], head, HEADS[head])
    _, corpus = np.unique(table.corpora[rows], return_inverse=True)
    weight = matrices.example_weights(
        table.corpora[rows], allowed, settings.corpus_balance, settings.class_balance[head]
    )
    weight *= np.where(np.isin(table.corpora[rows], corpora.OWN), settings.own_weight, 1.0)
    x = matrices.design(table, rows, columns, scale)
    return HeadFit(columns, fitting.fit(x, allowed, corpus, weight, settings.penalty[head]))


def score(table: Table, rows: Rows, fitted: HeadFit, head: str, settings: Settings) -> Floats:
    """Uncalibrated scores [rows, values], blended with the held-out encoder where the table and settings have one."""
    scale = matrices.family_scale(table.names[fitted.columns], settings.families)
    x = matrices.design(table, rows, fitted.columns, scale)
    linear: Floats = np.asarray(x @ fitted.fit.weights + fitted.fit.bias)
    return blending.mixed(table, rows, linear, head, settings.blend[head]) if head in settings.blend else linear


def held_out(table: Table, head: str, settings: Settings) -> Held:
    """Every labelled row scored by a model that saw no row of its family."""
    rows = rows_of(table, head)
    parts: list[Floats] = []
    order: list[Rows] = []
    families = np.unique(table.families[rows])
    for family in families:
        inside = table.families[rows] == family
        if len(families) < 2:
            raise InputError(f"{head} needs labels from two data sets at least", value=str(family))
        fitted = fit_head(table, rows[~inside], head, settings)
        parts.append(score(table, rows[inside], fitted, head, settings))
        order.append(rows[inside])
    kept = np.concatenate(order)
    allowed = matrices.allowed_matrix([table.examples[i] for i in kept], head, HEADS[head])
    return Held(np.concatenate(parts), allowed, table.corpora[kept], kept)


class Shown(NamedTuple):
    """Scores of rows of a table by models that never saw their family."""

    table: Table
    held: Held


def tune(seen: Sequence[Shown], values: Sequence[str], head: str, settings: Settings) -> dict[str, float]:
    """Temperature, thresholds and conformal floor of one head, from held-out scores; the training data's come first.

    The temperature comes from silver labels and labels by people, half each, their sets counting the same: a user's hub
    may follow either habit. Threshold and floor come from silver labels where there are enough, counted by the passage:
    they alone mean our scheme. Own passages are too clear for any of the three.
    """
    parts = [_real(part) for part in seen]
    held, own = seen[0].held, seen[0].held.corpora == "silver"
    held = held.only(own if own.sum() >= settings.enough else ~np.isin(held.corpora, _NOT_DRAWN))
    real = Held(*map(np.concatenate, zip(*parts, strict=True)))
    if not len(held.rows) or not len(real.rows):
        raise InputError(
            f"{head}: nothing but own passages to set thresholds on", do="give --data with labels, or --silver"
        )
    found = {"temperature": calibration.even_temperature(real, np.char.startswith(real.corpora, "silver "))}
    p = calibration.probabilities(held.scores, found["temperature"])
    weight = calibration.equal_corpora(held.corpora)
    best = p.argmax(axis=1)
    right = held.allowed[np.arange(len(best)), best]
    confidence = p.max(axis=1)
    found["floor"] = calibration.conformal(p, held.allowed, weight, settings.miss)
    if head == "polarity":
        neutral = best == values.index("neutral")
        found["neutral"] = calibration.threshold(
            confidence[neutral], right[neutral], weight[neutral], settings.neutral_precision
        )
    elif head == "role":
        found["assert"] = calibration.threshold(confidence, right, weight, settings.role_precision)
    return found


def _real(part: Shown) -> Held:
    """Passages from papers with labels by people or silver ones; `corpora` then tells a silver set's data set too."""
    held = part.held.only(~np.isin(part.held.corpora, (*_NOT_DRAWN, "scite-sample(silver)")))
    return held._replace(corpora=np.char.add(np.char.add(held.corpora, " "), part.table.families[held.rows]))


def scored(watched: Table, fitted: HeadFit, head: str, settings: Settings) -> Held:
    """Labelled rows of data sets outside the training data, scored by the model trained on all of it."""
    rows = rows_of(watched, head)
    allowed = matrices.allowed_matrix([watched.examples[i] for i in rows], head, HEADS[head])
    return Held(score(watched, rows, fitted, head, settings), allowed, watched.corpora[rows], rows)


def tune_stances(shown: Sequence[Shown], temperature: float, settings: Settings) -> dict[str, float]:
    """The thresholds of stances; with the linear heads alone one a kind, over rows whose data set counts that kind.

    Data sets of the evidence tradition call every assessment neutral, and those of sentiment rarely count agreement, so
    each kind is tuned on its own tradition and on silver labels. With the encoder, which is trained mostly on our
    scheme, there is one threshold for stances that a pattern of words tells (`told`) and one for those that are only
    implied: the lowest so that what is told is precise enough, and then all that is asserted (few of it implied). It
    must be so on silver labels (a set of n passages counts n^0.5), without any one of their sets (a hub is a set of its
    own), and on all passages labelled by people, whose habits differ too much to count set by set. Where too few are
    told, both are the one found on all together. Hard silver labels count too: most that is asserted then has one.
    """
    scores = np.concatenate([part.held.scores for part in shown])
    allowed = np.concatenate([part.held.allowed for part in shown])
    names = np.concatenate([part.held.corpora for part in shown])
    names = np.where(np.isin(names, corpora.SILVER), "silver", names)
    p = calibration.probabilities(scores, temperature)
    right = allowed[np.arange(len(p)), p.argmax(axis=1)]
    kinds = np.concatenate(
        [kinds_of(part.table, part.held.rows, part.held.scores.argmax(axis=1), settings) for part in shown]
    )
    if settings.blend:
        families = np.concatenate([part.table.families[part.held.rows] for part in shown])
        silver, people = names == "silver", np.isin(names, tuple(_TUNED_ON - {"silver"}))
        every = np.zeros(len(names))
        every[silver] = calibration.equal_corpora(families[silver], settings.corpus_balance)
        without = [every * (families != left_out) for left_out in np.unique(families[silver])]
        ways, sure = np.stack([every, *without, people.astype(float)]), p.max(axis=1)
        taken = (kinds != "") & (silver | people)
        told = taken & np.char.endswith(kinds, "/told")

        def lowest(rows: NDArray[np.bool_]) -> float:
            return calibration.threshold(sure[rows], right[rows], ways[:, rows], settings.stance_precision)

        if told.sum() < settings.enough:
            return dict.fromkeys(("told", "implied"), lowest(taken))
        least = lowest(told)
        asserted = told & (sure >= least)
        sure[asserted] = calibration.NEVER  # whatever the other threshold
        return {"told": least, "implied": lowest(asserted | (taken & ~told))}
    thresholds: dict[str, float] = {}
    for kind in stances.GATES:
        tradition = "evidence" if kind.endswith("/evidence") else "sentiment"
        fits = np.array([name in _TUNED_ON and corpora.tradition(name) in (None, tradition) for name in names])
        rows = np.flatnonzero((kinds == kind) & fits)
        thresholds[kind] = calibration.NEVER
        if len(rows) >= settings.least:
            weight = calibration.equal_corpora(names[rows], settings.corpus_balance)
            thresholds[kind] = calibration.threshold(
                p[rows].max(axis=1), right[rows], weight, settings.stance_precision, settings.least
            )
    return thresholds


def kinds_of(table: Table, rows: Rows, best: Rows, settings: Settings) -> list[str]:
    """What each row may be asserted as, "" for nothing: polarity/told or polarity/implied, which says its threshold.

    By the linear heads alone only what a pattern tells, as polarity/basis.
    """
    told = [stances.kind_of(POLARITIES[k], f) for k, f in zip(best, patterns_of(table, rows), strict=True)]
    if settings.blend:
        return [f"{POLARITIES[k]}/{'told' if t else 'implied'}" if k else "" for k, t in zip(best, told, strict=True)]
    return [t or "" for t in told]


def patterns_of(table: Table, rows: Rows) -> list[set[str]]:
    """The stance patterns that hold in each row."""
    columns = np.flatnonzero(np.char.startswith(table.names, "g "))
    names = [str(n)[2:] for n in table.names[columns]]
    present = table.present[rows][:, columns].tocsr()
    starts, indices = present.indptr, present.indices
    return [{names[j] for j in indices[starts[i] : starts[i + 1]]} for i in range(len(rows))]
