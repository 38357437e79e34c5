"""In domain: what a data set's own labels buy, the footnote beside the scores on data sets left out.

A user with a few thousand labelled passages of their own convention can do the same. A network that never saw the set
(torch weights of `classifier.training.encoder`: the one that ships, or for a set it was trained on the one made without
that set) is fine-tuned further on the set's own passages, the linear heads are fitted on them alone, and their class
probabilities are averaged. Nothing is chosen on what is scored: every row, in five folds by citing paper, and for
comparison with published figures the published dev part. These flatter: SciCite's and ACL-ARC's share most of their
papers with the training parts, ACL-ARC's even windows of text. Needs the `train-encoder` extra; nothing of it ships.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from classifier.errors import InputError
from classifier.judges.local.encoder import columns
from classifier.judges.local.model import SHIPPED
from classifier.judges.local.pieces import Vocabulary
from classifier.training import calibration, corpora, matrices
from classifier.training.corpora import Example
from classifier.training.evaluate import bootstrap, grouped, shown, truth_of
from classifier.training.recipe import Recipe, rows_of
from classifier.training.train import Settings, expand, fit_head, score

FOLDS = 5
RECIPE = Recipe(epochs=4, rate=1e-4, corpus_balance=0.0)
"""Fixed before anything was scored: half the learning rate of the first training, a pass more."""
Bools = NDArray[np.bool_]


class Task(NamedTuple):
    """One set and its classes: for each value of the head the number of its class (native schemes merge ours).

    network: which of the encoder's networks to go on from. folds: score every row, in folds, or the published dev part.
    """

    corpus: str
    head: str
    classes: tuple[int, ...]
    network: str = "all"
    folds: bool = True


_SCICITE = Task("scicite", "role", (0, 0, 1, 1, 1, 2, 0), network="a")
_ACL_ARC = Task("acl-arc", "role", (0, 1, 2, 2, 3, 4, 5))
TASKS = {
    "scicite": _SCICITE,
    "scicite, published dev part": _SCICITE._replace(folds=False),
    "acl-arc": _ACL_ARC,
    "acl-arc, published dev part": _ACL_ARC._replace(folds=False),
    "clinical-sentiment": Task("clinical-sentiment", "polarity", (0, 1, 2, 0)),
}
"""SciCite: background, method, result. ACL-ARC: its six functions. Clinical: neutral, positive, negative."""


def parts_of(examples: Sequence[Example], folds: bool = True) -> list[tuple[Bools, Bools]]:
    """Rows to train on and rows to score, in folds by citing paper or as published; no same text is in both."""
    prints = np.array([corpora.fingerprint(e.source.text) for e in examples])
    if not folds:
        dev = np.array([e.split == "dev" for e in examples], dtype=bool)
        return [(~dev & ~np.isin(prints, prints[dev]), dev)]
    fold = np.array([int(hashlib.sha256(paper_of(e).encode()).hexdigest(), 16) % FOLDS for e in examples])
    return [(~np.isin(prints, prints[fold == k]) & (fold != k), fold == k) for k in range(FOLDS)]


def paper_of(example: Example) -> str:
    """The citing paper, as the sets that are scored here write it in their ids."""
    return re.split("[>_]", example.key.split(":", 1)[1])[0]


def check(encoder: Path, task: Task) -> dict[str, Any]:
    """What the encoder was made from; an `InputError` where the network is missing or saw the set's family."""
    made_from: dict[str, Any] = json.loads((encoder / "recipe.json").read_text(encoding="utf-8"))
    path = encoder / f"{task.network}.pt"
    families = {corpora.family_of(name) for name in made_from["examples"]}
    if corpora.family_of(task.corpus) in families - set(made_from["left_out"].get(task.network, ())):
        raise InputError(f"the network was trained on {task.corpus}", path=path)
    if not path.is_file():
        raise InputError("no such network", path=path, do="train the encoder again into an empty --encoder folder")
    return made_from


def run(task: Task, examples: Sequence[Example], encoder: Path, seed: int) -> dict[str, Any]:
    """Macro-F1 of linear heads, network and their mean on one set, and how many rows were scored."""
    from classifier.training.finetuning import PLAIN, train_one

    mine = [e for e in examples if e.corpus == task.corpus and task.head in e.allowed and e.split != "test"]
    vocabulary = Vocabulary.load(encoder / "pieces.txt", check(encoder, task)["recipe"]["pieces"])
    rows = [r._replace(corpus=PLAIN) for r in rows_of(mine, vocabulary)]  # no offset
    settings = replace(Settings(), min_families=1)
    table = matrices.tabulate(mine, settings.min_count)
    numbers = np.array(task.classes)
    classes = int(numbers.max()) + 1
    found = {name: np.zeros((len(mine), classes)) for name in ("linear heads", "encoder")}
    scored = np.zeros(len(mine), dtype=bool)
    for train, asked in parts_of(mine, task.folds):
        scored |= asked
        fitted = fit_head(table, np.flatnonzero(train), task.head, settings)
        linear = score(table, np.flatnonzero(asked), fitted, task.head, settings)
        picked = [[rows[i] for i in np.flatnonzero(part)] for part in (train, asked)]
        start = encoder / f"{task.network}.pt"
        logits = train_one(task.corpus, picked[0], picked[1], None, RECIPE, seed, start)[:, columns(task.head)]
        for name, given in (("linear heads", linear), ("encoder", logits.astype(np.float64))):
            found[name][asked] = grouped(calibration.probabilities(given, 1.0), numbers)
    found["both"] = (found["linear heads"] + found["encoder"]) / 2
    truth = truth_of(mine, task.head, numbers)
    kept = scored & (truth >= 0)
    results = {name: bootstrap(truth[kept], p[kept].argmax(axis=1), classes)._asdict() for name, p in found.items()}
    return {"head": task.head, "classes": classes, "networks": networks_of(encoder), "results": results}


def networks_of(folder: Path) -> str:
    """Which training the networks of a folder came from: twelve digits of the sha256 of `encoder.onnx`, if there."""
    path = folder / "encoder.onnx"
    return corpora.sha256(path)[:12] if path.is_file() else "none"


ABOUT = (
    "Macro-F1 in percent over the set's own classes with a 95 % bootstrap interval, by a network that never saw the\n"
    "set, fine-tuned further on the set's own passages; every row is scored, in five folds by citing paper. Published\n"
    "dev parts share papers with the training parts (561 of 916 passages, 111 of 114): they are there for comparison\n"
    "with published figures. No test part was opened. Networks: `this model's` are of the training that its\n"
    "encoder came from; others are named by the first digits of the sha256 of their `encoder.onnx`.\n"
    "Made by `python -m classifier.training.in_domain`; nothing of it is shipped."
)


def as_rows(found: Mapping[str, Any], model: Path = SHIPPED) -> list[str]:
    """The lines of a table, one row a set: what each model reaches when it is trained on the set's own labels.

    Networks that the encoder of `model` came from are called `this model's`.
    """
    mine = networks_of(model / "encoder")
    lines = ["| set | classes | rows scored | linear heads | encoder | both | networks |"]
    lines += ["|---|--:|--:|---|---|---|---|"]
    for name, one in found.items():
        cells = [one["results"][k] for k in ("linear heads", "encoder", "both")]
        scores = map(shown, cells)
        first = [name, str(one["classes"]), f"{cells[0]['rows']:,}"]
        lines.append("| " + " | ".join([*first, *scores, one["networks"].replace(mine, "this model's")]) + " |")
    return lines


def main(arguments: Sequence[str] | None = None) -> None:
    """Write `in-domain.json` and `in-domain.md` into --out; sets that were not named keep their figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, action="append", required=True)
    parser.add_argument(
        "--encoder", type=Path, required=True, help="folder of classifier.training.encoder, with its .pt files"
    )
    parser.add_argument("--only", action="append", choices=list(TASKS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("eval/results/embedded"))
    given = parser.parse_args(arguments)
    examples = corpora.load(expand(given.data))
    path = given.out / "in-domain.json"
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    for name, task in TASKS.items():
        if given.only is None or name in given.only:
            found[name] = run(task, examples, given.encoder, given.seed)
            found = {k: found[k] for k in TASKS if k in found}
            path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    text = "\n".join(["# In domain", "", ABOUT, "", *as_rows(found), ""])
    (given.out / "in-domain.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
