"""Any full-text file to documents: the format is told by its content, never by its name alone."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from classifier.errors import ClassifierError, SourceError
from classifier.fulltext.archive import unpack
from classifier.fulltext.document import Document
from classifier.fulltext.jats import read_jats
from classifier.fulltext.latex import read_latex
from classifier.fulltext.latexml import read_latexml_html, read_latexml_xml
from classifier.fulltext.markup import MAX_BYTES
from classifier.fulltext.s2orc import parsed_part, read_s2orc
from classifier.fulltext.tei import read_tei
from classifier.fulltext.unarxive import read_unarxive

Grobid = Callable[[bytes, str], bytes]
"""Turns the bytes of a PDF, and its name for messages, into TEI."""
MAX_LINES = 200 * 1024 * 1024
"""Bytes of a file of one record a line; it is read line by line."""


class Unreadable(NamedTuple):
    """A file, or one record of it, that could not be read, and why."""

    name: str
    reason: str


def read_folder(folder: Path, grobid: Grobid | None = None) -> Iterator[Document | Unreadable]:
    """Every document below a folder in order of path; what cannot be read comes as ``Unreadable``.

    A folder that holds .tex files is one paper's source. Links that lead out of the folder are not followed.
    """
    root, seen = folder.resolve(), set[Path]()
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and not p.name.startswith(".")):
        name = path.relative_to(folder).as_posix()
        if not path.resolve().is_relative_to(root):
            yield Unreadable(name, "is a link that leads out of the folder")
        elif path.suffix.lower() in (".tex", ".bbl", ".bib") and path.parent != folder:
            paper = folder / path.relative_to(folder).parts[0]
            if paper not in seen:
                seen.add(paper)
                yield _read(lambda p=paper: _read_source_folder(p), paper.name)  # type: ignore[misc]
        elif path.suffix.lower() == ".tex":
            if b"\\documentclass" in path.read_bytes()[:MAX_BYTES] or not _has_main(folder):
                yield _read(lambda p=path: _read_flat(p), name)  # type: ignore[misc]
        elif path.suffix.lower() not in (".bbl", ".bib", ".md", ".sty", ".cls", ".bst", ".png", ".jpg"):
            yield from read_file(path, name, grobid)


def read_file(path: Path, name: str, grobid: Grobid | None = None) -> Iterator[Document | Unreadable]:
    """The documents of one file: one, or one a line for JSONL."""
    try:
        size = path.stat().st_size
        if path.suffix.lower() in (".jsonl", ".ndjson"):
            if size > MAX_LINES:
                yield Unreadable(name, f"{size // 2**20} MiB is larger than the limit of {MAX_LINES // 2**20} MiB")
                return
            with path.open("rb") as file:
                for number, line in enumerate(file, start=1):
                    if line.strip():
                        yield _read(lambda text=line, n=number: _read_json(text, f"{name}:{n}"), f"{name}:{number}")  # type: ignore[misc]
            return
        if size > MAX_BYTES:
            yield Unreadable(name, f"{size // 2**20} MiB is larger than the limit of {MAX_BYTES // 2**20} MiB")
            return
        data = path.read_bytes()
    except OSError as error:
        yield Unreadable(name, f"cannot be read: {error.strerror}")
        return
    yield _read(lambda: read_bytes(data, name, grobid), name)


def _read(reader: Callable[[], Document], name: str) -> Document | Unreadable:
    """A file of a stranger may break a reader in ways nobody thought of; it becomes a row, never a crash."""
    try:
        return reader()
    except ClassifierError as error:
        return Unreadable(name, str(error).removeprefix(f"{name}: "))
    except Exception as error:  # noqa: BLE001 - see the docstring
        return Unreadable(name, f"{type(error).__name__}: {error}")


def read_bytes(data: bytes, name: str, grobid: Grobid | None = None) -> Document:
    """The document in ``data``. Raises ``SourceError`` where the format is not known or not readable."""
    head = data[:4096].lstrip(b"\xef\xbb\xbf \t\r\n")
    if data.startswith(b"%PDF-"):
        if grobid is None:
            raise SourceError(
                f"{name}: is a PDF, which has no links between markers and references; start a GROBID "
                "server and give its address with --grobid URL, or give LaTeX, HTML or JATS instead"
            )
        return read_tei(grobid(data, name), name)
    if head.startswith(b"{"):
        return _read_json(data, name)
    if head.startswith(b"<"):
        return _read_markup(data, head, name)
    if data[:2] in (b"\x1f\x8b", b"PK") or data[257:262] == b"ustar":
        return read_latex(unpack(data, name), name)
    if re.search(rb"\\(?:documentclass|documentstyle|begin\{document\}|section)\b|\\cite", data[:200_000]):
        return read_latex({name if name.endswith(".tex") else f"{name}.tex": data}, name)
    raise SourceError(f"{name}: not a known full-text format (LaTeXML HTML, LaTeX, JATS, TEI, S2ORC, unarXive, PDF)")


def _read_markup(data: bytes, head: bytes, name: str) -> Document:
    if re.search(rb"<!doctype html|<html", head[:2000], re.I):
        return read_latexml_html(data, name)
    root = re.sub(rb"<\?.*?\?>|<!--.*?-->|<!DOCTYPE[^>\[]*(?:\[.*?\])?\s*>", b"", head, flags=re.S).lstrip()
    if re.match(rb"<(?:\w+:)?TEI\b", root):
        return read_tei(data, name)
    if re.match(rb"<document\b", root):
        return read_latexml_xml(data, name)
    return read_jats(data, name)


def _read_json(data: bytes, name: str) -> Document:
    try:
        record: Any = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{name}: not valid JSON: {error}") from error
    if not isinstance(record, Mapping):
        raise SourceError(f"{name}: holds a {type(record).__name__}, not a record with body_text")
    entries = record.get("bib_entries")
    raw = isinstance(entries, Mapping) and any("bib_entry_raw" in e for e in entries.values() if isinstance(e, Mapping))
    if raw and parsed_part(record) is record:
        return read_unarxive(record, name)
    return read_s2orc(record, name)


def _has_main(folder: Path) -> bool:
    return any(b"\\documentclass" in path.read_bytes()[:MAX_BYTES] for path in folder.glob("*.tex"))


def _read_flat(path: Path) -> Document:
    """A .tex file that stands beside others: its .bbl, every .bib, and the files without a preamble go with it."""
    files = {path.name: path.read_bytes()}
    for other in sorted(path.parent.iterdir()):
        if other.suffix.lower() in (".tex", ".bib") or (other.suffix.lower() == ".bbl" and other.stem == path.stem):
            data = other.read_bytes()[:MAX_BYTES] if other.is_file() else b""
            if other.suffix.lower() != ".tex" or b"\\documentclass" not in data:
                files.setdefault(other.name, data)
    return read_latex(files, path.name)


def _read_source_folder(folder: Path) -> Document:
    files: dict[str, bytes] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in (".tex", ".bbl", ".bib") and path.is_file() and path.stat().st_size < MAX_BYTES:
            files[path.relative_to(folder).as_posix()] = path.read_bytes()
    return read_latex(files, folder.name)
