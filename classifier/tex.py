r"""TeX accents and escapes in titles: ``H\"older`` is Hölder.

A LaTeX parser is no help here: in running prose ``%`` and ``$`` are a percent and a dollar sign, and a parser
would drop the rest of "78% of problems" as a comment. Only what is unmistakably an escape is replaced.
"""

from __future__ import annotations

import re
import unicodedata

_COMBINING = {
    "`": "\u0300", "'": "\u0301", "^": "\u0302", "~": "\u0303", "=": "\u0304", "u": "\u0306", ".": "\u0307",
    '"': "\u0308", "r": "\u030a", "H": "\u030b", "v": "\u030c", "d": "\u0323", "c": "\u0327", "k": "\u0328",
}  # fmt: skip
_LETTERS = {
    "ss": "ß", "ae": "æ", "AE": "Æ", "oe": "œ", "OE": "Œ", "o": "ø", "O": "Ø", "l": "ł", "L": "Ł", "aa": "å",
    "AA": "Å", "i": "i", "j": "j", "dh": "ð", "th": "þ",
}  # fmt: skip
_ACCENT = re.compile(
    r"""\{?\\(?:([`'^~=."])\s*(?:\{\\?([A-Za-z])\}|\\?([A-Za-z]))|([urHvdck])(?:\{\\?([A-Za-z])\}|\s+([A-Za-z])(?![A-Za-z])))\}?"""
)
_LETTER = re.compile(
    r"\{\\(ss|ae|AE|oe|OE|o|O|l|L|aa|AA|i|j|dh|th)\}|\\(ss|ae|AE|oe|OE|aa|AA)(?:\{\}|\b)|\\([oOlL])\{\}"
)
_SYMBOL = re.compile(r"\\([%&$#_{}])")


def untex(text: str) -> str:
    """``text`` with TeX accents, special letters and escaped symbols as Unicode; everything else untouched."""
    if "\\" not in text:
        return text
    text = _ACCENT.sub(_accented, text)
    text = _LETTER.sub(lambda m: _LETTERS[m.group(1) or m.group(2) or m.group(3)], text)
    return _SYMBOL.sub(r"\1", text)


def _accented(match: re.Match[str]) -> str:
    mark = match.group(1) or match.group(4)
    letter = match.group(2) or match.group(3) or match.group(5) or match.group(6)
    composed = unicodedata.normalize("NFC", letter + _COMBINING[mark])
    # An unbalanced brace belongs to the text around the accent.
    whole = match.group(0)
    opened, closed = whole.startswith("{"), whole.count("}") > whole.count("{") - whole.startswith("{")
    if opened and not closed:
        return "{" + composed
    if closed and not opened:
        return composed + "}"
    return composed
