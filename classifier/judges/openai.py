"""The judge behind any OpenAI-compatible endpoint."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple, Self

from classifier.errors import AnswerError, BudgetSpentError, JudgeUnavailableError, SettingsError
from classifier.evidence import Task
from classifier.judges.admission import Wait
from classifier.judges.asking import Asker
from classifier.judges.base import JudgeCard, Usage
from classifier.judges.claiming import ClaimsAsker, with_hub
from classifier.judges.dialogue import Dialogue, Examples, Interviewer, OpenAISettings
from classifier.judges.probe import Capabilities, capabilities_key, probe, probe_logprobs
from classifier.judges.request import ChatRequest, Rung, request_key
from classifier.prompting import Message, Prompt
from classifier.schema import CitedWork, Prediction
from classifier.store import RawAnswer, Store

MAX_LOST_IN_A_ROW = 64
"""So many requests given up one after the other mean that the server is gone: the run stops and says so."""

NOT_STORED = "the answer is not in the store; run without --offline, or import it (classify cache import, or batch)"


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
        self.interviewer = Interviewer(settings, prompt, examples)
        self.asker = Asker(settings, store)
        self.claims = ClaimsAsker(self.interviewer, self.asker) if settings.claims else None
        self._store = store
        self._capabilities_key = capabilities_key(settings.endpoint, settings.model)
        self._probing = asyncio.Lock()
        known = store.fact(self._capabilities_key)
        self.interviewer.capabilities = Capabilities.model_validate_json(known) if known else None

    @classmethod
    def open(cls, settings: OpenAISettings, store: Store, *, examples: Examples | None = None) -> Self:
        """A judge with its prompt loaded; sends nothing yet. Raises ``SettingsError`` on an unknown prompt or URL."""
        return cls(settings, store, Prompt(settings.prompt), examples=examples)

    def resampled(self, **changes: object) -> Self:
        """The same judge with other parameters (sample, seed, temperature)."""
        settings = self.settings.model_copy(update=changes)
        return type(self)(settings, self._store, self.prompt, examples=self.interviewer.examples)

    def share(self, other: OpenAIJudge) -> None:
        """Ask through the same gate, connections and budget as ``other``, and read the same claims of a hub."""
        self.asker, self.claims = other.asker, other.claims

    def pool(self, other: OpenAIJudge) -> None:
        """Spend from the same budget as ``other``."""
        self.asker.spending.purse = other.asker.spending.purse

    def recall(self, tasks: Sequence[Task]) -> list[Prediction | None]:
        """Predictions that the store alone can give; looks all tasks up together."""
        return [said if isinstance(said, Prediction) else None for said in self.recall_or_ask(tasks)]

    def recall_or_ask(self, tasks: Sequence[Task]) -> list[Prediction | ChatRequest | None]:
        """For each task its prediction, or the request that comes next; ``None`` before the endpoint was probed.

        Where claims are asked for, an answer from before the hub's claims were known still counts: it was paid for.
        """
        if self.claims is None:
            return self._recall(tasks)
        complete = [self.claims.complete(task) for task in tasks]
        results = self._recall(complete)
        bare = [i for i, said in enumerate(results) if isinstance(said, ChatRequest) and complete[i] is not tasks[i]]
        for index, said in zip(bare, self._recall([tasks[i] for i in bare]), strict=True):
            results[index] = said if isinstance(said, Prediction) else results[index]
        return results

    def _recall(self, tasks: Sequence[Task]) -> list[Prediction | ChatRequest | None]:
        results: list[Prediction | ChatRequest | None] = [None] * len(tasks)
        asking: list[tuple[int, Dialogue, ChatRequest]] = []
        for index, task in enumerate(tasks):
            if not task.passages:
                results[index] = self.interviewer.silent(task)
            elif self.interviewer.capabilities is not None:
                dialogue = self.interviewer.dialogue(task)
                asking.append((index, dialogue, next(dialogue)))
        highest = self.highest_limit
        while asking:
            keys = [request_key(request) for _, _, request in asking]
            found = self._store.find(keys)
            if self.settings.logprobs:
                found = self._store.with_logprobs(keys, found)
            served = 0
            unfinished: list[tuple[int, Dialogue, ChatRequest]] = []
            for (index, dialogue, request), answer in zip(asking, found, strict=True):
                if answer is None or not answer.serves(request.max_tokens, highest):
                    results[index] = request
                    continue
                served += 1
                try:
                    unfinished.append((index, dialogue, dialogue.send(answer)))
                except StopIteration as end:
                    results[index] = end.value
            self.asker.counters.cached += served
            asking = unfinished
        return results

    async def judge(self, tasks: Sequence[Task]) -> list[Prediction]:
        """Predictions, one for one.

        Raises ``JudgeRejectedError`` or ``StoreError``, and ``JudgeUnavailableError`` where the server cannot be
        reached at the start or is gone for good.
        """
        return list(await asyncio.gather(*(self._judge(task) for task in tasks)))

    def usage(self) -> Usage:
        """Requests, retries, stored answers used, and tokens of this run so far."""
        spending = self.asker.spending
        dollars = spending.spent if spending.price else None
        return Usage(**self.asker.counters.__dict__, dollars=dollars, budget_spent=spending.exhausted)

    def waiting(self) -> Wait | None:
        """What all requests wait for at this moment, for the progress line; ``None`` if nothing holds them."""
        return self.asker.admission.waiting()

    def card(self) -> JudgeCard:
        """Endpoint, model and parameters as they are sent, the rung with what the probe found, the prompt's hashes."""
        known, settings = self.interviewer.capabilities, self.settings
        named = ("temperature", "top_p", "seed", "sample", "max_tokens", "max_answer_retries")
        parameters: dict[str, object] = {name: getattr(settings, name) for name in named}
        if settings.price:
            parameters["price"] = settings.price.model_dump(mode="json")
        parameters["examples"] = self.interviewer.examples is not None
        if self.claims:
            parameters["claims"] = True
        if settings.logprobs:
            parameters["logprobs"] = True
        if known:
            parameters |= dict.fromkeys(known.dropped)
            parameters |= {"structured_output": known.rung.value, "lengths_bounded": known.bounded}
            parameters["token_field"] = known.token_field
        notes = known.findings if known else ()
        return JudgeCard(
            judge="openai",
            model=settings.model,
            model_served=self.asker.model_served or (known.model_served if known else None),
            endpoint=settings.endpoint,
            parameters=parameters,
            prompts=self.prompt.sha256 | (self.prompt.claims_sha256 if self.claims else {}),
            notes=(*notes, *sorted(self.claims.notes)) if self.claims else notes,
        )

    @property
    def highest_limit(self) -> int:
        """The token limit of a second try; see :func:`classifier.store_tools.explain`."""
        return self.settings.highest_limit

    def transcript(self, task: Task) -> Transcript:
        """What was said about one task as far as the store knows it: for ``classify show`` and ``plan``."""
        if not task.passages:
            return Transcript((), (), self.interviewer.silent(task))
        complete = self.claims.complete(task) if self.claims else task
        found = self._transcript(complete)
        bare = self._transcript(task) if complete is not task and found.prediction is None else found
        return bare if bare.prediction else found

    def _transcript(self, task: Task) -> Transcript:
        said: list[RawAnswer] = []
        dialogue = self.interviewer.dialogue(task)
        request = next(dialogue)
        while (answer := self.asker.stored(request, request_key(request))) is not None:
            said.append(answer)
            try:
                request = dialogue.send(answer)
            except StopIteration as end:
                return Transcript(request.messages, tuple(said), end.value)
        return Transcript(request.messages, tuple(said), None)

    def first_request(self, task: Task) -> ChatRequest | None:
        """The request that a task begins with, for ``classify cache explain``; ``None`` where none is needed."""
        if self.claims:
            task = self.claims.complete(task)
        return next(self.interviewer.dialogue(task), None) if task.passages else None

    def first_messages(self, task: Task) -> tuple[Message, ...]:
        """The messages that a task begins with, with its examples and the claims as far as they are known."""
        request = self.first_request(task)
        return request.messages if request else ()

    def claims_messages(self, cited: CitedWork) -> tuple[Message, ...]:
        """The question for a hub's claims; empty where this judge does not ask it, or the store has the answer."""
        if self.claims is None or self.claims.stored(cited) is not None:
            return ()
        return self.prompt.render_claims(cited)

    def with_claims(self, cited: CitedWork) -> CitedWork:
        """The hub with the claims that labels of this run may link to."""
        return (self.claims.stored(cited) if self.claims else None) or cited

    async def aclose(self) -> None:
        """Let what is on the wire arrive and be stored, drop the rest, close connections."""
        await self.asker.aclose()

    async def _judge(self, task: Task) -> Prediction:
        if not task.passages:
            return self.interviewer.silent(task)
        if self.unprobed and not (self.settings.offline and self.interviewer.capabilities):
            if self.settings.offline:
                return self.interviewer.failed(task, NOT_STORED)
            await self.find_out()
        try:
            if self.claims:
                task = with_hub(task, await self.claims.ask(task.pair.cited))
            dialogue = self.interviewer.dialogue(task)
            request = next(dialogue)
            while True:
                answer = await self.asker.answer(request)
                if answer is None:
                    return self.interviewer.failed(task, NOT_STORED)
                request = dialogue.send(answer)
        except StopIteration as end:
            prediction: Prediction = end.value
            return prediction
        except JudgeUnavailableError as error:
            if self.asker.lost_in_a_row >= MAX_LOST_IN_A_ROW:
                raise
            return self.interviewer.failed(task, error)
        except (AnswerError, BudgetSpentError) as error:
            return self.interviewer.failed(task, error)

    @property
    def unprobed(self) -> bool:
        """Whether nobody found out yet what the endpoint does, as far as this run has to know."""
        known = self.interviewer.capabilities
        return known is None or known.assumed or (self.settings.logprobs and known.logprobs is None)

    def assume(self, rung: Rung) -> None:
        """Take it that an endpoint nobody asked yet holds this rung, and remember that it was not probed.

        Raises ``SettingsError`` where the probe found another one.
        """
        known = self.interviewer.capabilities
        if known is None or known.assumed:
            known = Capabilities(rung=rung, assumed=True, findings=(f"{rung}: assumed, not probed",))
            self._store.remember(self._capabilities_key, known.model_dump_json())
            self.interviewer.capabilities = known
        elif known.rung is not rung:
            raise SettingsError(
                f"--form {rung}: the probe of {self.settings.endpoint} found {known.rung}; leave it out"
            )

    async def find_out(self) -> None:
        """Probe the endpoint, unless it is known or another worker just did."""
        async with self._probing:
            if self.unprobed:
                request = self.interviewer.request(None, (), self.settings.max_tokens)
                known = self.interviewer.capabilities
                found = known if known and not known.assumed else await probe(request, self._probe_send)
                if self.settings.logprobs:
                    found = await probe_logprobs(request, found, self._probe_send)
                self._store.remember(self._capabilities_key, found.model_dump_json())
                self.interviewer.capabilities = found

    async def _probe_send(self, request: ChatRequest) -> RawAnswer:
        return (await self.asker.send(request)).answer


__all__ = ["OpenAIJudge", "OpenAISettings", "Transcript"]
