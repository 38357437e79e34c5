"""Find the hub among the entries of a bibliography: by identifier, then title, then author and year.

Ambiguous is said, not guessed: an entry that could as well be another work is listed and not used.
``python -m benchmarks.pointers`` prints precision and recall on ``tests/data/hard_references.jsonl``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from anyascii import anyascii

from classifier.fulltext.document import Reference
from classifier.identifiers import clean_ids, ids_conflict, same_surname, similarity, squash, surname, years_close
from classifier.schema import CitedWork

ID_KINDS = ("arxiv_id", "doi", "pmid", "pmcid", "acl_id", "openalex_id", "s2_id")
AMBIGUOUS = 0.5
"""A match of this confidence or less counts only where it is the only one."""
_KIND_OF_ARTICLE = re.compile(r"^(?:comment|article|research article|review|letter|paper|perspective)\s*[:.]\s+", re.I)
_OTHER_WORK = re.compile(r"\b(?:addendum|erratum|corrigendum|correction|reply|retraction|response)(?:\s+to)?\W*$", re.I)
_GLUED = re.compile(r"^[\s.,]*(?:in|arxiv|proceedings|proc|advances|journal)\b", re.I)


class EntryMatch(NamedTuple):
    """How one entry was recognised as the hub; ``confidence`` is a rule's fixed weight, not a probability."""

    method: str
    confidence: float


class HubMatch(NamedTuple):
    """The entries that are the hub; ``ambiguous`` are entries that may be it, none of which was used."""

    ref_ids: tuple[str, ...] = ()
    method: str | None = None
    confidence: float = 0.0
    ambiguous: tuple[str, ...] = ()


def find_hub(references: Iterable[Reference], hub: CitedWork) -> HubMatch:
    """The hub in a bibliography. Several entries can be the hub (preprint and journal); weak ones must be alone."""
    matches = [(ref, match) for ref in references if (match := match_entry(ref, hub))]
    sure = [(ref, match) for ref, match in matches if match.confidence >= 0.9]
    chosen = sure or [(ref, match) for ref, match in matches if match.confidence > AMBIGUOUS]
    if not chosen or (not sure and len(chosen) > 1):
        return HubMatch(ambiguous=tuple(ref.ref_id for ref, _ in matches))
    best = max((match for _, match in chosen), key=lambda match: match.confidence)
    return HubMatch(tuple(ref.ref_id for ref, _ in chosen), best.method, best.confidence)


def match_entry(ref: Reference, hub: CitedWork) -> EntryMatch | None:
    """Whether one entry is the hub. A confidence of ``AMBIGUOUS`` or less means that it cannot be told."""
    ids = clean_ids(ref.ids.model_dump())
    hub_ids = clean_ids(hub.ids.model_dump())
    for kind in ID_KINDS:
        if getattr(ids, kind) and getattr(ids, kind) == getattr(hub_ids, kind):
            return EntryMatch(kind, 1.0)
    found = _by_title(ref, hub) if ref.title else None
    if found is None and ref.raw:  # a parsed title may be the wrong part of the entry: the printed one decides
        found = _by_printed_title(ref, hub)
    if found and ids_conflict(ids, hub_ids) and found.method != "title":
        return None
    if found is None and not ref.title and not _has_title(ref.raw):
        found = _by_author_and_year(ref, hub)
    return found


def authors_agree(ref: Reference, hub: CitedWork) -> bool | None:
    """Whether the hub's first author stands in the entry; ``None`` where either side names nobody."""
    if not hub.authors:
        return None
    wanted = surname(hub.authors[0])
    if ref.authors:
        return any(same_surname(wanted, surname(author)) for author in ref.authors)
    if not ref.raw:
        return None
    words = [squash(word) for word in re.findall(r"[^\W\d_][\w'’-]*", ref.raw)]
    return any(same_surname(wanted, word) for word in words) or (len(wanted) > 5 and wanted in squash(ref.raw))


def _by_title(ref: Reference, hub: CitedWork) -> EntryMatch | None:
    title = _KIND_OF_ARTICLE.sub("", ref.title)
    agree = authors_agree(ref, hub)
    if squash(title) == squash(hub.title) or _glued(title, hub.title):
        return _same_title(ref, hub, agree)
    if not years_close(ref.year, hub.year, 2) or agree is False:
        return None
    if _is_cut(title, hub.title):
        return EntryMatch("title_cut", 0.85 if agree else AMBIGUOUS)
    if (
        agree
        and len(squash(hub.title)) >= 12
        and similarity(title, hub.title) >= 0.9
        and not _OTHER_WORK.search(title.split(":")[0])
    ):
        return EntryMatch("title_similar", 0.8)
    name = _main_title(hub.title)
    if agree and name and squash(name) == squash(_main_title(title) or "") and years_close(ref.year, hub.year):
        return EntryMatch("title_cut", 0.7)
    return None


def _same_title(ref: Reference, hub: CitedWork, agree: bool | None) -> EntryMatch | None:
    words = len(hub.title.split())
    close = years_close(ref.year, hub.year, 2)
    if agree:
        return EntryMatch("title", 0.98 if close else 0.9)
    if agree is None:
        return EntryMatch("title", 0.9 if words >= 4 and close else AMBIGUOUS)
    return EntryMatch("title", 0.75) if words >= 8 and close else None


def _glued(title: str, wanted: str) -> bool:
    rest = title[len(wanted) :] if title.lower().startswith(wanted.lower()) else ""
    return bool(_GLUED.match(rest)) and not rest[:1].isalnum() and rest[:1] != " "


def _main_title(title: str) -> str | None:
    """The part before a colon or dash, where there is one."""
    parts = re.split(r":\s|\s[-–—]\s", title, maxsplit=1)
    return parts[0] if len(parts) == 2 and len(squash(parts[0])) > 2 else None


def _is_cut(title: str, wanted: str) -> bool:
    """Whether ``title`` is the wanted title without its subtitle, without its main title, or cut at the end."""
    short, full = squash(title), squash(wanted)
    parts = re.split(r":\s|\s[-–—]\s", wanted, maxsplit=1)
    if len(parts) == 2 and short in (squash(parts[0]), squash(parts[1])) and len(short) > 2:
        return True
    return len(short) >= 20 and len(short) >= 0.6 * len(full) and full.startswith(short)


def _by_printed_title(ref: Reference, hub: CitedWork) -> EntryMatch | None:
    """The hub's title inside an entry that was never parsed, with a boundary on both sides."""
    agree = authors_agree(ref, hub)
    year_fits = years_close(ref.year, hub.year, 2)
    place = _place(ref.raw, hub.title)
    if place:
        before, after = ref.raw[: place[0]].rstrip(), ref.raw[place[1] :]
        if _OTHER_WORK.search(before):
            return None
        stop_before = (
            not before or not before[-1].isalpha() or bool(re.search(r"\bet al$|\b(?:18|19|20)\d\d[a-z]?$", before))
        )
        stop_after = not after.strip() or bool(re.match(r"\s*[.,;:?!\"”’'()\[\]}]", after)) or bool(_GLUED.match(after))
        subtitle = bool(re.match(r"\s*:", after))
        capital = bool(re.match(r"\s+[A-Z0-9]", after))
        if agree is not False and stop_before and stop_after and not subtitle:
            return _same_title(ref, hub, agree)
        if agree and year_fits and (stop_after or capital) and not subtitle:
            return EntryMatch("title", 0.85)
        return None
    name = _main_title(hub.title)
    place = _place(ref.raw, name) if name and agree and years_close(ref.year, hub.year) else None
    if place and re.match(r"\s*[.,\"”]", ref.raw[place[1] :]) and not ref.raw[: place[0]].rstrip()[-1:].isalpha():
        return EntryMatch("title_cut", 0.7)
    return None


def _place(text: str, wanted: str) -> tuple[int, int] | None:
    """Where the folded ``wanted`` stands in ``text``, in characters of ``text``, on word boundaries."""
    letters: list[str] = []
    places: list[int] = []
    for index, character in enumerate(text):
        for letter in re.sub(r"[^0-9a-z]", "", anyascii(character).lower()):
            letters.append(letter)
            places.append(index)
    needle, folded, start = squash(wanted), "".join(letters), -1
    while needle and (start := folded.find(needle, start + 1)) >= 0:
        first, last = places[start], places[start + len(needle) - 1] + 1
        if not text[first - 1 : first].isalnum() and not text[last : last + 1].isalnum():
            return first, last
    return None


def _has_title(raw: str) -> bool:
    """Whether a printed entry seems to carry a title: more whole words than names and a journal make up."""
    words = re.findall(
        r"\b[^\W\d_]{3,}\b(?!\.)",
        re.sub(r"https?://\S+|\b(?:and|in|the|doi|arxiv|preprint|proc|pages)\b", " ", raw, flags=re.I),
    )
    return len(words) > 5 or sum(word.islower() for word in words) > 2


def _by_author_and_year(ref: Reference, hub: CitedWork) -> EntryMatch | None:
    """An entry without a title: first author, the preprint/published pair of years, and as many authors as named."""
    if not authors_agree(ref, hub) or ref.year is None or hub.year is None or not years_close(ref.year, hub.year):
        return None
    open_list = bool(re.search(r"\bet al\b|\bothers\b|…", ref.raw))
    named = len(ref.authors)
    if named and not open_list and named != len(hub.authors):
        return None
    others = sum(any(same_surname(surname(a), surname(b)) for b in hub.authors) for a in ref.authors)
    if named and others < named:
        return None
    return EntryMatch("author_year", 0.7 if named > 1 else 0.6)
