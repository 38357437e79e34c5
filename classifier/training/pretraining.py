"""Masked words: the layers read the passages themselves, without labels, before they are fine-tuned on labels.

The objective is that of BERT (Devlin et al., 2019): 15 in 100 word pieces are to be guessed from the others; eight in
ten of them are masked, one is another piece, one stays. The base was trained on sentences of the web; citations are not
like them. A network that does without a data set's family reads none of its passages here either. Fine-tuning starts
half way between the base's weights and those after reading (Wortsman et al., 2022): what both know is kept.
"""

from __future__ import annotations

import math
import random
import sys
from collections.abc import Mapping, Sequence

import torch
from torch.nn.functional import cross_entropy

from classifier.training.descent import Descent, batches, pieces_of
from classifier.training.network import PRECISION, Guess, Network, through
from classifier.training.recipe import Recipe, Row

ASKED = 0.15
MASK = 103
FIRST_WORD = 1000
"""Word pieces below it are marks, neither masked nor put in a word's place. Both numbers are the vocabulary's."""


def pretrain(name: str, rows: Sequence[Row], recipe: Recipe, seed: int) -> Mapping[str, torch.Tensor]:
    """Weights half way between the base and the base that has read the texts of `rows` `recipe.readings` times."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    rng = random.Random(seed)  # noqa: S311  (an order of passages, no secret)
    rows = list({tuple(r.ids): r for r in rows}.values())
    network = Network(recipe.layers, frozen=0)
    guess = Guess(network.embeddings.word_embeddings.weight.detach())
    before = {key: value.clone() for key, value in network.state_dict().items()}
    body = list(network.layers.parameters())
    parts = [{"params": body, "lr": recipe.reading_rate}, {"params": guess.parameters(), "lr": recipe.head_rate}]
    total = recipe.readings * math.ceil(len(rows) / recipe.batch)
    descent = Descent(parts, body, total, warm=200)
    network.train()
    step, losses = 0, 0.0
    for _ in range(recipe.readings):
        for batch in batches([len(r.ids) for r in rows], recipe.batch, rng):
            ids, home, mask = pieces_of([rows[i] for i in batch])
            shown, asked = masked(ids)
            with torch.autocast("cpu", dtype=PRECISION):
                states = network.embeddings(input_ids=shown, token_type_ids=home)
                scores = guess(through(network.layers, states, mask)[asked])
            loss = cross_entropy(scores.float(), ids[asked], reduction="sum") / max(1, int(asked.sum()))
            descent.step(loss)
            step, losses = step + 1, losses + loss.item()
            if step % 100 == 0:
                print(f"{name}: reading, step {step} of {total}, loss {losses / 100:.2f}", file=sys.stderr, flush=True)
                losses = 0.0
    return {key: (value + before[key]) / 2 for key, value in network.state_dict().items()}


def masked(ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Word pieces as they are shown, and which are asked for [rows, pieces]."""
    asked = (torch.rand(ids.shape) < ASKED) & (ids >= FIRST_WORD)
    how = torch.rand(ids.shape)
    others = torch.randint(FIRST_WORD, max(FIRST_WORD, int(ids.max())) + 1, ids.shape)
    shown = ids.masked_fill(asked & (how < 0.8), MASK)
    return torch.where(asked & (how >= 0.9), others, shown), asked
