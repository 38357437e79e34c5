"""Fine-tune one network: partial labels, weighted heads, the frozen layers' states computed once.

Data sets differ in how often they give a value, by convention and by how their passages were drawn. Each set but the
silver labels has an offset of its own on every logit while training (as the linear heads have an intercept a set), so
that the shared weights learn what tells the values apart and not how often a set gives them. Offsets are not shipped.
"""

from __future__ import annotations

import math
import random
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from classifier.judges.local.encoder import HEADS, WIDTH
from classifier.training.corpora import OWN
from classifier.training.descent import Descent, batches, padded, pieces_of
from classifier.training.matrices import example_weights
from classifier.training.network import PRECISION, Network, split
from classifier.training.recipe import Recipe, Row

Floats = NDArray[np.float64]
PLAIN = "silver"
"""The corpus without an offset: labelled in our own scheme, and what thresholds are set on."""


def weights_of(rows: Sequence[Row], head: str, recipe: Recipe) -> Floats:
    """The weight of each row in a head's loss, mean 1 over the rows that carry it and 0 elsewhere."""
    carried = [i for i, r in enumerate(rows) if r.allowed[head]]
    weight = np.zeros(len(rows))
    if carried:
        corpora = np.array([rows[i].corpus for i in carried])
        allowed = np.array([rows[i].allowed[head] for i in carried], dtype=bool)
        part = example_weights(corpora, allowed, recipe.corpus_balance, recipe.class_balance)
        part *= np.where(np.isin(corpora, OWN), recipe.own_weight, 1.0)
        weight[carried] = part / part.mean()
    return weight


def train_one(
    name: str,
    rows: Sequence[Row],
    asked: Sequence[Row],
    out: Path | None,
    recipe: Recipe,
    seed: int,
    start: Path | Mapping[str, torch.Tensor] | None = None,
) -> NDArray[np.float32]:
    """Train one network on `rows`, keep its weights in `out/NAME.pt` if there is an `out`; its logits for `asked`.

    start: weights to go on from, or the file they are in; else the base model's.
    """
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    rng = random.Random(seed)  # noqa: S311  (an order of passages, no secret)
    network = Network(recipe.layers, recipe.frozen)
    if start is not None:
        network.load_state_dict(torch.load(start, weights_only=True) if isinstance(start, Path) else start)
    kept = _states(network, rows, PRECISION)
    masks = {
        head: torch.tensor([r.allowed[head] or (True,) * len(values) for r in rows]) for head, values in HEADS.items()
    }
    weight = {head: torch.tensor(weights_of(rows, head, recipe), dtype=torch.float32) for head in HEADS}
    sets = sorted({r.corpus for r in rows} - {PLAIN})
    home = torch.tensor([sets.index(r.corpus) if r.corpus in sets else len(sets) for r in rows])
    offset = torch.nn.Embedding(len(sets) + 1, WIDTH, padding_idx=len(sets))  # the last row, of silver labels, stays 0
    torch.nn.init.zeros_(offset.weight)
    heads = [*network.query.parameters(), *network.value.parameters()]
    body = [p for layer in network.layers[recipe.frozen :] for p in layer.parameters()]
    total = recipe.epochs * math.ceil(len(rows) / recipe.batch)
    groups = [
        {"params": body, "lr": recipe.rate},
        {"params": heads, "lr": recipe.head_rate},
        {"params": offset.parameters(), "lr": recipe.offset_rate},
    ]
    descent = Descent(groups, network.trained(), total, warm=100)
    began, step = time.monotonic(), 0
    for _ in range(recipe.epochs):
        network.train()
        for batch in batches([len(r.ids) for r in rows], recipe.batch, rng):
            states, mask = padded([kept[i] for i in batch])
            with torch.autocast("cpu", dtype=PRECISION):
                shares = network.top(states, mask)
            loss = torch.zeros(())
            shifted = shares.float().sum(1) + offset(home[batch])
            for (head, logits), share in zip(split(shifted).items(), recipe.losses, strict=True):
                inside = logits.log_softmax(-1).masked_fill(~masks[head][batch], -1e9)
                loss = loss - share * (weight[head][batch] * inside.logsumexp(-1)).mean()
            descent.step(loss)
            step += 1
            if step % 100 == 0:
                spent = time.monotonic() - began
                print(
                    f"{name}: step {step} of {total}, {spent:.0f} s, loss {loss.item():.2f}",
                    file=sys.stderr,
                    flush=True,
                )
    if out is not None:
        torch.save(network.state_dict(), out / f"{name}.pt")
    return _logits(network, asked)


def logits_of(weights: Path, rows: Sequence[Row], recipe: Recipe) -> NDArray[np.float32]:
    """Logits [rows, values] by the network whose weights are kept in a file."""
    network = Network(recipe.layers, recipe.frozen)
    network.load_state_dict(torch.load(weights, weights_only=True))
    return _logits(network, rows)


def _states(network: Network, rows: Sequence[Row], precision: torch.dtype) -> list[torch.Tensor]:
    """States after the frozen layers, a tensor [pieces, size] a row, in the order of `rows`."""
    found: dict[int, torch.Tensor] = {}
    network.eval()
    with torch.no_grad(), torch.autocast("cpu", dtype=precision):
        for part, ids, home, mask in _parts(rows):
            states = network.bottom(ids, home, mask).to(precision)
            for k, i in enumerate(part):
                found[i] = states[k, : len(rows[i].ids)].clone()
    return [found[i] for i in range(len(rows))]


def _logits(network: Network, rows: Sequence[Row]) -> NDArray[np.float32]:
    """Logits [rows, values]."""
    out = np.zeros((len(rows), WIDTH), dtype=np.float32)
    network.eval()
    with torch.no_grad(), torch.autocast("cpu", dtype=PRECISION):
        for part, ids, home, mask in _parts(rows):
            out[part] = network.top(network.bottom(ids, home, mask), mask).float().sum(1).numpy()
    return out


def _parts(rows: Sequence[Row]) -> Iterator[tuple[list[int], torch.Tensor, torch.Tensor, torch.Tensor]]:
    """All rows by 64 of like length: their numbers, ids, home marks and mask."""
    order = sorted(range(len(rows)), key=lambda i: len(rows[i].ids))
    for start in range(0, len(order), 64):
        part = order[start : start + 64]
        yield part, *pieces_of([rows[i] for i in part])
