"""When the next request may leave: one gate for all workers, steered by what the server itself says.

Three limits act together, and the strictest wins:

* a *window* of requests in flight. It opens like TCP's (Jacobson, "Congestion avoidance and control", 1988): doubled
  every round until the first refusal, then by one a round; halved by a refusal, and shrunk while answers take several
  times as long as they did, which is how a server with few slots shows that more in flight only queues.
* a *pace* in requests a second: the user's ``--rpm``, and the rate at which the server took requests before it first
  refused one. It grows again slowly while nothing is refused.
* a *pause* for everybody, as long as ``Retry-After`` or the rate-limit headers say, capped.
"""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import NamedTuple

MAX_PAUSE = 60.0
FIRST_WINDOW = 8.0
SLOW = 3.0
"""Answers that take this many times as long as at best mean that the server queues."""

FORGETTING = 1.003
"""By how much an answer moves the best time that is remembered: a machine that became busy is no queue for ever."""

ENOUGH = 8
"""Answers from which a server's rate can be read; fewer are chance."""

_DURATION = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?")


class Wait(NamedTuple):
    """What everybody waits for, and how many seconds still; for the progress line."""

    reason: str
    seconds: float


class Admission:
    """The gate. ``most`` is the user's ceiling on requests in flight; ``rpm`` and ``tpm`` budgets a minute."""

    def __init__(
        self,
        most: int = 64,
        *,
        rpm: float | None = None,
        tpm: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.most, self.in_flight = max(1, most), 0
        self.window = min(FIRST_WINDOW, float(self.most))
        self.pace: float | None = None
        self._rpm, self._tpm, self._clock = rpm, tpm, clock
        self._slow_start = True
        self._pause_until, self._pause_reason = 0.0, ""
        self._next_at, self._last_refusal, self._paced_at = 0.0, clock(), clock()
        self._refusals_in_a_row, self._learn_over = 0, 0.0
        self._tokens_owed, self._owed_at, self._tokens_each = 0.0, clock(), 0.0
        self._done: deque[float] = deque(maxlen=20_000)
        self._latency: float | None = None
        self._waited: float | None = None
        self._best = float("inf")
        self._answers = 0
        self._gate, self._freed = asyncio.Lock(), asyncio.Event()

    def waiting(self) -> Wait | None:
        """What holds all workers back right now, if anything does."""
        left = self._pause_until - self._clock()
        return Wait(self._pause_reason, left) if left > 0 else None

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Wait for leave to send one request, and hold its place in flight. First come, first served."""
        async with self._gate:
            while True:
                delay = self._delay()
                if delay > 0:
                    await asyncio.sleep(delay)
                elif self.in_flight >= int(self.window):
                    self._freed.clear()
                    await self._freed.wait()
                else:
                    break
            self._leave()
        try:
            yield
        finally:
            self.in_flight -= 1
            self._freed.set()

    def answered(self, latency: float, tokens: int, headers: Mapping[str, str], computed: float = 0.0) -> None:
        """One request was answered after ``latency`` seconds; ``tokens`` in and out.

        ``computed``: seconds that this process itself computed meanwhile. They are no sign of a queue at the server;
        but it computes while the server answers, too, so what is left is no measure of the server's best time.
        """
        now = self._clock()
        self._done.append(now)
        self._answers += 1
        self._refusals_in_a_row = 0
        self._tokens_owed += tokens - self._tokens_each
        self._tokens_each += (tokens - self._tokens_each) / min(self._answers, 50)
        waited = max(0.0, latency - computed)
        self._latency = latency if self._latency is None else self._latency + (latency - self._latency) / 8
        self._waited = waited if self._waited is None else self._waited + (waited - self._waited) / 8
        if self._answers >= 4:
            self._best = min(self._best * FORGETTING, self._latency)
        if self._waited > SLOW * self._best:
            self.window = max(1.0, self.window * 0.98)
            self._slow_start = False
        elif self.in_flight >= self.window / 2:  # an idle window proves nothing
            self.window = min(float(self.most), self.window + (1.0 if self._slow_start else 1.0 / self.window))
        self._heed(headers, now)

    def refused(self, retry_after: float | None) -> None:
        """The server said that it is too much (429, 503): pause everybody, halve the window, learn the pace."""
        now = self._clock()
        if now >= self._pause_until:  # the first of a burst; the others were in flight already
            self._refusals_in_a_row += 1
            self.window = max(1.0, min(self.window, max(self.in_flight, 1)) / 2)
            self._slow_start = False
            self._learn_over = min(retry_after or 1.0, MAX_PAUSE)
            self._last_refusal = now
        wait = retry_after if retry_after is not None else 0.5 * 2 ** min(self._refusals_in_a_row, 7)
        spread = random.uniform(0.0, 0.1)  # noqa: S311 (jitter, not a secret)
        self._pause(now + min(wait, MAX_PAUSE) * (1 + spread), "the server asked to slow down")

    def failed(self) -> None:
        """A request was lost (timeout, cut connection, 5xx): fewer in flight, nobody pauses."""
        self.window = max(1.0, self.window / 2)
        self._slow_start = False

    def _learn_pace(self, now: float) -> None:
        """After a pause, when all that was in flight came back: what the server took in the time before it refused."""
        span, self._learn_over = self._learn_over, 0.0
        taken = sum(1 for at in self._done if at > self._last_refusal - span)
        rate = 0.95 * taken / span
        current = self._pace_now(now)
        if current is not None:
            self.pace = min(0.95 * current, max(0.5 * current, rate))
        elif taken >= ENOUGH:
            self.pace = rate
        self._paced_at = now

    def _pace_now(self, now: float) -> float | None:
        """The learned pace, grown since the last refusal: the longer it is quiet, the faster."""
        if self.pace is None:
            return None
        quiet = now - self._last_refusal
        elapsed = now - self._paced_at
        if elapsed >= 1.0:
            growth = min(0.1, (0.001 if quiet < 10 else 0.003) * quiet)
            self.pace *= 1 + growth * elapsed
            self._paced_at = now
        return self.pace

    def _delay(self) -> float:
        now = self._clock()
        delay = max(self._pause_until, self._next_at) - now
        if self._tpm:
            self._tokens_owed = max(0.0, self._tokens_owed - (now - self._owed_at) * self._tpm / 60)
            self._owed_at = now
            delay = max(delay, (self._tokens_owed - self._tpm / 60) * 60 / self._tpm)
        return delay

    def _leave(self) -> None:
        now = self._clock()
        if self._learn_over:
            self._learn_pace(now)
        self.in_flight += 1
        paces = [pace for pace in (self._pace_now(now), self._rpm and self._rpm / 60) if pace]
        if paces:
            self._next_at = max(now, self._next_at) + 1 / min(paces)
        self._tokens_owed += self._tokens_each

    def _pause(self, until: float, reason: str) -> None:
        if until > self._pause_until:
            self._pause_until, self._pause_reason = until, reason
        self._freed.set()

    def _heed(self, headers: Mapping[str, str], now: float) -> None:
        """The last request or token of the window was just spent: wait for the reset that the server names."""
        for what in ("requests", "tokens"):
            if headers.get(f"x-ratelimit-remaining-{what}") == "0":
                seconds = duration(headers.get(f"x-ratelimit-reset-{what}", ""))
                if seconds:
                    self._pause(now + min(seconds, MAX_PAUSE), f"the server's budget of {what} is spent")


def duration(text: str) -> float | None:
    """Seconds of ``"6m0s"``, ``"20ms"`` or ``"1.5"``; ``None`` where it is neither."""
    try:
        return max(0.0, float(text))
    except ValueError:
        match = _DURATION.fullmatch(text.strip())
        if not text.strip() or not match:
            return None
        hours, minutes, seconds, thousandths = (float(part or 0) for part in match.groups())
        return hours * 3600 + minutes * 60 + seconds + thousandths / 1000
