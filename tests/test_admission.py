"""The gate, on a clock that the test turns."""

import asyncio

import pytest

from classifier.judges.admission import MAX_PAUSE, Admission, duration


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def fill(gate, count):
    """Let ``count`` requests leave without finishing; how many could within a moment."""

    async def run():
        held = []

        async def one():
            async with gate.slot():
                held.append(1)
                await asyncio.sleep(3600)

        workers = [asyncio.create_task(one()) for _ in range(count)]
        await asyncio.sleep(0.02)
        left = len(held)
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
        return left

    return asyncio.run(run())


def answer(gate, times, latency=0.1, headers=None, computed=0.0):
    for _ in range(times):
        gate.in_flight = int(gate.window)
        gate.answered(latency, 100, headers or {}, computed)
    gate.in_flight = 0


def test_the_window_opens_fast_and_never_beyond_the_ceiling():
    gate = Admission(32, clock=Clock())
    assert fill(gate, 50) == 8
    answer(gate, 100)
    assert gate.window == 32
    assert fill(gate, 50) == 32


def test_a_refusal_halves_the_window_once_and_pauses_everybody():
    clock = Clock()
    gate = Admission(64, clock=clock)
    answer(gate, 56)
    gate.in_flight = 64
    for _ in range(20):
        gate.refused(3.0)
    assert gate.window == 32
    wait = gate.waiting()
    assert wait.reason == "the server asked to slow down"
    assert 3.0 <= wait.seconds <= 3.4
    clock.now += 4
    assert gate.waiting() is None


@pytest.mark.parametrize("asked", [3600.0, float("inf")])
def test_a_long_retry_after_is_capped(asked):
    gate = Admission(clock=Clock())
    gate.refused(asked)
    assert gate.waiting().seconds <= MAX_PAUSE * 1.1


def test_refusals_without_a_time_wait_longer_each_time():
    clock = Clock()
    gate = Admission(clock=clock)
    waits = []
    for _ in range(4):
        gate.refused(None)
        waits.append(gate.waiting().seconds)
        clock.now += 200
    assert waits == sorted(waits)
    assert waits[0] < 2 < waits[3]


def test_a_server_that_queues_gets_fewer_at_once():
    gate = Admission(64, clock=Clock())
    answer(gate, 10, latency=0.1)
    opened = gate.window
    answer(gate, 100, latency=2.0)
    assert gate.window < opened / 2


def test_a_program_that_computes_all_the_time_takes_its_own_work_for_no_queue():
    """64 in flight on a busy core: all of the latency is spent computing. Then the core is free again."""
    gate = Admission(64, clock=Clock())
    answer(gate, 200, latency=0.15, computed=0.15)
    assert gate.window == 64
    answer(gate, 400, latency=0.055, computed=0.004)
    assert gate.window == 64
    answer(gate, 100, latency=2.0, computed=0.004)
    assert gate.window < 32, "a queue at the server is still seen"


def test_the_rate_is_learned_after_the_pause_and_grows_again():
    clock = Clock()
    gate = Admission(64, clock=clock)
    for _ in range(50):
        clock.now += 0.02
        answer(gate, 1)
    gate.refused(1.0)
    clock.now += 1.2
    fill(gate, 1)
    assert gate.pace == pytest.approx(47.5, rel=0.05)
    learned = gate.pace
    clock.now += 30
    fill(gate, 1)
    assert gate.pace > learned


def test_a_chance_refusal_teaches_no_rate():
    clock = Clock()
    gate = Admission(64, clock=clock)
    answer(gate, 3)
    gate.refused(1.0)
    clock.now += 2
    fill(gate, 1)
    assert gate.pace is None


def test_spent_budgets_in_the_headers_pause_until_their_reset():
    gate = Admission(clock=Clock())
    answer(gate, 1, headers={"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "1m30s"})
    wait = gate.waiting()
    assert wait.reason == "the server's budget of tokens is spent"
    assert wait.seconds == MAX_PAUSE
    gate = Admission(clock=Clock())
    answer(gate, 1, headers={"x-ratelimit-remaining-requests": "7", "x-ratelimit-reset-requests": "9s"})
    assert gate.waiting() is None


def test_requests_and_tokens_a_minute_are_kept():
    clock = Clock()
    gate = Admission(64, rpm=60, clock=clock)
    assert fill(gate, 5) == 1, "one a second"
    gate = Admission(64, tpm=6000, clock=clock)
    gate.answered(0.1, 6000, {})
    assert gate._delay() == pytest.approx(59.0, abs=1.5)
    clock.now += 60
    assert gate._delay() <= 0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1s", 1), ("6m0s", 360), ("20ms", 0.02), ("1h2m3s", 3723), ("1.5", 1.5), ("", None), ("soon", None), ("-3", 0)],
)
def test_durations(text, seconds):
    assert duration(text) == seconds
