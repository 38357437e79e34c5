"""Looking into the answer store and moving it: what ``classify cache`` does."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from classifier.errors import InputError
from classifier.judges.request import ChatRequest, canonical, key_material, request_key
from classifier.store import RawAnswer, Store, StoredAnswer

_SHOWN = 60


class Stats(NamedTuple):
    """What a store holds. ``by_model`` counts answers by (endpoint, model); sizes in bytes, times in UTC."""

    answers: int
    truncated: int
    prompt_tokens: int
    completion_tokens: int
    by_model: dict[tuple[str, str], int]
    oldest: str | None
    newest: str | None
    size: int


class Difference(NamedTuple):
    """One field in which a request differs from a stored one, each side shortened to the part that differs."""

    field: str
    stored: str
    wanted: str


class Explanation(NamedTuple):
    """Why a request is answered from the store, or is not. ``nearest`` is the key (hex) of the compared row."""

    hit: bool
    reason: str
    nearest: str | None = None
    differences: tuple[Difference, ...] = ()


def stats(store: Store) -> Stats:
    """Counts, tokens, age and size of a store."""
    models: Counter[tuple[str, str]] = Counter()
    truncated = prompt = completion = 0
    times: list[str] = []
    for row in store.rows():
        request = json.loads(row.request)
        models[request["endpoint"], request["model"]] += 1
        truncated += row.answer.truncated
        prompt += row.answer.prompt_tokens or 0
        completion += row.answer.completion_tokens or 0
        times.append(row.created_at)
    size = store.path.stat().st_size
    oldest, newest = (min(times), max(times)) if times else (None, None)
    return Stats(len(times), truncated, prompt, completion, dict(models), oldest, newest, size)


def explain(store: Store, request: ChatRequest, highest: int | None) -> Explanation:
    """Which field keeps a request from being answered by the store: compared with the nearest stored request.

    Nearest is the row with the fewest differing fields, then with the longest common beginning of the messages.
    ``highest`` is the token limit of a second try.
    """
    stored = store.find([request_key(request)])[0]
    if stored and stored.serves(request.max_tokens, highest):
        return Explanation(True, "the store has the answer")
    if stored:
        cut = f"the stored answer was cut off at {stored.max_tokens} tokens"
        long = f"the stored answer has {stored.completion_tokens} tokens"
        return Explanation(False, f"{cut if stored.truncated else long}; the limit is now {request.max_tokens}")
    wanted = _flat(key_material(request))
    best: tuple[tuple[int, int], str, dict[str, str]] | None = None
    for row in store.rows():
        have = _flat(json.loads(row.request))
        differing = [name for name in wanted.keys() | have.keys() if wanted.get(name) != have.get(name)]
        common = sum(_common(wanted.get(name, ""), have.get(name, "")) for name in differing)
        if best is None or (len(differing), -common) < best[0]:
            best = (len(differing), -common), row.key.hex(), have
    if best is None:
        return Explanation(False, "the store is empty")
    names = sorted(name for name in wanted.keys() | best[2].keys() if wanted.get(name) != best[2].get(name))
    differences = tuple(_difference(name, best[2].get(name), wanted.get(name)) for name in names)
    return Explanation(False, f"the nearest stored request differs in {', '.join(names)}", best[1], differences)


def export_store(store: Store, path: Path, *, model: str | None = None) -> int:
    """Write answers and facts as JSON Lines, one object a line; how many answers. Replaces ``path`` when complete."""
    written = 0
    partial = path.with_name(f"{path.name}.{os.getpid()}.part")
    with partial.open("w", encoding="utf-8", newline="\n") as file:
        for key, value in store.facts().items():
            file.write(canonical({"kind": "fact", "key": key, "value": value}) + "\n")
        for row in store.rows():
            request = json.loads(row.request)
            if model is None or request["model"] == model:
                record = {"kind": "answer", "key": row.key.hex(), "request": request, "provenance": row.provenance}
                answer = row.answer._asdict()
                if answer["logprobs"] is None:
                    del answer["logprobs"]
                record |= {"created_at": row.created_at, "answer": answer}
                file.write(json.dumps(record, sort_keys=True, separators=(",", ":")) + "\n")
                written += 1
    partial.replace(path)
    return written


def import_store(store: Store, path: Path) -> int:
    """Load what :func:`export_store` wrote; how many answers were new. All lines are checked before any is kept.

    Raises ``InputError`` with the line where one is not what it says, or its key does not fit its request.
    """
    for _ in _records(path):
        pass
    new = 0
    records = _records(path)
    while chunk := list(islice(records, 500)):
        new += store.put(record for record in chunk if isinstance(record, StoredAnswer))
        for record in chunk:
            if not isinstance(record, StoredAnswer) and store.fact(record[0]) is None:
                store.remember(*record)
    return new


def prune(store: Store, *, before: str | None = None, model: str | None = None, truncated: bool = False) -> int:
    """Delete the answers that meet every condition given (``before``: an ISO time in UTC); how many there were.

    Without a condition nothing is deleted.
    """
    if before is None and model is None and not truncated:
        return 0
    doomed = [
        row.key
        for row in store.rows()
        if (before is None or row.created_at < before)
        and (model is None or json.loads(row.request)["model"] == model)
        and (not truncated or row.answer.truncated)
    ]
    return store.delete(doomed)


def _records(path: Path) -> Iterator[StoredAnswer | tuple[str, str]]:
    try:
        with path.open(encoding="utf-8") as file:
            yield from _parsed(path, file)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot be read: {error}", path=path) from error


def _parsed(path: Path, lines: Iterable[str]) -> Iterator[StoredAnswer | tuple[str, str]]:
    for number, line in enumerate(lines, start=1):
        try:
            record = json.loads(line)
            if record["kind"] == "fact":
                yield str(record["key"]), str(record["value"])
                continue
            request = canonical(record["request"])
            key = hashlib.sha256(request.encode("utf-8", "surrogatepass")).digest()
            answer = RawAnswer(**record["answer"])
            created_at, provenance = str(record["created_at"]), str(record["provenance"])
        except (ValueError, KeyError, TypeError) as error:
            what = f"not a line of `classify cache export`: {type(error).__name__} {error}"
            raise InputError(what, path=path, line=number, do="export the store again") from error
        if key.hex() != record.get("key"):
            raise InputError("the key does not fit the request", path=path, line=number, value=record.get("key"),
                             do="the file was changed: export the store again")  # fmt: skip
        yield StoredAnswer(key, request, answer, provenance, created_at)


def _flat(material: Mapping[str, Any]) -> dict[str, str]:
    """Field by field as text; each message is a field of its own, the first being the prompt's constant part."""
    flat = {name: value if isinstance(value, str) else canonical(value) for name, value in material.items()}
    del flat["messages"]
    for index, message in enumerate(material["messages"]):
        flat[f"messages[{index}] ({message['role']})"] = message["content"]
    return flat


def _common(one: str, other: str) -> int:
    """How many characters two texts begin with in common, by halving (comparing slices is fast)."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if one[:middle] == other[:middle] else (low, middle - 1)
    return low


def _difference(field: str, stored: str | None, wanted: str | None) -> Difference:
    start = max(0, _common(stored or "", wanted or "") - 20)
    lead = "…" if start else ""

    def part(text: str | None) -> str:
        if text is None:
            return "(absent)"
        shown = text[start:]
        return lead + (shown if len(shown) <= _SHOWN else shown[: _SHOWN - 1] + "…")

    return Difference(field, part(stored), part(wanted))
