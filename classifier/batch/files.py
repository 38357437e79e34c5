"""File mode: requests out as JSONL, answers of anyone in, stored under the same keys as those of the online mode."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import BinaryIO, NamedTuple

from pydantic import ValidationError

from classifier.answering import read_answer
from classifier.batch.lines import read_request, read_response, request_line
from classifier.errors import AnswerError, InputError
from classifier.evidence import prepare
from classifier.judges.openai import OpenAIJudge
from classifier.judges.request import ChatRequest, canonical, key_material, request_key
from classifier.prices import Tokens
from classifier.schema import Pair, Record
from classifier.store import Store, StoredAnswer

MAX_REQUESTS = 50_000
MAX_BYTES = 200_000_000
"""Limits of one input file of OpenAI's Batch API (https://platform.openai.com/docs/guides/batch)."""

_CHUNK = 256
_SHOWN = 20


class Part(Record):
    """One request file: its name, how many requests it holds, its size, its digest."""

    file: str
    requests: int
    bytes: int
    sha256: str


class RequestManifest(Record):
    """Stands beside the request files; ``endpoint`` is part of the key and not of the request lines."""

    endpoint: str
    model: str
    prompt: str
    input: str
    input_sha256: str
    works: int
    answered: int
    parts: tuple[Part, ...]


class Problem(NamedTuple):
    """A line of a response file that gave no answer that can be used."""

    line: int
    what: str


class Imported(NamedTuple):
    """What became of the lines of a response file.

    ``counts``: ``stored``, ``usable`` and ``unusable`` (of the stored: whether the answer has the asked form),
    ``known`` (the store had the answer already), ``repeated``, ``failed``, ``unknown`` (no such request),
    ``unreadable``. ``open``: requests that the store has no answer to. ``problems``: the first of them. ``tokens``:
    what the lines say that all answers took, unusable ones too, each request once; ``unpriced``: answers without it.
    """

    counts: Counter[str]
    requests: int
    open: int
    problems: tuple[Problem, ...]
    tokens: Tokens = Tokens()
    unpriced: int = 0


def open_requests(pairs: Iterable[Pair], judge: OpenAIJudge, seen: Counter[str] | None = None) -> Iterator[ChatRequest]:
    """The request that comes next for every pair which the store cannot answer yet, each once.

    ``seen`` counts the ``works``, and how many are ``answered``.
    """
    counted: Counter[str] = Counter() if seen is None else seen
    given: set[bytes] = set()
    tasks = map(prepare, pairs)
    while chunk := list(islice(tasks, _CHUNK)):
        for said in judge.recall_or_ask(chunk):
            counted["works"] += 1
            if not isinstance(said, ChatRequest):
                counted["answered"] += said is not None
                continue
            key = request_key(said)
            if key not in given:
                given.add(key)
                yield said


def write_requests(
    requests: Iterable[ChatRequest], target: Path, *, most: int = MAX_REQUESTS, most_bytes: int = MAX_BYTES
) -> tuple[Part, ...]:
    """Write request lines to ``target``, and on to ``target-2``, ``-3`` … where one file would be too large."""
    parts: list[Part] = []
    lines = ((request_line(request) + "\n").encode() for request in requests)
    line = next(lines, None)
    while line is not None:
        name = target if not parts else target.with_name(f"{target.stem}-{len(parts) + 1}{target.suffix}")
        count = size = 0
        digest = hashlib.sha256()
        partial = name.with_name(f".{name.name}.partial")
        with partial.open("wb") as file:
            while line is not None and count < most and (count == 0 or size + len(line) <= most_bytes):
                file.write(line)
                digest.update(line)
                count, size = count + 1, size + len(line)
                line = next(lines, None)
        partial.replace(name)
        parts.append(Part(file=name.name, requests=count, bytes=size, sha256=digest.hexdigest()))
    return tuple(parts)


def manifest_path(target: Path) -> Path:
    """Where the manifest of a request file stands."""
    return target.with_suffix(".manifest.json")


def read_manifest(target: Path) -> RequestManifest:
    """The manifest beside a request file. Raises ``InputError``."""
    path = manifest_path(target)
    try:
        return RequestManifest.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a manifest of `classify batch export`"
        do = "give the request file that `classify batch export` wrote, its manifest beside it"
        raise InputError(f"cannot be read: {reason}", path=path, do=do) from error


def import_responses(requests: Path, responses: Path, store: Store, *, answered_by: str | None = None) -> Imported:
    """Store the answers of a response file; each raw answer under the key of its request, before it is judged.

    The order of the lines does not matter and a repeated one changes nothing. The provenance names the file, its
    digest and who answered. Raises ``InputError`` where a file cannot be read or a request line was changed.
    """
    manifest = read_manifest(requests)
    counts: Counter[str] = Counter()
    problems: list[Problem] = []
    done: set[str] = set()
    with ExitStack() as files:
        index = _Index(requests, manifest, files)
        provenance = f"file {responses.name} sha256 {_digest(responses)[:16]}"
        waiting: list[StoredAnswer] = []
        for number, line in _lines(responses):
            problem = _take(line, index, done, counts, waiting, provenance, answered_by)
            if problem and len(problems) < _SHOWN:
                problems.append(Problem(number, problem))
            if len(waiting) >= _CHUNK:
                counts["stored"] += store.put(waiting)
                waiting.clear()
        if waiting:
            counts["stored"] += store.put(waiting)
    spent = Tokens(**{name: counts.pop(f"tokens {name}", 0) for name in Tokens.model_fields})
    unpriced = counts.pop("unpriced", 0)
    counts["known"] = len(done) - counts["stored"]
    keys = index.keys()
    unanswered = 0
    while part := list(islice(keys, _CHUNK)):
        unanswered += store.find(part).count(None)
    return Imported(counts, len(index), unanswered, tuple(problems), spent, unpriced)


def _take(
    line: str, index: _Index, done: set[str], counts: Counter[str], waiting: list[StoredAnswer], provenance: str,
    answered_by: str | None,
) -> str | None:  # fmt: skip
    """Put the answer of one line with those to store; what is wrong with it, if anything."""
    try:
        response = read_response(line)
    except (ValueError, RecursionError) as error:
        counts["unreadable"] += 1
        return f"not a response line: {error}"
    if response.custom_id not in index:
        counts["unknown"] += 1
        return f"no such request: {response.custom_id[:80]!r}"
    if response.answer is None:
        counts["failed"] += 1
        return response.problem
    if response.custom_id in done:
        counts["repeated"] += 1
        return None
    request = index.request(response.custom_id)
    tokens = response.answer.logprobs if request.logprobs else None
    answer = response.answer._replace(max_tokens=request.max_tokens, logprobs=tokens)
    named = answered_by or answer.model_served or "not said"
    row = StoredAnswer(
        request_key(request), canonical(key_material(request)), answer, f"{provenance} answered by {named}"
    )
    done.add(response.custom_id)
    for name, number in (response.tokens or Tokens()).model_dump().items():
        counts[f"tokens {name}"] += number
    counts["unpriced"] += response.tokens is None
    waiting.append(row)
    try:
        read_answer(answer.content, '"claims"' in request.schema)
    except AnswerError as error:
        counts["unusable"] += 1
        return f"{type(error).__name__}: {error}"
    counts["usable"] += 1
    return None


class _Index:
    """Where each request line stands, so that a file of any size is read line by line as answers come."""

    def __init__(self, first: Path, manifest: RequestManifest, files: ExitStack) -> None:
        self._endpoint = manifest.endpoint
        self._files: list[tuple[Path, BinaryIO]] = []
        self._places: dict[str, tuple[int, int]] = {}
        for number, part in enumerate(manifest.parts):
            path = first if number == 0 else first.with_name(part.file)
            try:
                file = files.enter_context(path.open("rb"))
            except OSError as error:
                raise InputError(f"cannot be read: {error.strerror}", path=path) from error
            self._files.append((path, file))
            at = 0
            for line in file:
                start = line.find(b'"custom_id":"') + 13
                self._places[line[start : line.find(b'"', start)].decode("ascii", "replace")] = (number, at)
                at += len(line)

    def __contains__(self, name: str) -> bool:
        return name in self._places

    def __len__(self) -> int:
        return len(self._places)

    def keys(self) -> Iterator[bytes]:
        """The store's key of each request."""
        return (bytes.fromhex(name.partition("-")[0]) for name in self._places)

    def request(self, name: str) -> ChatRequest:
        number, at = self._places[name]
        path, file = self._files[number]
        file.seek(at)
        try:
            return read_request(file.readline().decode("utf-8"), self._endpoint)
        except ValueError as error:
            raise InputError(str(error), path=path, value=name, do="export the requests again") from error


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield number, line
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", path=path) from error


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", path=path) from error
