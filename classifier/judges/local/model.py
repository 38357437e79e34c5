"""The trained heads: load the arrays, score passages, and say which words moved a decision."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from classifier.errors import SettingsError
from classifier.judges.local.encoder import Encoded, Encoder, available
from classifier.judges.local.features import Feature, Passage, Source, extract
from classifier.judges.local.relation import CommonWords

Floats = NDArray[np.float32]
FORMAT = 2
"""Version of the model files; a model of another version is refused."""
SHIPPED = Path(str(files("classifier.judges.local").joinpath("model")))
"""The model inside the package."""


class Scored(NamedTuple):
    """One passage: calibrated probabilities of every head, and what is needed to explain them."""

    source: Source
    passage: Passage
    features: list[Feature]
    columns: NDArray[np.int64]
    length: float
    probabilities: dict[str, Floats]
    encoded: Encoded | None = None


class LocalModel:
    """Immutable after loading; safe to share between threads."""

    def __init__(
        self,
        names: Sequence[str],
        weights: Floats,
        bias: Floats,
        settings: dict[str, Any],
        encoder: Encoder | None = None,
    ) -> None:
        self.index = {name: i for i, name in enumerate(names)}
        self.weights, self.bias, self.encoder = weights, bias, encoder
        self.settings = settings | (encoder.settings if encoder else {})
        self.heads: dict[str, tuple[str, ...]] = {k: tuple(v) for k, v in settings["heads"]}
        self.family_weights: dict[str, float] = settings["families"]
        squares = [self.family_weights.get(name.split(" ", 1)[0], 1.0) ** 2 for name in names]
        self._squares = np.array(squares, dtype=np.float32)
        self.slices: dict[str, slice] = {}
        at = 0
        for head, values in self.heads.items():
            self.slices[head] = slice(at, at + len(values))
            at += len(values)
        self.common = CommonWords(settings.get("common_words", ()))

    @classmethod
    def load(cls, path: Path | None = None, *, encoder: bool = True) -> LocalModel:
        """The model in folder `path`, or the one inside the package. Raises `SettingsError` if it cannot be used.

        encoder: False for its linear heads alone, as where onnxruntime is missing.
        """
        folder = SHIPPED if path is None else path
        try:
            settings = json.loads(folder.joinpath("model.json").read_text(encoding="utf-8"))
            names = folder.joinpath("features.txt").read_text(encoding="utf-8").split("\n")
            with folder.joinpath("weights.npz").open("rb") as stream:
                arrays = np.load(stream, allow_pickle=False)
                weights, bias = arrays["weights"].astype(np.float32), arrays["bias"].astype(np.float32)
        except (OSError, ValueError, KeyError) as error:
            raise SettingsError(f"{folder}: no usable model: {error}; run `classify train`") from error
        if settings.get("format") != FORMAT or weights.shape != (len(names), len(bias)):
            raise SettingsError(
                f"{folder}: model format {settings.get('format')}, {weights.shape[0]} rows for {len(names)} features; "
                f"this program reads format {FORMAT}; run `classify train` again"
            )
        beside = folder / "encoder"
        both = encoder and available() and beside.is_dir()
        return cls(names, weights, bias, settings, Encoder(beside) if both else None)

    @property
    def name(self) -> str:
        """What answered, with the start of its digest: `encoder-…` with the encoder, `linear-…` without."""
        return f"{'encoder' if self.encoder else 'linear'}-{self.digest[:12]}"

    @cached_property
    def digest(self) -> str:
        """SHA-256 over names, arrays and settings: the same for the same answers."""
        digest = hashlib.sha256()
        digest.update("\n".join(self.index).encode())
        digest.update(self.weights.tobytes() + self.bias.tobytes())
        digest.update(json.dumps(self.settings, sort_keys=True).encode())
        if self.encoder:
            digest.update(self.encoder.digest.encode())
        return digest.hexdigest()

    def score(self, sources: Sequence[Source]) -> list[Scored]:
        """Probabilities of every head for each passage, in order."""
        return [self._score(source) for source in sources]

    def _score(self, source: Source) -> Scored:
        passage, features = extract(source)
        index = self.index
        kept = list(dict.fromkeys(index[f.name] for f in features if f.name in index))
        columns = np.array(kept, dtype=np.int64)
        length = float(np.sqrt(self._squares[columns].sum())) or 1.0
        flat = self.weights[columns].sum(axis=0) / length + self.bias
        logits = {head: flat[part] for head, part in self.slices.items()}
        encoded = self.encoder.read(source, passage) if self.encoder else None
        if encoded:
            logits = {head: self.settings["blend"][head] * x + encoded.logits[head] for head, x in logits.items()}
        probabilities = {head: _softmax(x / self.settings["temperature"][head]) for head, x in logits.items()}
        return Scored(source, passage, features, columns, length, probabilities, encoded)

    def contributions(self, scored: Scored, head: str, value: str, against: str) -> list[tuple[Feature, float]]:
        """What each present feature adds to log p(`value`) - log p(`against`); exact, the bias left out.

        A feature that occurs more than once shares its weight between its occurrences. With the encoder, each word
        piece adds its share of the encoder's logits (what it says once its neighbours were read, not of its letters).
        """
        values = self.heads[head]
        base = self.slices[head].start
        one, other = base + values.index(value), base + values.index(against)
        known = [f for f in scored.features if f.name in self.index]
        times: dict[str, int] = {}
        for feature in known:
            times[feature.name] = times.get(feature.name, 0) + 1
        temperature = float(self.settings["temperature"][head])
        weight = self.settings["blend"][head] if scored.encoded else 1.0
        scale = scored.length * temperature / weight if weight else float("inf")
        out: list[tuple[Feature, float]] = []
        for feature in known:
            row = self.weights[self.index[feature.name]]
            out.append((feature, float(row[one] - row[other]) / scale / times[feature.name]))
        if scored.encoded:
            shares = scored.encoded.shares[head]
            moved = (shares[:, values.index(value)] - shares[:, values.index(against)]) / temperature
            for (start, end), amount in zip(scored.encoded.spans, moved, strict=True):
                out.append((Feature("piece", start, end), float(amount)))
        return out


def _softmax(logits: Floats) -> Floats:
    raised = np.exp(logits - logits.max())
    out: Floats = raised / raised.sum()
    return out
