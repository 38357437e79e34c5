"""Train the encoder: once on everything for shipping, and once for each group of data sets left out, for honest scores.

A network first reads the passages (`pretraining`), then it learns their labels (`finetuning`).

Every passage gets held-out logits: from a network that saw no passage of its data set's family. Thresholds,
temperatures and published scores come from those alone.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from classifier.judges.local.encoder import WIDTH
from classifier.judges.local.pieces import Vocabulary
from classifier.training import blending, corpora
from classifier.training.recipe import Recipe, Row, chosen, rows_of
from classifier.training.train import expand, usable

LEFT_OUT: Mapping[str, frozenset[str]] = {
    "all": frozenset(),
    "a": frozenset({"scicite", "kumpa-arxiv"}),
    "b": frozenset({"act", "focal", "citelling", "scite-sample(silver)"}),
}
"""Families that a network does without. Two groups instead of a network for each family: harder than leaving one out,
and three trainings instead of seven."""


def make(
    data: Sequence[Path],
    out: Path,
    silver: Path | None = None,
    written: Path | None = None,
    everything: bool = False,
    seed: int = 0,
    recipe: Recipe | None = None,
    workers: int = 2,
) -> None:
    """Write `encoder.onnx`, `pieces.txt`, `held-out.npz`, `recipe.json` and the networks' `.pt` into `out`; an hour."""
    from classifier.training.finetuning import logits_of
    from classifier.training.network import base_folder, finish

    recipe = recipe or Recipe()
    files, extra = expand(data), expand([p for p in (silver, written) if p is not None])
    examples = corpora.load(files) + corpora.load_own(extra, files)
    out.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(base_folder() / "vocab.txt", out / "pieces.txt")
    rows = rows_of(examples, Vocabulary.load(out / "pieces.txt", recipe.pieces))
    read = np.array([usable(e, everything) for e in examples], dtype=bool)
    train = chosen(examples, read, recipe)
    held = train_all(rows, read, train, out, recipe, seed, workers)
    names = [corpora.identity(e) for e in examples]
    dev = [i for i, e in enumerate(examples) if e.split == "dev" and not train[i]]
    inside = logits_of(out / "all.pt", [rows[i] for i in dev], recipe)
    finish(out / "all.pt", out / "encoder.onnx", recipe.layers, recipe.frozen)
    counts = Counter(e.corpus for e, kept in zip(examples, train, strict=True) if kept)
    made_from = {
        "recipe": recipe._asdict(),
        "seed": seed,
        "everything": everything,
        "data": {path.name: corpora.sha256(path) for path in files + extra},
        "examples": dict(sorted(counts.items())),
        "left_out": {name: sorted(families) for name, families in groups_of(rows, train).items()},
        "versions": {name: version(name) for name in ("torch", "transformers", "onnxruntime")},
    }
    (out / "recipe.json").write_text(json.dumps(made_from, indent=1) + "\n", encoding="utf-8")
    blending.save(  # last: where it is, nothing is missing
        out / "held-out.npz",
        dict(zip(names, held, strict=True)),
        dict(zip([names[i] for i in dev], inside, strict=True)),
    )


def groups_of(rows: Sequence[Row], train: NDArray[np.bool_]) -> dict[str, frozenset[str]]:
    """The families each network does without: `LEFT_OUT`, and a group of whatever else is trained on.

    Own passages are in every network; nothing is tuned or measured on them.
    """
    covered = frozenset[str]().union(*LEFT_OUT.values())
    rest = {r.family for r, kept in zip(rows, train, strict=True) if kept and r.corpus != "written"} - covered
    return dict(LEFT_OUT) | ({"c": frozenset(rest)} if rest else {})


def train_all(
    rows: Sequence[Row],
    read: NDArray[np.bool_],
    train: NDArray[np.bool_],
    out: Path,
    recipe: Recipe,
    seed: int,
    workers: int,
) -> NDArray[np.float32]:
    """Held-out logits [rows, values] of every row; `out/NAME.pt` holds each network, `all.pt` the one of all `train`.

    One thread a network, so that the same data give the same weights; networks side by side on `workers` cores.
    """
    jobs = []
    groups = groups_of(rows, train)
    somewhere = frozenset[str]().union(*groups.values())
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        for name, families in groups.items():
            inside = np.array([r.family in families for r in rows], dtype=bool)
            shown = inside if families else np.array([r.family not in somewhere for r in rows], dtype=bool)
            texts, picked, asked = (
                [rows[i] for i in np.flatnonzero(part).tolist()] for part in (read & ~inside, train & ~inside, shown)
            )
            jobs.append((shown, pool.submit(train_network, name, texts, picked, asked, out, recipe, seed)))
        held = np.zeros((len(rows), WIDTH), dtype=np.float32)
        for shown, job in jobs:
            held[shown] = job.result()
    return held


def train_network(
    name: str,
    texts: Sequence[Row],
    rows: Sequence[Row],
    asked: Sequence[Row],
    out: Path,
    recipe: Recipe,
    seed: int,
) -> NDArray[np.float32]:
    """One network: it reads `texts`, then learns the labels of `rows`; its logits for `asked`."""
    from classifier.training.finetuning import train_one
    from classifier.training.pretraining import pretrain

    start = pretrain(name, texts, recipe, seed) if recipe.readings else None
    return train_one(name, rows, asked, out, recipe, seed, start)


def main(arguments: Sequence[str] | None = None) -> int:
    """``python -m classifier.training.encoder --data FOLDER --silver FOLDER --written FOLDER --out FOLDER``."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, action="append", required=True)
    parser.add_argument("--silver", type=Path)
    parser.add_argument("--written", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--everything", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--readings", type=int, default=Recipe().readings, help="times the passages are read before their labels"
    )
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args(arguments)
    recipe = Recipe(readings=given.readings)
    make(given.data, given.out, given.silver, given.written, given.everything, given.seed, recipe, given.workers)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
