"""Rows of public data sets as pairs to judge: the normalised form, and six original files as published."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from classifier.errors import InputError
from classifier.evaluation.examples import work_in
from classifier.evaluation.gold import read_jsonl
from classifier.schema import CitationContext, CitedWork, CitingWork, Pair

MASK = "[[CITATION]]"
AROUND = 500
"""How many characters of the surrounding text are shown on each side of the sentence, where the set gives them."""


class Row(NamedTuple):
    """One labelled passage. ``native`` holds its labels, ``polarity`` those of the second question, where asked.

    ``citing`` names the citing work where it is known: rows of one work are resampled together.
    """

    pair: Pair
    split: str
    native: tuple[str, ...]
    polarity: tuple[str, ...]
    citing: str


def read_rows(path: Path, dataset: str) -> Iterator[Row]:
    """The rows of a file, in either form; ``InputError`` for a file that is neither, with its line."""
    seen: dict[str, int] = {}
    for raw in _raw_rows(path, dataset):
        key = str(raw.get("id") or len(seen))
        seen[key] = seen.get(key, 0) + 1
        yield _row({**raw, "id": key if seen[key] == 1 else f"{key}#{seen[key]}"}, dataset)


def _raw_rows(path: Path, dataset: str) -> Iterator[dict[str, Any]]:
    if not path.is_file():
        raise InputError("no such data file", path=path)
    if path.suffix == ".txt":
        yield from _athar(path)
    elif path.suffix == ".csv":
        yield from _act(path)
    elif path.suffix == ".json":
        yield from _multicite(path)
    else:
        for line, row in read_jsonl(path):
            reader = next((read for key, read in _BY_KEY.items() if key in row), None)
            if reader is None:
                raise InputError(
                    "not a row of a known form",
                    path=path,
                    line=line,
                    value=sorted(row),
                    do="wanted `text` and `label` (normalised), or the file as published",
                )
            yield from reader(row)


def _row(raw: dict[str, Any], dataset: str) -> Row:
    text = str(raw["text"])
    before, after = _surroundings(text, str(raw.get("context") or ""))
    labels = raw.get("labels") or ([raw["label"]] if raw.get("label") is not None else [])
    title, key = str(raw.get("citing_title") or ""), str(raw["id"])
    context = CitationContext(
        text=text,
        before=before,
        after=after,
        section=raw.get("section") or None,
        source="benchmark",
        source_id=work_in(key),
    )
    return Row(
        Pair(
            CitedWork(hub_id=dataset, title=str(raw.get("cited_title") or "")),
            CitingWork(citing_id=key, title=title, contexts=(context,)),
        ),
        split=str(raw.get("split") or "all"),
        native=tuple(str(label) for label in labels),
        polarity=(str(raw["polarity"]),) if raw.get("polarity") else (),
        citing=title or work_in(key),
    )


def _surroundings(text: str, context: str) -> tuple[str, str]:
    """Text before and after the sentence in its wider context, cut at white space; empty where it is not found."""
    marked = context.replace("#AUTHOR_TAG", MASK)
    at = marked.find(text)
    if at < 0:
        return "", ""
    before, after = marked[:at].strip(), marked[at + len(text) :].strip()
    if len(before) > AROUND:
        before = before[-AROUND:].partition(" ")[2]
    if len(after) > AROUND:
        after = after[:AROUND].rpartition(" ")[0]
    return before, after


def _marked(text: str, start: int, end: int) -> str:
    """The text with the mention between ``[[`` and ``]]``; as it is where the offsets name nothing."""
    return f"{text[:start]}[[{text[start:end]}]]{text[end:]}" if 0 <= start < end <= len(text) else text


def _normalised(row: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield row


def _scicite(row: dict[str, Any]) -> Iterator[dict[str, Any]]:
    start, end = (_offset(row.get(name)) for name in ("citeStart", "citeEnd"))
    yield {
        "id": row.get("id") or row.get("unique_id"),
        "text": _marked(str(row["string"]), start, end),
        "section": row.get("sectionName"),
        "label": row["label"],
        "polarity": row.get("label2") if row.get("label2") in ("supportive", "not_supportive") else None,
    }


def _offset(value: Any) -> int:
    """An offset as SciCite writes it: a number, at times a float or NaN; -1 where there is none."""
    return int(value) if isinstance(value, int | float) and value == value else -1


def _acl_arc(row: dict[str, Any]) -> Iterator[dict[str, Any]]:
    text = str(row.get("cleaned_cite_text") or row["text"])
    yield {
        "id": row.get("citation_id"),
        "text": text.replace("@@CITATION", MASK),
        "context": str(row.get("extended_context") or "").replace("@@CITATION", MASK),
        "section": row.get("section_title") or row.get("section_name"),
        "citing_title": row.get("citing_paper_title"),
        "cited_title": row.get("cited_paper_title"),
        "label": row["intent"],
    }


def _focal(row: dict[str, Any]) -> Iterator[dict[str, Any]]:
    text = str(row["Paragraph"])
    for start, end in sorted(row.get("Citation Start End") or [], reverse=True):
        text = _marked(text, int(start), int(end))
    yield {"id": row["Identifier"], "text": text, "labels": sorted(set(row.get("Functions Label") or []))}


_BY_KEY: dict[str, Callable[[dict[str, Any]], Iterator[dict[str, Any]]]] = {
    "dataset": _normalised,
    "string": _scicite,
    "intent": _acl_arc,
    "Paragraph": _focal,
    "text": _normalised,
}


def _athar(path: Path) -> Iterator[dict[str, Any]]:
    """``citation_sentiment_corpus.txt``: comments with ``#``, then source, target, sentiment, sentence by tabs."""
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        cells = line.split("\t")
        if line.startswith("#") or len(cells) == 1:
            continue
        if len(cells) != 4:
            raise InputError("not four cells with tabs between", path=path, line=number, value=line)
        citing, cited, label, text = cells
        yield {"id": f"{citing}_{cited}_{number}", "text": text, "label": label}


def _act(path: Path) -> Iterator[dict[str, Any]]:
    """The 3C csv: ``citation_context`` with ``#AUTHOR_TAG``, ``citation_class_label`` as a number from 0 to 5."""
    with path.open(encoding="utf-8-sig", newline="") as handle:
        rows = csv.DictReader(handle)
        if not {"citation_context", "citation_class_label"} <= set(rows.fieldnames or ()):
            raise InputError("no columns citation_context and citation_class_label", path=path, value=rows.fieldnames)
        for row in rows:
            yield {
                "id": row.get("unique_id"),
                "text": row["citation_context"].replace("#AUTHOR_TAG", MASK),
                "citing_title": row.get("citing_title"),
                "cited_title": row.get("cited_title"),
                "label": row["citation_class_label"],
            }


def _multicite(path: Path) -> Iterator[dict[str, Any]]:
    """``full-v20210504.json``: papers with sentences ``x`` and, by intent, the sentences that cite the target."""
    try:
        papers = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"not JSON ({error})", path=path) from error
    for paper in papers.values():
        intents: dict[str, set[str]] = {}
        for intent, marked in paper["y"].items():
            for sentence in marked["cite_sentences"]:
                intents.setdefault(sentence, set()).add(intent)
        for sentence in paper["x"]:
            if sentence["sent_id"] in intents:
                text = re.sub(r"<span[^>]*>(.*?)</span>", r"[[\1]]", str(sentence["text"]), flags=re.DOTALL)
                yield {"id": sentence["sent_id"], "text": text, "labels": sorted(intents[sentence["sent_id"]])}
