"""Readers: one format each, all giving pairs of a cited and a citing work, in the order of the file."""

from __future__ import annotations

import hashlib
from collections import Counter, deque
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from classifier.errors import InputError
from classifier.inputs.hub_page import read_hub_page
from classifier.inputs.tables import BadRow, table_pairs
from classifier.schema import CitedWork, Hub, Pair

TABLE_SUFFIXES = frozenset({".csv", ".tsv", ".jsonl", ".ndjson", ".parquet"})
LIST_SUFFIXES = frozenset({".bib", ".bibtex", ".ris"})


KEPT_PAIRS = 25_000
"""A table of up to so many works stays in memory from its check until it is read; a longer one is read anew."""


class Source:
    """An input that was opened: its pairs, and what can be said of it before they are read (after ``check``).

    ``announced``: how many citing works the source says there are, where it says so. ``listed``: how many it lists,
    by hub_id. ``warnings``: one line each. ``hub``: the whole hub where the format holds one in memory, ``None`` for
    a table, which streams.
    """

    def __init__(
        self, path: Path, *, hub: Hub | None = None, warnings: tuple[str, ...] = (), skip_bad_rows: bool = False
    ) -> None:
        self.path, self.hub, self.warnings, self.skip_bad_rows = path, hub, warnings, skip_bad_rows
        self.announced = hub.announced if hub else None
        self.bad_rows: list[BadRow] = []
        self.first_hub: str | None = None
        self.several_hubs = False
        self.listed: Counter[str] = Counter()
        self._checked: deque[Pair] | None = None

    def pairs(self) -> Iterator[Pair]:
        """The pairs in order; a long table is read anew each time. Bad rows are collected in ``bad_rows``."""
        if self.hub is not None:
            return (Pair(self.hub.cited, work) for work in self.hub.citing)
        if self._checked is not None:
            kept, self._checked = self._checked, None
            return _handed_over(kept)
        self.bad_rows = []
        return table_pairs(self.path, self.bad_rows)

    def check(self) -> int:
        """The number of pairs, after reading all of them.

        Raises ``InputError`` with one line a bad row unless they are skipped, or where nothing is left.
        """
        self._checked, self.first_hub, self.several_hubs, self.listed = None, None, False, Counter()
        kept: deque[Pair] = deque()
        count = 0
        for count, pair in enumerate(self.pairs(), start=1):
            if count <= KEPT_PAIRS:
                kept.append(pair)
            elif kept:
                kept.clear()
            self.listed[pair.cited.hub_id] += 1
            self.first_hub = self.first_hub or pair.cited.hub_id
            self.several_hubs = self.several_hubs or pair.cited.hub_id != self.first_hub
        if self.hub is None and count <= KEPT_PAIRS:
            self._checked = kept
        if self.bad_rows and not self.skip_bad_rows:
            shown = "\n".join(str(row.error()) for row in self.bad_rows)
            found = f"{len(self.bad_rows)} bad value{'s' if len(self.bad_rows) > 1 else ''}"
            raise InputError(f"{shown}\n{found} in {self.path}; mend them or use --skip-bad-rows")
        if count == 0:
            raise InputError("lists no citing works", path=self.path, do="there is nothing to label")
        return count

    def sha256(self) -> str:
        """Digest of the file, hex."""
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


def _handed_over(kept: deque[Pair]) -> Iterator[Pair]:
    while kept:
        yield kept.popleft()


def open_input(path: Path, *, skip_bad_rows: bool = False) -> Source:
    """The input at ``path``, its format told by its suffix. Raises ``InputError`` where it cannot be read."""
    if not path.is_file():
        raise InputError("no such file" if not path.exists() else "is a folder, not a file", path=path)
    suffix = path.suffix.lower()
    if suffix in LIST_SUFFIXES or path.name.lower().endswith(".csl.json"):
        raise InputError("lists works and does not say which work they cite", path=path,
                         do=f"add them to a hub: `classify fetch HUB --list {path.name}`")  # fmt: skip
    if suffix in TABLE_SUFFIXES:
        return Source(path, skip_bad_rows=skip_bad_rows)
    if suffix == ".json":
        return Source(path, hub=read_hub_json(path))
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"not UTF-8 text at byte {error.start}", path=path, do="save it again with the encoding UTF-8"
        ) from error
    page = read_hub_page(text, path)
    return Source(path, hub=page.hub, warnings=page.warnings)


def read_hub_json(path: Path) -> Hub:
    """The hub in the project's own form. Raises ``InputError`` that lists each wrong field."""
    try:
        hub = Hub.model_validate_json(path.read_bytes())
    except ValidationError as error:
        problems = [
            InputError(p["msg"], path=path, column=".".join(map(str, p["loc"])) or "(file)", value=p["input"])
            for p in error.errors(include_url=False)
        ]
        raise InputError("\n".join(map(str, problems[:20])) + "\nthe form is that of docs/hub.schema.json") from error
    ids = [work.citing_id for work in hub.citing]
    repeated = sorted({i for i in ids if ids.count(i) > 1}) if len(set(ids)) < len(ids) else []
    if repeated:
        raise InputError(f"citing_id stands more than once: {', '.join(repeated[:5])}", path=path)
    return hub


def collect_hub(source: Source) -> Hub:
    """The whole input as one hub, to be written as ``hub.json``. Raises ``InputError`` where it holds several hubs."""
    if source.hub is not None:
        return source.hub
    cited: CitedWork | None = None
    works = []
    for pair in source.pairs():
        if cited is not None and pair.cited != cited:
            raise InputError(f"holds several hubs: {cited.hub_id}, {pair.cited.hub_id}", path=source.path,
                             do="hub.json holds one; split the table by hub_id")  # fmt: skip
        cited = pair.cited
        works.append(pair.citing)
    if cited is None:
        raise InputError("lists no citing works", path=source.path)
    return Hub(cited=cited, citing=tuple(works))
