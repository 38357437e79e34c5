"""The rules for works without a passage, measured on pairs of titles that have a citation function.

Run as ``python -m classifier.training.relations --data ../shared/bench --out eval/results/embedded``.

A pair is a cited and a citing title. Its label is the function of the passages that join the two works: any other
group before background, then the more frequent. Intervals are percentiles over 1,000 resamples of citing works.
"""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from classifier.errors import InputError
from classifier.evaluation.prevalence import wilson
from classifier.evidence import prepare
from classifier.inputs import open_input
from classifier.judges.local.model import LocalModel
from classifier.judges.local.relation import CommonWords, Relation, relate
from classifier.judges.local.tokens import scan
from classifier.schema import EvidenceSource
from classifier.training.evaluate import DRAWS
from classifier.training.fitting import fit
from classifier.training.relations_page import as_markdown
from classifier.training.title_pairs import GROUP_OF, GROUPS, TitlePair, read_pairs

Ints = NDArray[np.int64]
ABSTAIN = len(GROUPS)
SETS: Mapping[str, tuple[str, ...]] = {"act": ("act_train",), "acl-arc": ("acl_arc_train", "acl_arc_dev")}
"""Files with both titles, by data set. The finer version of ACL-ARC is the same papers and adds no pair of its own."""
HUB = "lets-verify-step-by-step"
_KINDS = {
    "data": r"corpus|corpora|dataset|data ?set|treebank|database|benchmark|lexicon|wordnet|bank|resource|ontology",
    "tool": r"toolkit|software|system|package|library|tool|framework|platform|parser|tagger|open.source",
    "method": r"algorithm|method|model|learning|approach|technique|network|estimation|classification|training",
    "survey": r"survey|review|overview|introduction|handbook|trends|theory|history|perspectives?|challenges",
    "test": r"evaluat\w*|compar\w*|assess\w*|analysis|study|effects?|trial|case|evidence|metric|measur\w*",
    "use": r"using|with|based|via|appl\w+|from|for",
    "better": r"improv\w*|extend\w*|extension|efficient|fast\w*|better|beyond|unlike|versus|vs|novel|new",
    "named": r"^[^\s:]{2,20}:",
}
_PATTERNS = {
    name: re.compile(rf"\b(?:{words})\b" if name != "named" else words, re.I) for name, words in _KINDS.items()
}


class Interval(NamedTuple):
    """A figure in percent with its 95 % interval."""

    value: float
    low: float
    high: float


def by_rules(pairs: Sequence[TitlePair], common: CommonWords, is_title: bool = True) -> list[Relation | None]:
    """What the rules say of each pair from titles alone; without `is_title` as if the citing title were a summary."""
    return [relate(p.cited, "", p.citing, common, is_title=is_title) for p in pairs]


def groups_of(relations: Sequence[Relation | None]) -> Ints:
    """The group each relation asserts, `ABSTAIN` for none or unclear."""
    return np.array([GROUP_OF.get(r.role, ABSTAIN) if r else ABSTAIN for r in relations], dtype=np.int64)


def tables(pairs: Sequence[TitlePair], guess: Ints) -> NDArray[np.float64]:
    """Counts [citing works, truth, guess or abstained]."""
    number = {c: i for i, c in enumerate(dict.fromkeys(p.citing.lower() for p in pairs))}
    out = np.zeros((len(number), len(GROUPS), len(GROUPS) + 1))
    for pair, said in zip(pairs, guess, strict=True):
        out[number[pair.citing.lower()], pair.truth, said] += 1
    return out


def macro(counts: NDArray[np.float64], asserted_only: bool = False) -> NDArray[np.float64]:
    """Macro-F1 in percent of `counts` [..., truth, guess]; an abstention is wrong, or with `asserted_only` left out."""
    square = counts[..., :ABSTAIN]
    truth = (square if asserted_only else counts).sum(axis=-1)
    size = truth + square.sum(axis=-2)
    hits = np.einsum("...kk->...k", square)
    f1 = 200.0 * hits / size.clip(1)
    out: NDArray[np.float64] = f1.sum(axis=-1) / (size > 0).sum(axis=-1).clip(1)
    return out


def scored(pairs: Sequence[TitlePair], guess: Ints, against: Ints | None = None) -> dict[str, Any]:
    """Share asserted, share right, both macro-F1, and the gain in macro-F1 over `against` (same resamples)."""
    per_work = tables(pairs, guess)
    draws = np.random.default_rng(0).multinomial(len(per_work), np.full(len(per_work), 1 / len(per_work)), size=DRAWS)
    total, drawn = per_work.sum(axis=0), np.tensordot(draws, per_work, axes=1)
    out: dict[str, Any] = {
        "pairs": len(pairs),
        "asserted": int((guess < ABSTAIN).sum()),
        "right": int((guess == [p.truth for p in pairs]).sum()),
        "by group": {
            name: _share(int(per_work[:, k, k].sum()), int(per_work[:, :, k].sum())) for k, name in enumerate(GROUPS)
        },
        "macro": _interval(float(macro(total)), macro(drawn))._asdict(),
        "macro asserted": _interval(float(macro(total, True)), macro(drawn, True))._asdict(),
    }
    if against is not None:
        other = tables(pairs, against)
        gain = macro(drawn) - macro(np.tensordot(draws, other, axes=1))
        out["gain"] = _interval(float(macro(total) - macro(other.sum(axis=0))), gain)._asdict()
    return out


def _interval(value: float, drawn: NDArray[np.float64]) -> Interval:
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Interval(round(value, 2), round(float(low), 2), round(float(high), 2))


def precision(pairs: Sequence[TitlePair], relations: Sequence[Relation | None]) -> dict[str, dict[str, Any]]:
    """By rule and role: asserted, right by group and by role with Wilson intervals, background instead, shrunk."""
    found: dict[str, list[tuple[TitlePair, Relation]]] = defaultdict(list)
    for pair, relation in zip(pairs, relations, strict=True):
        if relation and relation.role in GROUP_OF:
            found[f"{relation.kind}: {relation.role}"].append((pair, relation))
    out: dict[str, dict[str, Any]] = {}
    for name, rows in sorted(found.items()):
        group = sum(p.truth == GROUP_OF[r.role] for p, r in rows)
        exact = sum(r.role in p.allowed for p, r in rows)
        out[name] = {
            "asserted": len(rows),
            "group": _share(group, len(rows)),
            "role": _share(exact, len(rows)),
            "background": _share(sum(p.truth == 0 for p, _ in rows), len(rows)),
            "shrunk": round((exact + 2) / (len(rows) + 4), 3),
            "stated": rows[0][1].confidence,
        }
    return out


def _share(count: int, total: int) -> dict[str, float]:
    if not total:
        return {"count": 0, "total": 0, "share": 0.0, "low": 0.0, "high": 1.0}
    low, high = wilson(count, total)
    return {
        "count": count,
        "total": total,
        "share": round(count / total, 4),
        "low": round(low, 4),
        "high": round(high, 4),
    }


def features(pair: TitlePair, relation: Relation | None) -> dict[str, float]:
    """Shared words and terms, kinds of both titles, and what the rules found."""
    cited, citing = ({t.form for t in scan(t) if len(t.form) > 3} for t in (pair.cited, pair.citing))
    shared = len(cited & citing)
    out = {
        "shared": float(np.log1p(shared)),
        "share of hub": shared / max(1, len(cited)),
        "share of both": shared / max(1, len(cited | citing)),
        "hub length": len(cited) / 10,
        "citing length": len(citing) / 10,
        f"rule {relation.kind if relation else 'none'}": 1.0,
    }
    for side, title in (("hub", pair.cited), ("citing", pair.citing)):
        out |= {f"{side} {name}": 1.0 for name, pattern in _PATTERNS.items() if pattern.search(title)}
    return out


def learnt(
    train: tuple[Sequence[TitlePair], Sequence[Relation | None]],
    test: tuple[Sequence[TitlePair], Sequence[Relation | None]],
    words: bool,
    balance: float,
) -> Ints:
    """Groups by logistic regression trained on `train`; `words` adds the hub title's, labels weigh count^-balance."""

    def row(pair: TitlePair, relation: Relation | None) -> dict[str, float]:
        own = {f"w {t.form}": 0.5 for t in scan(pair.cited) if len(t.form) > 3} if words else {}
        return features(pair, relation) | own

    rows = [row(p, r) for p, r in zip(*train, strict=True)]
    counts = Counter(name for found in rows for name in found)
    index = {name: i for i, name in enumerate(sorted(n for n, c in counts.items() if c >= 3))}
    truth = np.array([p.truth for p in train[0]])
    weight = np.bincount(truth, minlength=len(GROUPS)).clip(1)[truth] ** -balance
    allowed = truth[:, None] == np.arange(len(GROUPS))
    one = np.zeros(len(rows), dtype=np.int64)
    fitted = fit(_matrix(rows, index), allowed, one, weight / weight.mean(), penalty=1e-3)
    scores = _matrix([row(p, r) for p, r in zip(*test, strict=True)], index) @ fitted.weights + fitted.bias
    return np.asarray(scores.argmax(axis=1), dtype=np.int64)


def _matrix(rows: Sequence[Mapping[str, float]], index: Mapping[str, int]) -> sp.csr_matrix:
    cells = [(i, index[n], v) for i, found in enumerate(rows) for n, v in found.items() if n in index]
    at, columns, values = zip(*cells, strict=True) if cells else ((), (), ())
    return sp.csr_matrix((values, (at, columns)), shape=(len(rows), len(index)))


def example_hub(gold: Path, hub: Path, common: CommonWords) -> dict[str, Any]:
    """The rules on the example hub (title and abstract against summary, then title) beside its gold roles."""
    truth = {str(r["citing_id"]): str(r["role"]) for r in map(json.loads, gold.read_text("utf-8").splitlines())}
    by_rule: dict[str, list[int]] = {}
    right = 0
    for pair in open_input(hub).pairs():
        cited = pair.cited
        said = (
            relate(cited.title, cited.abstract, t.text, common, is_title=t.source is EvidenceSource.TITLE)
            for t in prepare(pair).passages
        )
        found = next((r for r in said if r), None)
        hit = (found.role if found else "unclear") == truth[pair.citing.citing_id]
        right += hit
        counts = by_rule.setdefault(f"{found.kind}: {found.role}" if found else "none: unclear", [0, 0])
        counts[0] += 1
        counts[1] += hit
    always = Counter(truth.values())["background"]
    return {"works": len(truth), "right": right, "always background": always, "by rule": dict(sorted(by_rule.items()))}


def one_set(here: Sequence[TitlePair], there: Sequence[TitlePair], other: str, common: CommonWords) -> dict[str, Any]:
    """Every way of giving a role on the pairs of one set, where needed learnt on those of the `other`."""
    said, apart = by_rules(here, common), by_rules(there, common)
    summary = by_rules(here, common, is_title=False)
    always = np.zeros(len(here), dtype=np.int64)
    shares = np.bincount([p.truth for p in there], minlength=len(GROUPS)) / len(there)
    chance = np.random.default_rng(0).choice(len(GROUPS), size=len(here), p=shares).astype(np.int64)
    rules = groups_of(said)
    guesses = {
        "rules": rules,
        "rules, as for a summary": groups_of(summary),
        "rules, background where they abstain": np.where(rules == ABSTAIN, 0, rules),
        "always background": always,
        f"drawn at random by the shares of {other}": chance,
    }
    for words in (False, True):
        for balance in (0.0, 0.5, 1.0):
            title = f"learnt on {other}{', hub title words' if words else ''}, label weight count^-{balance}"
            guesses[title] = learnt((there, apart), (here, said), words, balance)
    return {
        "labels": dict(Counter(GROUPS[p.truth] for p in here)),
        "scores": {name: scored(here, guess, chance) for name, guess in guesses.items()},
        "rules": precision(here, said),
        "rules, as for a summary": precision(here, summary),
    }


def measure(data: Path, silver: Path, gold: Path, hub: Path, common: CommonWords) -> dict[str, Any]:
    """All figures as plain data."""
    pairs = {name: read_pairs([data / f"{f}.jsonl" for f in files]) for name, files in SETS.items()}
    out: dict[str, Any] = {
        name: one_set(pairs[name], pairs[other], other, common)
        for name, other in (("act", "acl-arc"), ("acl-arc", "act"))
    }
    rows = [r for r in map(json.loads, silver.read_text("utf-8").splitlines()) if not r["second"]]
    labels_of = {str(r["id"]): str(r["role"]) for r in rows if r["dataset"] == "act"}
    own = read_pairs([data / "act_train.jsonl"], labels_of)
    out["act, silver labels"] = one_set(own, pairs["acl-arc"], "acl-arc", common)
    return out | {"example hub": example_hub(gold, hub, common)}


def main(arguments: Sequence[str] | None = None) -> None:
    """Write `relations.json` and `relations.md` into --out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--silver", type=Path, default=Path("eval/silver/labels.jsonl"))
    parser.add_argument("--gold", type=Path, default=Path(f"eval/gold/{HUB}/gold.jsonl"))
    parser.add_argument("--hub", type=Path, default=Path(f"examples/{HUB}.txt"))
    parser.add_argument("--out", type=Path, default=Path("eval/results/embedded"))
    given = parser.parse_args(arguments)
    for path in (given.data / "act_train.jsonl", given.silver, given.gold, given.hub):
        if not path.exists():
            raise InputError("no such file", path=path)
    results = measure(given.data, given.silver, given.gold, given.hub, LocalModel.load().common)
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "relations.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    (given.out / "relations.md").write_text(as_markdown(results), encoding="utf-8")


if __name__ == "__main__":
    main()
