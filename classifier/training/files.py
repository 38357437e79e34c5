"""The model's files: arrays, names, settings and the manifest that says what they were made from."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from classifier.judges.local.model import FORMAT
from classifier.training import corpora, matrices
from classifier.training.blending import described
from classifier.training.corpora import HEADS, Example
from classifier.training.fitting import Fit
from classifier.training.matrices import Table

Rows = NDArray[np.int64]


class HeadFit(NamedTuple):
    """One head on one set of rows: the columns it uses and its weights on them."""

    columns: Rows
    fit: Fit


class TrainingReport(NamedTuple):
    """Where the files went, their total size in bytes, how many examples each corpus gave, and the manifest."""

    out: Path
    size: int
    examples: dict[str, int]
    manifest: dict[str, Any]


def manifest(files: Sequence[Path], examples: Sequence[Example], seed: int, everything: bool) -> dict[str, Any]:
    """What the model was made from: files by SHA-256, examples and licences by corpus, versions."""
    counts = Counter(e.corpus for e in examples)
    known = corpora.CORPORA
    return {
        "files": {path.name: corpora.sha256(path) for path in files},
        "examples": dict(sorted(counts.items())),
        "licences": {
            name: (known[name].licence if name in known else None) or "none stated" for name in sorted(counts)
        },
        "everything": everything,
        "seed": seed,
        "versions": {name: version(name) for name in ("numpy", "scipy")},
    }


def write(
    out: Path,
    table: Table,
    heads: Mapping[str, HeadFit],
    tuned: Mapping[str, Mapping[str, float]],
    families: Mapping[str, float],
    made_from: dict[str, Any],
) -> TrainingReport:
    """Write the model files; rows of one array over the union of all heads' columns, in half precision."""
    union = np.unique(np.concatenate([h.columns for h in heads.values()]))
    scale = matrices.family_scale(table.names[union], families)
    width = sum(len(v) for v in HEADS.values())
    weights, bias, at = np.zeros((len(union), width)), np.zeros(width), 0
    for head, values in HEADS.items():
        place = np.searchsorted(union, heads[head].columns)
        weights[place, at : at + len(values)] = heads[head].fit.weights * scale[place][:, None]
        bias[at : at + len(values)] = heads[head].fit.bias
        at += len(values)
    description = {
        "format": FORMAT,
        "heads": [[k, list(v)] for k, v in HEADS.items()],  # the order of the columns
        "families": dict(families),
        **described(tuned),
        "common_words": common_words(table),
    }
    out.mkdir(parents=True, exist_ok=True)
    (out / "features.txt").write_text("\n".join(table.names[union]), encoding="utf-8")
    np.savez_compressed(out / "weights.npz", weights=weights.astype(np.float16), bias=bias.astype(np.float32))
    (out / "model.json").write_text(json.dumps(description, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    (out / "manifest.json").write_text(json.dumps(made_from, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    size = sum(path.stat().st_size for path in out.iterdir() if path.is_file())
    return TrainingReport(out, size, made_from["examples"], made_from)


def common_words(table: Table, share: float = 0.004) -> list[str]:
    """Words in at least `share` of all passages: they mark no work in particular (used without a passage)."""
    often = np.asarray((table.present > 0).sum(axis=0))[0] >= share * len(table.examples)
    words = [str(n)[2:] for n in table.names[often] if n.startswith("w ")]
    return sorted(w for w in words if w.isalpha())
