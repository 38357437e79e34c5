"""Readers of tables of citing works: CSV (also ; or tab), JSONL and Parquet, one work or one context a row.

Rows of one citing work stand together, so that a table of any length streams. Hub columns may be left empty
after their first row: an empty one means "as above".
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from classifier.errors import InputError
from classifier.inputs.seen import Seen
from classifier.naming import slug
from classifier.schema import CitationContext, CitedWork, CitingWork, Pair, WorkIds
from classifier.tex import untex

MAX_YEAR = 2100
_EXTRA = "\0extra cells"
"""Where the reader puts cells beyond the header's columns; no column can have this name."""


def _given(raw: dict[str, Any]) -> dict[str, Any]:
    """The cells that hold something: empty ones, and the NaN of Parquet files made by pandas, are absent values.

    A title is wanted in any case, and told as it stands where it is not one.
    """
    return {
        name: value
        for name, value in raw.items()
        if name == "title"
        or not (value.isspace() or not value if isinstance(value, str) else value is None or value != value)
    }


def _listed(value: object) -> object:
    """A list given as JSON, or as text with semicolons between its items (the form of reference managers)."""
    if isinstance(value, str):
        text = value.strip()
        return json.loads(text) if text.startswith("[") else [part.strip() for part in text.split(";") if part.strip()]
    return value


def _contexts(value: object) -> object:
    """Contexts as a JSON list of texts or objects; a plain text is one context."""
    if isinstance(value, str):
        value = json.loads(value) if value.lstrip().startswith("[{") or value.lstrip().startswith('["') else [value]
    if isinstance(value, list):
        return [{"text": item} if isinstance(item, str) else item for item in value]
    return value


class TableRow(BaseModel):
    """The columns of an input table. All are optional but ``title``, and ``hub_title`` in the first row."""

    model_config = ConfigDict(extra="ignore", coerce_numbers_to_str=True)

    hub_id: str | None = Field(None, description="identifier of the cited work; made from its title where absent")
    hub_title: str | None = Field(None, description="title of the cited work; empty: as in the row above")
    hub_abstract: str | None = Field(None, description="abstract of the cited work; empty: as in the row above")
    citing_id: str | None = Field(
        None, description="identifier of the citing work; else arXiv id, DOI, or made from the title"
    )
    title: Annotated[str, Field(min_length=1, description="title of the citing work")]
    summary: str | None = Field(None, description="one or two sentences about the citing work")
    abstract: str | None = Field(None, description="abstract of the citing work")
    authors: Annotated[list[str] | None, BeforeValidator(_listed)] = Field(
        None, description="names, as a JSON list or with semicolons between them"
    )
    year: int | None = Field(None, ge=1400, le=MAX_YEAR, description="year of publication")
    venue: str | None = Field(None, description="journal or conference")
    arxiv_id: str | None = Field(None, description="arXiv id, such as 2305.20050")
    doi: str | None = Field(None, description="DOI, with or without https://doi.org/")
    s2_id: str | None = Field(None, description="Semantic Scholar paper id")
    openalex_id: str | None = Field(None, description="OpenAlex id, W…")
    pmid: str | None = Field(None, description="PubMed id")
    pmcid: str | None = Field(None, description="PubMed Central id")
    acl_id: str | None = Field(None, description="ACL Anthology id")
    url: str | None = Field(None, description="address of the work")
    contexts: Annotated[list[CitationContext] | None, BeforeValidator(_contexts)] = Field(
        None, description="passages that cite the hub: a JSON list of texts or of objects (see hub.json)"
    )
    context: str | None = Field(
        None, description="one passage that cites the hub, [[...]] around the mention; one row each"
    )
    context_before: str | None = Field(None, description="the sentence before the passage")
    context_after: str | None = Field(None, description="the sentence after the passage")
    section: str | None = Field(None, description="title of the section that the passage stands in")


class BadRow(NamedTuple):
    """One value that cannot be used, with the place to mend it."""

    path: str
    line: int
    column: str
    value: object
    what: str

    def error(self) -> InputError:
        """The same as an error of one line."""
        return InputError(self.what, path=self.path, line=self.line, column=self.column, value=self.value)


RawRow = tuple[int, dict[str, Any]]


def raw_rows(path: Path) -> Iterator[RawRow]:
    """Rows with their line (Parquet: row) number from 1, untyped. Raises ``InputError`` for an unreadable file."""
    suffix = path.suffix.lower()
    try:
        if suffix == ".parquet":
            yield from _parquet(path)
        elif suffix in {".jsonl", ".ndjson"}:
            yield from _jsonl(path)
        else:
            yield from _csv(path)
    except UnicodeDecodeError as error:
        raise InputError(
            f"not UTF-8 at byte {error.start}", path=path, do="save it again with the encoding UTF-8"
        ) from error
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or error}", path=path) from error


def _csv(path: Path) -> Iterator[RawRow]:
    csv.field_size_limit(2**24)
    with path.open(encoding="utf-8-sig", newline="") as file:
        head = file.readline()
        file.seek(0)
        delimiter = max(",;\t", key=head.count)
        reader = csv.DictReader(file, delimiter=delimiter, strict=True, restkey=_EXTRA)
        last = 0
        try:
            known = set(reader.fieldnames or ()) & set(TableRow.model_fields)
            if "title" not in known:
                lists = {"citing", "cited"} <= set(reader.fieldnames or ())
                do = f"add it to a hub: `classify fetch HUB --list {path.name}`" if lists else "see docs/formats.md"
                raise InputError("no column 'title'", path=path, line=1, value=head.strip()[:80], do=do)
            for row in reader:
                last = reader.line_num
                yield last, row
        except csv.Error as error:
            raise InputError(
                f"broken CSV in the row that begins here: {error}", path=path, line=last + 1,
                do="look for a quote that is never closed",
            ) from error  # fmt: skip


def _jsonl(path: Path) -> Iterator[RawRow]:
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError:
                row = {"": line.strip()}
            yield number, row if isinstance(row, dict) else {"": line.strip()}


def _parquet(path: Path) -> Iterator[RawRow]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        number = 0
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=1000):
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
    except pa.ArrowException as error:
        raise InputError(f"not a Parquet file: {str(error).splitlines()[0]}", path=path) from error


def table_pairs(path: Path, bad: list[BadRow]) -> Iterator[Pair]:
    """The pairs of a table in order; rows that cannot be used are appended to ``bad`` and left out.

    Raises ``InputError`` where the file as a whole cannot be read.
    """
    above: CitedWork | None = None
    hub: CitedWork | None = None
    work: CitingWork | None = None
    seen = Seen()
    for line, raw in raw_rows(path):
        row = _typed(path, line, raw, bad)
        if row is None:
            above = _hub_of_bad(raw, above)
            continue
        row_hub = above = _hub(row, above)
        if row_hub is None:
            what = "missing, and no row above says which hub it is"
            bad.append(BadRow(str(path), line, "hub_title", row.hub_title, what))
            continue
        row_work = _work(row)
        if hub is row_hub and work is not None and row_work.citing_id == work.citing_id and row_work.contexts:
            work = work.model_copy(update={"contexts": work.contexts + row_work.contexts})
            continue
        if not seen.add(f"{row_hub.hub_id}\0{row_work.citing_id}"):
            what = "stands in an earlier row too; put the rows of one work together, or give each its own citing_id"
            bad.append(BadRow(str(path), line, "citing_id", row_work.citing_id, what))
            continue
        if hub is not None and work is not None:
            yield Pair(hub, work)
        hub, work = row_hub, row_work
    if hub is not None and work is not None:
        yield Pair(hub, work)


def _typed(path: Path, line: int, raw: dict[str, Any], bad: list[BadRow]) -> TableRow | None:
    if len(raw) == 1 and "" in raw:
        bad.append(BadRow(str(path), line, "(line)", raw[""], "not a JSON object"))
        return None
    if _EXTRA in raw:
        what = "more cells than the header has columns; a cell with the delimiter in it wants quotes"
        bad.append(BadRow(str(path), line, "(row)", raw[_EXTRA], what))
        return None
    try:
        return TableRow.model_validate(_given(raw))
    except ValidationError as error:
        for problem in error.errors(include_url=False):
            column = ".".join(str(part) for part in problem["loc"]) or "(row)"
            bad.append(BadRow(str(path), line, column, problem["input"], problem["msg"]))
    except ValueError as error:
        bad.append(BadRow(str(path), line, "(row)", None, f"broken JSON in a cell: {error}"))
    return None


def _hub_of_bad(raw: dict[str, Any], above: CitedWork | None) -> CitedWork | None:
    """The hub that the rows below a bad row inherit; ``None`` where that cannot be told, so that none is guessed."""
    if set(raw) == {""}:
        return None if "hub_" in str(raw[""]) else above
    cells = {name: value for name, value in _given(raw).items() if name in ("hub_id", "hub_title", "hub_abstract")}
    if _EXTRA in raw:  # a comma too many may have shifted every cell
        return None if cells else above
    try:
        return _hub(TableRow.model_validate(cells | {"title": "-"}), above)
    except ValidationError:
        return None


def _hub(row: TableRow, above: CitedWork | None) -> CitedWork | None:
    if row.hub_title is None and (row.hub_id is None or (above and above.hub_id == row.hub_id)):
        return above
    title = untex(row.hub_title) if row.hub_title else row.hub_id or ""
    hub_id = row.hub_id or slug(title)
    if above is not None and above.hub_id == hub_id and row.hub_abstract is None:
        return above
    abstract = untex(row.hub_abstract or "")
    if above is not None and (above.hub_id, above.title, above.abstract) == (hub_id, title, abstract):
        return above  # one object a hub: what is made of it is made once
    return CitedWork(hub_id=hub_id, title=title, abstract=abstract)


def bare_doi(doi: str | None) -> str | None:
    """A DOI without its resolver or prefix, lower-cased as DOIs compare; ``None`` for none."""
    return re.sub(r"^(https?://(dx\.)?doi\.org/|doi:\s*)", "", doi.strip(), flags=re.I).lower() if doi else None


_IDS = frozenset(WorkIds.model_fields)
_AS_IT_STANDS = frozenset({"authors", "year", "venue"})
_PROSE = frozenset({"summary", "abstract"})


def _work(row: TableRow) -> CitingWork:
    cells = row.__dict__
    given = row.model_fields_set
    title = untex(row.title)
    # Given to pydantic in one piece, and only what there is: building part by part took three times as long.
    work = {name: cells[name] for name in _AS_IT_STANDS & given}
    work |= {name: untex(cells[name]) for name in _PROSE & given}
    ids = {name: cells[name] for name in _IDS & given}
    if "doi" in ids:
        ids["doi"] = bare_doi(ids["doi"])
    if ids:
        work["ids"] = ids
    contexts = row.contexts or []
    if row.context:
        parts = {"text": row.context, "before": row.context_before, "after": row.context_after, "section": row.section}
        contexts = [*contexts, CitationContext.model_validate({n: part for n, part in parts.items() if part})]
    work["contexts"] = contexts
    work["title"] = title
    work["citing_id"] = row.citing_id or row.arxiv_id or ids.get("doi") or slug(title)
    return CitingWork.model_validate(work)


def all_bad(rows: Iterable[BadRow]) -> str:
    """Every bad value on a line of its own, as the message of one error."""
    return "\n".join(str(row.error()) for row in rows)
