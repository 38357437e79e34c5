"""Pointers found against pointers expected, per format, and precision and recall of recognising the hub.

``python -m benchmarks.pointers`` prints both tables. The first needs the sample papers of ``../shared/fulltext`` (or
``CLASSIFIER_SHARED``): counts of ``hub_pointers.json``, and for every other sample the links that a plain search of the
raw file finds. The second is ``tests/data/hard_references.jsonl``: its rows ``design`` were in view when the rules were
written, its rows ``held_out`` were written afterwards (one general rule came after the first run over them).
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from classifier.fulltext.bibliography import AMBIGUOUS, match_entry
from classifier.fulltext.contexts import Found, find_contexts
from classifier.fulltext.document import Document, Reference, first_year
from classifier.fulltext.reader import read_bytes
from classifier.identifiers import clean_ids
from classifier.schema import CitedWork, WorkIds

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("CLASSIFIER_SHARED", ROOT.parent / "shared"))
HARD = ROOT / "tests" / "data" / "hard_references.jsonl"
HUBS = {
    "BERT": CitedWork(
        hub_id="bert", title="BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding",
        authors=("Jacob Devlin", "Ming-Wei Chang", "Kenton Lee", "Kristina Toutanova"), year=2018,
        ids=WorkIds(arxiv_id="1810.04805", doi="10.18653/v1/n19-1423"),
    ),
    "Attention": CitedWork(
        hub_id="attention", title="Attention Is All You Need", authors=("Ashish Vaswani", "Noam Shazeer"), year=2017,
        ids=WorkIds(arxiv_id="1706.03762"),
    ),
    "SciBERT": CitedWork(
        hub_id="scibert", title="SciBERT: A Pretrained Language Model for Scientific Text",
        authors=("Iz Beltagy", "Kyle Lo", "Arman Cohan"), year=2019, ids=WorkIds(doi="10.18653/v1/d19-1371"),
    ),
}  # fmt: skip


def sample(folder: Path, name: str) -> Document:
    """The sample that ``hub_pointers.json`` names: a file, or the id of a paper in the unarXive sample."""
    path = folder / name
    if path.is_file():
        return read_bytes(path.read_bytes(), name)
    papers = folder / "unarxive" / "cs_subset" / "hub_bert_transformer_4papers.jsonl"
    for line in papers.read_bytes().splitlines():
        if json.loads(line)["paper_id"] == name:
            return read_bytes(line, name)
    raise FileNotFoundError(name)


def linked_pointers(document: Document, found: Found) -> int:
    """Pointers that the source itself links to the hub, among all that were found."""
    wanted = set(found.match.ref_ids)
    return sum(bool(wanted & set(p.ref_ids)) for paragraph in document.paragraphs for p in paragraph.pointers)


def hub_counts(folder: Path) -> Iterator[tuple[str, str, str, int, int, int]]:
    """Format, file, hub, expected, found by link, found in all (printed markers without a link added)."""
    for row in json.loads((folder / "hub_pointers.json").read_text(encoding="utf-8")):
        document = sample(folder, row["file"])
        found = find_contexts(document, HUBS[row["hub"]])
        right = row["bib_id"] in found.match.ref_ids
        linked = linked_pointers(document, found) if right else 0
        yield row["format"], row["file"], row["hub"], row["pointers"], linked, found.pointers if right else 0


_LINKS = {
    "jats": rb'<xref\b(?=[^>]*ref-type="bibr")[^>]*\brid="([^"]+)"',
    "tei": rb'<ref\b(?=[^>]*type="bibr")[^>]*\btarget="#([^"]+)"',
    "latexml_tests/xml": rb'<bibref\b[^>]*\bbibrefs="([^"]+)"',
    "latexml_tests/tex": rb"(?m)^[^%\n]*?\\cite",
}


def converted_links() -> Iterator[tuple[str, str, int, int]]:
    """The same for a small paper of our own that LaTeXML 0.8.7 converted to HTML, and for its source."""
    folder = ROOT / "tests" / "data" / "fulltext"
    source = (folder / "latexml.tex").read_text(encoding="utf-8").partition(r"\begin{thebibliography}")[0]
    expected = sum(len(keys.split(",")) for keys in re.findall(r"\\cite\w*(?:\[[^\]]*\])*\{([^}]*)\}", source))
    for name in ("latexml.html", "latexml.tex"):
        document = read_bytes((folder / name).read_bytes(), name)
        read = sum(len(p.ref_ids) or 1 for paragraph in document.paragraphs for p in paragraph.pointers)
        yield document.source, name, expected, read


def all_links(folder: Path) -> Iterator[tuple[str, str, int, int]]:
    """Format, file, links in the raw file, links read, for every sample: whatever work they point to."""
    for kind, pattern in _LINKS.items():
        place, _, ending = kind.partition("/")
        for path in sorted((folder / place).iterdir()):
            if path.suffix not in (".nxml", ".xml", ".tex") or (ending and path.suffix != f".{ending}"):
                continue
            data = path.read_bytes()
            document = read_bytes(data, path.name)
            read = sum(bool(p.ref_ids) for paragraph in document.paragraphs for p in paragraph.pointers)
            if ending == "tex":
                body = re.sub(rb"(?m)%.*$", b"", data).partition(rb"\begin{thebibliography}")[0]
                expected = len(re.findall(rb"\\cite\w*\*?(?:\[[^\]]*\])*\{", body))
            else:
                expected = len(re.findall(pattern, data))
            yield kind, path.name, expected, read


class Scores(NamedTuple):
    """Precision and recall over table rows; ``undecided`` rows were said to be ambiguous and count as not found."""

    rows: int
    precision: float
    recall: float
    undecided: int
    wrong: tuple[str, ...]
    missed: tuple[str, ...]


def hard_row(row: dict[str, Any]) -> tuple[CitedWork, Reference]:
    """The hub and the entry of one row of the table."""
    hub, entry = row["hub"], row["entry"]
    cited = CitedWork(
        hub_id="h", title=hub["title"], authors=tuple(hub["authors"]), year=hub["year"], ids=clean_ids(hub["ids"])
    )
    raw = entry.get("raw", "")
    year = entry.get("year") or first_year(raw)
    ids = clean_ids(entry.get("ids", {}))
    return cited, Reference("r", entry.get("title", ""), tuple(entry.get("authors", ())), year, ids, raw)


def reference_scores(split: str) -> Scores:
    """Precision and recall of ``match_entry`` on one split of the table."""
    count: Counter[str] = Counter()
    wrong, missed = [], []
    for line in HARD.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if row["split"] != split:
            continue
        cited, entry = hard_row(row)
        match = match_entry(entry, cited)
        said = match is not None and match.confidence > AMBIGUOUS
        count["undecided"] += match is not None and not said
        count[f"{said}/{row['same']}"] += 1
        name = f"{row['kind']}: {entry.title or entry.raw[:60]}"
        if said and not row["same"]:
            wrong.append(name)
        if row["same"] and not said:
            missed.append(name)
    right = count["True/True"]
    rows = right + count["True/False"] + count["False/True"] + count["False/False"]
    precision, recall = right / max(1, right + len(wrong)), right / max(1, right + len(missed))
    return Scores(rows, precision, recall, count["undecided"], tuple(wrong), tuple(missed))


def main() -> None:
    """Print the tables."""
    folder = SHARED / "fulltext"
    if (folder / "hub_pointers.json").is_file():
        print(f"{'format':<18}{'paper':<42}{'hub':<11}{'expected':>9}{'linked':>8}{'with text':>11}")
        total: dict[str, Counter[str]] = {}
        for kind, name, hub, expected, linked, everything in hub_counts(folder):
            print(f"{kind:<18}{name:<42}{hub:<11}{expected:>9}{linked:>8}{everything:>11}")
            total.setdefault(kind, Counter()).update(expected=expected, linked=linked)
        for kind, sums in total.items():
            print(f"{kind:<18}{'all':<53}{sums['expected']:>9}{sums['linked']:>8}")
        print(f"\n{'format':<18}{'paper':<42}{'links in file':>14}{'read':>7}")
        for kind, name, expected, read in all_links(folder):
            print(f"{kind:<18}{name:<42}{expected:>14}{read:>7}")
        for kind, name, expected, read in converted_links():
            print(f"{kind:<18}{name:<42}{expected:>14}{read:>7}")
    else:
        print(f"no sample papers at {folder}: the pointer tables are left out")
    print(f"\n{'hub matching':<18}{'rows':>6}{'precision':>11}{'recall':>8}{'undecided':>11}")
    for split in ("design", "held_out"):
        scores = reference_scores(split)
        print(f"{split:<18}{scores.rows:>6}{scores.precision:>11.3f}{scores.recall:>8.3f}{scores.undecided:>11}")
        for name in scores.wrong:
            print(f"  wrong   {name}")
        for name in scores.missed:
            print(f"  missed  {name}")


if __name__ == "__main__":
    main()
