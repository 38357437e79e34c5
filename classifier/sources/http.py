"""One polite HTTP client for all services: cache, interval a host, retries by tenacity, keys kept out of everything."""

from __future__ import annotations

import email.utils
import json
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlencode

import httpx2
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential_jitter

from classifier import __version__
from classifier.errors import SettingsError, SourceError
from classifier.sources.cache import CachedAnswer, SourceCache, now
from classifier.sources.settings import Host

MAX_WAIT = 600.0
"""Seconds: a service that asks for a longer pause is given up for this fetch."""
MAX_BODY = 64 * 1024 * 1024
_RETRIED = frozenset({408, 425, 429, 500, 502, 503, 504})


class Answer(NamedTuple):
    """What a service said. ``status`` is 200 or 404; everything else was retried or raised."""

    status: int
    kind: str
    body: bytes
    retrieved_at: str
    where: str

    def json(self) -> Any:
        """The body as JSON. Raises ``SourceError`` for an HTML page or anything else."""
        try:
            return json.loads(self.body)
        except ValueError as error:
            start = self.body[:60].decode("utf-8", "replace").strip()
            what = "an HTML page" if start[:1] == "<" else "no JSON"
            raise SourceError(
                f"{self.where}: answered with {what} (starts {start!r}); the service or its address may have changed"
            ) from error


class TemporaryError(SourceError):
    """Worth another try; ``retry_after`` in seconds where the server said it. Raised by checks of answers, too."""

    retryable = True

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


Check = Callable[[Answer], None]
"""Looks at an answer before it is stored; raises ``SourceError`` for an error that came as HTTP 200."""


class SourceClient:
    """Asks services. ``offline``: the cache only. ``requests`` counts what really went over the network."""

    def __init__(
        self,
        cache: SourceCache,
        *,
        timeout: float = 60.0,
        tries: int = 8,
        offline: bool = False,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        # httpx2 logs whole addresses at INFO, and OpenAlex takes its key in the address.
        logging.getLogger("httpx2").setLevel(logging.WARNING)
        self._cache, self._offline, self._tries, self._say = cache, offline, tries, say
        agent = f"citation-polarity-classifier/{__version__} (python-httpx2)"
        self._http = httpx2.Client(timeout=timeout, follow_redirects=True, headers={"user-agent": agent})
        self.requests = 0

    def get(
        self, host: Host, path: str, parameters: Mapping[str, str] | None = None, check: Check | None = None
    ) -> Answer:
        """The answer to a GET, from the cache where it is there. 404 is an answer; other errors are ``SourceError``."""
        asked = dict(parameters or {})
        request = f"{path}?{urlencode(asked)}" if asked else path
        where = f"{host.name} {request[:160]}"
        key = SourceCache.key(host.url, path, asked)
        stored = self._cache.get(key)
        if stored:
            return Answer(*stored, where)
        if self._offline:
            raise SourceError(f"{where}: not in the cache, and --offline was given")
        answer = self._retrying(host)(self._ask, host, path, asked, where, check)
        self._cache.put(key, host.name, request, CachedAnswer(*answer[:4]))
        return answer

    def _retrying(self, host: Host) -> Retrying:
        backoff = wait_exponential_jitter(multiplier=max(1.0, host.interval), max=120.0)

        def wait(state: RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            asked = error.retry_after if isinstance(error, TemporaryError) else None
            seconds = backoff(state) if asked is None else asked
            self._say(f"{error}; waiting {seconds:.0f} s (try {state.attempt_number} of {self._tries})")
            return seconds

        return Retrying(
            retry=retry_if_exception_type(TemporaryError), wait=wait, stop=stop_after_attempt(self._tries), reraise=True
        )

    def _ask(self, host: Host, path: str, parameters: Mapping[str, str], where: str, check: Check | None) -> Answer:
        pause = self._cache.reserve(host.name, host.interval) if host.interval else 0.0
        if pause > 0:
            time.sleep(pause)
        secret = host.key.get_secret_value() if host.key else None
        headers = {host.key_header: secret} if secret and host.key_header else {}
        sent = {**parameters, **({host.key_parameter: secret} if secret and host.key_parameter else {})}
        self.requests += 1
        try:
            with self._http.stream("GET", f"{host.url}{path}", params=sent, headers=headers) as response:
                body = _read(response, where)
        except httpx2.TimeoutException as error:
            raise TemporaryError(f"{where}: no answer in time") from error
        except httpx2.TransportError as error:
            raise TemporaryError(f"{where}: connection failed ({type(error).__name__})") from error
        except httpx2.HTTPError as error:
            raise SourceError(f"{where}: {type(error).__name__}") from error
        answer = Answer(response.status_code, response.headers.get("content-type", ""), body, now(), where)
        _raise_for_status(answer, host, response.headers)
        if check and answer.status == 200:
            check(answer)
        return answer

    def close(self) -> None:
        """Close the connections."""
        self._http.close()


def _read(response: httpx2.Response, where: str) -> bytes:
    parts, size = [], 0
    for part in response.iter_bytes():
        size += len(part)
        if size > MAX_BODY:
            raise SourceError(f"{where}: the answer is larger than {MAX_BODY // 2**20} MiB")
        parts.append(part)
    return b"".join(parts)


def _raise_for_status(answer: Answer, host: Host, headers: Mapping[str, str]) -> None:
    status, said = answer.status, service_message(answer)
    if status in (200, 404):
        return
    if status in _RETRIED:
        wait = retry_after(headers)
        if wait is not None and wait > MAX_WAIT:
            raise SourceError(
                f"{answer.where}: HTTP {status}{said}; asks to wait {wait:.0f} s; run again later: what arrived is kept"
            )
        raise TemporaryError(f"{answer.where}: HTTP {status}{said}", wait)
    if status in (401, 403):
        if host.key:
            raise SettingsError(f"{answer.where}: HTTP {status}{said}: the key was refused; mend or unset it")
        raise SourceError(
            f"{answer.where}: HTTP {status}{said}: needs a key, or this address is blocked; see docs/fetching.md"
        )
    raise SourceError(f"{answer.where}: HTTP {status}{said}")


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds from a Retry-After header in either of its forms (RFC 9110, 10.2.3); ``None`` where there is none."""
    value = headers.get("retry-after", "").strip()
    if not value:
        return None
    if value.replace(".", "", 1).isdigit():
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None


def service_message(answer: Answer) -> str:
    """The service's own words for an error, `` ("...")``, or nothing; an HTML page is not quoted."""
    try:
        said = json.loads(answer.body)
    except ValueError:
        text = answer.body[:120].decode("utf-8", "replace").strip()
        return f' ("{text}")' if text and not text.startswith("<") else ""
    for name in ("error", "message", "errMsg", "detail"):
        if isinstance(said, Mapping) and isinstance(said.get(name), str):
            return f' ("{said[name][:200].strip()}")'
    return ""
