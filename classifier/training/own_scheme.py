"""The shipped model on the gold contexts: our own scheme, per split and per field.

``python -m classifier.training.own_scheme`` writes ``eval/results/embedded/gold-contexts.json``, from which the model
card is made. The test half is for reporting: nothing is chosen on it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from classifier.evaluation.gold import GoldItem, read_gold
from classifier.evidence import prepare
from classifier.inputs import open_input
from classifier.judges.local.answer import LocalAnswer, judge_task
from classifier.judges.local.model import LocalModel
from classifier.schema import STANCES, Polarity
from classifier.training.evaluate import bootstrap


class Judged(NamedTuple):
    """A gold item, its field of science, and what the model answered."""

    gold: GoldItem
    field: str
    answer: LocalAnswer


def judged(folder: Path, model: LocalModel) -> list[Judged]:
    """Every gold item of `folder` (items.jsonl, gold.jsonl) with the model's answer."""
    gold = {item.key: item for item in read_gold(folder).items}
    lines = (folder / "items.jsonl").read_text(encoding="utf-8").splitlines()
    fields = {(row["hub_id"], row["citing_id"]): row["field"] for row in map(json.loads, lines)}
    out: list[Judged] = []
    for pair in open_input(folder / "items.jsonl").pairs():
        key = (pair.cited.hub_id, pair.citing.citing_id)
        out.append(Judged(gold[key], fields[key], judge_task(model, prepare(pair))))
    return out


def scores(rows: Sequence[Judged]) -> dict[str, Any]:
    """Macro-F1 (percent, 95 % bootstrap interval) over the values that the gold holds, asserted and most probable.

    Asserted: the label as given, where `unclear` is an answer like any other. Most probable: the value with the
    largest probability, `unclear` gold items left out. `stances`: how many were asserted, right, and in the gold.
    """
    found: dict[str, Any] = {"items": len(rows)}
    for head in ("role", "polarity"):
        truth = [row.gold.value(head) or "unclear" for row in rows]
        given = [str(getattr(row.answer.label, head)) for row in rows]
        likely = [_likely(row.answer, head) for row in rows]
        clear = [i for i, t in enumerate(truth) if t != "unclear"]
        found[head] = {
            "asserted": _macro(truth, given),
            "most probable": _macro([truth[i] for i in clear], [likely[i] for i in clear]),
        }
    sides = {str(s) for s in STANCES}
    asserted = [row for row in rows if str(row.answer.label.polarity) in sides]
    found["stances"] = {
        "asserted": len(asserted),
        "right": sum(row.gold.polarity == row.answer.label.polarity for row in asserted),
        "in gold": sum(str(row.gold.polarity) in sides for row in rows),
    }
    found["polarity left unclear"] = sum(row.answer.label.polarity is Polarity.UNCLEAR for row in rows)
    return found


def _likely(answer: LocalAnswer, head: str) -> str:
    values = (answer.probabilities or {}).get(head, {"unclear": 1.0})
    return max(values, key=lambda value: values[value])


def _macro(truth: Sequence[str], guess: Sequence[str]) -> dict[str, float]:
    """Macro-F1 over the values in `truth`; a guess outside them is only ever wrong."""
    names = sorted(set(truth))
    code = {name: k for k, name in enumerate(names)}
    t = np.array([code[v] for v in truth])
    g = np.array([code.get(v, len(names)) for v in guess])
    result = bootstrap(t, g, len(names) + 1, scored=len(names))
    return {"macro": result.macro, "low": result.low, "high": result.high}


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the scores of the shipped model on each half of the gold contexts and on each field to --out."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--gold", type=Path, default=Path("eval/gold/contexts"))
    parser.add_argument("--out", type=Path, default=Path("eval/results/embedded/gold-contexts.json"))
    given = parser.parse_args(arguments)
    model = LocalModel.load()
    rows = judged(given.gold, model)
    found: dict[str, Any] = {"model": model.name, "splits": {}, "fields": {}}
    for split in ("dev", "test"):
        found["splits"][split] = scores([row for row in rows if row.gold.split == split])
    for field in sorted({row.field for row in rows}):
        found["fields"][field] = scores([row for row in rows if row.field == field])
    given.out.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    print(given.out)


if __name__ == "__main__":
    main()
