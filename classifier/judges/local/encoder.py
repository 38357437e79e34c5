"""The small encoder at run time: 8-bit weights through onnxruntime, one passage at a time on one thread.

One at a time, because 8-bit activations are scaled by the largest value of their batch: in a batch, a passage's
probabilities would depend on its neighbours, and a resumed run would not give the same bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from classifier.errors import SettingsError
from classifier.judges.local.features import Passage, Source
from classifier.judges.local.pieces import Vocabulary

HEADS: Mapping[str, tuple[str, ...]] = {
    "role": ("background", "motivation", "uses_method", "uses_data", "extends", "compares", "future_work"),
    "polarity": ("neutral", "supporting", "contrasting", "mixed"),
    "basis": ("evidence", "assessment"),
}
"""The values of each head in the order of the columns; `basis` is what a stance rests on, given that there is one."""
WIDTH = sum(len(values) for values in HEADS.values())
"""How many columns all heads have together."""
Floats = NDArray[np.float32]


class Encoded(NamedTuple):
    """One passage: each head's logits, each piece's exact share [pieces, values], and its characters."""

    logits: Mapping[str, Floats]
    shares: Mapping[str, Floats]
    spans: list[tuple[int, int]]


def columns(head: str) -> slice:
    """The columns of a head among those of all heads."""
    sizes = [len(values) for values in HEADS.values()]
    at = list(HEADS).index(head)
    return slice(sum(sizes[:at]), sum(sizes[: at + 1]))


def available() -> bool:
    """Whether onnxruntime is installed and can be loaded on this machine."""
    try:
        import onnxruntime  # noqa: F401
    except ImportError:
        return False
    return True


class Encoder:
    """Files of a folder: `encoder.onnx`, `pieces.txt`, and `encoder.json` with how it is blended and its thresholds."""

    def __init__(self, folder: Path) -> None:
        import onnxruntime

        try:
            self.settings: dict[str, Any] = json.loads((folder / "encoder.json").read_text(encoding="utf-8"))
            self.vocabulary = Vocabulary.load(folder / "pieces.txt", int(self.settings["pieces"]))
            model = (folder / "encoder.onnx").read_bytes()
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = options.inter_op_num_threads = 1
            options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
            self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
            for key in ("blend", "temperature", "thresholds", "floor"):
                self.settings[key]
            for key in ("told", "implied"):
                self.settings["thresholds"][key]
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            raise SettingsError(f"{folder}: no usable encoder: {reason}; run `classify train --encoder`") from error
        self._sha256 = hashlib.sha256(model)

    @cached_property
    def digest(self) -> str:
        """SHA-256 over weights, pieces and settings."""
        digest = self._sha256.copy()
        digest.update("\n".join(self.vocabulary.index).encode())
        digest.update(json.dumps(self.settings, sort_keys=True).encode())
        return digest.hexdigest()

    def read(self, source: Source, passage: Passage) -> Encoded:
        """Logits of every head and what each word piece gives to them."""
        pieces = self.vocabulary.encode(source, passage)
        feed = {"ids": np.array([pieces.ids], dtype=np.int64), "home": np.array([pieces.home], dtype=np.int64)}
        given: Floats = self._session.run(["shares"], feed)[0]
        shares = {head: given[:, columns(head)] for head in HEADS}
        return Encoded({head: share.sum(axis=0) for head, share in shares.items()}, shares, pieces.spans)
