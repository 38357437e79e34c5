"""Getting a raw answer: from the store, from the same request already in flight, or from the endpoint."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from pydantic import BaseModel
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_exponential, wait_random

from classifier.errors import BudgetSpentError, JudgeUnavailableError, StoreError
from classifier.judges.admission import Admission
from classifier.judges.dialogue import OpenAISettings
from classifier.judges.request import ChatRequest, canonical_request, request_key
from classifier.judges.transport import Reply, Transport
from classifier.prices import CHARACTERS_PER_TOKEN, Spending, Tokens
from classifier.store import RawAnswer, Store, StoredAnswer

GATHERING_SECONDS = 0.02
"""Answers that arrive within this time share one transaction: committing each alone took a third of the time."""

CLOSING_SECONDS = 10.0
"""How long requests that are on the wire may still take when a run ends."""


class Counters(BaseModel):
    """What was spent in this run; see :class:`classifier.judges.base.Usage`."""

    requests: int = 0
    retries: int = 0
    cached: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    lost: int = 0


class Asker:
    """Asks one endpoint on behalf of all workers. Every answer is stored before anybody reads it."""

    def __init__(self, settings: OpenAISettings, store: Store) -> None:
        self.settings = settings
        self.admission = Admission(settings.concurrency, rpm=settings.rpm, tpm=settings.tpm)
        self.counters = Counters()
        self.spending = Spending(settings.price, settings.max_cost)
        self.lost_in_a_row = 0
        self.model_served: str | None = None
        self._store = store
        self._transport: Transport | None = None
        self._flights: dict[tuple[bytes, int | None], asyncio.Task[RawAnswer]] = {}
        self._on_the_wire: set[asyncio.Task[Any] | None] = set()
        self._rows: list[StoredAnswer] = []
        self._kept: asyncio.Future[None] | None = None

    async def answer(self, request: ChatRequest) -> RawAnswer | None:
        """From the store, from the same request already in flight, or by asking; ``None``: offline and unknown."""
        key = request_key(request)
        stored = self.stored(request, key)
        if stored:
            self.counters.cached += 1
            return stored
        if self.settings.offline:
            return None
        flight = self._flights.get((key, request.max_tokens))
        if flight is None:
            flight = asyncio.create_task(self._ask(key, request))
            self._flights[key, request.max_tokens] = flight
            flight.add_done_callback(lambda done: self._landed(key, request.max_tokens, done))
        return await asyncio.shield(flight)  # a cancelled worker loses nothing that is on the wire

    def stored(self, request: ChatRequest, key: bytes) -> RawAnswer | None:
        """The stored answer, where it serves."""
        found = self._store.find([key])
        answer = (self._store.with_logprobs([key], found) if request.logprobs else found)[0]
        return answer if answer and answer.serves(request.max_tokens, self.settings.highest_limit) else None

    async def _ask(self, key: bytes, request: ChatRequest) -> RawAnswer:
        """Ask, and store the raw answer before anybody reads it."""
        return (await self.send(request, key)).answer

    async def _keep(self, row: StoredAnswer) -> None:
        """Return when the row is on disk. Raises ``StoreError``."""
        self._rows.append(row)
        if self._kept is None:
            loop = asyncio.get_running_loop()
            self._kept = loop.create_future()
            loop.call_later(GATHERING_SECONDS, self._write)
        await asyncio.shield(self._kept)

    def _write(self) -> None:
        rows, kept, self._rows, self._kept = self._rows, self._kept, [], None
        if kept is None:
            return
        try:
            self._store.put(rows)
        except StoreError as error:
            kept.set_exception(error)
            kept.exception()  # seen, even if the workers that waited are gone
        else:
            kept.set_result(None)

    async def send(self, request: ChatRequest, key: bytes | None = None) -> Reply:
        """Let tenacity own every retry; a refusal (429, 503) waits at the shared gate instead of by itself.

        ``key``: store the answer under it before its place in flight is given to another request, so that a killed run
        repeats no more than was in flight.
        """
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(JudgeUnavailableError),
            stop=_GiveUp(self.settings.tries, self.settings.patience),
            wait=_wait,
            before_sleep=self._count_retry,
            reraise=True,
        )
        try:
            reply: Reply = await retrying(self._send_once, request, key)
        except JudgeUnavailableError:
            self.lost_in_a_row += 1
            raise
        self.lost_in_a_row = 0
        return reply

    async def _send_once(self, request: ChatRequest, key: bytes | None) -> Reply:
        if self._transport is None:
            secret = self.settings.api_key
            self._transport = Transport(self.settings.endpoint, secret.get_secret_value() if secret else None)
        task = asyncio.current_task()
        async with self.admission.slot():
            if self.spending.exhausted:
                raise BudgetSpentError(
                    f"the budget of ${self.spending.purse.most:g} is spent; give more with --max-cost"
                )
            self._on_the_wire.add(task)
            self.counters.requests += 1
            started, computed = time.monotonic(), time.process_time()
            try:
                reply = await self._transport.send(request)
            except JudgeUnavailableError as error:
                if error.status in (429, 503):
                    self.admission.refused(error.retry_after)
                else:
                    self.admission.failed()
                if error.status is None:
                    self._lost(request)
                raise
            finally:
                self._on_the_wire.discard(task)
            answer = reply.answer
            tokens = (answer.prompt_tokens or 0) + (answer.completion_tokens or 0)
            latency, computed = time.monotonic() - started, time.process_time() - computed
            self.admission.answered(latency, tokens, reply.headers, computed)
            self._count(request, reply)
            self.model_served = answer.model_served or self.model_served
            if key is not None:
                await self._keep(StoredAnswer(key, canonical_request(request), answer, request.endpoint))
        return reply

    def _count(self, request: ChatRequest, reply: Reply) -> None:
        counters, answer = self.counters, reply.answer
        counters.prompt_tokens += answer.prompt_tokens or 0
        counters.completion_tokens += answer.completion_tokens or 0
        counters.cached_tokens += reply.cached_tokens
        counters.reasoning_tokens += reply.reasoning_tokens
        tokens = _estimate(request, len(answer.content))
        reported = {
            "prompt": answer.prompt_tokens, "completion": answer.completion_tokens,
            "cached": reply.cached_tokens, "reasoning": reply.reasoning_tokens,
        }  # fmt: skip
        said = {name: value for name, value in reported.items() if value is not None}
        self.spending.count(tokens.model_copy(update=said))

    def _lost(self, request: ChatRequest) -> None:
        self.counters.lost += 1
        self.spending.count(_estimate(request, CHARACTERS_PER_TOKEN * (request.max_tokens or 0)))

    def _landed(self, key: bytes, limit: int | None, flight: asyncio.Task[RawAnswer]) -> None:
        self._flights.pop((key, limit), None)
        if not flight.cancelled():
            flight.exception()  # seen, even if the worker that waited for it is gone

    def _count_retry(self, _: RetryCallState) -> None:
        self.counters.retries += 1

    async def aclose(self) -> None:
        """Let what is on the wire arrive and be stored (within ``CLOSING_SECONDS``), drop the rest, close."""
        self._write()
        flights = set(self._flights.values())
        for task in flights - self._on_the_wire:
            task.cancel()
        if flights:
            await asyncio.wait(flights, timeout=CLOSING_SECONDS)
            for task in flights:
                task.cancel()
            self._write()
            await asyncio.gather(*flights, return_exceptions=True)
        if self._transport:
            await self._transport.aclose()


def _estimate(request: ChatRequest, answer_characters: float) -> Tokens:
    sent = sum(len(message.content) for message in request.messages)
    answered = round(answer_characters / CHARACTERS_PER_TOKEN)
    return Tokens(prompt=round(sent / CHARACTERS_PER_TOKEN), completion=answered)


class _GiveUp:
    """tenacity's stop: after ``tries`` failures that are no refusals, or ``patience`` seconds in all."""

    def __init__(self, tries: int, patience: float) -> None:
        self._tries, self._patience, self._failures = tries, patience, 0

    def __call__(self, state: RetryCallState) -> bool:
        error = state.outcome.exception() if state.outcome else None
        if getattr(error, "status", None) != 429:
            self._failures += 1
        return self._failures >= self._tries or (state.seconds_since_start or 0.0) >= self._patience


_backoff = wait_exponential(multiplier=0.5, max=30.0) + wait_random(0.0, 0.5)


def _wait(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    status, asked = getattr(error, "status", None), getattr(error, "retry_after", None)
    if status in (429, 503) and (asked is not None or status == 429):
        return 0.0  # the gate holds everybody back, this one too
    return float(_backoff(state))
