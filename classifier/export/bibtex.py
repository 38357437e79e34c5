"""BibTeX: one entry a citing work, its label as keywords, its evidence as note."""

from __future__ import annotations

from bibtexparser.library import Library
from bibtexparser.model import Entry, Field
from bibtexparser.writer import write

from classifier.export.links import work_url
from classifier.outputs import Result
from classifier.schema import Label, Status

_SPECIAL = str.maketrans(
    {
        "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%",
        "_": r"\_", "^": r"\^{}", "~": r"\~{}", "\n": " ", "\r": " ", "\t": " ",
    }
)  # fmt: skip


def keywords(label: Label) -> list[str]:
    """``role:…``, ``polarity:…`` and, for a stance, ``basis:…``: what a reference manager files the work under."""
    found = [f"role:{role.value}" for role in (label.role, *label.other_roles)]
    found.append(f"polarity:{label.polarity.value}")
    return [*found, f"basis:{label.basis.value}"] if label.basis.value != "none" else found


def bibtex_entry(result: Result) -> str:
    """The entry as UTF-8 BibTeX, its key the citing id in ASCII; brackets and TeX's special characters escaped."""
    work, prediction = result.citing, result.prediction
    label = prediction.label if prediction.status is Status.LABELLED else None
    kind = "article" if work.venue else "misc"
    values: list[tuple[str, str | None]] = [
        ("title", _protect(work.title)),
        ("author", " and ".join(_author(name) for name in work.authors) or None),
        ("year", str(work.year) if work.year is not None else None),
        ("journal", _tex(work.venue) if work.venue else None),
        ("doi", _tex(work.ids.doi) if work.ids.doi else None),
        ("eprint", _tex(work.ids.arxiv_id) if work.ids.arxiv_id else None),
        ("archiveprefix", "arXiv" if work.ids.arxiv_id else None),
        ("url", _url(work_url(work.ids))),
        ("keywords", _tex(", ".join(keywords(label)) if label else f"status:{prediction.status.value}")),
        ("note", _tex(label.evidence.text) if label and label.evidence else None),
    ]
    entry = Entry(kind, _key(work.citing_id), [Field(name, f"{{{text}}}") for name, text in values if text])
    written = Library([entry])
    text = write(written)
    return text if isinstance(text, str) else str(text)


def _tex(text: str) -> str:
    plain = text if text.isprintable() else "".join(ch for ch in text if ch.isprintable() or ch in "\n\r\t")
    return plain.translate(_SPECIAL)


def _protect(title: str) -> str:
    """The title in a second pair of braces, so that no style changes its capitals."""
    return f"{{{_tex(title)}}}"


def _author(name: str) -> str:
    # A name that holds the word "and" (a consortium) would be split without its own braces.
    return f"{{{_tex(name)}}}" if " and " in f" {name} " else _tex(name)


def _url(address: str | None) -> str | None:
    return address.replace("{", "%7B").replace("}", "%7D").replace("\\", "%5C") if address else None


def _key(citing_id: str) -> str:
    kept = "".join(ch if ch.isascii() and (ch.isalnum() or ch in "-_.:/") else "-" for ch in citing_id)
    return kept.strip("-") or "work"
