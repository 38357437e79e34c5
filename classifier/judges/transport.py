"""One request over the wire: the openai package's async client on its aiohttp transport, one owner of retries."""

from __future__ import annotations

import asyncio
import email.utils
import json
import re
import time
from collections.abc import AsyncIterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import httpx2
import openai
from openai import AsyncOpenAI, DefaultAioHttpClient

from classifier.errors import (
    AnswerInvalidError,
    AnswerRefusedError,
    ClassifierError,
    JudgeRejectedError,
    JudgeUnavailableError,
)
from classifier.judges.request import ChatRequest, Rung
from classifier.logprobs import read_logprobs
from classifier.store import RawAnswer

MAX_BODY_BYTES = 8_000_000
"""A chat answer is a few kilobytes; a server that sends more than this is stopped."""

_TOO_LONG = re.compile(r"context[ _](length|size|window)|exceed_context|prompt is too long", re.IGNORECASE)
_FILTERED = re.compile(r"content[ _](filter|policy|management)|content_policy_violation", re.IGNORECASE)
_QUOTA = re.compile(r"insufficient_quota|billing|exceeded your current quota", re.IGNORECASE)


class Reply(NamedTuple):
    """A raw answer and the response headers (lower case), which carry the server's rate limits."""

    answer: RawAnswer
    headers: Mapping[str, str]
    cached_tokens: int = 0
    reasoning_tokens: int = 0


class Transport:
    """The client of one endpoint. ``send`` tries once and never waits; retries live in the judge, with tenacity."""

    def __init__(self, endpoint: str, api_key: str | None, connections: int = 512) -> None:
        limits = httpx2.Limits(max_connections=connections, max_keepalive_connections=connections)
        self._client = AsyncOpenAI(
            base_url=endpoint,
            api_key=api_key or "no-key",  # the client wants one; servers without keys ignore it
            max_retries=0,
            http_client=DefaultAioHttpClient(limits=limits, event_hooks={"response": [_bounded]}),
        )

    async def send(self, request: ChatRequest) -> Reply:
        """One try. Raises ``JudgeUnavailableError`` (worth another), ``JudgeRejectedError`` (not), or ``AnswerError``.

        ``AnswerError`` is about this one text: the endpoint's filter refused it, or it is too long for the model.
        """
        try:
            async with asyncio.timeout(request.timeout):
                # ``post`` instead of ``chat.completions.create``, which copies the whole body and the answer into
                # models: the same bytes go over the wire at twice the rate.
                response = await self._client.post(
                    "/chat/completions",
                    cast_to=httpx2.Response,
                    body=body(request),
                    options={"timeout": request.timeout},
                )
                headers = {
                    name.decode("latin-1").lower(): text.decode("latin-1") for name, text in response.headers.raw
                }
                answer = read_completion(response.text, request.max_tokens, logprobs=request.logprobs)
                return Reply(answer, headers, *usage_details(response.text))
        except TimeoutError as error:
            waited = f"{request.timeout:g} s"
            raise JudgeUnavailableError(f"{request.endpoint}: no complete answer within {waited}") from error
        except Exception as error:  # (judged by ``as_judge_error``, which raises what it does not know)
            raise as_judge_error(error, request.endpoint) from error

    async def aclose(self) -> None:
        """Close all connections."""
        await self._client.close()


def body(request: ChatRequest) -> dict[str, Any]:
    """The JSON body of a request, parameters that are ``None`` left out."""
    sent: dict[str, Any] = {"model": request.model, "messages": [message._asdict() for message in request.messages]}
    if request.rung is Rung.JSON_SCHEMA:
        schema = {"name": "label", "strict": True, "schema": _schema(request.schema)}
        sent["response_format"] = {"type": "json_schema", "json_schema": schema}
    elif request.rung is Rung.JSON_OBJECT:
        sent["response_format"] = {"type": "json_object"}
    parameters = {"temperature": request.temperature, "top_p": request.top_p, "seed": request.seed}
    sent.update((name, value) for name, value in parameters.items() if value is not None)
    if request.max_tokens is not None and request.token_field:
        sent[request.token_field] = request.max_tokens
    if request.logprobs:
        sent["logprobs"] = True
    return sent


@lru_cache(maxsize=8)
def _schema(text: str) -> Any:
    return json.loads(text)


def read_completion(text: str, max_tokens: int | None, *, logprobs: bool = False) -> RawAnswer:
    """The first choice of a chat completion, with ``logprobs`` where asked for and given.

    Raises ``JudgeUnavailableError`` where the body is not one.
    """
    try:
        completion = json.loads(text, strict=False)
        choice = completion["choices"][0]
        message = choice["message"]
        usage = completion.get("usage") or {}
        content, refusal = message.get("content") or "", message.get("refusal")
        if not isinstance(content, str):  # a list of parts
            content = "".join(part.get("text") or "" for part in content)
        return RawAnswer(
            content=_whole(content),
            finish_reason=_whole(str(choice.get("finish_reason") or "stop")),
            refusal=_whole(str(refusal)) if refusal else None,
            max_tokens=max_tokens,
            prompt_tokens=_count(usage.get("prompt_tokens")),
            completion_tokens=_count(usage.get("completion_tokens")),
            model_served=_whole(str(completion["model"])) if completion.get("model") else None,
            logprobs=read_logprobs(choice.get("logprobs")) if logprobs else None,
        )
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError) as error:
        shown = " ".join(text[:120].split())
        raise JudgeUnavailableError(f"the server's reply is no chat completion: {shown!r}") from error


def usage_details(text: str) -> tuple[int, int]:
    """Cached prompt tokens and reasoning tokens of a chat completion that was read; 0 where it does not say."""
    if "_details" not in text:
        return 0, 0
    usage = json.loads(text, strict=False).get("usage") or {}
    cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens")
    reasoning = (usage.get("completion_tokens_details") or {}).get("reasoning_tokens")
    return _count(cached) or 0, _count(reasoning) or 0


def _whole(text: str) -> str:
    """Half a surrogate pair, which JSON can escape and no file can hold, becomes U+FFFD."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and value >= 0 else None


def as_judge_error(error: Exception, endpoint: str) -> ClassifierError:
    """What an exception of the client means; one that nobody placed is raised again as it is."""
    if isinstance(error, ClassifierError):
        return error
    if isinstance(error, openai.APIStatusError):
        return _status_error(error, endpoint)
    if isinstance(error, openai.APIConnectionError):  # a timeout is one of these
        cause = _root(error)
        what = "timed out" if isinstance(cause, TimeoutError) else "no connection"
        return JudgeUnavailableError(f"{endpoint}: {what}: {cause}")
    if isinstance(error, openai.APIError | httpx2.HTTPError | OSError):
        return JudgeUnavailableError(f"{endpoint}: {type(error).__name__}: {error}")
    raise error


def _root(error: BaseException) -> BaseException:
    """The first cause: the aiohttp transport calls a refused connection a timeout, its cause tells the truth."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def _status_error(error: openai.APIStatusError, endpoint: str) -> ClassifierError:
    status, said = error.status_code, " ".join(str(error.message).split())[:300]
    coded = f"{error.code} {error.type} {said}"
    if status in (400, 413, 422) and _TOO_LONG.search(coded):
        return AnswerInvalidError(f"HTTP {status}: the prompt is too long for the model: {said}")
    if status in (400, 422) and _FILTERED.search(coded):
        return AnswerRefusedError(f"HTTP {status}: the endpoint's content filter refused the text: {said}")
    spent = status == 429 and bool(_QUOTA.search(coded))
    if (status in (408, 409, 425, 429) or status >= 500) and not spent:
        wait = retry_after(error.response.headers)
        return JudgeUnavailableError(f"{endpoint}: HTTP {status}: {said}", status=status, retry_after=wait)
    do = {
        401: "check the API key",
        403: "the key may not use this model or endpoint",
        404: "check --base-url and --model",
        429: "the account's quota is spent",
    }.get(status, "the request was not accepted")
    return JudgeRejectedError(f"{endpoint}: HTTP {status}: {said}; {do}", status=status)


def retry_after(headers: Mapping[str, str], now: float | None = None) -> float | None:
    """Seconds that the server asks to wait: ``retry-after-ms``, or ``Retry-After`` as seconds or an HTTP date.

    RFC 9110, section 10.2.3. ``None`` where it says nothing that can be read; never negative.
    """
    for name, scale in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            return max(0.0, float(headers[name]) * scale)
        except (KeyError, ValueError):
            continue
    try:
        date = email.utils.parsedate_to_datetime(headers["retry-after"])
        return max(0.0, date.timestamp() - (time.time() if now is None else now))
    except (KeyError, ValueError, TypeError, OverflowError):
        return None


async def _bounded(response: httpx2.Response) -> None:
    """Make the body stop the request once it is larger than any answer could be."""
    if isinstance(response.stream, httpx2.AsyncByteStream):
        response.stream = _BoundedStream(response.stream)


class _BoundedStream(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        received = 0
        async for chunk in self._stream:
            received += len(chunk)
            if received > MAX_BODY_BYTES:
                raise httpx2.ReadError(f"the reply is larger than {MAX_BODY_BYTES} bytes")
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()
