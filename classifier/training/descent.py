"""What reading and fine-tuning share: batches of like length, padded, and one way down the gradient."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch

from classifier.training.recipe import Row


class Descent:
    """AdamW over `groups` of parameters: the rate warms up over `warm` steps, then falls in a straight line to `total`.

    clipped: the parameters whose gradient is cut to length 1.
    """

    def __init__(
        self, groups: Sequence[Mapping[str, Any]], clipped: Iterable[torch.Tensor], total: int, warm: int
    ) -> None:
        self.clipped = list(clipped)
        self.optimiser = torch.optim.AdamW([dict(group) for group in groups], weight_decay=0.01)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(
            self.optimiser, lambda at: min((at + 1) / warm, max(0.02, (total - at) / total))
        )

    def step(self, loss: torch.Tensor) -> None:
        """One step down the gradient of `loss`."""
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.clipped, 1.0)
        self.optimiser.step()
        self.optimiser.zero_grad()
        self.schedule.step()


def batches(sizes: Sequence[int], batch: int, rng: random.Random) -> list[list[int]]:
    """All rows once, in random batches of like length."""
    order = list(range(len(sizes)))
    rng.shuffle(order)
    runs = [sorted(order[i : i + batch * 40], key=lambda j: sizes[j]) for i in range(0, len(order), batch * 40)]
    found = [run[i : i + batch] for run in runs for i in range(0, len(run), batch)]
    rng.shuffle(found)
    return found


def pieces_of(rows: Sequence[Row]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Ids, home marks and mask of `rows`, each [rows, pieces]."""
    ids, mask = padded([torch.tensor(r.ids) for r in rows])
    home, _ = padded([torch.tensor(r.home) for r in rows])
    return ids, home, mask


def padded(parts: Sequence[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """Tensors of unequal length as one, with a mask."""
    longest = max(len(p) for p in parts)
    whole = torch.zeros((len(parts), longest, *parts[0].shape[1:]), dtype=parts[0].dtype)
    mask = torch.zeros((len(parts), longest), dtype=torch.long)
    for k, part in enumerate(parts):
        whole[k, : len(part)] = part
        mask[k, : len(part)] = 1
    return whole, mask
