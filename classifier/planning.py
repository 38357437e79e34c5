"""What a run would send, counted without sending anything."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import NamedTuple

from classifier.estimating import Estimator, Range
from classifier.evidence import prepare
from classifier.judges.base import Judge
from classifier.prompting import Message, Prompt
from classifier.schema import EvidenceSource, Pair

CHUNK = 256
ASSUMED = Estimator()


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


def plan(pairs: Iterable[Pair], judge: Judge, prompt: Prompt | None, estimator: Estimator = ASSUMED) -> Plan:
    """Count ``pairs`` against what ``judge`` can recall; ``prompt`` is ``None`` for a judge that sends none."""
    works = with_passage = without_text = recalled = requests = characters = 0
    first: tuple[Message, ...] = ()
    tasks = map(prepare, pairs)
    while chunk := list(islice(tasks, CHUNK)):
        for task, known in zip(chunk, judge.recall(chunk), strict=True):
            works += 1
            with_passage += task.source is EvidenceSource.CONTEXT
            without_text += task.source is EvidenceSource.NONE
            messages = prompt.render(task) if prompt and task.passages else ()
            first = first or messages
            if known is not None:
                recalled += 1
            elif messages:
                requests += 1
                characters += sum(len(message.content) for message in messages)
    return Plan(
        works, with_passage, without_text, recalled, requests, estimator.prompt(requests, characters),
        estimator.completion(requests), estimator.how, first,
    )  # fmt: skip
