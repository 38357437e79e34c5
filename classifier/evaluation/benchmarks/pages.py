"""Benchmark results as a Markdown table, and the mapping tables as a page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from classifier.errors import InputError
from classifier.evaluation.benchmarks.schemes import Task, datasets
from classifier.evaluation.benchmarks.scoring import Result
from classifier.evaluation.intervals import Estimate
from classifier.outputs import write_text


def write_result(result: Result, folder: Path) -> Path:
    """The file ``<task>-<judge or model>.json`` in the folder, made where it is missing."""
    who = result.judge if result.judge == "local" else "".join(c if c.isalnum() else "-" for c in result.model)
    shots = f"-{result.shots}-shots" if result.shots else ""
    file = folder / f"{result.task}-{who}{shots}.json"
    write_text(file, result.model_dump_json(indent=1) + "\n")
    return file


def read_results(folder: Path) -> list[Result]:
    """All stored results, in the order of the mapping file, judges by name."""
    found = []
    for file in sorted(folder.glob("*.json")):
        try:
            found.append(Result.model_validate_json(file.read_bytes()))
        except ValidationError as error:
            raise InputError(f"not a benchmark result: {error.errors()[0]['msg']}", path=file) from error
    order = [task.name for one in datasets().values() for task in one.task]
    return sorted(found, key=lambda one: (order.index(one.task), one.judge, one.model))


def table(results: Sequence[Result]) -> str:
    """The results as a Markdown table, in percent with 95 % intervals, and what its columns mean."""
    head = "| task | counts | rows | judge | trained on it | macro-F1 | accuracy | published macro-F1 |"
    lines = [head, "|---|---|--:|---|---|--:|--:|---|"]
    for one in results:
        published = "; ".join(f"{figure.macro_f1:g} ({figure.what})" for figure in one.published) or "-"
        who = one.judge if one.judge == "local" else one.model + (f", {one.shots} shots" if one.shots else "")
        split = one.split + (", sample" if one.sampled else "")
        lines.append(
            f"| {one.task} | {one.tradition or 'role'} | {one.rows:,} {split} | {who} | {one.trained_on} "
            f"| {_percent(one.macro_f1)} | {_percent(one.accuracy)} | {published} |"
        )
    models = "; ".join(sorted({f"{one.judge} is {one.model}" for one in results}))
    lines += [
        "",
        "In percent, 95 % bootstrap intervals, rows of one citing work resampled together. `trained on it`: `no`, "
        "`other rows` (its training split only), or `these rows`, which measures memory, not skill. Published figures "
        "are on test splits that were not touched here, so they are not directly comparable. "
        f"Sources and mappings: docs/benchmarks.md. Judge: {models}.",
    ]
    return "\n".join(lines)


def _percent(one: Estimate) -> str:
    if one.value is None:
        return "-"
    if one.low is None or one.high is None:
        return f"{100 * one.value:.1f}"
    return f"{100 * one.value:.1f} [{100 * one.low:.1f}, {100 * one.high:.1f}]"


def mapping_page() -> str:
    """``docs/benchmarks.md``: where each data set is from, how our labels answer it and why, and published figures."""
    parts = [
        "# Public benchmarks",
        "Generated from `classifier/evaluation/benchmarks/mappings.toml` by `python -m docs.generate`.",
        "Polarity is counted in two traditions: *evidence* (findings that bear on a claim) and *sentiment* (any "
        "judgement). Our `basis` keeps them apart: an evidence task counts a stance only where it rests on evidence.",
        "The schemes force a choice. Where a judge gives probabilities, those of our values are added up by class and "
        "the largest sum is the answer; else the label is mapped. No answer counts as wrong.",
        "Original files are read for SciCite, ACL-ARC (scaffolds jsonl), ACT/3C (csv), Athar (txt), MultiCite (json) "
        "and FOCAL (jsonl). These readers were written from the public descriptions of the formats and tested on rows "
        "written in that form; the published files were not at hand. The normalised form was run on real data.",
    ]
    for one in datasets().values():
        parts += [f"## {one.title}", f"`classify benchmark {one.name} --data PATH`. Get it: {one.where}."]
        for task in one.task:
            parts += [f"### {task.name}", f"{task.protocol}.", _mapping_table(task)]
            if task.published:
                figures = [f"- {f.macro_f1:g}: {f.what} ({f.source})" for f in task.published]
                parts.append("Published macro-F1:\n\n" + "\n".join(figures))
    return "\n\n".join(parts) + "\n"


def _mapping_table(task: Task) -> str:
    lines = ["| class of the scheme | its labels | our values | why |", "|---|---|---|---|"]
    for name, native in task.gold.items():
        ours = [value for value, theirs in task.ours.items() if theirs == name]
        why = "; ".join(f"{value}: {task.reasons[value]}" for value in ours if value in task.reasons)
        if "unclear" in ours:
            why = "; ".join(filter(None, [why, "unclear: the class of passages in which nothing is visible"]))
        lines.append(f"| {name} | {', '.join(native)} | {', '.join(ours)} | {why} |")
    return "\n".join(lines)
