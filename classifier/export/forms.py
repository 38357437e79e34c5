"""The forms that are made of one piece a citing work: what stands before, between and after the pieces.

``classify export`` writes them to a file and the report page carries the same pieces, so both give the same bytes.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from classifier.export import cito
from classifier.export.bibtex import bibtex_entry
from classifier.outputs import COLUMNS, Result, csv_cells
from classifier.schema import CitedWork, Pair


class Form(NamedTuple):
    """One form: ``start``, the pieces with ``separator`` between them, ``end``."""

    label: str
    file_name: str
    media_type: str
    start: str
    separator: str
    end: str
    piece: Callable[[Result], str]


def csv_form(cited: CitedWork) -> Form:
    """The rows of ``predictions.csv``, byte for byte."""
    return Form(
        "CSV", f"{cited.hub_id}.csv", "text/csv", "\ufeff" + _row(COLUMNS), "", "",
        lambda result: _row(csv_cells(Pair(cited, result.citing), result.prediction)),
    )  # fmt: skip


def json_form(cited: CitedWork, manifest: dict[str, object]) -> Form:
    """One JSON object: ``hub``, ``run`` (the manifest) and ``works``, each as a line of ``predictions.jsonl``."""
    hub = cited.model_dump_json(exclude_defaults=True)
    start = f'{{"hub": {hub},\n"run": {json.dumps(manifest, ensure_ascii=False)},\n"works": [\n'
    return Form("JSON", f"{cited.hub_id}.json", "application/json", start, ",\n", "\n]}\n", _json_line)


def bibtex_form(cited: CitedWork) -> Form:
    """BibTeX entries with a blank line between them."""
    return Form("BibTeX", f"{cited.hub_id}.bib", "application/x-bibtex", "", "\n", "", bibtex_entry)


def json_ld_form(cited: CitedWork, facts: dict[str, str]) -> Form:
    """CiTO as JSON-LD; see ``cito``."""
    head = ",\n".join(cito.json_ld_parts(cito.head_nodes(cited, facts)))
    return Form(
        "CiTO JSON-LD", f"{cited.hub_id}.jsonld", "application/ld+json", f"{cito.json_ld_start()}{head},\n", ",\n",
        cito.JSON_LD_END, lambda result: ",\n".join(cito.json_ld_parts(cito.work_nodes(cited, result))),
    )  # fmt: skip


def turtle_form(cited: CitedWork, facts: dict[str, str]) -> Form:
    """CiTO as Turtle; the same graph as ``json_ld_form``."""
    start = cito.turtle_start() + cito.turtle(cito.head_nodes(cited, facts))
    return Form(
        "CiTO Turtle", f"{cited.hub_id}.ttl", "text/turtle", start, "", "",
        lambda result: cito.turtle(cito.work_nodes(cited, result)),
    )  # fmt: skip


def pieces(form: Form, results: Iterable[Result]) -> Iterator[str]:
    """The whole form, piece by piece, to be written without holding it in memory."""
    yield form.start
    for index, result in enumerate(results):
        yield (form.separator if index else "") + form.piece(result)
    yield form.end


def _row(cells: Iterable[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()


def _json_line(result: Result) -> str:
    prediction = result.prediction.model_dump_json(exclude_none=True)
    return f'{{"prediction":{prediction},"citing":{result.citing.model_dump_json(exclude_defaults=True)}}}'
