"""Labelled passages from the data sets a user supplies, native labels turned into what they say of our heads.

A native label seldom names one value of ours: SciCite's `method` is a method, a data set or an extension.
So every label becomes the *set* of values it allows, and training maximises the probability of that set.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from classifier.errors import InputError
from classifier.judges.local import encoder
from classifier.judges.local.features import Source

ROLES, POLARITIES, BASES = encoder.HEADS["role"], encoder.HEADS["polarity"], encoder.HEADS["basis"]
HEADS: Mapping[str, tuple[str, ...]] = {"role": ROLES, "polarity": POLARITIES}
"""The heads that the linear model has too."""


class Corpus(NamedTuple):
    """What is known of a data set. `tradition` says what its polarity counts: evidence, sentiment or nothing."""

    name: str
    licence: str | None
    tradition: str | None = None
    family: str = ""
    train: bool = True

    @property
    def permissive(self) -> bool:
        """Whether weights trained on it may be shipped."""
        return self.licence is not None and "NC" not in self.licence


CORPORA: Mapping[str, Corpus] = {
    c.name: c
    for c in (
        Corpus("scicite", "Apache-2.0", "evidence"),
        Corpus("acl-arc", None, family="acl-arc"),
        Corpus("jurgens-fine", None, family="acl-arc"),
        Corpus("act", "MIT and ODC-BY"),
        Corpus("multicite", "CC BY-NC 2.0", train=False),
        Corpus("focal", "MIT"),
        Corpus("sdcf", None, "sentiment"),
        Corpus("citelling", "MIT"),
        Corpus("athar", None, "sentiment"),
        Corpus("clinical-sentiment", None, "evidence"),
        Corpus("kumpa-arxiv", "Apache-2.0", "sentiment"),
        Corpus("scite-sample(silver)", "MIT", "evidence"),
        Corpus("silver", "labels Apache-2.0 (own); texts as their data sets"),
        Corpus("silver-hard", "labels Apache-2.0 (own); texts as their data sets"),
        Corpus("written", "Apache-2.0 (own)"),
    )
}


def tradition(name: str) -> str | None:
    """What a data set's polarity counts: evidence, sentiment, or nothing known."""
    return CORPORA[name].tradition if name in CORPORA else None


SILVER = ("silver", "silver-hard")
"""Silver labels. Those of `silver-hard` were drawn because an encoder took the passages for stances, on which it is
wrong by choice. So they are trained on, and only thresholds and counts of stances look at them besides.
"""
OWN = (*SILVER, "written")
"""The corpora that are labelled in our own scheme."""


HELD_BACK = ("test", "dev")
"""Parts of data sets that are not trained on."""


class Example(NamedTuple):
    """One labelled passage. `allowed[head]` is the set of values its label allows; a head is absent if unlabelled."""

    key: str
    corpus: str
    family: str
    split: str
    source: Source
    allowed: Mapping[str, frozenset[str]]
    native: str


_ROLE_SETS: Mapping[str, frozenset[str]] = {
    "background": frozenset({"background"}),
    "motivation": frozenset({"motivation"}),
    "uses": frozenset({"uses_method", "uses_data"}),
    "uses_method": frozenset({"uses_method"}),
    "uses_dataset": frozenset({"uses_data"}),
    "uses_data": frozenset({"uses_data"}),
    "extends": frozenset({"extends"}),
    "compares": frozenset({"compares"}),
    "future_work": frozenset({"future_work"}),
}
_WIDER: Mapping[tuple[str, str], frozenset[str]] = {
    ("scicite", "background"): frozenset({"background", "motivation", "future_work"}),
    ("scicite", "uses"): frozenset({"uses_method", "uses_data", "extends"}),
    ("sdcf", "extends"): frozenset({"extends", "uses_method"}),
}
_POLARITY_SETS: Mapping[str, frozenset[str]] = {
    "supports": frozenset({"supporting"}),
    "critical": frozenset({"contrasting"}),
    "neutral": frozenset({"neutral"}),
    "contrast": frozenset({"neutral"}),  # a difference without criticism takes no side
}
_LEMMAS = {"wa": "was", "ha": "has", "us": "uses", "le": "less"}


def read_rows(path: Path) -> list[dict[str, object]]:
    """The JSON objects of a JSON-lines file; a line that is none is an `InputError` with its number."""
    return _json_lines(path, ("text", "dataset"))


def _json_lines(path: Path, keys: tuple[str, ...] = ()) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError:
                raise InputError("not a JSON object", path=path, line=number, value=line.strip()) from None
            if not isinstance(row, dict) or any(key not in row for key in keys):
                raise InputError(
                    f"needs an object with {' and '.join(keys)}", path=path, line=number, value=line.strip()
                )
            rows.append(row)
    return rows


def load(paths: Iterable[Path]) -> list[Example]:
    """Examples of all files in order; a passage that stands twice in one data set with one label counts once."""
    examples: list[Example] = []
    seen: set[tuple[str, str, str]] = set()
    for path in paths:
        for row in read_rows(path):
            example = to_example(row)
            same = (example.corpus, example.source.text, example.native)
            if example.allowed and same not in seen:
                seen.add(same)
                examples.append(example)
    return examples


def load_own(paths: Iterable[Path], data: Iterable[Path]) -> list[Example]:
    """Labels in our own scheme: own passages carry their text, silver labels name a row of `data` by dataset and id.

    A silver label whose passage is not among `data` is left out (the user does not have that data set).
    """
    own = [(path, row) for path in paths for row in _json_lines(path) if not row.get("second")]
    wanted = {(str(r.get("dataset")), str(r.get("id"))) for _, r in own if "text" not in r}
    texts: dict[tuple[str, str], dict[str, object]] = {}
    if wanted:
        for path in data:
            for row in read_rows(path):
                key = (str(row["dataset"]), str(row.get("id")))
                if key not in wanted:
                    continue
                kept = texts.setdefault(key, row)  # of an id that stands in two parts, the training part was labelled
                if kept.get("split") in HELD_BACK and row.get("split") not in HELD_BACK:
                    texts[key] = row
    examples: list[Example] = []
    for path, row in own:
        base = row if "text" in row else texts.get((str(row.get("dataset")), str(row.get("id"))))
        if base is not None:
            examples.append(_own_example(row, base, path))
    return [e for e in examples if e.allowed]


def _own_example(row: Mapping[str, object], base: Mapping[str, object], path: Path) -> Example:
    """A label of ours on the passage of `base`; `unclear` and basis `none` leave a head unlabelled."""
    allowed: dict[str, frozenset[str]] = {}
    for head, values in HEADS.items():
        value = row.get(head)
        if value in values:
            allowed[head] = frozenset({str(value)})
        elif value not in (None, "unclear", "none"):
            raise InputError(f"no {head} of ours", path=path, column=head, value=value)
    if row.get("basis") in BASES:
        allowed["basis"] = frozenset({str(row["basis"])})
    written = "text" in row
    dataset = "written" if written else str(row["dataset"])
    name = "written" if written else "silver-hard" if row.get("drawn") == "hard" else "silver"
    source = source_of({"dataset": dataset, **base})
    native = json.dumps({head: sorted(v) for head, v in allowed.items()})
    key = f"{'written' if written else 'silver'}:{dataset}:{row.get('id')}"
    return Example(key, name, family_of(dataset), "train", source, allowed, native)


def to_example(row: Mapping[str, object]) -> Example:
    """One normalised row as an example; an unknown data set is taken with exact labels and its own name."""
    name = str(row["dataset"])
    corpus = CORPORA.get(name, Corpus(name, None))
    native = row.get("label", row.get("labels", ""))
    return Example(
        key=f"{name}:{row.get('id')}",
        corpus=name,
        family=family_of(name),
        split=str(row.get("split", "all")),
        source=source_of(row),
        allowed=_allowed(row, corpus),
        native=json.dumps(native),
    )


def family_of(corpus: str) -> str:
    """The family of a data set: the one whose papers it shares, or itself."""
    known = CORPORA.get(corpus)
    return known.family or corpus if known else corpus


def source_of(row: Mapping[str, object]) -> Source:
    """The text a judge would see of a row: with its neighbouring sentences where the data set gives them."""
    text = " ".join(str(row[part]) for part in ("before", "text", "after") if row.get(part))
    if row["dataset"] == "sdcf":  # published lemmatised by a tool that cuts `was` to `wa`
        text = " ".join(_LEMMAS.get(w, w) for w in text.split(" "))
    context = str(row.get("context") or "")
    if "#AUTHOR_TAG" in context or "[[" in context:
        text = _window(context, text)
    section, title = row.get("section"), row.get("cited_title")
    return Source(text, str(section) if section else None, str(title) if title else None)


def _window(context: str, text: str) -> str:
    """About 400 characters of `context` on each side of its first mention, cut at white space."""
    marked = context if "[[" in context else context.replace("#AUTHOR_TAG", "[[CITATION]]")
    at = marked.find("[[")
    if at < 0:
        return text
    first, after = max(0, at - 500), min(len(marked), at + 500)
    if first:
        first = marked.find(" ", first) + 1
    if after < len(marked):
        after = marked.rfind(" ", 0, after)
    return marked[first:after] if first < at < after else text


def _allowed(row: Mapping[str, object], corpus: Corpus) -> dict[str, frozenset[str]]:
    allowed: dict[str, frozenset[str]] = {}
    several = row.get("roles")
    names = several if isinstance(several, list) else [row["role"]] if row.get("role") else []
    roles: frozenset[str] = frozenset()
    for name in names:
        roles |= _WIDER.get((corpus.name, str(name)), _ROLE_SETS.get(str(name), frozenset()))
    if roles:
        allowed["role"] = roles
    polarity = _POLARITY_SETS.get(str(row.get("polarity")))
    if polarity and corpus.tradition:
        allowed["polarity"] = polarity
    return allowed


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def identity(example: Example) -> str:
    """Sixteen letters that name a labelled passage whatever files it was loaded from."""
    return hashlib.sha256(f"{example.key}\n{example.source.text}".encode()).hexdigest()[:16]


_SPACES = re.compile(r"\W+")


def fingerprint(text: str) -> str:
    """Letters and digits only, lower case: equal for one passage printed by two data sets."""
    return _SPACES.sub("", text).lower()
