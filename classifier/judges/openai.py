"""The judge behind any OpenAI-compatible endpoint: prompt, ask (or recall), store, check, ask again, predict.

What is said to a model about one task is a *dialogue*: a generator that yields requests, is sent raw answers, and
returns a prediction. It does no input or output, so the same code answers from the store, over the network and in
tests; and because every raw answer of it is stored before it is read, a later run repeats it word for word.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Generator, Sequence
from itertools import product
from typing import Any, NamedTuple, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_exponential_jitter

from classifier.answering import answer_schema
from classifier.checking import Checked, check
from classifier.errors import (
    AnswerError,
    AnswerRefusedError,
    AnswerTruncatedError,
    JudgeUnavailableError,
    SettingsError,
)
from classifier.evidence import Task
from classifier.judges.admission import Admission, Wait
from classifier.judges.base import JudgeCard, Usage
from classifier.judges.probe import Capabilities, capabilities_key, probe
from classifier.judges.request import ChatRequest, Rung, canonical, key_material, request_key
from classifier.judges.transport import Reply, Transport
from classifier.prompting import DEFAULT_PROMPT, Message, Prompt, Shot
from classifier.schema import EvidenceSource, Label, Polarity, Prediction, Record, Role, Status
from classifier.store import RawAnswer, Store, StoredAnswer

MAX_LOST_IN_A_ROW = 64
"""So many requests given up one after the other mean that the server is gone: the run stops and says so."""

MAX_ECHO = 2000
"""How much of a rejected answer is shown to the model again."""

NOT_STORED = "the answer is not in the store; run without --offline"

Dialogue = Generator[ChatRequest, RawAnswer, Prediction]
Examples = Callable[[Task], Sequence[Shot]]


class OpenAISettings(Record):
    """How to ask. The key is read from the environment by the caller and is never shown, stored or written."""

    base_url: str = "https://api.openai.com/v1"
    model: str
    api_key: SecretStr | None = None
    prompt: str = DEFAULT_PROMPT
    temperature: float | None = 0.0
    top_p: float | None = None
    seed: int | None = 1
    sample: int = 0
    max_tokens: int = Field(default=1024, gt=0)
    timeout: float = Field(default=120.0, gt=0)
    tries: int = Field(default=6, gt=0)
    patience: float = Field(default=900.0, gt=0)
    max_answer_retries: int = Field(default=2, ge=0)
    concurrency: int = Field(default=64, gt=0)
    rpm: float | None = Field(default=None, gt=0)
    tpm: float | None = Field(default=None, gt=0)
    offline: bool = False

    @property
    def endpoint(self) -> str:
        """The base URL, no trailing slash. Raises ``SettingsError`` on what is no http(s) URL or holds a secret."""
        parts = urlsplit(self.base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise SettingsError(f"--base-url: got {self.base_url!r}, wanted like http://127.0.0.1:8080/v1")
        if parts.username or parts.password or parts.query:
            raise SettingsError("--base-url: holds a user, password or query; give the key in the environment instead")
        return self.base_url.rstrip("/")


class Transcript(NamedTuple):
    """The messages last sent (or to be sent), the raw answers so far, and the prediction if the talk is over."""

    messages: tuple[Message, ...]
    answers: tuple[RawAnswer, ...]
    prediction: Prediction | None


class OpenAIJudge:
    """Implements :class:`classifier.judges.base.Judge`. ``judge`` may be called by many workers at once."""

    batch_size = 1

    def __init__(
        self, settings: OpenAISettings, store: Store, prompt: Prompt, *, examples: Examples | None = None
    ) -> None:
        self.settings, self.prompt = settings, prompt
        self.admission = Admission(settings.concurrency, rpm=settings.rpm, tpm=settings.tpm)
        self._endpoint = settings.endpoint
        self._store, self._examples = store, examples
        self._schemas = {kind: canonical(answer_schema(*kind)) for kind in product((False, True), repeat=2)}
        self._transport: Transport | None = None
        self._probing = asyncio.Lock()
        self._flights: dict[tuple[bytes, int | None], asyncio.Task[RawAnswer]] = {}
        self._on_the_wire: set[asyncio.Task[Any] | None] = set()
        self._usage = Usage().model_dump()
        self._lost_in_a_row = 0
        self._model_served: str | None = None
        known = store.fact(capabilities_key(self._endpoint, settings.model))
        self._capabilities = Capabilities.model_validate_json(known) if known else None

    @classmethod
    def open(cls, settings: OpenAISettings, store: Store, *, examples: Examples | None = None) -> Self:
        """A judge with its prompt loaded; sends nothing yet. Raises ``SettingsError`` on an unknown prompt or URL."""
        return cls(settings, store, Prompt(settings.prompt), examples=examples)

    # -- the protocol -------------------------------------------------------------------------------------------

    def recall(self, tasks: Sequence[Task]) -> list[Prediction | None]:
        """Predictions that the store alone can give; looks all tasks up together."""
        results: list[Prediction | None] = [None] * len(tasks)
        if self._capabilities is None:
            return [None if task.passages else self._silent(task) for task in tasks]
        asking: list[tuple[int, Dialogue, ChatRequest]] = []
        for index, task in enumerate(tasks):
            dialogue = self.dialogue(task)
            try:
                asking.append((index, dialogue, next(dialogue)))
            except StopIteration as end:
                results[index] = end.value
        served = 0
        while asking:
            found = self._store.find([request_key(request) for _, _, request in asking])
            unfinished: list[tuple[int, Dialogue, ChatRequest]] = []
            for (index, dialogue, request), answer in zip(asking, found, strict=True):
                if answer is None or not answer.serves(request.max_tokens, self.highest_limit):
                    continue
                served += 1
                try:
                    unfinished.append((index, dialogue, dialogue.send(answer)))
                except StopIteration as end:
                    results[index] = end.value
            asking = unfinished
        self._usage["cached"] += served
        return results

    async def judge(self, tasks: Sequence[Task]) -> list[Prediction]:
        """Predictions, one for one.

        Raises ``JudgeRejectedError`` or ``StoreError``, and ``JudgeUnavailableError`` where the server cannot be
        reached at the start or is gone for good.
        """
        return list(await asyncio.gather(*(self._judge(task) for task in tasks)))

    def usage(self) -> Usage:
        """Requests, retries, stored answers used, and tokens of this run so far."""
        return Usage.model_validate(self._usage)

    def waiting(self) -> Wait | None:
        """What all requests wait for at this moment, for the progress line; ``None`` if nothing holds them."""
        return self.admission.waiting()

    def card(self) -> JudgeCard:
        """Endpoint, model and parameters as they are sent, the rung with what the probe found, the prompt's hashes."""
        known, settings = self._capabilities, self.settings
        parameters: dict[str, object] = {
            "temperature": settings.temperature,
            "top_p": settings.top_p,
            "seed": settings.seed,
            "sample": settings.sample,
            "max_tokens": settings.max_tokens,
            "max_answer_retries": settings.max_answer_retries,
            "examples": self._examples is not None,
        }
        if known:
            parameters |= dict.fromkeys(known.dropped)
            parameters |= {"structured_output": known.rung.value, "token_field": known.token_field}
        return JudgeCard(
            judge="openai",
            model=settings.model,
            model_served=self._model_served or (known.model_served if known else None),
            endpoint=self._endpoint,
            parameters=parameters,
            prompts=self.prompt.sha256,
            notes=known.findings if known else (),
        )

    async def aclose(self) -> None:
        """Let what is on the wire arrive and be stored (10 s at most), drop what has not left, close connections."""
        flights = set(self._flights.values())
        for task in flights - self._on_the_wire:
            task.cancel()
        if flights:
            await asyncio.wait(flights, timeout=10.0)
            for task in flights:
                task.cancel()
            await asyncio.gather(*flights, return_exceptions=True)
        if self._transport:
            await self._transport.aclose()

    def transcript(self, task: Task) -> Transcript:
        """What was said about one task as far as the store knows it: for ``classify show`` and ``plan``."""
        said: list[RawAnswer] = []
        dialogue = self.dialogue(task)
        try:
            request = next(dialogue)
        except StopIteration as end:
            return Transcript((), (), end.value)
        while True:
            answer = self._stored(request, request_key(request))
            if answer is None:
                return Transcript(request.messages, tuple(said), None)
            said.append(answer)
            try:
                request = dialogue.send(answer)
            except StopIteration as end:
                return Transcript(request.messages, tuple(said), end.value)

    def first_request(self, task: Task) -> ChatRequest | None:
        """The request that a task begins with, for ``classify cache explain``; ``None`` where none is needed."""
        return next(self.dialogue(task), None) if task.passages else None

    # -- one dialogue -------------------------------------------------------------------------------------------

    def dialogue(self, task: Task) -> Dialogue:
        """What is asked about one task, and what comes of the answers. Yields requests, returns the prediction."""
        if not task.passages:
            return self._silent(task)
        messages = self.prompt.render(task, self._examples(task) if self._examples else ())
        held_back: Checked | None = None
        limit, rejected = self.settings.max_tokens, 0
        while True:
            raw = yield self._request(task, messages, limit)
            try:
                checked = _read(task, raw)
            except AnswerTruncatedError as error:
                if limit < self.highest_limit and (raw.max_tokens or 0) < self.highest_limit:
                    limit = self.highest_limit
                    continue
                problem: AnswerError | str = error
            except AnswerError as error:
                problem = error
            else:
                if checked.problem is None:
                    return self._predicted(task, checked)
                if held_back is not None:
                    return self._predicted(task, checked)
                held_back, problem = checked, checked.problem
            if isinstance(problem, AnswerError):
                rejected += 1
                if rejected > self.settings.max_answer_retries:
                    return self._predicted(task, held_back) if held_back else self._failed(task, problem)
            messages = (*messages, *_again(raw, str(problem)))

    @property
    def highest_limit(self) -> int:
        """A truncated answer is asked again once, with twice the limit."""
        return 2 * self.settings.max_tokens

    def _request(self, task: Task | None, messages: tuple[Message, ...], limit: int) -> ChatRequest:
        settings, known = self.settings, self._capabilities
        request = ChatRequest(
            endpoint=self._endpoint,
            model=settings.model,
            messages=messages,
            rung=Rung.JSON_SCHEMA,
            schema=self._schemas[bool(task and task.pair.cited.claims), bool(known and known.bounded)],
            temperature=settings.temperature,
            top_p=settings.top_p,
            seed=settings.seed,
            sample=settings.sample,
            max_tokens=limit,
            token_field="max_tokens",  # noqa: S106 (a parameter's name)
            timeout=settings.timeout,
        )
        return known.fit(request) if known else request

    def _predicted(self, task: Task, checked: Checked) -> Prediction:
        label = checked.label
        return Prediction(
            hub_id=task.pair.cited.hub_id,
            citing_id=task.pair.citing.citing_id,
            status=Status.ABSTAINED if checked.problem else Status.LABELLED,
            label=label,
            evidence_source=label.evidence.source if label.evidence else task.source,
            needs_review=checked.review,
            judge="openai",
            model=self.settings.model,
            prompt=self.prompt.name,
            failure=checked.problem,
        )

    def _failed(self, task: Task, error: Exception | str) -> Prediction:
        kind = "" if isinstance(error, str) else f"{type(error).__name__}: "
        return Prediction(
            hub_id=task.pair.cited.hub_id,
            citing_id=task.pair.citing.citing_id,
            status=Status.FAILED,
            evidence_source=task.source,
            needs_review=True,
            judge="openai",
            model=self.settings.model,
            prompt=self.prompt.name,
            failure=f"{kind}{error}",
        )

    def _silent(self, task: Task) -> Prediction:
        """A work without any text: unclear by definition, and nothing is sent."""
        label = Label(role=Role.UNCLEAR, polarity=Polarity.UNCLEAR, rationale="The work has no text to judge from.")
        return self._predicted(task._replace(source=EvidenceSource.NONE), Checked(label, None, True))

    # -- asking -------------------------------------------------------------------------------------------------

    async def _judge(self, task: Task) -> Prediction:
        if not task.passages:
            return self._silent(task)
        if self._capabilities is None and not self.settings.offline:
            await self._find_out()
        dialogue = self.dialogue(task)
        try:
            request = next(dialogue)
            while True:
                answer = await self._answer(request)
                if answer is None:
                    return self._failed(task, NOT_STORED)
                request = dialogue.send(answer)
        except StopIteration as end:
            prediction: Prediction = end.value
            return prediction
        except JudgeUnavailableError as error:
            if self._lost_in_a_row >= MAX_LOST_IN_A_ROW:
                raise
            return self._failed(task, error)
        except AnswerError as error:
            return self._failed(task, error)

    async def _find_out(self) -> None:
        """Probe the endpoint, unless another worker or process just did."""
        async with self._probing:
            if self._capabilities is not None:
                return
            key = capabilities_key(self._endpoint, self.settings.model)
            found = await probe(self._request(None, (), self.settings.max_tokens), self._probe_send)
            self._store.remember(key, found.model_dump_json())
            self._capabilities = found

    async def _probe_send(self, request: ChatRequest) -> RawAnswer:
        return (await self._send_until_answered(request)).answer

    async def _answer(self, request: ChatRequest) -> RawAnswer | None:
        """From the store, from the same request already in flight, or by asking; ``None``: offline and unknown."""
        key = request_key(request)
        stored = self._stored(request, key)
        if stored:
            self._usage["cached"] += 1
            return stored
        if self.settings.offline:
            return None
        flight = self._flights.get((key, request.max_tokens))
        if flight is None:
            flight = asyncio.create_task(self._ask(key, request))
            self._flights[key, request.max_tokens] = flight
            flight.add_done_callback(lambda _: self._flights.pop((key, request.max_tokens), None))
        return await asyncio.shield(flight)  # a cancelled worker loses nothing that is on the wire

    def _stored(self, request: ChatRequest, key: bytes) -> RawAnswer | None:
        answer = self._store.find([key])[0]
        return answer if answer and answer.serves(request.max_tokens, self.highest_limit) else None

    async def _ask(self, key: bytes, request: ChatRequest) -> RawAnswer:
        """Ask, and store the raw answer before anybody reads it."""
        answer = (await self._send_until_answered(request)).answer
        self._store.put([StoredAnswer(key, canonical(key_material(request)), answer, request.endpoint)])
        return answer

    async def _send_until_answered(self, request: ChatRequest) -> Reply:
        """Let tenacity own every retry; a refusal (429, 503) waits at the shared gate instead of by itself."""
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(JudgeUnavailableError),
            stop=_GiveUp(self.settings.tries, self.settings.patience),
            wait=_wait,
            before_sleep=self._count_retry,
            reraise=True,
        )
        try:
            reply: Reply = await retrying(self._send, request)
        except JudgeUnavailableError:
            self._lost_in_a_row += 1
            raise
        self._lost_in_a_row = 0
        return reply

    async def _send(self, request: ChatRequest) -> Reply:
        if self._transport is None:
            key = self.settings.api_key
            self._transport = Transport(self._endpoint, key.get_secret_value() if key else None)
        task = asyncio.current_task()
        async with self.admission.slot():
            self._on_the_wire.add(task)
            self._usage["requests"] += 1
            started = time.monotonic()
            try:
                reply = await self._transport.send(request)
            except JudgeUnavailableError as error:
                if error.status in (429, 503):
                    self.admission.refused(error.retry_after)
                else:
                    self.admission.failed()
                raise
            finally:
                self._on_the_wire.discard(task)
            answer = reply.answer
            tokens = (answer.prompt_tokens or 0) + (answer.completion_tokens or 0)
            self.admission.answered(time.monotonic() - started, tokens, reply.headers)
        self._usage["prompt_tokens"] += answer.prompt_tokens or 0
        self._usage["completion_tokens"] += answer.completion_tokens or 0
        self._model_served = answer.model_served or self._model_served
        return reply

    def _count_retry(self, _: RetryCallState) -> None:
        self._usage["retries"] += 1


def _read(task: Task, raw: RawAnswer) -> Checked:
    """The checked label. An answer that was cut off, but after a whole valid object, is as good as any."""
    if raw.finish_reason == "content_filter":
        raise AnswerRefusedError("the endpoint's content filter cut the answer off", raw=raw.content)
    if raw.refusal and not raw.content:
        raise AnswerRefusedError(f"the model refused: {raw.refusal[:200]}", raw=raw.refusal)
    try:
        return check(task, raw.content)
    except AnswerError as error:
        if raw.truncated:
            limit = f" of {raw.max_tokens} tokens" if raw.max_tokens else ""
            raise AnswerTruncatedError(f"the answer stopped at the limit{limit}", raw=raw.content) from error
        raise


def _again(raw: RawAnswer, problem: str) -> tuple[Message, ...]:
    """The turn that asks for a better answer and says what was wrong with the last."""
    said = (raw.content or raw.refusal or "").strip()[:MAX_ECHO] or "(no answer)"
    ask = (
        f"That answer cannot be used: {problem}. The texts are quoted from papers for a bibliometric study; label them "
        "as they stand. Answer again with the one JSON object only, its reasoning in one short sentence, and the "
        "evidence copied character by character from one of the numbered texts."
    )
    return Message("assistant", said), Message("user", ask)


class _GiveUp:
    """tenacity's stop: after ``tries`` failures that are no refusals, or ``patience`` seconds in all."""

    def __init__(self, tries: int, patience: float) -> None:
        self._tries, self._patience, self._failures = tries, patience, 0

    def __call__(self, state: RetryCallState) -> bool:
        error = state.outcome.exception() if state.outcome else None
        if getattr(error, "status", None) != 429:
            self._failures += 1
        return self._failures >= self._tries or (state.seconds_since_start or 0.0) >= self._patience


_backoff = wait_exponential_jitter(initial=0.5, max=30.0, jitter=0.5)


def _wait(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    status, asked = getattr(error, "status", None), getattr(error, "retry_after", None)
    if status in (429, 503) and (asked is not None or status == 429):
        return 0.0  # the gate holds everybody back, this one too
    return float(_backoff(state))
