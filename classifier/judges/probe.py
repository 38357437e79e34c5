"""What an endpoint really does: found out by asking, once per endpoint and model, and remembered in the store.

Servers that advertise a JSON schema do not all enforce it. The probe asks for a role that the schema forbids: only
a server that holds the model to the schema answers with an allowed one. It also finds out which parameters the
endpoint takes, from its own 400 answers and never from the name of a product.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from typing import Any

from pydantic import ValidationError

from classifier.answering import Answer, schema_text
from classifier.errors import JudgeError, JudgeRejectedError, JudgeUnavailableError
from classifier.judges.request import ChatRequest, Rung, canonical
from classifier.prompting import Message
from classifier.schema import Record
from classifier.store import RawAnswer

PROBE_TOKENS = 1024

_TRAP = {
    "reasoning": "A test of the connection.",
    "role": "celebration",
    "other_roles": [],
    "polarity": "jubilant",
    "basis": "music",
    "passage": 0,
    "evidence": "",
    "confidence": 1,
}
_LADDER = ((Rung.JSON_SCHEMA, True), (Rung.JSON_SCHEMA, False), (Rung.JSON_OBJECT, False), (Rung.TEXT, False))
_SYSTEM = "You repeat exactly what you are given and add nothing."
_SCHEMA_TRAP = f"Repeat this JSON object exactly, character by character:\n{json.dumps(_TRAP)}"
_OBJECT_TRAP = "Repeat this sentence exactly: JSON is one of several formats for data."
_DROPPABLE = ("temperature", "top_p", "seed")
_TOKEN_FIELDS = ("max_tokens", "max_completion_tokens")


class Capabilities(Record):
    """How to ask an endpoint.

    ``bounded``: the schema may hold lengths. ``dropped``: parameters it refuses. ``token_field``: what it calls the
    token limit, ``""`` where it takes none. ``findings``: what the probe saw, in words. ``assumed``: nobody probed.
    ``logprobs``: whether it gives the log-probabilities of its tokens, ``None`` where nobody asked it for them.
    """

    rung: Rung
    bounded: bool = False
    token_field: str = "max_tokens"  # noqa: S105 (a parameter's name)
    dropped: tuple[str, ...] = ()
    model_served: str | None = None
    findings: tuple[str, ...] = ()
    assumed: bool = False
    logprobs: bool | None = None

    def fit(self, request: ChatRequest) -> ChatRequest:
        """The request as this endpoint takes it."""
        wanted = request.logprobs and self.logprobs is not False
        request = request._replace(rung=self.rung, token_field=self.token_field, logprobs=wanted)
        left_out: dict[str, Any] = dict.fromkeys(self.dropped)
        return request._replace(**left_out)


Send = Callable[[ChatRequest], Awaitable[RawAnswer]]


def capabilities_key(endpoint: str, model: str) -> str:
    """Under what the store remembers an endpoint's capabilities."""
    return f"capabilities {canonical([endpoint, model])}"


async def probe(request: ChatRequest, send: Send) -> Capabilities:
    """Find the best rung that the endpoint enforces, sending one to a handful of requests.

    ``request`` carries the endpoint, the model and the parameters of the run. Raises ``JudgeRejectedError`` where
    even a plain request is refused, ``JudgeUnavailableError`` where nothing answers.
    """
    base = request._replace(max_tokens=max(PROBE_TOKENS, request.max_tokens or 0))
    found = Capabilities(rung=Rung.TEXT)
    findings: list[str] = []
    accepted: set[Rung] = set()
    for rung, bounded in _LADDER:
        if rung in accepted:
            continue  # it was taken with lengths and not enforced: without them it will not be either
        trial = base._replace(messages=_messages(rung), schema=schema_text(bounded=bounded))
        name = f"{rung} with lengths" if bounded else str(rung)
        try:
            answer, found = await _ask(trial, found.model_copy(update={"rung": rung, "bounded": bounded}), send)
        except JudgeError as error:
            if rung is Rung.TEXT or not _about_the_form(error):
                raise
            findings.append(f"{name}: refused ({_short(str(error))})")
            continue
        accepted.add(rung)
        held = rung is Rung.TEXT or _held(rung, answer)
        if rung is not Rung.TEXT:
            findings.append(f"{name}: {'enforced' if held else 'accepted but not enforced'}")
        if held:
            return found.model_copy(update={"model_served": answer.model_served, "findings": tuple(findings)})
    raise AssertionError("the last rung is always held")


async def probe_logprobs(request: ChatRequest, known: Capabilities, send: Send) -> Capabilities:
    """What is known of the endpoint, and whether it gives token log-probabilities: one request that asks for them.

    ``request`` as for :func:`probe`. Raises ``JudgeError`` where the endpoint cannot be asked at all.
    """
    trial = known.fit(request._replace(max_tokens=max(PROBE_TOKENS, request.max_tokens or 0)))
    schema = schema_text(bounded=known.bounded)
    trial = trial._replace(messages=_messages(known.rung), schema=schema, logprobs=True)
    try:
        given = (await send(trial)).logprobs is not None
        finding = "given" if given else "accepted but not given"
    except JudgeError as error:
        if not _about_the_form(error):
            raise
        given, finding = False, f"refused ({_short(str(error))})"
    return known.model_copy(update={"logprobs": given, "findings": (*known.findings, f"logprobs: {finding}")})


async def _ask(request: ChatRequest, found: Capabilities, send: Send) -> tuple[RawAnswer, Capabilities]:
    """Send, giving up one refused parameter after the other; each at most once, so it ends."""
    for _ in range(len(_DROPPABLE) + len(_TOKEN_FIELDS) + 1):
        try:
            return await send(found.fit(request)), found
        except JudgeRejectedError as error:
            changed = _without_refused(found, error)
            if changed is None:
                raise
            found = changed
    raise JudgeRejectedError(f"{request.endpoint}: refuses every set of parameters tried; check --base-url and --model")


def _without_refused(found: Capabilities, error: JudgeRejectedError) -> Capabilities | None:
    if error.status not in (400, 422):
        return None
    said = str(error)
    named = [name for name in (*_TOKEN_FIELDS, *_DROPPABLE) if re.search(rf"\b{name}\b", said)]
    if found.token_field in named:
        other = _TOKEN_FIELDS[1] if found.token_field == _TOKEN_FIELDS[0] else ""
        return found.model_copy(update={"token_field": other})
    fresh = [name for name in named if name in _DROPPABLE and name not in found.dropped]
    return found.model_copy(update={"dropped": (*found.dropped, fresh[0])}) if fresh else None


def _about_the_form(error: JudgeError) -> bool:
    """Whether the same request without a response format could pass: not where key, model or server are missing."""
    if isinstance(error, JudgeRejectedError):
        return error.status not in (401, 403, 404)
    return isinstance(error, JudgeUnavailableError) and error.status in (500, 501)


def _messages(rung: Rung) -> tuple[Message, ...]:
    return Message("system", _SYSTEM), Message("user", _SCHEMA_TRAP if rung is Rung.JSON_SCHEMA else _OBJECT_TRAP)


def _held(rung: Rung, answer: RawAnswer) -> bool:
    """Whether the answer shows that the form was enforced and not just asked for."""
    try:
        if rung is Rung.JSON_SCHEMA:
            Answer.model_validate_json(answer.content)
            return True
        return isinstance(json.loads(answer.content), dict)
    except (ValidationError, ValueError):
        return False


def _short(text: str) -> str:
    return text if len(text) <= 160 else text[:159] + "…"
