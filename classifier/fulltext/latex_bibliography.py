r"""The bibliography of a LaTeX paper: ``\bibitem`` and biblatex ``\entry`` in .bbl or .tex, entries of .bib files."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import PurePosixPath

from bibtexparser.entrypoint import parse_string

from classifier.fulltext.document import Reference, first_year
from classifier.fulltext.latex_plain import cheap_plain
from classifier.fulltext.latexml import printed_reference, split_authors
from classifier.identifiers import clean_ids, find_arxiv_id, find_doi

_BIBITEM = re.compile(r"\\bibitem\s*")
_ENTRY = re.compile(r"\\entry\{([^{}]+)\}\{[^{}]*\}\{[^{}]*\}(.*?)\\endentry", re.S)
_BIB_ENTRY = re.compile(r"@\s*(\w{1,30})\s*[{(]\s*([^,\s{}()]{1,200})\s*,")
MAX_ENTRY = 20000
"""Characters of one entry."""


def read_references(
    texts: Mapping[str, str], main: str, body: str, keys: Iterable[str], check: Callable[[], None]
) -> dict[str, Reference]:
    """References by citation key: from .bbl and thebibliography all, from .bib files only the cited ones."""
    stem = PurePosixPath(main).stem
    lists = sorted((p for p in texts if p.lower().endswith(".bbl")), key=lambda p: PurePosixPath(p).stem != stem)
    references: dict[str, Reference] = {}
    for text in [*(texts[path] for path in lists), body]:
        check()
        for ref in [*_bibitems(text, check), *_biblatex(text)]:
            references.setdefault(ref.ref_id, ref)
    missing = {key for key in keys if key not in references}
    for path, text in texts.items():
        if path.lower().endswith(".bib") and missing:
            for ref in bib_entries(text, missing, check):
                references.setdefault(ref.ref_id, ref)
    return references


def _bibitems(text: str, check: Callable[[], None]) -> list[Reference]:
    start = text.find("\\begin{thebibliography}")
    if start < 0 and "\\bibitem" not in text:
        return []
    end = text.find("\\end{thebibliography}", start)
    parts = _BIBITEM.split(text[max(start, 0) : end if end > 0 else len(text)])[1:]
    found = []
    for part in parts:
        check()
        label, rest = _option(part[:MAX_ENTRY])
        match = re.match(r"\s*\{([^{}]+)\}", rest)
        if match:
            blocks = [cheap_plain(block) for block in re.split(r"\\newblock\b", rest[match.end() :])]
            links = " ".join(re.findall(r"\\(?:url|href|doi)\s*\{([^{}]*)\}", rest))
            found.append(_with_blocks(match[1].strip(), blocks, label, links))
    return found


def _with_blocks(key: str, blocks: list[str], label: str, links: str) -> Reference:
    number = label if label.isdigit() else ""
    ref = printed_reference(key, blocks, number, links)
    years = re.findall(r"\((?:18|19|20)\d{2}", label) or re.findall(r"\{((?:18|19|20)\d{2})[a-z]?\}", label)
    return ref._replace(year=int(years[0].strip("("))) if years and ref.year is None else ref


def _option(text: str) -> tuple[str, str]:
    """The optional ``[...]`` at the start, braces inside respected, and what follows."""
    if not text.startswith("["):
        return "", text
    depth = 0
    for index, character in enumerate(text):
        depth += (character in "{[") - (character in "}]")
        if character == "]" and depth == 0:
            return text[1:index], text[index + 1 :]
    return "", text


def _biblatex(text: str) -> list[Reference]:
    found = []
    for match in _ENTRY.finditer(text):
        body = match[2]
        fields = {name: cheap_plain(value) for name, value in re.findall(r"\\field\{(\w+)\}\{(.*?)\}\n", body)}
        names = re.search(r"\\name\{author\}.*?\n(.*?)\n\s*\}\n", body, re.S)
        people = re.findall(r"family=\{([^{}]*)\}", names[1]) if names else []
        verbs = dict(re.findall(r"\\verb\{(\w+)\}\s*\\verb (\S+)", body))
        year = fields.get("year", "") or fields.get("labelyear", "")
        eprint = verbs.get("eprint") or fields.get("eprint")
        found.append(
            Reference(
                match[1],
                fields.get("title", ""),
                tuple(f"{cheap_plain(p)}," for p in people),
                int(year) if year.isdigit() else None,
                clean_ids({"doi": verbs.get("doi"), "arxiv_id": eprint}),
            )
        )
    return found


def bib_entries(text: str, wanted: Iterable[str], check: Callable[[], None]) -> list[Reference]:
    """The wanted entries of a .bib file; only these are parsed, so that a file of 50 MB costs one scan."""
    keys, found = set(wanted), []
    for match in _BIB_ENTRY.finditer(text):
        if match[2] in keys and match[1].lower() not in ("comment", "string", "preamble"):
            check()
            following = _BIB_ENTRY.search(text, match.end())
            end = min(following.start() if following else len(text), match.start() + MAX_ENTRY)
            for fields in bibtex_fields(text[match.start() : end]).values():
                found.append(bib_reference(match[2], fields))
    return found


def bibtex_fields(text: str) -> dict[str, dict[str, str]]:
    """The fields of every readable entry of BibTeX text, by key; names in lower case, values as they stand."""
    logging.getLogger("bibtexparser").setLevel(logging.ERROR)  # broken entries are counted, not logged
    library = parse_string(text)
    return {e.key: {f.key.lower(): str(f.value) for f in e.fields} for e in library.entries}


def bib_reference(key: str, fields: Mapping[str, str]) -> Reference:
    """The reference that the fields of one BibTeX entry describe."""
    clean = {name: cheap_plain(value) for name, value in fields.items()}
    everything = " ".join(fields.values())
    author = clean.get("author", "")
    authors = tuple(a.strip() for a in re.split(r"\s+and\s+", author) if a.strip() and a.strip() != "others")
    year = first_year(clean.get("year", "") or clean.get("date", "")[:4])
    eprint = (
        clean.get("eprint", "")
        if "arxiv" in clean.get("archiveprefix", clean.get("eprinttype", "arxiv")).lower()
        else ""
    )
    return Reference(
        key,
        clean.get("title", ""),
        authors or split_authors(author),
        year,
        clean_ids(
            {
                "doi": clean.get("doi") or find_doi(everything),
                "arxiv_id": eprint or find_arxiv_id(everything, named=True),
                "pmid": clean.get("pmid"),
            }
        ),
        raw=" ".join(v for k in ("author", "title", "journal", "booktitle", "year") if (v := clean.get(k, ""))),
    )
