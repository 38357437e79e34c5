"""Reader of a hub page saved as text: title, announced count, abstract, representative works, explorer entries."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from classifier.errors import InputError
from classifier.naming import UniqueNames, fold, slug
from classifier.schema import CitedWork, CitingWork, Hub, Provenance
from classifier.tex import untex

_SECTIONS = {
    "hub": "hub",
    "abstract": "abstract",
    "hub tools": "tools",
    "citation-role summary": "tools",
    "citation-polarity summary": "tools",
    "claims ledger": "ledger",
    "co-cited works": "cocited",
    "representative citing papers": "representative",
    "representative citing works": "representative",
    "citing papers explorer": "explorer",
    "citing works explorer": "explorer",
}
_ANNOUNCED = re.compile(
    r"^\s*([\d][\d,. \u00a0]*)\s*(?:\w+\s+){0,3}?(?:papers?|works?) cites? this (?:work|paper)\b", re.I
)
_BULLET = re.compile(r"^[-*\u2022\u2013](?:\s+(.*))?$")


class _Line(NamedTuple):
    number: int
    text: str


class HubPage(NamedTuple):
    """A hub and what the reader noticed, one line each, that the user may want to know."""

    hub: Hub
    warnings: tuple[str, ...]


def read_hub_page(text: str, path: Path | str = "hub page") -> HubPage:
    """The hub that ``text`` shows. Raises ``InputError`` where there is no title or no hub page at all."""
    sections, announced, before_status = _sections(text, path)
    title = untex(sections["hub"][0].text) if sections.get("hub") else before_status
    if not title:
        raise InputError(
            "no hub title found: expected a line 'hub' followed by the title, or a line '<n> papers cite this work'",
            path=path,
            do="save the whole hub page as text",
        )
    if "explorer" not in sections and "representative" not in sections and announced is None:
        raise InputError(
            "this is not a hub page: neither a count of citing papers nor a list of them", path=path,
            do="save the whole hub page as text, or give a table (see docs/formats.md)",
        )  # fmt: skip
    warnings: list[str] = []
    works = _works(_entries(sections.get("explorer", [])), path, warnings)
    works = _flag_representative(works, sections.get("representative", []), path, warnings)
    abstract = " ".join(untex(line.text) for line in sections.get("abstract", []))
    if not abstract:
        warnings.append(f"{path}: no abstract of the hub; labels rest on its title alone")
    if announced is not None and announced != len(works):
        warnings.append(f"{path}: announces {announced} citing papers and lists {len(works)}")
    cited = CitedWork(hub_id=slug(title), title=title, abstract=abstract)
    hub = Hub(cited=cited, citing=tuple(works), announced=announced, provenance=(Provenance(source="hub page"),))
    return HubPage(hub, tuple(warnings))


def _sections(text: str, path: Path | str) -> tuple[dict[str, list[_Line]], int | None, str]:
    """Lines by section, the announced count, and the line that stood before the count.

    Raises ``InputError`` at the count of a second page: its works would be taken for those of the first hub.
    """
    sections: dict[str, list[_Line]] = {}
    current: list[_Line] | None = None
    announced: int | None = None
    previous = before_status = ""
    for number, raw in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
        line = " ".join(raw.split())
        if not line:
            continue
        name = _SECTIONS.get(line.casefold().rstrip(":"))
        counted = _ANNOUNCED.match(line)
        if name and (name != "hub" or "hub" not in sections):
            current = sections.setdefault(name, [])
        elif counted and announced is None:
            announced, before_status = int(re.sub(r"\D", "", counted.group(1))), untex(previous)
            current = None
        elif counted and "explorer" in sections:
            raise InputError("a second hub page begins here", path=path, line=number, value=line[:80],
                             do="save each page as a file of its own")  # fmt: skip
        elif current is not None:
            current.append(_Line(number, line))
        previous = line
    return sections, announced, before_status


def _entries(lines: list[_Line]) -> list[list[_Line]]:
    """Explorer lines grouped by bullet; without any bullet, title and summary lines alternate."""
    if not any(_BULLET.match(line.text) for line in lines):
        return [lines[i : i + 2] for i in range(0, len(lines), 2)]
    entries: list[list[_Line]] = []
    for line in lines:
        bullet = _BULLET.match(line.text)
        if bullet:
            entries.append([_Line(line.number, bullet.group(1))] if bullet.group(1) else [])
        elif entries:
            entries[-1].append(line)
    return [entry for entry in entries if entry]


def _works(entries: list[list[_Line]], path: Path | str, warnings: list[str]) -> list[CitingWork]:
    works: list[CitingWork] = []
    seen: dict[tuple[str, str], int] = {}
    names = UniqueNames()
    odd = sum(len(entry) > 2 for entry in entries) < len(entries) / 2
    for entry in entries:
        title, summary = untex(entry[0].text), " ".join(untex(line.text) for line in entry[1:])
        key = (fold(title), fold(summary))
        if key in seen:
            warnings.append(f"{path}:{entry[0].number}: repeats the entry of line {seen[key]}; counted once: {title!r}")
            continue
        seen[key] = entry[0].number
        if odd and len(entry) > 2:
            warnings.append(
                f"{path}:{entry[0].number}: entry of {len(entry)} lines where most have 2, all taken as its summary; "
                f"look for stray lines: {title!r}"
            )
        if not summary:
            warnings.append(f"{path}:{entry[0].number}: entry without a summary: {title!r}")
        works.append(CitingWork(citing_id=names.take(slug(title)), title=title, summary=summary))
    return works


def _flag_representative(
    works: list[CitingWork], lines: list[_Line], path: Path | str, warnings: list[str]
) -> list[CitingWork]:
    """The works with ``representative`` set where their summary (or title) stands in the representative list."""
    by_text = {fold(work.title): i for i, work in enumerate(works)}
    by_text |= {fold(work.summary): i for i, work in enumerate(works) if work.summary}
    flagged: set[int] = set()
    for line in lines:
        text = untex(_BULLET.sub(r"\1", line.text))
        if not text:
            continue
        index = by_text.get(fold(text))
        if index is None:
            warnings.append(
                f"{path}:{line.number}: representative work without an explorer entry, left out: {text[:60]!r}"
            )
        else:
            flagged.add(index)
    return [w.model_copy(update={"representative": True}) if i in flagged else w for i, w in enumerate(works)]
