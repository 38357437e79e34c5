"""What a citing work without any passage is to the hub, by stated rules over the words of both.

From the hub's title and abstract come its *own terms*: proper names it introduces (a data set or a method, by the
words beside them) and its key phrases (from the title, or repeated). The citing work's title and summary are
searched for them, and the words around what is found decide between the rules below. Nothing here can show a stance.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import NamedTuple

from classifier.judges.local.tokens import Token, fold, scan

_STOP = frozenset(
    "a an the of for in on at to by with from and or but as is are was were be been being this that these those it its "
    "their our we i you they he she his her not no can may more most than then also both such which who what when "
    "where how why all each every any some into over under between among across via per through do does did has have "
    "had will would should could one two first new using use used show shows paper work study approach method "
    "let s about only very up down out if so there here state art".split()
)
_OWN = re.compile(
    r"\b(?:releas|introduc|present|propos|creat|publish|provid|build|built|collect|call|nam|dub|term|develop)\w*\b",
    re.I,
)
_DATA = frozenset(
    "dataset data set benchmark corpus corpora collection label annotation suite treebank database testbed".split()
)
_PROPER = re.compile(r"\b(?=\w*[A-Z])(?=\w*[A-Z0-9]\w*[A-Z0-9])[A-Za-z][\w]*(?:[-–][\w]+)*(?:\+\+)?")
_RULES: tuple[tuple[str, re.Pattern[str]], ...] = (
    (
        "compares",
        re.compile(
            r"outperform|surpass|better than|superior to|versus|\bvs\b|compar|exceed|beat|baseline|prior "
            r"(?:sota|state)|over prior|improv\w+ over|contrast\w* with|instead of|unlike",
            re.I,
        ),
    ),
    (
        "extends",
        re.compile(r"exten[ds]|generali[sz]|build\w* (?:on|upon)|adapt|improv|refin|augment|variant|beyond", re.I),
    ),
    (
        "motivation",
        re.compile(
            r"without (?:any |human |costly |manual )|avoid|eliminat|replac|limit|fail|shortcoming|"
            r"bottleneck|reduc\w+ the (?:cost|need)|expensive|flaw|critique|challenge",
            re.I,
        ),
    ),
)


CONFIDENCE = {
    "data": 0.5,
    "name": 0.4,
    "used phrase": 0.18,
    "phrase": 0.46,
    "used topic": 0.18,
    "topic": 0.48,
    "word": 0.53,
}
"""How often each rule is right by role on ACT's pairs of titles, shrunk to one half: (right + 2) / (asserted + 4).

Source: `eval/results/embedded/relations.md`, made by `classifier.training.relations`. `data` fired on no pair and
`name` on one: theirs say that nothing is known. `used topic` fired on none and takes the figure of `used phrase`.
"""


class CommonWords(frozenset[str]):
    """Folded words that are common in research prose of any field and so mark no work in particular."""


class OwnTerm(NamedTuple):
    """A term the hub can be known by: `kind` is data, name (of a method or system) or phrase."""

    text: str
    kind: str
    words: tuple[str, ...]


class Relation(NamedTuple):
    """What the rules say: `role` (a role or unclear), where the term stands in the text, why, and which rule."""

    role: str
    confidence: float
    start: int
    end: int
    term: str
    rule: str
    kind: str


def own_terms(title: str, abstract: str, common: CommonWords) -> list[OwnTerm]:
    """The hub's own terms, names before phrases, each once."""
    found: dict[tuple[str, ...], OwnTerm] = {}
    for name, kind in _names(title, abstract):
        words: tuple[str, ...] = (name.lower(),)
        found.setdefault(words, OwnTerm(name, kind, words))
    for phrase, text in _phrases(title, abstract, common):
        found.setdefault(phrase, OwnTerm(text, "phrase", phrase))
    return list(found.values())


def _names(title: str, abstract: str) -> list[tuple[str, str]]:
    """Proper names that the hub introduces: before a colon in the title, or beside a verb of release."""
    out: list[tuple[str, str]] = []
    opening = re.match(r"\s*([^\s:]{2,20}(?: [^\s:]{1,12})?)\s*:\s+\S", title)
    if opening:
        out.append((opening.group(1), "data" if _is_data(title) else "name"))
    for sentence in re.split(r"(?<=[.!?])\s+", abstract):
        own = [m.end() for m in _OWN.finditer(sentence)]
        for match in _PROPER.finditer(sentence):
            near = [at for at in own if 0 <= match.start() - at <= 60]
            if near and not match.group().isdigit():
                around = sentence[max(near) : match.end() + 40]
                out.append((match.group(), "data" if _is_data(around) else "name"))
    return out


def _is_data(text: str) -> bool:
    return any(fold(w) in _DATA for w in re.findall(r"[A-Za-z]+", text))


def _phrases(title: str, abstract: str, common: CommonWords) -> list[tuple[tuple[str, ...], str]]:
    """Two to three content words in a row, in the title or at least twice in the abstract, not all common."""
    counts: Counter[tuple[str, ...]] = Counter()
    texts: dict[tuple[str, ...], str] = {}
    for text, value in ((title, 2), (abstract, 1)):
        run: list[Token] = []
        for token in [*scan(text), Token(".", len(text), len(text))]:
            if token.form[0].isalpha() and token.form not in _STOP:
                run.append(token)
                continue
            for size in (3, 2):
                for i in range(len(run) - size + 1):
                    part = run[i : i + size]
                    words = tuple(t.form for t in part)
                    counts[words] += value
                    texts.setdefault(words, text[part[0].start : part[-1].end])
            run = []
    kept = [w for w, n in counts.items() if n >= 2 and not all(x in common for x in w)]
    return [(w, texts[w]) for w in sorted(kept, key=lambda w: (-len(w), -counts[w], w))]


def relate(title: str, abstract: str, text: str, common: CommonWords, *, is_title: bool = False) -> Relation | None:
    """The relation that `text` (a title, summary or abstract of the citing work) shows, or None where it shows none.

    The rules are S1 to S7 of the annotation guide, as far as words can carry them: a name the hub introduced (S1), a
    phrase of its own put to use (S2), altered (S3) or set beside results (S5), and a shared topic (S6).
    Where `is_title`, words of use beside a shared phrase count for nothing: they were wrong three times in four there.
    """
    tokens = scan(text)
    for term in own_terms(title, abstract, common):
        span = _find(term, tokens, text)
        if span is None:
            continue
        window = text[max(0, span[0] - 80) : span[1] + 80]
        rule = next((role for role, pattern in _RULES if pattern.search(window)), None)
        if term.kind == "data":
            role = "compares" if rule == "compares" else "uses_data"
            said = f"names the hub's own data, {term.text} (S1)"
            return Relation(role, CONFIDENCE["data"], *span, term.text, said, "data")
        if term.kind == "name":
            said = f"names the hub's own {term.text} (S1)"
            return Relation(rule or "uses_method", CONFIDENCE["name"], *span, term.text, said, "name")
        if not is_title and _USE.search(window):
            said = f"puts the hub's own {term.text!r} to use (S2)"
            return Relation("uses_method", CONFIDENCE["used phrase"], *span, term.text, said, "used phrase")
        said = f"shares the hub's own {term.text!r} (S6)"
        return Relation("background", CONFIDENCE["phrase"], *span, term.text, said, "phrase")
    topic = _topic(title, abstract, tokens, common)
    if topic is None:
        word = _topic_word(title, abstract, tokens, common)
        if word is None:
            return None
        shared = text[word.start : word.end]
        said = f"shares the hub's topic word {shared!r} (S6)"
        return Relation("background", CONFIDENCE["word"], word.start, word.end, shared, said, "word")
    words = text[topic[0] : topic[1]]
    if not is_title and len(words.split()) >= 3 and _USE.search(text[max(0, topic[0] - 25) : topic[0]]):
        said = f"puts to use what the hub is about, {words!r} (S2)"
        return Relation("uses_method", CONFIDENCE["used topic"], *topic, words, said, "used topic")
    said = f"shares the hub's topic, {words!r} (S6)"
    return Relation("background", CONFIDENCE["topic"], *topic, words, said, "topic")


_USE = re.compile(
    r"\b(?:us(?:e|es|ed|ing)|appl(?:y|ies|ied|ying)|train(?:s|ed|ing)?|via|with|employ\w*|leverag\w*|guid\w+)\b", re.I
)


def _topic(title: str, abstract: str, tokens: list[Token], common: CommonWords) -> tuple[int, int] | None:
    """Where two or more content words of the hub stand in a row, one of them a word it keeps coming back to."""
    counts = Counter(t.form for t in scan(f"{title}. {abstract}") if t.form[0].isalpha() and t.form not in _STOP)
    named = {t.form for t in scan(title)}
    focal = {w for w, n in counts.items() if n >= 3 or w in named}
    run: list[Token] = []
    for token in [*tokens, Token(".", 0, 0)]:
        if token.form in counts:
            run.append(token)
            continue
        forms = {t.form for t in run}
        if len(forms) >= 2 and forms & focal and not forms <= common:
            return run[0].start, run[-1].end
        run = []
    return None


def _topic_word(title: str, abstract: str, tokens: list[Token], common: CommonWords) -> Token | None:
    """The first word that the hub has in its title or repeats, and that is not common in research prose."""
    counts = Counter(t.form for t in scan(f"{title}. {abstract}"))
    titled = {t.form for t in scan(title)}
    own = {w for w, n in counts.items() if len(w) > 2 and (n > 1 or w in titled) and w not in _STOP and w not in common}
    return next((token for token in tokens if token.form in own and token.form[0].isalpha()), None)


def _find(term: OwnTerm, tokens: list[Token], text: str) -> tuple[int, int] | None:
    if term.kind != "phrase":
        match = re.search(rf"(?<!\w){re.escape(term.text)}(?!\w)", text)
        return match.span() if match else None
    size = len(term.words)
    for i in range(len(tokens) - size + 1):
        if tuple(t.form for t in tokens[i : i + size]) == term.words:
            return tokens[i].start, tokens[i + size - 1].end
    return None
