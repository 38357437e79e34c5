"""What is said to a model about one task: requests out, raw answers in, a prediction at the end.

A dialogue is a generator that does no input or output. The same code therefore answers from the store, over the
network and in tests; and because every raw answer is stored before it is read, a later run repeats it word for word.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Sequence
from urllib.parse import urlsplit

from pydantic import Field, SecretStr

from classifier.answering import schema_text
from classifier.checking import Checked, check, with_logprobs
from classifier.errors import AnswerError, AnswerRefusedError, AnswerTruncatedError, SettingsError
from classifier.evidence import Task
from classifier.judges.probe import Capabilities
from classifier.judges.request import ChatRequest, Rung
from classifier.prices import Price
from classifier.prompting import DEFAULT_PROMPT, Message, Prompt, Shot
from classifier.schema import EvidenceSource, Label, Polarity, Prediction, Record, Role, Status
from classifier.store import RawAnswer

MAX_ECHO = 2000
"""How much of a rejected answer is shown to the model again."""

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
    max_answer_retries: int = Field(default=3, ge=0)
    concurrency: int = Field(default=64, gt=0)
    rpm: float | None = Field(default=None, gt=0)
    tpm: float | None = Field(default=None, gt=0)
    offline: bool = False
    claims: bool = False
    logprobs: bool = False
    price: Price | None = None
    max_cost: float | None = Field(default=None, ge=0)

    @property
    def highest_limit(self) -> int:
        """The token limit of the second try that a truncated answer gets."""
        return 2 * self.max_tokens

    @property
    def endpoint(self) -> str:
        """The base URL, no trailing slash, or ``file:NAME`` for answers that come in files (``classify batch``).

        Raises ``SettingsError`` on what is neither, or holds a secret.
        """
        if by_file(self.base_url):
            return self.base_url
        parts = urlsplit(self.base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise SettingsError(f"--base-url: got {self.base_url!r}, wanted like http://127.0.0.1:8080/v1")
        if parts.username or parts.password or parts.query:
            raise SettingsError("--base-url: holds a user, password or query; give the key in the environment instead")
        return self.base_url.rstrip("/")


def by_file(base_url: str) -> bool:
    """Whether nobody can be asked under this address: its answers are imported from files."""
    return re.fullmatch(r"file:[\w.+-]+", base_url) is not None


class Interviewer:
    """Writes the requests about a task and reads the answers; knows the prompt, the parameters and the endpoint."""

    def __init__(self, settings: OpenAISettings, prompt: Prompt, examples: Examples | None = None) -> None:
        self.settings, self.prompt, self.examples = settings, prompt, examples
        self.capabilities: Capabilities | None = None
        self._bases: dict[tuple[bool, Capabilities | None], ChatRequest] = {}

    def dialogue(self, task: Task) -> Dialogue:
        """What is asked about one task, and what comes of the answers. Yields requests, returns the prediction."""
        if not task.passages:
            return self.silent(task)
        messages = self.prompt.render(task, self.examples(task) if self.examples else ())
        held_back: Checked | None = None
        highest = self.settings.highest_limit
        limit, rejected = self.settings.max_tokens, 0
        while True:
            raw = yield self.request(task, messages, limit)
            try:
                checked = _read(task, raw)
            except AnswerTruncatedError as error:
                if limit < highest and (raw.max_tokens or 0) < highest:
                    limit = highest
                    continue
                problem: AnswerError | str = error
            except AnswerError as error:
                problem = error
            else:
                if checked.problem is None:
                    return self.predicted(task, checked)
                if held_back is not None:
                    return self.predicted(task, checked)
                held_back, problem = checked, checked.problem
            if isinstance(problem, AnswerError):
                rejected += 1
                if rejected > self.settings.max_answer_retries:
                    return self.predicted(task, held_back) if held_back else self.failed(task, problem)
            messages = (*messages, *_again(raw, str(problem)))

    def request(self, task: Task | None, messages: tuple[Message, ...], limit: int) -> ChatRequest:
        """The request as this endpoint takes it (as far as it is known)."""
        kind = bool(task and task.pair.cited.claims), self.capabilities
        base = self._bases.get(kind)
        if base is None:
            base = self._bases[kind] = self._base(*kind)
        if task is None:  # the probe and the question for claims: nobody needs to know how sure those are
            base = base._replace(logprobs=False)
        return base._replace(messages=messages, max_tokens=limit)

    def _base(self, with_claims: bool, known: Capabilities | None) -> ChatRequest:
        settings = self.settings
        base = ChatRequest(
            endpoint=settings.endpoint,
            model=settings.model,
            messages=(),
            rung=Rung.JSON_SCHEMA,
            schema=schema_text(with_claims, bool(known and known.bounded)),
            temperature=settings.temperature,
            top_p=settings.top_p,
            seed=settings.seed,
            sample=settings.sample,
            max_tokens=None,
            token_field="max_tokens",  # noqa: S106 (a parameter's name)
            timeout=settings.timeout,
            logprobs=settings.logprobs,
        )
        return known.fit(base) if known else base

    def predicted(self, task: Task, checked: Checked) -> Prediction:
        """A checked label, or one held back for its evidence, as a prediction."""
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
            logprobs=checked.logprobs,
        )

    def failed(self, task: Task, error: Exception | str) -> Prediction:
        """A prediction without a label that says why."""
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

    def silent(self, task: Task) -> Prediction:
        """A work without any text: unclear by definition, and nothing is sent."""
        label = Label(role=Role.UNCLEAR, polarity=Polarity.UNCLEAR, rationale="The work has no text to judge from.")
        return self.predicted(task._replace(source=EvidenceSource.NONE), Checked(label, None, True))


def _read(task: Task, raw: RawAnswer) -> Checked:
    """The checked label. An answer that was cut off, but after a whole valid object, is as good as any."""
    if raw.finish_reason == "content_filter":
        raise AnswerRefusedError("the endpoint's content filter cut the answer off", raw=raw.content)
    if raw.refusal and not raw.content:
        raise AnswerRefusedError(f"the model refused: {raw.refusal[:200]}", raw=raw.refusal)
    try:
        return with_logprobs(check(task, raw.content), raw.logprobs)
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
