"""What a run leaves behind: CSV for people, JSONL with everything, a Table Schema, and reading them back."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from classifier.errors import InputError
from classifier.run_columns import Extra
from classifier.schema import (
    Basis,
    CitingWork,
    EvidenceSource,
    Pair,
    Polarity,
    Prediction,
    Role,
    Status,
)

CSV_NAME, JSONL_NAME, SCHEMA_NAME = "predictions.csv", "predictions.jsonl", "predictions.schema.json"
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠", "|", "%")


class PredictionRow(BaseModel):
    """The columns of ``predictions.csv``, in order; the Table Schema is made from this model."""

    hub_id: str = Field(description="identifier of the cited work (the hub)")
    citing_id: str = Field(description="identifier of the citing work, unique within its hub")
    title: str = Field(description="title of the citing work")
    arxiv_id: str | None = Field(None, description="arXiv id of the citing work, where known")
    doi: str | None = Field(None, description="DOI of the citing work, where known")
    year: int | None = Field(None, description="year of the citing work, where known")
    status: Status = Field(description="labelled; abstained: held back, counts nowhere; failed: no label")
    role: Role | None = Field(None, description="what the citing work uses the hub for, the primary role")
    other_roles: str = Field("", description="further roles, with semicolons between them")
    polarity: Polarity | None = Field(None, description="stance towards the hub")
    basis: Basis | None = Field(None, description="what the stance rests on; none for neutral and unclear")
    confidence: float | None = Field(
        None, description="the judge's probability, 0 to 1, that role and polarity are right"
    )
    needs_review: bool = Field(description="true where a person should look")
    evidence: str = Field("", description="words copied from the input on which the label rests")
    evidence_source: EvidenceSource = Field(
        description="the best text there was: context, abstract, summary, title, none"
    )
    evidence_start: int | None = Field(None, description="first character of the evidence in its source text, from 0")
    evidence_end: int | None = Field(None, description="one past the last character of the evidence in its source text")
    section: str | None = Field(None, description="section of the citing work that the evidence stands in")
    rationale: str = Field("", description="the judge's reason, in its own words")
    judge: str = Field(description="who decided: openai or local")
    model: str = Field(description="the model that decided")
    prompt: str = Field("", description="the prompt file that was rendered")
    failure: str | None = Field(None, description="why the work was abstained from or failed")


COLUMNS = tuple(PredictionRow.model_fields)


_TERMS = frozenset({"true", "false", *Status, *Role, *Polarity, *Basis, *EvidenceSource})


def csv_cells(pair: Pair, prediction: Prediction) -> list[str]:
    """The cells of one row, in the order of ``COLUMNS``, safe to open in a spreadsheet."""
    work, label = pair.citing, prediction.label
    evidence = label.evidence if label else None
    index = evidence.context_index if evidence else None
    values: tuple[object, ...] = (
        prediction.hub_id, prediction.citing_id, work.title, work.ids.arxiv_id, work.ids.doi, work.year,
        prediction.status,
        label.role if label else None,
        ";".join(label.other_roles) if label else None,
        label.polarity if label else None,
        label.basis if label else None,
        f"{label.confidence:.3f}" if label else None,
        "true" if prediction.needs_review else "false",
        evidence.text if evidence else None,
        prediction.evidence_source,
        evidence.start if evidence else None,
        evidence.end if evidence else None,
        work.contexts[index].section if index is not None else None,
        label.rationale if label else None,
        prediction.judge, prediction.model, prediction.prompt, prediction.failure,
    )  # fmt: skip
    return ["" if value is None else str(value) if value in _TERMS else safe_cell(value) for value in values]


def _extra_cell(column: Extra, prediction: Prediction) -> str:
    """A number is written as it is: the sign of a logarithm is no formula."""
    value = column.cell(prediction)
    return safe_cell(value) if column.kind != "number" or value is None else str(value)


@lru_cache(maxsize=512, typed=True)
def safe_cell(value: object) -> str:
    """The value as text that no spreadsheet takes for a formula: a leading apostrophe where it could be one."""
    if value is None:
        return ""
    text = str(value)
    if text[:1].isalnum() and "\x00" not in text:
        return text
    if "\x00" in text:
        text = text.replace("\x00", "�")
    return "'" + text if text.startswith(_FORMULA) or text.lstrip().startswith(_FORMULA) else text


_PREDICTION, _CITING = TypeAdapter(Prediction), TypeAdapter(CitingWork)


class RunWriter:
    """Writes ``predictions.csv`` and ``.jsonl`` row by row; they take their names only when all is written.

    The CSV begins with a byte-order mark, without which Excel reads UTF-8 as a local code page.
    """

    def __init__(self, folder: Path, extra: Sequence[Extra] = ()) -> None:
        self._extra = tuple(extra)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _sweep(folder)
            self._partial = [folder / f".{name}.{os.getpid()}.partial" for name in (CSV_NAME, JSONL_NAME)]
            self._csv_file = self._partial[0].open("w", encoding="utf-8-sig", newline="")
            self._jsonl = self._partial[1].open("wb")
        except OSError as error:
            raise InputError(f"cannot be written: {error.strerror}", path=folder, do="give another --out") from error
        self.folder = folder
        self._csv = csv.writer(self._csv_file, lineterminator="\n")
        self._csv.writerow([*COLUMNS, *(column.name for column in extra)])

    def write(self, pair: Pair, prediction: Prediction) -> None:
        """Append one work."""
        cells = csv_cells(pair, prediction)
        self._csv.writerow(cells + [_extra_cell(column, prediction) for column in self._extra])
        said = _PREDICTION.dump_json(prediction, exclude_none=True)
        citing = _CITING.dump_json(pair.citing, exclude_defaults=True)
        self._jsonl.write(b'{"prediction":%b,"citing":%b}\n' % (said, citing))

    def __enter__(self) -> RunWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._csv_file.close()
        self._jsonl.close()
        for partial, name in zip(self._partial, (CSV_NAME, JSONL_NAME), strict=True):
            if kind is None:
                partial.replace(self.folder / name)
            else:
                partial.unlink(missing_ok=True)
        if kind is None:
            write_json(self.folder / SCHEMA_NAME, table_schema(self._extra))


def _sweep(folder: Path) -> None:
    """Delete what runs that were killed left half written; files of a run that still lives are kept."""
    for path in folder.glob(".*.partial"):
        owner = path.name.split(".")[-2]
        if owner.isdecimal() and not _alive(int(owner)):
            path.unlink(missing_ok=True)


def _alive(process: int) -> bool:
    if os.name != "posix":  # elsewhere asking with signal 0 would end the process
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def write_json(path: Path, value: object) -> None:
    """``value`` as indented UTF-8 JSON, put in place in one step."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    partial.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8", newline="\n")
    partial.replace(path)


def write_text(path: Path, text: str) -> None:
    """``text`` as UTF-8, its folder made where absent. Raises ``InputError`` where it cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror}", path=path) from error


def table_schema(extra: Sequence[Extra] = ()) -> dict[str, object]:
    """The Frictionless Table Schema (v2) of ``predictions.csv``, of ``PredictionRow`` and the run's ``extra``."""
    properties = PredictionRow.model_json_schema()
    fields = [_field(name, properties) for name in COLUMNS]
    fields += [{"name": column.name, "type": column.kind, "description": column.meaning} for column in extra]
    return {
        "$schema": "https://datapackage.org/profiles/2.0/tableschema.json",
        "fields": fields,
        "primaryKey": ["hub_id", "citing_id"],
        "missingValues": [""],
    }


def _field(name: str, model: dict[str, Any]) -> dict[str, object]:
    spec, definitions = model["properties"][name], model.get("$defs", {})
    options = spec.get("anyOf", [spec])
    if not isinstance(options, list):
        raise TypeError(name)
    option = options[0]
    if "$ref" in option:
        option = definitions[str(option["$ref"]).rpartition("/")[2]]
    constraints: dict[str, object] = {}
    if name in model.get("required", []):
        constraints["required"] = True
    if "enum" in option:
        constraints["enum"] = option["enum"]
    field: dict[str, object] = {"name": name, "type": option["type"], "description": spec["description"]}
    if name == "title":
        field["description"] = (
            f"{spec['description']}; like any text cell, with a leading ' where it could start a formula"
        )
    return field | ({"constraints": constraints} if constraints else {})


class Result(NamedTuple):
    """One line of ``predictions.jsonl``."""

    prediction: Prediction
    citing: CitingWork


def read_run(folder: Path) -> Iterator[Result]:
    """The results of a run in order. Raises ``InputError`` where the folder holds no readable run."""
    path = folder / JSONL_NAME if folder.is_dir() else folder
    if not path.is_file():
        raise InputError(f"no {JSONL_NAME} here", path=folder, do="give the folder that `classify run` wrote")
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            try:
                record = json.loads(line)
                yield Result(
                    Prediction.model_validate(record["prediction"]), CitingWork.model_validate(record["citing"])
                )
            except (ValueError, ValidationError, KeyError, TypeError) as error:
                raise InputError(f"not a prediction: {error}".splitlines()[0], path=path, line=number) from error
