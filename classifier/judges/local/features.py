"""A passage as named features, each with the characters it came from.

Five families: words and word pairs of the sentence that cites the hub, the same near the mention with their
side, cue phrases with negation and scope, cues of the neighbouring sentences, and what is known around the
passage (section, kind of hub title, how many works are cited).
"""

from __future__ import annotations

import re
from typing import NamedTuple

from classifier.judges.local.cues import FIRST_PERSON, RESOURCE_TITLE, TOOL_TITLE, Cue, find_cues
from classifier.judges.local.stances import find_patterns
from classifier.judges.local.tokens import CITATION, TARGET, Token, fold, scan, sentences

NEAR = 5
"""Tokens on each side of the mention that count as near it."""
REACH = 12
"""Tokens on each side whose cues count as belonging to the mention."""


class Feature(NamedTuple):
    """A feature that is present; `text[start:end]` gave rise to it (`start == end` where no text did)."""

    name: str
    start: int
    end: int


class Source(NamedTuple):
    """What the judge reads: `text` with the mention in `[[...]]`, and what is known around it.

    `focus` is the character from which on the citing sentence stands; it only matters where nothing is marked.
    """

    text: str
    section: str | None = None
    hub_title: str | None = None
    focus: int = 0


_SECTIONS = (
    ("related", re.compile(r"relat|previous|prior|literature|state of the art", re.I)),
    ("intro", re.compile(r"intro|background|motivation|overview", re.I)),
    (
        "method",
        re.compile(
            r"method|material|procedure|approach|model|protocol|data|measure|design|analys|algorithm|"
            r"statistic|participants|subjects|sampl|assay|implementation",
            re.I,
        ),
    ),
    ("discussion", re.compile(r"discuss|comment|limitation|implication|interpretation", re.I)),
    ("result", re.compile(r"result|experiment|evaluation|finding|performance|comparison", re.I)),
    ("conclusion", re.compile(r"conclu|future|summary|outlook", re.I)),
)


def section_kind(section: str | None) -> str:
    """One of related, intro, method, discussion, result, conclusion, other; `none` where nothing is known."""
    if not section or not section.strip() or section.strip().lower() == "unknown":
        return "none"
    return next((kind for kind, pattern in _SECTIONS if pattern.search(section)), "other")


def title_kinds(title: str | None) -> list[str]:
    """`resource` and/or `tool` where the hub's title names one, `named` where it opens with a name and a colon."""
    if not title:
        return []
    words = {fold(w) for w in re.findall(r"[^\W\d_]+", title)}
    kinds = ["resource"] if words & RESOURCE_TITLE else []
    kinds += ["tool"] if words & TOOL_TITLE else []
    return kinds + (["named"] if re.match(r"\S{2,20}( \S+)?\s*:", title) else [])


class Passage(NamedTuple):
    """A tokenised passage: sentences as token ranges, `home` the one that is judged, `targets` the mentions."""

    tokens: list[Token]
    sentences: list[tuple[int, int]]
    home: int
    targets: list[int]


def read(text: str, focus: int = 0) -> Passage:
    """Tokens and sentences of `text`. Without a marked mention every citation from `focus` on is the mention."""
    tokens = scan(text)
    ranges = sentences(tokens) or [(0, 0)]
    targets = [i for i, t in enumerate(tokens) if t.form == TARGET]
    if not targets:
        targets = [i for i, t in enumerate(tokens) if t.form == CITATION and t.start >= focus]
        tokens = [t._replace(form=TARGET) if i in targets else t for i, t in enumerate(tokens)]
    pivot = targets[0] if targets else next((i for i, t in enumerate(tokens) if t.start >= focus), 0)
    home = next((k for k, (a, b) in enumerate(ranges) if a <= pivot < b), 0)
    first, after = ranges[home]
    return Passage(tokens, ranges, home, [i for i in targets if first <= i < after])


def extract(source: Source) -> tuple[Passage, list[Feature]]:
    """The passage and its features; names repeat where they occur repeatedly."""
    passage = read(source.text, source.focus)
    out: list[Feature] = []
    first, after = passage.sentences[passage.home]
    words = passage.tokens[first:after]
    targets = [i - first for i in passage.targets]
    _words(words, out)
    _near(words, targets, out)
    following: list[Cue] = []
    if passage.home + 1 < len(passage.sentences):
        a, b = passage.sentences[passage.home + 1]
        following = find_cues([t.form for t in passage.tokens[a:b]])
    _cues(words, targets, following, out)
    for side, k in (("next", passage.home + 1), ("prev", passage.home - 1)):
        if 0 <= k < len(passage.sentences):
            a, b = passage.sentences[k]
            _neighbour(passage.tokens[a:b], side, out)
    _around(source, words, targets, out)
    return passage, out


def _words(words: list[Token], out: list[Feature]) -> None:
    """Unigrams, bigrams and trigrams of the sentence."""
    count = len(words)
    for i, word in enumerate(words):
        out.append(Feature("w " + word.form, word.start, word.end))
        if i + 1 < count:
            two = words[i + 1]
            out.append(Feature(f"w {word.form} {two.form}", word.start, two.end))
            if i + 2 < count:
                three = words[i + 2]
                out.append(Feature(f"w {word.form} {two.form} {three.form}", word.start, three.end))


def _near(words: list[Token], targets: list[int], out: list[Feature]) -> None:
    """Words near the mention with their side, and the exact frame of one and two words around it."""
    for at in targets[:4]:
        for i in range(max(0, at - NEAR), min(len(words), at + NEAR + 1)):
            if i != at:
                word = words[i]
                out.append(Feature(("l " if i < at else "r ") + word.form, word.start, word.end))
        before = words[at - 1].form if at else "^"
        behind = words[at + 1].form if at + 1 < len(words) else "$"
        out.append(Feature(f"f {before} _ {behind}", words[at].start, words[at].end))


def _cues(words: list[Token], targets: list[int], following: list[Cue], out: list[Feature]) -> None:
    """Cue classes in the sentence, near the mention and after a first person; stance patterns they form."""
    forms = [w.form for w in words]
    cues = find_cues(forms)
    for cue in cues:
        start, end = words[cue.first].start, words[cue.after - 1].end
        out.append(Feature("c " + cue.name, start, end))
        if any(f in FIRST_PERSON for f in forms[max(0, cue.first - 4) : cue.first]):
            out.append(Feature("c we:" + cue.name, start, end))
        distance = min((_gap(cue.first, cue.after, t) for t in targets), default=99)
        if distance <= REACH:
            side = "L" if any(t >= cue.after for t in targets) else "R"
            zone = "1" if distance <= NEAR else "2"
            out.append(Feature(f"c {side}{zone}:{cue.name}", start, end))
    patterns = find_patterns(forms, cues, targets, following)
    out.extend(Feature("g " + p.name, words[p.first].start, words[p.after - 1].end) for p in patterns)
    names = sorted({c.name for c in cues})
    for i, one in enumerate(names):
        for other in names[i + 1 :]:
            out.append(Feature(f"cc {one}+{other}", words[0].start, words[-1].end))


def _gap(first: int, after: int, target: int) -> int:
    return target - after + 1 if target >= after else first - target


def _neighbour(words: list[Token], side: str, out: list[Feature]) -> None:
    """Cue classes of a neighbouring sentence, and the words it opens with."""
    forms = [w.form for w in words]
    for cue in find_cues(forms):
        out.append(Feature(f"{side} {cue.name}", words[cue.first].start, words[cue.after - 1].end))
    opening = words[:2]
    if opening:
        out.append(Feature(f"{side} ^{opening[0].form}", opening[0].start, opening[0].end))


def _around(source: Source, words: list[Token], targets: list[int], out: list[Feature]) -> None:
    """Section, hub title, how many works are cited, where the mention stands."""
    kind = section_kind(source.section)
    names = [f"s {kind}"] + [f"t {k}" for k in title_kinds(source.hub_title)]
    others = sum(w.form == CITATION for w in words)
    names.append(f"n others {min(others, 3)}")
    names.append(f"n long {min(len(words) // 12, 5)}")
    if targets:
        at = targets[0]
        names.append("n opens" if at <= 1 else "n closes" if at >= len(words) - 2 else "n inside")
    out.extend(Feature(name, 0, 0) for name in names)
    if words and words[0].form in FIRST_PERSON:
        out.append(Feature("n we open", words[0].start, words[0].end))
