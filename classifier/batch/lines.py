"""One line of a request or response file, in the form of OpenAI's Batch API.

A request line is ``{"custom_id", "method", "url", "body"}``; a response line ``{"custom_id", "response":
{"status_code", "body"}, "error"}`` (https://platform.openai.com/docs/api-reference/batch). Who answers by hand or with
other software may write ``{"custom_id", "content", "model"}`` instead: the text of the answer and who gave it.
"""

from __future__ import annotations

import json
import re
from typing import Any, Literal, NamedTuple

from classifier.errors import JudgeUnavailableError
from classifier.judges.request import ChatRequest, Rung, request_key
from classifier.judges.transport import body, read_completion, usage_details
from classifier.prices import Tokens
from classifier.prompting import Message
from classifier.store import RawAnswer

URL: Literal["/v1/chat/completions"] = "/v1/chat/completions"
_SURROGATE = re.compile("[\ud800-\udfff]")
_TOKEN_FIELDS = ("max_completion_tokens", "max_tokens")


class Response(NamedTuple):
    """What a line says about one request: an answer, or why there is none."""

    custom_id: str
    answer: RawAnswer | None
    problem: str = ""
    cached_tokens: int = 0
    reasoning_tokens: int = 0

    @property
    def tokens(self) -> Tokens | None:
        """What the service says the answer took; ``None`` where it does not say."""
        if self.answer is None or self.answer.prompt_tokens is None or self.answer.completion_tokens is None:
            return None
        return Tokens(
            prompt=self.answer.prompt_tokens, cached=self.cached_tokens,
            completion=self.answer.completion_tokens, reasoning=self.reasoning_tokens,
        )  # fmt: skip


def custom_id(request: ChatRequest) -> str:
    """The key of a request in hex, with its sample number: the same request has the same id in every file."""
    return f"{request_key(request).hex()}-{request.sample}"


def request_line(request: ChatRequest) -> str:
    """The request as one line, without the line break."""
    line = {"custom_id": custom_id(request), "method": "POST", "url": URL, "body": body(request)}
    text = json.dumps(line, ensure_ascii=False, separators=(",", ":"))
    return json.dumps(line, separators=(",", ":")) if _SURROGATE.search(text) else text


def read_request(line: str, endpoint: str) -> ChatRequest:
    """The request of a line that :func:`request_line` wrote for ``endpoint``.

    Raises ``ValueError`` where the line is another, or was changed: its id then does not fit its content.
    """
    try:
        record = json.loads(line)
        name, sent = str(record["custom_id"]), record["body"]
        form = sent.get("response_format", {"type": "text"})
        rung = Rung(form["type"])
        field = next((name for name in _TOKEN_FIELDS if name in sent), "")
        request = ChatRequest(
            endpoint=endpoint,
            model=sent["model"],
            messages=tuple(Message(message["role"], message["content"]) for message in sent["messages"]),
            rung=rung,
            schema=_in_order(form["json_schema"]["schema"]) if rung is Rung.JSON_SCHEMA else "",
            temperature=sent.get("temperature"),
            top_p=sent.get("top_p"),
            seed=sent.get("seed"),
            sample=int(name.rpartition("-")[2]),
            max_tokens=sent.get(field),
            token_field=field,
            timeout=0.0,
            logprobs=sent.get("logprobs") is True,
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"no request line: {type(error).__name__} {error}") from error
    if custom_id(request) != name:
        raise ValueError("the custom_id does not fit the request: the file was changed")
    return request


def _in_order(schema: object) -> str:
    """As :func:`classifier.answering.schema_text` writes it."""
    return json.dumps(schema, separators=(",", ":"))


def read_response(line: str) -> Response:
    """What a response line says. Raises ``ValueError`` where it is no such line."""
    record = json.loads(line)
    if not isinstance(record, dict) or not isinstance(record.get("custom_id"), str):
        raise ValueError("no custom_id")
    name = record["custom_id"]
    if "content" in record:
        return Response(name, _plain(record))
    response, error = record.get("response"), record.get("error")
    if not isinstance(response, dict):
        return Response(name, None, _said(error) or "no response")
    if response.get("status_code") != 200:
        inner = response.get("body")
        said = _said(inner.get("error") if isinstance(inner, dict) else inner) or _said(error)
        return Response(name, None, f"HTTP {response.get('status_code')}: {said}")
    try:
        text = json.dumps(response.get("body"))
        return Response(name, read_completion(text, None, logprobs=True), "", *usage_details(text))
    except JudgeUnavailableError as error:
        return Response(name, None, str(error))


def _plain(record: dict[str, Any]) -> RawAnswer:
    content = record["content"]
    return RawAnswer(
        content=content if isinstance(content, str) else json.dumps(content, ensure_ascii=False),
        finish_reason=str(record.get("finish_reason") or "stop"),
        model_served=str(record["model"]) if record.get("model") else None,
    )


def _said(error: object) -> str:
    if isinstance(error, dict):
        return " ".join(str(error[name]) for name in ("code", "message") if error.get(name))[:200]
    return str(error)[:200] if error else ""
