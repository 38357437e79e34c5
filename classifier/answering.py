"""What a judge is asked to answer: the schema that is sent, and reading it back out of whatever was said."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from classifier.errors import AnswerInvalidError
from classifier.schema import Basis, ClaimRelation, Polarity, Role

MAX_OBJECTS = 40
"""How many ``{`` of a rambling answer are tried; bounds the time spent on a loop."""

MAX_STRING = 500
MAX_ITEMS = 8
"""Longest text (characters) and list of an answer, where the server holds the model to them."""


def _term(value: object) -> object:
    """``"Uses method "`` is ``uses_method``: case, blanks and hyphens carry no meaning; any other word stays wrong."""
    if not isinstance(value, str) or (value.isidentifier() and value.islower()):
        return value
    return re.sub(r"[\s-]+", "_", value.strip().lower())


def _listed(value: object) -> object:
    return [] if value in (None, "", "none") else [value] if isinstance(value, str) else value


def _joined(value: object) -> object:
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return " … ".join(value)
    return "" if value is None else value


class ClaimAnswer(BaseModel):
    """What the citing work does to one claim of the hub, as answered."""

    claim_id: str
    relation: Annotated[ClaimRelation, BeforeValidator(_term)]


class Answer(BaseModel):
    """One answer. The order of the fields is the order in which a model writes them: reasons before decisions."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    reasoning: str
    role: Annotated[Role, BeforeValidator(_term)]
    other_roles: Annotated[list[Annotated[Role, BeforeValidator(_term)]], BeforeValidator(_listed)] = []
    polarity: Annotated[Polarity, BeforeValidator(_term)]
    basis: Annotated[Basis, BeforeValidator(_term)]
    passage: Annotated[int, BeforeValidator(lambda value: 0 if value is None else value)] = 0
    evidence: Annotated[str, BeforeValidator(_joined)]
    confidence: Annotated[float, Field(ge=0.0, le=1.0)]


class AnswerWithClaims(Answer):
    """The answer where the hub lists claims."""

    claims: list[ClaimAnswer] = []


class ClaimsAnswer(BaseModel):
    """What is answered to the question for a hub's claims: words copied from its title and abstract."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    claims: Annotated[list[str], BeforeValidator(_listed)]


@cache
def answer_schema(with_claims: bool = False, bounded: bool = False) -> dict[str, Any]:
    """The JSON schema that is sent: every field required, no other allowed, no references, no value ranges.

    That is the subset which OpenAI's strict mode takes; ranges are checked here after the fact. ``bounded`` adds
    lengths of texts and lists, which keep a small model from repeating itself for ever; some servers refuse them,
    so the probe finds out.
    """
    return _strict_schema(AnswerWithClaims if with_claims else Answer, bounded)


def _strict_schema(model: type[BaseModel], bounded: bool) -> dict[str, Any]:
    full = model.model_json_schema()
    definitions = full.pop("$defs", {})

    def strict(node: dict[str, Any]) -> dict[str, Any]:
        if "$ref" in node:
            return strict(definitions[node["$ref"].rsplit("/", 1)[1]])
        kept: dict[str, Any] = {key: node[key] for key in ("type", "enum") if key in node}
        if bounded and node.get("type") == "string" and "enum" not in node:
            kept["maxLength"] = MAX_STRING
        if "items" in node:
            kept["items"] = strict(node["items"])
            if bounded:
                kept["maxItems"] = MAX_ITEMS
        if "properties" in node:
            kept["properties"] = {name: strict(value) for name, value in node["properties"].items()}
            kept["required"] = list(kept["properties"])
            kept["additionalProperties"] = False
        return kept

    return strict(full)


def schema_text(with_claims: bool = False, bounded: bool = False) -> str:
    """The schema as JSON with its fields in their order: that is the order in which a model has to write them."""
    return json.dumps(answer_schema(with_claims, bounded), separators=(",", ":"))


@cache
def claims_schema_text(bounded: bool = False) -> str:
    """The schema of :class:`ClaimsAnswer`, in the form of :func:`schema_text`."""
    return json.dumps(_strict_schema(ClaimsAnswer, bounded), separators=(",", ":"))


def read_claims(raw: str) -> tuple[str, ...]:
    """The claims inside a raw text, as answered. Raises ``AnswerInvalidError`` where there is no such object."""
    text = re.sub(r"<think>.*?</think>", "", raw, flags=re.DOTALL)
    problem = None
    for found, _, _ in _objects(text):
        try:
            return tuple(ClaimsAnswer.model_validate(found).claims)
        except ValidationError as error:
            problem = problem or _reason(error)
    raise AnswerInvalidError(problem or "the answer holds no complete JSON object", raw=raw)


def read_answer(raw: str, with_claims: bool = False) -> Answer:
    """The answer inside a raw text: bare JSON, fenced, or the one valid object within prose.

    Raises ``AnswerInvalidError`` with a reason that can be told to the model: no JSON object, which fields are
    wrong and what is allowed, or several objects that contradict each other.
    """
    model = AnswerWithClaims if with_claims else Answer
    try:
        return model.model_validate_json(raw)
    except ValidationError as error:
        problem = None if error.errors()[0]["type"] == "json_invalid" else _reason(error)
    text = re.sub(r"<think>.*?</think>", "", raw, flags=re.DOTALL)
    valid: list[Answer] = []
    for found, _, _ in _objects(text):
        try:
            valid.append(model.model_validate(found))
        except ValidationError as error:
            problem = problem or _reason(error)
    if not valid:
        raise AnswerInvalidError(problem or "the answer holds no complete JSON object", raw=raw)
    if any((a.role, a.polarity, a.basis) != (valid[0].role, valid[0].polarity, valid[0].basis) for a in valid):
        raise AnswerInvalidError("the answer holds several JSON objects that disagree", raw=raw)
    return valid[0]


def value_spans(raw: str, fields: Sequence[str]) -> list[tuple[Answer, dict[str, tuple[int, int]]]]:
    """The valid answers in a raw text, in order, each with where the values of ``fields`` stand in ``raw``.

    ``raw[start:end]`` is the value as the model wrote it, without its quotes.
    """
    text = re.sub(r"<think>.*?</think>", lambda thought: " " * len(thought[0]), raw, flags=re.DOTALL)
    spans: list[tuple[Answer, dict[str, tuple[int, int]]]] = []
    for found, start, end in _objects(text):
        try:
            answer = Answer.model_validate(found)
        except ValidationError:
            continue
        # Inside a string the quotes around a key are escaped, so that this finds none but a key.
        places = {name: re.compile(rf'"{name}"\s*:\s*"([^"\\]*)"').search(text, start, end) for name in fields}
        spans.append((answer, {name: place.span(1) for name, place in places.items() if place}))
    return spans


def _objects(text: str) -> Iterator[tuple[dict[str, Any], int, int]]:
    """The outermost JSON objects in a text, in order, each with where it begins and ends."""
    decoder = json.JSONDecoder(strict=False)
    position, tried = text.find("{"), 0
    while position >= 0 and tried < MAX_OBJECTS:
        tried += 1
        try:
            found, end = decoder.raw_decode(text, position)
        except (ValueError, RecursionError):
            end = position + 1
        else:
            if isinstance(found, dict):
                yield found, position, end
        position = text.find("{", end)


def _reason(error: ValidationError) -> str:
    parts = []
    for problem in error.errors(include_url=False)[:4]:
        where = ".".join(str(part) for part in problem["loc"]) or "answer"
        given = "" if problem["type"] == "missing" else f" (got {str(problem['input'])[:60]!r})"
        parts.append(f"{where}: {problem['msg']}{given}")
    return "; ".join(parts)
