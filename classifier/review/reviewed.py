"""``predictions.reviewed.csv``: the machine's label and the person's, side by side; made from the log each time."""

from __future__ import annotations

import csv
import os
from pathlib import Path

from classifier.errors import InputError
from classifier.outputs import COLUMNS, csv_cells, safe_cell
from classifier.review.consensus import Consensus, Outcome, consensus
from classifier.review.decisions import DecisionLog
from classifier.review.run import ReviewedRun

REVIEWED_NAME = "predictions.reviewed.csv"
REVIEWED_COLUMNS = {
    "reviewed_status": "empty: nobody looked; reviewed; disagreed: annotators differ, no label; adjudicated",
    "reviewed_by": "annotators, with semicolons between them; after a slash who adjudicated",
    "reviewed_role": "role by people",
    "reviewed_other_roles": "further roles by people, with semicolons between them",
    "reviewed_polarity": "polarity by people",
    "reviewed_basis": "basis by people; empty where a spreadsheet gave a stance and not its basis",
    "reviewed_evidence": "words that the person chose",
    "reviewed_evidence_source": "text in which they stand",
    "reviewed_evidence_start": "first character of the evidence in that text, from 0",
    "reviewed_evidence_end": "one past its last character",
    "reviewed_blind": "true where every annotator labelled without seeing the machine's label",
    "reviewed_at": "time of the last decision, UTC",
    "reviewed_note": "the person's note",
}
"""Added after the columns of ``predictions.csv``, with what they mean."""


def write_reviewed(run: ReviewedRun, log: DecisionLog) -> Path:
    """Write the file beside the run, in one step, and return its path."""
    found = consensus(log)
    path = run.folder / REVIEWED_NAME
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("w", encoding="utf-8-sig", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow([*COLUMNS, *REVIEWED_COLUMNS])
            for key, result in run.results.items():
                writer.writerow([*csv_cells(run.pair(key), result.prediction), *_cells(found.get(key))])
        partial.replace(path)
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror}", path=path) from error
    return path


def _cells(one: Consensus | None) -> list[str]:
    if one is None:
        return [""] * len(REVIEWED_COLUMNS)
    label = one.label
    evidence = label.evidence if label else None
    names = ";".join(decision.annotator for decision in one.labels)
    last = one.adjudication or one.labels[-1]
    values: tuple[object, ...] = (
        one.outcome.value,
        f"{names}/{one.adjudication.annotator}" if one.adjudication else names,
        label.role.value if label else None,
        ";".join(role.value for role in label.other_roles) if label else None,
        label.polarity.value if label else None,
        label.basis.value if label and label.basis else None,
        evidence.text if evidence else None,
        evidence.source.value if evidence else None,
        evidence.start if evidence else None,
        evidence.end if evidence else None,
        str(all(decision.shown.blind for decision in one.labels)).lower(),
        last.made_at,
        label.note if label and one.outcome is not Outcome.DISAGREED else None,
    )
    return [safe_cell(value) for value in values]
