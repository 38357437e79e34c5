"""Passage text -> tokens with offsets, the same whatever corpus or typesetter the text came from.

Citation style (numeric or author-year), masked markers, formula placeholders, casing and spacing differ
from corpus to corpus and say nothing about what a citation is for, so they are folded away here.
"""

from __future__ import annotations

import re
from typing import NamedTuple

TARGET = "<target>"
CITATION = "<citation>"
FORMULA = "<formula>"
NUMBER = "<number>"
NAME = "<name>"


class Token(NamedTuple):
    """One normalised token: `form` is lower case, `text[start:end]` is where it stands."""

    form: str
    start: int
    end: int
    capital: bool = False


_NAME = r"(?:(?:van|von|de|der|den|la|le|di|da)\s+){0,2}[A-ZÀ-Þ][\w'’`-]+"
_YEAR = r"(?:1[89]|20)\d\d[a-z]?"
_SCANNER = re.compile(
    rf"""
    (?P<target>\[\[(?:[^\[\]]|\[[^\[\]]{{0,300}}\])*\]\])
  | (?P<formula><\s*(?:MATH|formula)\s*>|\$[^$\n]{{1,200}}\$)
  | (?P<citation>
        {_NAME}(?:\s*(?:,|and|&|,\s*and)\s*{_NAME}){{0,4}}\s*,?\s*(?:et\s+al\s*\.?)?\s*,?\s*
            (?:\(\s*{_YEAR}(?:\s*[,;]\s*{_YEAR}){{0,4}}\s*\)|{_YEAR}\b)
      | \[\s*\d+\s*(?:[,;–-]\s*\d+\s*){{0,40}}\]
      | \#?(?:OTHER|AUTHOR)_?TAG\b
    )
  | (?P<year>\(\s*{_YEAR}(?:\s*[,;]\s*{_YEAR}){{0,4}}\s*\))
  | (?P<number>\d[\d.,]*\d|\d)
  | (?P<word>[^\W\d_]+(?:['’][^\W\d_]+)?)
  | (?P<stop>[.;:,()\[\]!?%])
    """,
    re.VERBOSE,
)
# Words that may stand inside a bracket of citations without making it prose.
_BRACKET_WORDS = frozenset(
    "see e g eg i ie cf and also for example et al in hereafter therein reviewed review a b c d by vs , ; . &".split()
)
_KEEP_S = frozenset("this is was has as its us yes thus versus various towards always perhaps whereas previous".split())
_ABBREVIATIONS = frozenset("al fig figs eq eqs sec ref refs cf vs e g i etc no dr prof ca approx resp st ie eg".split())


def fold(word: str) -> str:
    """Lower case, straight apostrophe, without a plural or third-person `s` (Harman's S-stemmer)."""
    form = word.lower().replace("’", "'")
    if form.endswith("'s"):
        form = form[:-2]
    if len(form) < 4 or not form.endswith("s") or form in _KEEP_S or form.endswith(("ss", "us", "is")):
        return form
    if form.endswith("ies") and len(form) > 4:
        return form[:-3] + "y"
    return form[:-1]


def scan(text: str) -> list[Token]:
    """All tokens of `text`, citations folded into one token each; the target's brackets into `TARGET`."""
    found: list[Token] = []
    for match in _SCANNER.finditer(text):
        kind, start, end = match.lastgroup, match.start(), match.end()
        if kind == "word":
            word = match.group()
            found.append(Token(fold(word), start, end, word[0].isupper()))
        elif kind == "target":
            found.append(Token(TARGET, start, end))
        elif kind in ("citation", "year"):
            found.append(Token(CITATION, start, end))
        elif kind == "formula":
            found.append(Token(FORMULA, start, end))
        elif kind == "number":
            found.append(Token(NUMBER, start, end))
        else:
            found.append(Token(match.group(), start, end))
    return _fold_names(_fold_brackets(found))


def _fold_brackets(tokens: list[Token]) -> list[Token]:
    """A bracket that holds only citations becomes one token, the target's if the target is in it."""
    out: list[Token] = []
    i = 0
    while i < len(tokens):
        if tokens[i].form in ("(", "["):
            j, cites, target = i + 1, 0, False
            while j < len(tokens) and j - i < 60:
                form = tokens[j].form
                if form in (CITATION, TARGET):
                    cites += 1
                    target = target or form == TARGET
                elif form not in _BRACKET_WORDS and form != NUMBER:
                    break
                j += 1
            if j < len(tokens) and tokens[j].form in (")", "]") and cites:
                out.append(Token(TARGET if target else CITATION, tokens[i].start, tokens[j].end))
                i = j + 1
                continue
        out.append(tokens[i])
        i += 1
    return out


def _fold_names(tokens: list[Token]) -> list[Token]:
    """`Smith et al.` before a citation, and `et al., 2003` after one, become part of it; lists merge."""
    out: list[Token] = []
    i = 0
    while i < len(tokens):
        token = tokens[i]
        if token.form in (CITATION, TARGET):
            start, form = token.start, token.form
            if len(out) >= 2 and _et_al(out):
                start = _drop_names(out, start)
            end, i = token.end, i + 1
            while i < len(tokens) and _continues(tokens, i):
                if tokens[i].form == TARGET:
                    form = TARGET
                end = tokens[i].end
                i += 1
            if len(out) >= 2 and out[-1].form in (",", ";") and out[-2].form in (CITATION, TARGET):
                out.pop()
                before = out.pop()
                form = TARGET if TARGET in (form, before.form) else CITATION
                start = before.start
            out.append(Token(form, start, end))
            continue
        out.append(token)
        i += 1
    return out


def _et_al(out: list[Token]) -> bool:
    tail = [t.form for t in out[-3:]]
    return tail[-2:] == ["et", "al"] or tail == ["et", "al", "."]


def _drop_names(out: list[Token], start: int) -> int:
    while out and out[-1].form in ("et", "al", "."):
        start = out.pop().start
    for _ in range(4):  # `Smith, Jones and Brown et al.`
        if out and (out[-1].capital or (out[-1].form in (",", "and") and len(out) > 1 and out[-2].capital)):
            start = out.pop().start
        else:
            break
    return start


def _continues(tokens: list[Token], i: int) -> bool:
    """True where token `i` still belongs to the citation that stands just before it."""
    form = tokens[i].form
    if form in ("et", "al"):
        return True
    if form in (CITATION, TARGET) and tokens[i].start - tokens[i - 1].end <= 1:
        return True
    return (
        form in (".", ",")
        and tokens[i - 1].form in ("al", "et")
        and i + 1 < len(tokens)
        and (tokens[i + 1].form in ("al", CITATION, NUMBER, ","))
    )


def sentences(tokens: list[Token]) -> list[tuple[int, int]]:
    """Token ranges of the sentences, `[first, after_last)`, covering all tokens."""
    out: list[tuple[int, int]] = []
    first = 0
    for i, token in enumerate(tokens):
        if token.form not in (".", "!", "?") or i + 1 >= len(tokens):
            continue
        after, before = tokens[i + 1], tokens[i - 1] if i else token
        opens = after.capital or after.form in (TARGET, CITATION, FORMULA, NUMBER)
        short = before.form in _ABBREVIATIONS or (len(before.form) == 1 and before.capital)
        if opens and not short and after.start > token.end:
            out.append((first, i + 1))
            first = i + 1
    if first < len(tokens):
        out.append((first, len(tokens)))
    return out
