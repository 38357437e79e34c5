"""What the pipeline asks of a judge. This protocol is the one seam where tests may put a fake."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol, runtime_checkable

from pydantic import Field

from classifier.evidence import Task
from classifier.judges.admission import Wait
from classifier.schema import CitedWork, Prediction, Record

PASSED_ON = "cascade: the model that was asked gave no label"
"""``review_reason`` of a work of a cascade that keeps its local label although it was passed on."""


class Usage(Record):
    """What a judge spent so far. Tokens are those the server reported; ``requests`` counts every one sent.

    ``cached_tokens`` are part of the prompt's, ``reasoning_tokens`` of the completion's. ``lost``: tries whose usage
    nobody reported. ``dollars``: ``None`` where no price is known. ``budget_spent``: the run stopped for it.
    """

    requests: int = 0
    retries: int = 0
    cached: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    lost: int = 0
    dollars: float | None = None
    budget_spent: bool = False


class JudgeCard(Record):
    """What the manifest says of a judge: enough to ask the same judge again. Never a key."""

    judge: str
    model: str
    model_served: str | None = None
    endpoint: str | None = None
    parameters: dict[str, object] = Field(default_factory=dict)
    prompts: dict[str, str] = Field(default_factory=dict)
    notes: tuple[str, ...] = ()


class Judge(Protocol):
    """Turns tasks into predictions, one for one and in order.

    A task that cannot be answered becomes a ``failed`` prediction; only what must stop the run
    (``JudgeRejectedError``, ``StoreError``) is raised. ``batch_size`` is how many tasks it likes at once.
    """

    batch_size: int

    def recall(self, tasks: Sequence[Task]) -> list[Prediction | None]:
        """Predictions that need no request (from the store), ``None`` where one is needed. Sends nothing."""
        ...

    async def judge(self, tasks: Sequence[Task]) -> list[Prediction]:
        """Predictions for the tasks, asking where the store has no answer."""
        ...

    def usage(self) -> Usage:
        """What was spent so far in this run."""
        ...

    def card(self) -> JudgeCard:
        """How this judge is named and configured."""
        ...

    async def aclose(self) -> None:
        """Release connections; called once at the end, also after an error."""
        ...


@runtime_checkable
class ReadsClaims(Protocol):
    """A judge that reads the claims of a hub before it labels."""

    def with_claims(self, cited: CitedWork) -> CitedWork:
        """The hub with the claims that labels of this run may link to."""
        ...


@runtime_checkable
class Waits(Protocol):
    """A judge that may have to wait for its server."""

    def waiting(self) -> Wait | None:
        """What all requests wait for at this moment; ``None`` if nothing holds them."""
        ...


def waiting(judge: Judge) -> Wait | None:
    """What ``judge`` waits for; a judge that asks nobody waits for nothing."""
    return judge.waiting() if isinstance(judge, Waits) else None


class Member(NamedTuple):
    """One judge of several: how tables call it, and what the manifest says of it."""

    name: str
    card: JudgeCard
    usage: Usage


@runtime_checkable
class HasMembers(Protocol):
    """Several judges, each of which answers every work."""

    def members(self) -> tuple[Member, ...]:
        """The judges in the order in which they were named, with what each spent so far."""
        ...


def with_claims(judge: Judge, cited: CitedWork) -> CitedWork:
    """The hub as ``judge`` reads it; as it is for a judge that reads no claims."""
    return judge.with_claims(cited) if isinstance(judge, ReadsClaims) else cited
