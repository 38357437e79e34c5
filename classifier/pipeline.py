"""Wiring from pairs to predictions; the only place with concurrency."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Iterator
from itertools import islice
from typing import Any, NamedTuple

from classifier.evidence import Task, prepare
from classifier.judges.base import Judge
from classifier.schema import Pair, Prediction

CHUNK = 256
"""How many tasks are looked up in the store at once."""


class Answered(NamedTuple):
    """A task with its prediction; ``recalled`` where it came from the store without a request."""

    task: Task
    prediction: Prediction
    recalled: bool


class _Asked(NamedTuple):
    tasks: list[Task]
    answer: asyncio.Task[list[Prediction]]


async def predict(
    pairs: Iterable[Pair],
    judge: Judge,
    *,
    concurrency: int = 16,
    stop: Callable[[], bool] = lambda: False,
) -> AsyncGenerator[Answered, None]:
    """Predictions in the order of ``pairs``, with at most ``concurrency`` works in flight, and always one batch.

    Memory is bounded: reading goes on only while fewer than about ``CHUNK`` + ``concurrency`` works wait for an
    earlier one. When ``stop`` turns true nothing new is asked; what is in flight is finished and given. An error
    that stops the run is raised after the answers in flight came back, so that what was paid for is stored.
    """
    waiting: deque[_Asked | Answered] = deque()
    flights = max(1, concurrency // judge.batch_size)
    ahead = max(1, CHUNK // judge.batch_size) + flights
    flying = _Flights(flights)
    try:
        for chunk in _batched(map(prepare, pairs), CHUNK):
            for group in _grouped(chunk, judge):
                if isinstance(group, Answered):
                    waiting.append(group)
                    continue
                await flying.room()
                if stop():
                    break
                waiting.append(_Asked(group, flying.start(judge.judge(group))))
                for answered in await _ready(waiting, ahead):
                    yield answered
            for answered in await _ready(waiting, ahead):
                yield answered
            if stop():
                break
        for answered in await _ready(waiting, 0):
            yield answered
    finally:
        await flying.land()


class _Flights:
    """Tasks in flight, at most so many; starting one and noticing its end take the same time however many fly."""

    def __init__(self, most: int) -> None:
        self._free = asyncio.Semaphore(most)
        self._tasks: set[asyncio.Task[list[Prediction]]] = set()
        self._error: BaseException | None = None

    async def room(self) -> None:
        """Wait until one more may start. Raises the error of a task that failed."""
        await self._free.acquire()
        if self._error:
            raise self._error

    def start(self, work: Coroutine[Any, Any, list[Prediction]]) -> asyncio.Task[list[Prediction]]:
        """Start in the room that was waited for."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    async def land(self) -> None:
        """Wait for all that is in flight, whatever becomes of it."""
        if self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _ended(self, task: asyncio.Task[list[Prediction]]) -> None:
        self._tasks.discard(task)
        self._free.release()
        if not task.cancelled():
            error = task.exception()  # asked of every task, or Python reports it as never looked at
            self._error = self._error or error


async def _ready(waiting: deque[_Asked | Answered], limit: int) -> list[Answered]:
    """What can be given now, in order; waits for the oldest only while more than ``limit`` are waiting."""
    ready: list[Answered] = []
    while waiting and (len(waiting) > limit or isinstance(waiting[0], Answered) or waiting[0].answer.done()):
        head = waiting.popleft()
        if isinstance(head, Answered):
            ready.append(head)
        else:
            predictions = await head.answer
            ready.extend(Answered(t, p, False) for t, p in zip(head.tasks, predictions, strict=True))
    return ready


def _grouped(chunk: list[Task], judge: Judge) -> Iterator[Answered | list[Task]]:
    """The tasks of a chunk in order: recalled ones singly, runs of others in batches of the judge's size."""
    batch: list[Task] = []
    for task, known in zip(chunk, judge.recall(chunk), strict=True):
        if known is None:
            batch.append(task)
        if batch and (known is not None or len(batch) == judge.batch_size):
            yield batch
            batch = []
        if known is not None:
            yield Answered(task, known, True)
    if batch:
        yield batch


def _batched(tasks: Iterator[Task], size: int) -> Iterator[list[Task]]:
    while chunk := list(islice(tasks, size)):
        yield chunk
