"""Train the encoder: once on everything for shipping, and once for each group of data sets left out, for honest scores.

Every passage gets held-out logits: from a network that saw no passage of its data set's family. Thresholds,
temperatures and published scores come from those alone.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import random
import shutil
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from classifier.judges.local.encoder import HEADS
from classifier.judges.local.features import read
from classifier.judges.local.pieces import Vocabulary
from classifier.training import blending, corpora
from classifier.training.corpora import OWN, Example
from classifier.training.train import expand, usable

if TYPE_CHECKING:
    import torch

    from classifier.training.network import Network

Floats = NDArray[np.float64]
LEFT_OUT: Mapping[str, frozenset[str]] = {
    "all": frozenset(),
    "a": frozenset({"scicite", "kumpa-arxiv"}),
    "b": frozenset({"act", "focal", "citelling", "scite-sample(silver)"}),
}
"""Families that a network does without. Two groups instead of a network for each family: harder than leaving one out,
and three trainings instead of seven."""


class Recipe(NamedTuple):
    """What was chosen, on silver labels of left-out data sets and the dev half of the gold (docs/decisions)."""

    layers: int = 4
    frozen: int = 1
    epochs: int = 3
    rate: float = 2e-4
    head_rate: float = 1e-3
    batch: int = 32
    most: int = 1500  # passages of one label of a data set that others labelled
    corpus_balance: float = 0.3
    class_balance: float = 0.5
    own_weight: float = 3.0
    losses: tuple[float, ...] = (1.0, 1.0, 0.3)  # role, polarity, basis


class Row(NamedTuple):
    """One passage as the network reads it; `allowed[head]` is None where the head is not labelled."""

    ids: list[int]
    home: list[int]
    corpus: str
    family: str
    allowed: Mapping[str, tuple[bool, ...] | None]


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
    """Write `encoder.onnx`, `pieces.txt`, `held-out.npz` and `recipe.json` into `out`; an hour or two on two cores."""
    from classifier.training.network import base_folder, finish

    recipe = recipe or Recipe()
    files = expand(data)
    examples = corpora.load(files) + corpora.load_own(expand([p for p in (silver, written) if p is not None]), files)
    out.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(base_folder() / "vocab.txt", out / "pieces.txt")
    rows = rows_of(examples, Vocabulary.load(out / "pieces.txt"))
    train = chosen(examples, np.array([usable(e, everything) for e in examples], dtype=bool), recipe)
    held = train_all(rows, train, out, recipe, seed, workers)
    names = [corpora.identity(e) for e in examples]
    dev = [i for i, e in enumerate(examples) if e.split == "dev" and not train[i]]
    inside = logits_of(out / "all.pt", [rows[i] for i in dev], recipe)
    blending.save(
        out / "held-out.npz",
        dict(zip(names, held, strict=True)),
        dict(zip([names[i] for i in dev], inside, strict=True)),
    )
    finish(out / "all.pt", out / "encoder.onnx", recipe.layers, recipe.frozen)
    counts = Counter(e.corpus for e, kept in zip(examples, train, strict=True) if kept)
    made_from = {
        "recipe": recipe._asdict(),
        "seed": seed,
        "everything": everything,
        "examples": dict(sorted(counts.items())),
        "left_out": {name: sorted(families) for name, families in LEFT_OUT.items()},
        "versions": {name: version(name) for name in ("torch", "transformers", "onnxruntime")},
    }
    (out / "recipe.json").write_text(json.dumps(made_from, indent=1) + "\n", encoding="utf-8")


def rows_of(examples: Sequence[Example], vocabulary: Vocabulary) -> list[Row]:
    """Every example as pieces, with the values its label allows."""
    rows: list[Row] = []
    for example in examples:
        pieces = vocabulary.encode(example.source, read(example.source.text, example.source.focus))
        allowed = {
            head: tuple(v in example.allowed[head] for v in values) if head in example.allowed else None
            for head, values in HEADS.items()
        }
        rows.append(Row(pieces.ids, pieces.home, example.corpus, example.family, allowed))
    return rows


def chosen(examples: Sequence[Example], usable: NDArray[np.bool_], recipe: Recipe) -> NDArray[np.bool_]:
    """Which rows are trained on: own labels all, of a foreign label at most `recipe.most`, picked by their hash."""
    kept = usable.copy()
    groups: dict[tuple[str, str], list[tuple[str, int]]] = {}
    for i, example in enumerate(examples):
        if usable[i] and example.corpus not in OWN:
            key = str(sorted((head, sorted(values)) for head, values in example.allowed.items()))
            order = hashlib.sha256(example.key.encode()).hexdigest()
            groups.setdefault((example.corpus, key), []).append((order, i))
    for members in groups.values():
        for _, i in sorted(members)[recipe.most :]:
            kept[i] = False
    return kept


def weights_of(rows: Sequence[Row], head: str, recipe: Recipe) -> Floats:
    """The weight of each row in a head's loss, mean 1 over the rows that carry it and 0 elsewhere."""
    kinds = [(r.corpus, r.allowed[head]) if r.allowed[head] else None for r in rows]
    labels = Counter(k for k in kinds if k)
    corpora = Counter(k[0] for k in kinds if k)
    weight = np.zeros(len(rows))
    for i, kind in enumerate(kinds):
        if kind:
            size = corpora[kind[0]]
            weight[i] = size**-recipe.corpus_balance * (size / labels[kind]) ** recipe.class_balance
            weight[i] *= recipe.own_weight if kind[0] in OWN else 1.0
    return weight / weight[weight > 0].mean() if weight.any() else weight


def train_all(
    rows: Sequence[Row], train: NDArray[np.bool_], out: Path, recipe: Recipe, seed: int, workers: int
) -> NDArray[np.float32]:
    """Held-out logits [rows, values] of every row; `out/all.pt` holds the network trained on all of `train`.

    One thread a network, so that the same data give the same weights; networks side by side on `workers` cores.
    """
    out.mkdir(parents=True, exist_ok=True)
    jobs = []
    somewhere = frozenset[str]().union(*LEFT_OUT.values())
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        for name, families in LEFT_OUT.items():
            inside = np.array([r.family in families for r in rows], dtype=bool)
            shown = inside if families else np.array([r.family not in somewhere for r in rows], dtype=bool)
            picked = [rows[i] for i in np.flatnonzero(train & ~inside).tolist()]
            asked = [rows[i] for i in np.flatnonzero(shown).tolist()]
            jobs.append((shown, pool.submit(train_one, name, picked, asked, out, recipe, seed)))
        held = np.zeros((len(rows), sum(map(len, HEADS.values()))), dtype=np.float32)
        for shown, job in jobs:
            held[shown] = job.result()
    return held


def train_one(
    name: str, rows: Sequence[Row], asked: Sequence[Row], out: Path, recipe: Recipe, seed: int
) -> NDArray[np.float32]:
    """Train one network on `rows`, keep it in `out/NAME.pt`, and return its logits for `asked`."""
    import torch

    from classifier.training.network import PRECISION, Network, split

    torch.set_num_threads(1)
    torch.manual_seed(seed)
    rng = random.Random(seed)  # noqa: S311  (an order of passages, no secret)
    network = Network(recipe.layers, recipe.frozen)
    kept = _states(network, rows, PRECISION)
    masks = {
        head: torch.tensor([r.allowed[head] or (True,) * len(values) for r in rows]) for head, values in HEADS.items()
    }
    weight = {head: torch.tensor(weights_of(rows, head, recipe), dtype=torch.float32) for head in HEADS}
    heads = [*network.query.parameters(), *network.value.parameters()]
    body = [p for layer in network.layers[recipe.frozen :] for p in layer.parameters()]
    optimiser = torch.optim.AdamW(
        [{"params": body, "lr": recipe.rate}, {"params": heads, "lr": recipe.head_rate}], weight_decay=0.01
    )
    total = recipe.epochs * math.ceil(len(rows) / recipe.batch)

    def rate(at: int) -> float:  # warm up over 100 steps, then down in a straight line
        return min((at + 1) / 100, max(0.02, (total - at) / total))

    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, rate)
    began, step = time.monotonic(), 0
    for _ in range(recipe.epochs):
        network.train()
        for batch in _batches([len(r.ids) for r in rows], recipe.batch, rng):
            states, mask = _padded([kept[i] for i in batch])
            with torch.autocast("cpu", dtype=PRECISION):
                shares = network.top(states, mask)
            loss = torch.zeros(())
            for (head, logits), share in zip(split(shares.float().sum(1)).items(), recipe.losses, strict=True):
                inside = logits.log_softmax(-1).masked_fill(~masks[head][batch], -1e9)
                loss = loss - share * (weight[head][batch] * inside.logsumexp(-1)).mean()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.trained(), 1.0)
            optimiser.step()
            optimiser.zero_grad()
            schedule.step()
            step += 1
            if step % 100 == 0:
                spent = time.monotonic() - began
                print(
                    f"{name}: step {step} of {total}, {spent:.0f} s, loss {loss.item():.2f}",
                    file=sys.stderr,
                    flush=True,
                )
    torch.save(network.state_dict(), out / f"{name}.pt")
    return _logits(network, asked)


def logits_of(weights: Path, rows: Sequence[Row], recipe: Recipe) -> NDArray[np.float32]:
    """Logits [rows, values] by the network whose weights are kept in a file."""
    import torch

    from classifier.training.network import Network

    network = Network(recipe.layers, recipe.frozen)
    network.load_state_dict(torch.load(weights, weights_only=True))
    return _logits(network, rows)


def _batches(sizes: Sequence[int], batch: int, rng: random.Random) -> list[list[int]]:
    """All rows once, in random batches of like length."""
    order = list(range(len(sizes)))
    rng.shuffle(order)
    runs = [sorted(order[i : i + batch * 40], key=lambda j: sizes[j]) for i in range(0, len(order), batch * 40)]
    batches = [run[i : i + batch] for run in runs for i in range(0, len(run), batch)]
    rng.shuffle(batches)
    return batches


def _states(network: Network, rows: Sequence[Row], precision: torch.dtype) -> list[torch.Tensor]:
    """States after the frozen layers, a tensor [pieces, size] a row, in the order of `rows`."""
    import torch

    found: dict[int, torch.Tensor] = {}
    order = sorted(range(len(rows)), key=lambda i: len(rows[i].ids))
    network.eval()
    with torch.no_grad(), torch.autocast("cpu", dtype=precision):
        for start in range(0, len(order), 64):
            part = order[start : start + 64]
            ids, mask = _padded([torch.tensor(rows[i].ids) for i in part])
            home, _ = _padded([torch.tensor(rows[i].home) for i in part])
            states = network.bottom(ids, home, mask).to(precision)
            for k, i in enumerate(part):
                found[i] = states[k, : len(rows[i].ids)].clone()
    return [found[i] for i in range(len(rows))]


def _logits(network: Network, rows: Sequence[Row]) -> NDArray[np.float32]:
    """Logits [rows, values]."""
    import torch

    from classifier.training.network import PRECISION

    network.eval()
    out = np.zeros((len(rows), sum(map(len, HEADS.values()))), dtype=np.float32)
    order = sorted(range(len(rows)), key=lambda i: len(rows[i].ids))
    with torch.no_grad(), torch.autocast("cpu", dtype=PRECISION):
        for start in range(0, len(order), 64):
            part = order[start : start + 64]
            ids, mask = _padded([torch.tensor(rows[i].ids) for i in part])
            home, _ = _padded([torch.tensor(rows[i].home) for i in part])
            out[part] = network.top(network.bottom(ids, home, mask), mask).float().sum(1).numpy()
    return out


def _padded(parts: Sequence[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """Tensors of unequal length as one, with a mask."""
    import torch

    longest = max(len(p) for p in parts)
    whole = torch.zeros((len(parts), longest, *parts[0].shape[1:]), dtype=parts[0].dtype)
    mask = torch.zeros((len(parts), longest), dtype=torch.long)
    for k, part in enumerate(parts):
        whole[k, : len(part)] = part
        mask[k, : len(part)] = 1
    return whole, mask


def main(arguments: Sequence[str] | None = None) -> int:
    """``python -m classifier.training.encoder --data FOLDER --silver FOLDER --written FOLDER --out FOLDER``."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, action="append", required=True)
    parser.add_argument("--silver", type=Path)
    parser.add_argument("--written", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--everything", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args(arguments)
    make(given.data, given.out, given.silver, given.written, given.everything, given.seed, workers=given.workers)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
