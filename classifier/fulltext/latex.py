r"""LaTeX source: ``\cite..{k1,k2}`` points to ``\bibitem{k}``, a biblatex ``\entry{k}`` or an entry of a .bib file.

Own scanner, linear and with a deadline: a well-known parser hangs on a real file. Only sentences that are kept
go through pylatexenc (``latex_plain``).
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from pathlib import PurePosixPath

from classifier.errors import SourceError
from classifier.fulltext.document import Document, Paragraph, Pointer
from classifier.fulltext.latex_bibliography import read_references
from classifier.fulltext.latex_plain import cheap_plain, plain

TIME_LIMIT = 20.0
"""Seconds for one paper."""
MAX_TEXT = 8 * 1024 * 1024
"""Characters after all files are put together."""
_CITE = re.compile(
    r"\\(?!(?:no|bib|set|Set)cite|citestyle|citation\b|citetext|citealias|citeindex|defcite)"
    r"((?:[A-Za-z]{0,20}[cC]ite[A-Za-z]{0,20}))\*?\s{0,3}((?:\[[^\[\]]{0,300}\]\s{0,3}){0,2})\{([^{}]{1,2000})\}"
)
_INPUT = re.compile(
    r"\\(?:input|include|subfile|subimport|import)\s*(?:\{([^{}]{0,200})\}\s*(?:\{([^{}]{1,200})\})?|([\w./-]+))"
)
_SECTION = re.compile(r"\\((?:sub){0,2}section|chapter|paragraph|part)\*?\s{0,3}(?:\[[^\]]{0,200}\])?\{")
_BREAK = re.compile(
    r"\\begin\{(?:tabular[x*]?|longtable)\}(?:\{[^{}]{0,60}\})?(?:\[[^\]]{0,20}\])?\{[^{}]{0,100}\}"
    r"|\n[ \t]*\n|\\par\b|\\item\b|\\(?:begin|end)\{(?!math|cases|array)[^{}]{1,40}\}(?:\[[^\]]{0,100}\])?"
)
_DROPPED = re.compile(
    r"\\(?:label|vspace|hspace|includegraphics|bibliographystyle|thispagestyle|index)\*?(?:\[[^\]]{0,200}\])?\{[^{}]{0,300}\}"
)


class Deadline:
    """Raises ``SourceError`` from ``check`` once the seconds are over."""

    def __init__(self, seconds: float, name: str) -> None:
        self._end, self._seconds, self._name = time.monotonic() + seconds, seconds, name

    def check(self) -> None:
        """Stop the scan where the time is over."""
        if time.monotonic() > self._end:
            raise SourceError(f"{self._name}: reading took longer than {self._seconds:g} s; the file is left out")


def read_latex(files: Mapping[str, bytes], name: str, time_limit: float = TIME_LIMIT) -> Document:
    """The document of one paper's source files (path -> bytes)."""
    deadline = Deadline(time_limit, name)
    texts = {path: strip_comments(decode(data)) for path, data in files.items() if not _is_old(path)}
    main = _main_file(texts, name)
    whole = _expand(texts, main, deadline)
    preamble, _, body = whole.partition("\\begin{document}")
    body = (body or whole).partition("\\end{document}")[0]
    keys = {key for found in _CITE.finditer(body) for key in _keys(found[3])}
    deadline.check()
    references = read_references(texts, main, body, keys, deadline.check)
    body = re.sub(r"\\begin\{thebibliography\}.*?(?:\\end\{thebibliography\}|\Z)", "", body, flags=re.S)
    scanner = _Scanner(deadline)
    scanner.read(_macros_off(preamble, body))
    title = _braced(whole, "\\title")
    return Document("latex", name, tuple(scanner.paragraphs), references, plain(title)[:500], finish=scanner.finish)


def decode(data: bytes) -> str:
    r"""UTF-8 where it is, Latin-1 otherwise (old papers); line ends as ``\n``."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def strip_comments(text: str) -> str:
    r"""The source without comments, ``\iffalse`` blocks and ``comment`` environments."""
    text = re.sub(r"(?<!\\)((?:\\\\)*)%[^\n]*(?:\n[ \t]*(?=\S))?", r"\1", text)
    text = re.sub(r"\\begin\{comment\}.*?\\end\{comment\}", "", text, flags=re.S)
    return re.sub(r"\\iffalse\b.*?\\fi\b", "", text, flags=re.S)


def _is_old(path: str) -> bool:
    return PurePosixPath(path).name.startswith(("._", "_old"))


def _main_file(texts: Mapping[str, str], name: str) -> str:
    tex = {path: text for path, text in texts.items() if path.lower().endswith((".tex", ".txt")) or "." not in path}
    full = [path for path, text in tex.items() if "\\begin{document}" in text or "\\bye" in text]
    candidates = full or [path for path, text in tex.items() if "\\cite" in text]
    if not candidates:
        raise SourceError(f"{name}: no LaTeX file with \\begin{{document}} or \\cite among {len(texts)} files")
    usual = {"main", "ms", "paper", "article", "root"}
    return max(
        candidates,
        key=lambda path: (
            tex[path].count("\\input") + tex[path].count("\\include{"),
            PurePosixPath(path).stem.lower() in usual,
            len(tex[path]),
        ),
    )


def _expand(texts: Mapping[str, str], main: str, deadline: Deadline) -> str:
    r"""The main file with every ``\input`` in its place; a file is put in once, so that cycles end."""
    folder, used = PurePosixPath(main).parent, {main}
    size = 0

    def put(text: str, depth: int) -> str:
        nonlocal size
        deadline.check()
        size += len(text)
        if size > MAX_TEXT or depth > 20:
            raise SourceError(f"{main}: more than {MAX_TEXT // 2**20} MiB of text, or inputs nested deeper than 20")
        return _INPUT.sub(lambda found: replace(found, depth), text)

    def replace(found: re.Match[str], depth: int) -> str:
        wanted = ((found[1] or "") + (found[2] or "") or found[3] or "").strip()
        for path in (str(folder / wanted), f"{folder / wanted}.tex", wanted, f"{wanted}.tex"):
            if path in texts and path not in used and not path.endswith((".bbl", ".bib")):
                used.add(path)
                return put(texts[path], depth + 1)
        return " "

    return put(texts[main], 0)


def _macros_off(preamble: str, body: str) -> str:
    r"""The body with simple text macros of the preamble (``\newcommand{\ours}{OurNet}``) put in."""
    pattern = r"\\(?:re)?newcommand\*?\s*\{?\\([A-Za-z]{2,30})\}?\s*\{([^{}\\#]{1,60}(?:\\xspace)?)\}"
    for macro, text in dict(re.findall(pattern, preamble)).items():
        body = re.sub(rf"\\{macro}(?![A-Za-z])(?:\{{\}})?", lambda _, t=text: t.replace("\\xspace", ""), body)  # type: ignore[misc]
    return body


def _braced(text: str, command: str) -> str:
    """The argument in braces of the first use of a command; empty where there is none."""
    found = re.search(re.escape(command) + r"\s*(?:\[[^\]]*\])?\s*\{", text)
    return balanced(text, found.end()) if found else ""


def balanced(text: str, start: int, limit: int = 20000) -> str:
    """The text from ``start`` up to the brace that closes the one before it, at most ``limit`` characters."""
    depth = 1
    for found in re.finditer(r"(?<!\\)[{}]", text[start : start + limit]):
        depth += 1 if found[0] == "{" else -1
        if not depth:
            return text[start : start + found.start()]
    return text[start : start + limit]


def _keys(text: str) -> list[str]:
    return [key for key in (" ".join(part.split()) for part in text.split(",")) if key]


class _Scanner:
    """Paragraphs with pointers; each pointer is one private-use token until ``finish`` prints its keys."""

    def __init__(self, deadline: Deadline) -> None:
        self.paragraphs: list[Paragraph] = []
        self._printed: dict[str, str] = {}
        self._section: str | None = None
        self._deadline, self._offset, self._spent = deadline, 0, 0.0

    def read(self, body: str) -> None:
        body = _DROPPED.sub(" ", body)
        position = 0
        for found in _SECTION.finditer(body):
            self._chunk(body[position : found.start()])
            heading = balanced(body, found.end(), 500)
            self._section = cheap_plain(heading) or self._section
            position = found.end() + len(heading) + 1
        self._chunk(body[position:])

    def _chunk(self, text: str) -> None:
        for part in _BREAK.split(text):
            self._deadline.check()
            self._paragraph(" ".join(part.split()))

    def _paragraph(self, source: str) -> None:
        text, pointers, markers, last = "", list[Pointer](), list[tuple[int, int]](), 0
        for found in _CITE.finditer(source):
            text += source[last : found.start()]
            notes = re.findall(r"\[([^\[\]]*)\]", found[2])
            before = f"{notes[0]} " if len(notes) == 2 and notes[0] else ""
            after = f", {notes[-1]}" if notes and notes[-1] else ""
            start = len(text)
            text += f"[{before}"
            for index, key in enumerate(_keys(found[3])):
                token = self._token(key)
                text += (", " if index else "") + token
                pointers.append(Pointer(len(text) - len(token), len(text), (key,)))
            text += f"{after}]"
            markers.append((start, len(text)))
            last = found.end()
        text += source[last:]
        if text.strip(" {}"):
            self.paragraphs.append(Paragraph(text, tuple(pointers), self._section, self._offset, tuple(markers)))
            self._offset += len(text) + 1

    def _token(self, key: str) -> str:
        token = f"\ue000{chr(0xE100 + len(self._printed) % 0x1700)}{chr(0xE100 + len(self._printed) // 0x1700)}\ue001"
        self._printed[token] = key
        return token

    def finish(self, text: str) -> str:
        """Plain text of a slice, the keys of its pointers printed as they stand in the source.

        Once the conversions of one paper have taken ``TIME_LIMIT`` the rest get the cheap one.
        """
        start = time.monotonic()
        text = plain(text) if self._spent < TIME_LIMIT else cheap_plain(text)
        self._spent += time.monotonic() - start
        return re.sub("\ue000..\ue001", lambda found: self._printed.get(found[0], ""), text)
