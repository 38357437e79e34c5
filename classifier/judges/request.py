"""One request to a chat model, and the key under which its answer is stored.

The key is the sha256 of the canonical JSON of everything that changes the answer, and of nothing else.
``max_tokens`` is neither: it does not change what is said, only where it is cut. It stays out of the key and is
compared when an answer is looked up (:meth:`classifier.store.RawAnswer.serves`), so that a run with a higher limit asks
again for the truncated answers only.
"""

from __future__ import annotations

import hashlib
import json
from enum import StrEnum
from functools import lru_cache
from json.encoder import encode_basestring
from operator import itemgetter
from typing import Any, NamedTuple

from classifier.prompting import Message


class Rung(StrEnum):
    """How the answer's form is held, best first."""

    JSON_SCHEMA = "json_schema"
    JSON_OBJECT = "json_object"
    TEXT = "text"


class ChatRequest(NamedTuple):
    """Everything about one request. A parameter that is ``None`` is not sent; ``schema`` is JSON, its order counts."""

    endpoint: str
    model: str
    messages: tuple[Message, ...]
    rung: Rung
    schema: str
    temperature: float | None
    top_p: float | None
    seed: int | None
    sample: int
    max_tokens: int | None
    token_field: str
    timeout: float
    logprobs: bool = False


KEY_FIELDS = frozenset(
    {"endpoint", "model", "messages", "rung", "schema", "temperature", "top_p", "seed", "sample", "logprobs"}
)
"""Fields that change the answer. ``logprobs`` is hashed only where it is asked for: older keys stay what they are."""

LOOKUP_FIELDS = frozenset({"max_tokens"})
"""Fields compared when an answer is looked up."""

FREE_FIELDS = frozenset({"token_field", "timeout"})
"""Fields that do not change the answer: what the server calls the limit, and how long we wait."""


_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode


def canonical(value: object) -> str:
    """JSON with sorted keys, no blanks, in UTF-8 as it stands: one text for one value."""
    return _CANONICAL(value)


def key_material(request: ChatRequest) -> dict[str, Any]:
    """What is hashed: the key fields; a schema that the server is not sent (plain rungs) does not count."""
    material = {name: getattr(request, name) for name in KEY_FIELDS}
    material["messages"] = [message._asdict() for message in request.messages]
    if request.rung is not Rung.JSON_SCHEMA:
        material["schema"] = None
    if not request.logprobs:
        del material["logprobs"]
    return material


def canonical_request(request: ChatRequest) -> str:
    """``canonical(key_material(request))``: what is stored beside the answer."""
    _, head, tail = _frame(_constant(request))
    return head + "".join(_turn(message) for message in request.messages[1:]) + tail


def request_key(request: ChatRequest) -> bytes:
    """The 32 bytes of the sha256 of :func:`canonical_request`.

    All but the messages after the first is the same for a whole run and is encoded once (a test holds that the
    pieces make the whole).
    """
    digest, _, tail = _frame(_constant(request))
    digest = digest.copy()
    for message in request.messages[1:]:
        digest.update(_turn(message).encode("utf-8", "surrogatepass"))
    digest.update(tail.encode("utf-8", "surrogatepass"))
    return digest.digest()


def _turn(message: Message) -> str:
    return f',{{"content":{encode_basestring(message.content)},"role":{encode_basestring(message.role)}}}'


_CONSTANT = tuple(name for name in ChatRequest._fields if name in KEY_FIELDS and name != "messages")
_constant_values = itemgetter(*map(ChatRequest._fields.index, _CONSTANT))
_NO_MATTER = dict.fromkeys(set(ChatRequest._fields) - KEY_FIELDS)


def _constant(request: ChatRequest) -> tuple[tuple[Message, ...], tuple[Any, ...]]:
    """All that is hashed and is the same for a whole run: the first message, and the values of ``_CONSTANT``."""
    return request.messages[:1], _constant_values(request)


@lru_cache(maxsize=64)
def _frame(constant: tuple[tuple[Message, ...], tuple[Any, ...]]) -> tuple[hashlib._Hash, str, str]:
    """The hash state up to the end of the first message, the text up to there, and the text after the last."""
    first, values = constant
    fields: dict[str, Any] = _NO_MATTER | dict(zip(_CONSTANT, values, strict=True)) | {"messages": first}
    text = canonical(key_material(ChatRequest(**fields)))
    messages = canonical([message._asdict() for message in first])
    before, after = text.split(f'"messages":{messages}', 1)
    head = f'{before}"messages":{messages[:-1]}'
    return hashlib.sha256(head.encode("utf-8", "surrogatepass")), head, "]" + after
