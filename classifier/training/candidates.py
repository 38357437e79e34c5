"""The table of candidates: what each kind of data and feature buys on corpora the model never saw.

Run as ``python -m classifier.training.candidates --data FOLDER --silver FOLDER --written FOLDER --out eval/results``.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from classifier.judges.local.model import LocalModel
from classifier.training import assertions, blending, calibration, corpora, evaluate, matrices
from classifier.training.costs import costs
from classifier.training.train import Settings, expand, fit_head, rows_of, score, usable

_KEYS = ("role native", "role own", "polarity native", "polarity own")
_CUES = frozenset({"c", "cc", "g", "next", "prev"})
_WORDS = frozenset({"w", "l", "r", "f"})


class Candidate(NamedTuple):
    """Which rows it trains on, and which kinds of features it does without."""

    everything: bool = False
    silver: bool = True
    written: bool = True
    left_out: frozenset[str] = frozenset()
    encoder: float | None = None  # None: linear heads alone; else the weight of the linear logits (-1: the shipped one)


CANDIDATES: Mapping[str, Candidate] = {
    "shipped": Candidate(encoder=-1),
    "encoder alone": Candidate(encoder=0),
    "linear heads": Candidate(),
    "linear, without silver labels": Candidate(silver=False),
    "linear, without silver labels and own passages": Candidate(silver=False, written=False),
    "linear, also sets without a licence": Candidate(everything=True),
    "linear, words only": Candidate(left_out=_CUES),
    "linear, cue phrases only": Candidate(left_out=_WORDS),
}


def table_of(data: Sequence[Path], silver: Path | None, written: Path | None) -> matrices.Table:
    """Every example of the data and of our own labels, evaluate-only sets left out."""
    given = expand(data)
    own = corpora.load_own(expand([p for p in (silver, written) if p is not None]), given)
    loaded = [e for e in corpora.load(given) if corpora.CORPORA.get(e.corpus, corpora.Corpus("", None)).train]
    return matrices.tabulate(loaded + own, Settings().min_count)


def settings_for(candidate: Candidate) -> Settings:
    """The settings of a candidate; the shipped blend is read from the shipped model."""
    settings = replace(Settings(), left_out=candidate.left_out)
    if candidate.encoder is None:
        return settings
    model = LocalModel.load()
    shipped = model.settings["blend"] if model.encoder else dict.fromkeys(corpora.HEADS, 0.0)
    blend = shipped if candidate.encoder < 0 else dict.fromkeys(corpora.HEADS, candidate.encoder)
    return replace(settings, blend=blend)


def rows_for(table: matrices.Table, candidate: Candidate) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which rows the candidate trains on."""
    kept = np.array([usable(e, candidate.everything) for e in table.examples], dtype=bool)
    for names, wanted in ((corpora.SILVER, candidate.silver), (("written",), candidate.written)):
        if not wanted:
            kept &= ~np.isin(table.corpora, names)
    return kept


def in_domain(table: matrices.Table, corpus: str, head: str, candidate: Candidate) -> evaluate.Result | None:
    """Macro-F1 on a corpus' dev part, trained on everything else of it as well; None where it has no dev part."""
    groups = evaluate.ROLE_GROUPS if head == "role" else evaluate.POLARITY_GROUPS
    dev = np.array([e.corpus == corpus and e.split == "dev" and head in e.allowed for e in table.examples])
    if not dev.any():
        return None
    print_of = [corpora.fingerprint(e.source.text) for e in table.examples]
    hidden = {print_of[i] for i in np.flatnonzero(dev)}
    train = rows_for(table, candidate) & np.array([p not in hidden for p in print_of])
    rows = rows_of(table, head)
    settings = settings_for(candidate)
    fitted = fit_head(table, rows[train[rows]], head, settings)
    p = calibration.probabilities(score(table, np.flatnonzero(dev), fitted, head, settings), 1.0)
    return evaluate.head_result(assertions.Scores(np.flatnonzero(dev), p, {}), table, head, groups)


def main(arguments: Sequence[str] | None = None) -> None:
    """Write `local-candidates.json` and `local-candidates.md` into --out; --only names candidates (repeatable)."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, action="append", required=True)
    parser.add_argument("--silver", type=Path)
    parser.add_argument("--written", type=Path)
    parser.add_argument("--sample", type=Path, help="silver labels of passages drawn at random from those without one")
    parser.add_argument("--encoder", type=Path, help="folder of classifier.training.encoder, for candidates with it")
    parser.add_argument("--only", action="append")
    parser.add_argument("--out", type=Path, default=Path("eval/results/embedded"))
    given = parser.parse_args(arguments)
    table = table_of(given.data, given.silver, given.written)
    drawn = corpora.load_own(expand([given.sample]), expand(given.data)) if given.sample else []
    sample = assertions.silver_polarity(drawn)
    logits = blending.HeldOut.load(given.encoder) if given.encoder else None
    args_out: Path = given.out
    args_out.mkdir(parents=True, exist_ok=True)
    path = args_out / "local-candidates.json"
    kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    results = {name: found for name, found in kept.items() if name in CANDIDATES}
    fits: dict[Candidate, evaluate.Fits] = {}  # candidates that differ in the encoder's weight share their linear heads
    for name in given.only or CANDIDATES:
        candidate = CANDIDATES[name]
        if candidate.encoder is not None and logits is None:
            print(f"{name}: left as it was, needs --encoder", file=sys.stderr)
            continue
        settings = settings_for(candidate)
        beside = logits.beside(table) if logits and candidate.encoder is not None else table
        inside = logits.beside(table, in_domain=True) if logits and candidate.encoder is not None else table
        shared = fits.setdefault(candidate._replace(encoder=None), {})
        shipped = LocalModel.load().settings if name == "shipped" else None
        found = evaluate.candidate(beside, rows_for(table, candidate), settings, shared, shipped, sample)
        own = int((table.corpora[rows_for(table, candidate)] == "written").sum())
        results[name] = found | {"in domain": _in_domain(inside, candidate), "own passages": own}
        path.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        print(name, file=sys.stderr, flush=True)
    model = LocalModel.load()
    results["costs"] = costs(table)
    results["model"] = {"sha256": model.digest, "features": len(model.index)}
    path.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    ordered = json.loads(path.read_text(encoding="utf-8"))  # sets in one order, measured now or kept from before
    (args_out / "local-candidates.md").write_text(as_markdown(ordered), encoding="utf-8")


def _in_domain(table: matrices.Table, candidate: Candidate) -> dict[str, Any]:
    found = {}
    for corpus, head in (("scicite", "role"), ("acl-arc", "role"), ("sdcf", "role"), ("sdcf", "polarity")):
        if candidate.everything or corpora.CORPORA[corpus].permissive:
            result = in_domain(table, corpus, head, candidate)
            if result is not None:
                found[f"{corpus} {head}"] = result._asdict()
    return found


def as_markdown(results: Mapping[str, Any]) -> str:
    """The candidates as one table, then the shipped one corpus by corpus with what it asserts."""
    text = (
        "Macro-F1 in percent with a 95 % bootstrap interval, leave one corpus out: no row of the passage's data set or "
        "family was in training. Native: the data set's own labels; own scheme: silver labels on its passages, three "
        "groups. Stances: how many the thresholds assert on passages of sets left out, by all silver labels, of how "
        "many passages, and how many of them are right (the shipped model at the thresholds it ships with, others "
        "at ones found without the set). Milliseconds of one core a passage; memory: the most a process with the "
        "judge alone held resident. Made by "
        "`python -m classifier.training.candidates`."
    )
    lines = ["# Candidates for the embedded judge", "", text, ""]
    lines += [
        "| candidate | files, MB | ms | memory, MiB | own passages | role, native | role, own scheme "
        "| polarity, native | polarity, own scheme | stances asserted | of them right | stances there |",
        "|---|---:|---:|---:|---:|---|---|---|---|---|---|---|",
    ]
    for name in CANDIDATES:
        if name in results:
            cost = results.get("costs", {}).get(name, {})
            cells = [
                name,
                *(str(cost.get(unit, "")) for unit in ("mb", "ms", "mib")),
                str(results[name]["own passages"]),
            ]
            cells += [_mean(results[name], key) for key in _KEYS]
            lines.append("| " + " | ".join([*cells, *_stances(results[name])]) + " |")
    lines += ["", "## Shipped, corpus by corpus", ""]
    for key in _KEYS:
        lines += _corpus_table(results.get("shipped", {}).get(key, {}), key)
    lines += ["## In domain (dev parts, trained with the rest of the corpus)", ""]
    lines += ["| candidate | set | macro-F1 |", "|---|---|---|"]
    for name in CANDIDATES:
        for corpus, result in results.get(name, {}).get("in domain", {}).items():
            lines.append(f"| {name} | {corpus} | {_cell(result)} |")
    return "\n".join(lines) + "\n"


def _stances(result: Mapping[str, Any]) -> tuple[str, str, str]:
    """Asserted stances over all corpora in our own scheme: how many, how many right, how many labels are stances."""
    corpora_found = [found for name, found in result.get("polarity own", {}).items() if name != "mean"]
    kinds = [kind for found in corpora_found for kind in _asserted(found).values()]
    given, right = sum(k["asserted"] for k in kinds), sum(k["right"] for k in kinds)
    rows = sum(next(iter(_asserted(found).values()))["rows"] for found in corpora_found)
    there = sum(found.get("stances", 0) for found in corpora_found)
    return f"{given} of {rows:,}", f"{right} ({right / given:.0%})" if given else "-", str(there)


def _asserted(found: Mapping[str, Any]) -> Mapping[str, Any]:
    """Each kind of stance on one set: at the thresholds that ship, else at those found without it; empty for roles."""
    kinds: Mapping[str, Any] = found.get("asserted as shipped", found.get("asserted", {}))
    return kinds


def _mean(result: Mapping[str, Any], key: str) -> str:
    return _cell(result.get(key, {}).get("mean"))


def _cell(result: Mapping[str, float] | None) -> str:
    return evaluate.shown(result) if result else "-"


def _corpus_table(found: Mapping[str, Any], key: str) -> list[str]:
    """One row a corpus: score, calibration error, and for polarity what was asserted and how much of it was right."""
    lines = [f"### {key}", "", "| corpus | rows | macro-F1 | ECE | stances asserted of, right | neutral given, right |"]
    lines.append("|---|---|---|---|---|---|")
    for corpus, result in found.items():
        if corpus == "mean":
            continue
        kinds = _asserted(result)
        given = sum(k["asserted"] for k in kinds.values())
        right = sum(k["right"] for k in kinds.values())
        any_kind = next(iter(kinds.values()), {"rows": 0, "neutral_given": 0, "neutral_right": 0})
        stances = f"{given} of {any_kind['rows']:,}, {right / given:.0%}" if given else "0"
        neutral = any_kind["neutral_given"]
        neutrals = f"{neutral}, {any_kind['neutral_right'] / neutral:.0%}" if neutral else "-"
        cells = (corpus, result["rows"], _cell(result), f"{result['ece']:.3f}", stances if kinds else "-", neutrals)
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return [*lines, ""]


if __name__ == "__main__":
    main()
