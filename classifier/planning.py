"""What a run would send, counted without sending anything."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import NamedTuple, Protocol, runtime_checkable

from classifier.estimating import Estimator, Range
from classifier.evidence import Task, prepare
from classifier.judges.base import Judge
from classifier.prompting import Message
from classifier.schema import CitedWork, EvidenceSource, Pair

CHUNK = 256
ASSUMED = Estimator()
CLAIMED = 0.5
"""The share of an abstract that its claims take in a prompt, assumed as long as nobody asked for them."""


@runtime_checkable
class Asks(Protocol):
    """A judge that sends messages."""

    def first_messages(self, task: Task) -> tuple[Message, ...]:
        """The messages that a task begins with; empty where none are sent."""
        ...

    def claims_messages(self, cited: CitedWork) -> tuple[Message, ...]:
        """The question for the claims of a hub; empty where it is not asked, or was answered."""
        ...


class Plan(NamedTuple):
    """Counts of works and an estimate of what is to be sent. Tokens are estimates; requests leave out retries."""

    works: int
    with_passage: int
    without_text: int
    recalled: int
    requests: int
    prompt_tokens: Range
    completion_tokens: Range
    how: str
    first: tuple[Message, ...]
    claims_requests: int = 0


def plan(pairs: Iterable[Pair], judge: Judge, estimator: Estimator = ASSUMED) -> Plan:
    """Count ``pairs`` against what ``judge`` can recall and would send: examples, and a hub's claims, included.

    Where the claims of a hub still have to be asked for, the prompts of its works are counted with ``CLAIMED`` of its
    abstract as claims.
    """
    works = with_passage = without_text = recalled = requests = characters = 0
    first: tuple[Message, ...] = ()
    asks = judge if isinstance(judge, Asks) else None
    claims: dict[tuple[str, str], int] = {}
    tasks = map(prepare, pairs)
    while chunk := list(islice(tasks, CHUNK)):
        for task, known in zip(chunk, judge.recall(chunk), strict=True):
            works += 1
            with_passage += task.source is EvidenceSource.CONTEXT
            without_text += task.source is EvidenceSource.NONE
            messages = asks.first_messages(task) if asks and (known is None or not first) else ()
            first = first or messages
            if known is not None:
                recalled += 1
            elif messages and asks:
                requests += 1
                characters += _length(messages)
                cited = task.pair.cited
                hub = cited.hub_id, cited.abstract
                if hub not in claims:
                    claims[hub] = _length(asks.claims_messages(cited))
                characters += round(CLAIMED * len(cited.abstract)) if claims[hub] else 0
    of_claims = sum(1 for length in claims.values() if length)
    sent = requests + of_claims
    return Plan(
        works, with_passage, without_text, recalled, requests,
        estimator.prompt(sent, characters + sum(claims.values())), estimator.completion(sent), estimator.how, first,
        of_claims,
    )  # fmt: skip


def _length(messages: Iterable[Message]) -> int:
    return sum(len(message.content) for message in messages)
