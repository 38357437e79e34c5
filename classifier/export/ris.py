"""RIS: one record a citing work, for reference managers and screening tools."""

from __future__ import annotations

from collections.abc import Iterable

import rispy  # type: ignore[import-untyped]  # ships no types

from classifier.export.bibtex import keywords
from classifier.export.links import work_url
from classifier.inputs.bibliography_files import PlainRis
from classifier.outputs import Result
from classifier.schema import Status


def ris(results: Iterable[Result]) -> str:
    """All works as RIS; the label stands in KW, evidence and rationale in N1, the citing id in ID."""
    records: list[dict[str, object]] = []
    for prediction, work in results:
        label = prediction.label if prediction.status is Status.LABELLED else None
        notes = [] if label is None else [label.evidence.text if label.evidence else "", label.rationale]
        record = {
            "type_of_reference": "JOUR" if work.venue else "GEN",
            "id": work.citing_id,
            "title": work.title,
            "authors": [_line(name) for name in work.authors],
            "year": str(work.year) if work.year is not None else None,
            "journal_name": work.venue,
            "doi": work.ids.doi,
            "urls": [url] if (url := work_url(work.ids)) else None,
            "abstract": work.abstract or None,
            "keywords": keywords(label) if label else [f"status:{prediction.status.value}"],
            "notes": [_line(note) for note in notes if note] or None,
        }
        records.append({k: _line(v) if isinstance(v, str) else v for k, v in record.items() if v})
    return str(rispy.dumps(records, implementation=PlainRis)) + "\n"


def _line(text: str) -> str:
    """One line: a line break inside a value would start a new, forged field."""
    return " ".join(text.split())
