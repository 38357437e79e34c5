"""The judge against a real server on loopback that does everything wrong. No answer is lost, none is invented."""

import asyncio
import email.utils
import json
import time
import warnings

import pytest

from classifier.errors import JudgeRejectedError, JudgeUnavailableError
from classifier.judges.openai import OpenAIJudge, OpenAISettings
from classifier.judges.request import Rung
from classifier.judges.transport import retry_after
from classifier.schema import Polarity, Status
from classifier.store import Store
from tests.hostile_server import HostileServer, Reply, answer_json, completion, error, honest
from tests.works import context_task, tasks


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "answers.sqlite") as opened:
        yield opened


def ask(server, store, work, **changes):
    """Judge the tasks once; the predictions and the judge."""
    settings = OpenAISettings(**{"base_url": server.url, "model": "m", "timeout": 5.0, "tries": 4} | changes)
    judge = OpenAIJudge.open(settings, store)

    async def run():
        try:
            return await judge.judge(work)
        finally:
            await judge.aclose()

    return asyncio.run(run()), judge


def statuses(predictions):
    return [p.status for p in predictions]


def first_then(*replies):
    """The given replies in turn, then honest ones."""
    return lambda body, n: replies[n](body) if n < len(replies) else Reply(honest(body))


def test_an_honest_server_is_asked_once_a_work_and_never_again(store):
    with HostileServer() as server:
        first, judge = ask(server, store, tasks(20))
        again, second = ask(server, store, tasks(20))
        offline, third = ask(server, store, tasks(20), offline=True)
    assert statuses(first) == [Status.LABELLED] * 20
    assert first == again == offline == second.recall(tasks(20))
    assert (len(server.bodies), len(server.probes)) == (20, 1)
    assert judge.usage().requests == 21
    assert second.usage().requests == third.usage().requests == 0
    assert judge.card().model_served == "served-model"


def test_one_more_work_costs_one_request(store):
    with HostileServer() as server:
        ask(server, store, tasks(5))
        _, judge = ask(server, store, tasks(6))
    assert judge.usage().requests == 1


def test_the_same_request_in_flight_twice_is_asked_once(store):
    with HostileServer(lambda body, n: Reply(honest(body), delay=0.1)) as server:
        predictions, _ = ask(server, store, [context_task("We follow [[hub]] closely.")] * 7)
    assert len(server.bodies) == 1
    assert statuses(predictions) == [Status.LABELLED] * 7


def test_429_with_retry_after_pauses_everybody(store):
    def script(body, n):
        return error(429, "slow down", {"retry-after": "0.4"}) if n == 2 else Reply(honest(body))

    with HostileServer(script) as server:
        predictions, judge = ask(server, store, tasks(30))
    assert statuses(predictions) == [Status.LABELLED] * 30
    refused_at = server.times[2]
    quiet = [t - refused_at for t in server.times if 0.05 < t - refused_at < 0.39]
    assert quiet == [], "a worker asked during the pause that another was told to make"
    assert judge.usage().retries >= 1


def test_429_without_retry_after_is_asked_again(store):
    with HostileServer(first_then(lambda _: error(429), lambda _: error(429))) as server:
        predictions, judge = ask(server, store, tasks(3))
    assert statuses(predictions) == [Status.LABELLED] * 3
    assert judge.usage().retries == 2


def test_a_storm_of_429_loses_nothing_and_settles_to_the_servers_rate(store):
    admitted = []

    def script(body, n):
        now = time.monotonic()
        if sum(1 for at in admitted if at > now - 1) >= 50:
            return error(429, "slow down", {"retry-after": "1"})
        admitted.append(now)
        return Reply(honest(body), delay=0.05)

    with HostileServer(script) as server:
        started = time.monotonic()
        predictions, judge = ask(server, store, tasks(150))
        took = time.monotonic() - started
    assert statuses(predictions) == [Status.LABELLED] * 150
    rejected = judge.usage().retries
    assert rejected <= 40, f"{rejected} of {len(server.bodies)} requests were refused"
    assert took < 15


@pytest.mark.parametrize("status", [500, 502, 503, 408])
def test_server_trouble_is_asked_again(store, status):
    with HostileServer(first_then(lambda _: error(status))) as server:
        predictions, judge = ask(server, store, tasks(1))
    assert statuses(predictions) == [Status.LABELLED]
    assert judge.usage().retries == 1


@pytest.mark.parametrize(
    "reply",
    [
        Reply("x", cut=True),
        Reply(body=b"<html>bad gateway</html>"),
        Reply(body=b'{"choices": [{"mess'),
        Reply(body=b"[]"),
        Reply(body={"choices": []}),
        Reply(body={"error": "model crashed"}),
        Reply(body=b"\xff\xfe\x00"),
    ],
    ids=["cut", "html", "half", "list", "no choice", "error in 200", "bytes"],
)
def test_a_reply_that_is_no_completion_is_asked_again(store, reply):
    with HostileServer(first_then(lambda _: reply)) as server:
        predictions, judge = ask(server, store, tasks(1))
    assert statuses(predictions) == [Status.LABELLED]
    assert judge.usage().retries == 1


def test_a_body_with_half_a_surrogate_can_be_stored(store):
    body = json.dumps(completion("x")).replace('"x"', '"\\ud800 x"').encode()
    with HostileServer(first_then(lambda _: Reply(body=body))) as server:
        predictions, _ = ask(server, store, tasks(1))
    assert statuses(predictions) == [Status.LABELLED]
    assert any("\ufffd x" in row.answer.content for row in store.rows())


def test_what_never_recovers_is_a_failed_prediction_and_never_cached(store):
    def script(body, n):
        return error(500, "kaput") if "number 1 " in str(body) else Reply(honest(body))

    with HostileServer(script) as server:
        predictions, _ = ask(server, store, tasks(3), tries=2)
        assert statuses(predictions) == [Status.LABELLED, Status.FAILED, Status.LABELLED]
        assert "HTTP 500: kaput" in predictions[1].failure.replace("Error code: 500 - ", "")
        server.script = lambda body, n: Reply(honest(body))
        predictions, judge = ask(server, store, tasks(3))
    assert statuses(predictions) == [Status.LABELLED] * 3
    assert judge.usage().requests == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_a_permanent_refusal_stops_the_run(store, status):
    with HostileServer(lambda body, n: error(status, "never")) as server:
        with pytest.raises(JudgeRejectedError, match=f"HTTP {status}.*never") as caught:
            ask(server, store, tasks(1))
        assert len(server.bodies) == 1
    assert caught.value.status == status


def test_a_spent_quota_is_permanent_although_it_is_a_429(store):
    reply = error(429, "You exceeded your current quota", code="insufficient_quota")
    with HostileServer(lambda body, n: reply) as server, pytest.raises(JudgeRejectedError, match="quota is spent"):
        ask(server, store, tasks(1))


def test_a_text_that_is_too_long_for_the_model_fails_alone(store):
    def script(body, n):
        long = "number 0 " in str(body)
        return error(400, "exceeds the available context size", type="x") if long else Reply(honest(body))

    with HostileServer(script) as server:
        predictions, _ = ask(server, store, tasks(2))
    assert statuses(predictions) == [Status.FAILED, Status.LABELLED]
    assert "too long for the model" in predictions[0].failure


def test_nobody_there_is_one_clear_error(store):
    with HostileServer() as server:
        url = server.url
    settings = OpenAISettings(base_url=url, model="m", tries=1)
    judge = OpenAIJudge.open(settings, store)

    async def run():
        try:
            await judge.judge(tasks(1))
        finally:
            await judge.aclose()

    with pytest.raises(JudgeUnavailableError, match="no connection"):
        asyncio.run(run())


def test_a_server_that_dies_for_good_ends_the_run(store, monkeypatch):
    monkeypatch.setattr("classifier.judges.openai.MAX_LOST_IN_A_ROW", 3)
    with HostileServer(lambda body, n: error(500)) as server, pytest.raises(JudgeUnavailableError):
        ask(server, store, tasks(5), tries=1)


def test_a_slow_drip_runs_into_the_timeout(store):
    with HostileServer(first_then(lambda body: Reply(honest(body), drip=0.05))) as server:
        predictions, judge = ask(server, store, tasks(1), timeout=0.6)
    assert statuses(predictions) == [Status.LABELLED]
    assert judge.usage().retries == 1


def test_endless_white_space_is_stopped(store):
    flood = Reply(body=b'{"choices":' + b" " * 9_000_000 + b"[]}")
    with HostileServer(first_then(lambda _: flood)) as server:
        predictions, judge = ask(server, store, tasks(1))
    assert statuses(predictions) == [Status.LABELLED]
    assert judge.usage().retries == 1


ODD_BUT_FINE = {
    "fenced": lambda a: f"```json\n{a}\n```",
    "prose": lambda a: f"Sure! Here is the label you asked for:\n\n{a}\n\nI hope that helps {{:",
    "thinking": lambda a: f'<think>maybe {{"role": "extends"}}</think>{a}',
    "white space": lambda a: a + " \n" * 2000,
    "capitals": lambda a: a.replace('"background"', '"Background"'),
    "null list": lambda a: a.replace("[]", "null"),
    "half a surrogate": lambda a: a.replace("names the hub", "names \\ud800 the hub"),
    "extra key": lambda a: a[:-1] + ', "note": "x"}',
}


@pytest.mark.parametrize("dress", ODD_BUT_FINE.values(), ids=ODD_BUT_FINE)
def test_an_odd_form_of_a_good_answer_is_read_at_once(store, dress):
    with HostileServer(lambda body, n: Reply(dress(honest(body)))) as server:
        predictions, judge = ask(server, store, tasks(1))
    assert statuses(predictions) == [Status.LABELLED]
    assert judge.usage().requests == 2  # the probe and the one


BAD_FIRST = {
    "invented role": lambda body: answer_json(role="critique", evidence="Work number 0"),
    "invented polarity": lambda body: answer_json(polarity="positive", evidence="Work number 0"),
    "stance without basis": lambda body: answer_json(polarity="supporting", evidence="Work number 0"),
    "confidence in per cent": lambda body: answer_json(confidence=85, evidence="Work number 0"),
    "invented evidence": lambda body: answer_json(evidence="the verifier is magnificent"),
    "no evidence": lambda body: answer_json(),
    "empty": lambda body: "",
    "prose": lambda body: "I would say it is background.",
    "half": lambda body: honest(body)[:40],
    "two that disagree": lambda body: honest(body) + honest(body).replace("background", "extends"),
    "loop": lambda body: "{" * 5000,
}


@pytest.mark.parametrize("bad", BAD_FIRST.values(), ids=BAD_FIRST)
def test_a_bad_answer_is_asked_again_with_the_reason(store, bad):
    with HostileServer(first_then(lambda body: Reply(bad(body)))) as server:
        predictions, judge = ask(server, store, tasks(1))
        assert statuses(predictions) == [Status.LABELLED]
        assert len(server.bodies) == 2
        again = server.bodies[1]["messages"]
        assert [m["role"] for m in again] == ["system", "user", "assistant", "user"]
        assert "cannot be used" in again[-1]["content"]
        assert judge.usage().retries == 0, "asking again is not a transport retry"
        offline, _ = ask(server, store, tasks(1), offline=True)
    assert offline == predictions


def test_an_answer_that_stays_bad_is_a_failed_prediction_and_repeats_offline(store):
    with HostileServer(lambda body, n: Reply(answer_json(role="critique"))) as server:
        predictions, _ = ask(server, store, tasks(1))
        assert len(server.bodies) == 4
        again, judge = ask(server, store, tasks(1))
    assert statuses(predictions) == [Status.FAILED]
    assert "critique" in predictions[0].failure
    assert again == predictions
    assert judge.usage().requests == 0


def test_evidence_that_stays_invented_is_held_back_with_the_label_kept(store):
    lie = answer_json(polarity="supporting", basis="assessment", evidence="the verifier is magnificent")
    with HostileServer(lambda body, n: Reply(lie)) as server:
        predictions, _ = ask(server, store, tasks(1))
        assert len(server.bodies) == 2, "asked again once"
    (prediction,) = predictions
    assert prediction.status is Status.ABSTAINED
    assert prediction.label.polarity is Polarity.SUPPORTING
    assert prediction.label.evidence is None
    assert prediction.needs_review
    assert "does not stand in the text" in prediction.failure


def test_a_truncated_answer_is_asked_again_with_twice_the_room(store):
    def script(body, n):
        cut = body["max_tokens"] < 200
        return Reply(honest(body)[:30] if cut else honest(body), finish="length" if cut else "stop")

    with HostileServer(script) as server:
        predictions, _ = ask(server, store, tasks(1), max_tokens=100)
        assert [b["max_tokens"] for b in server.bodies] == [100, 200]
        again, judge = ask(server, store, tasks(1), max_tokens=100)
    assert statuses(predictions) == [Status.LABELLED]
    assert again == predictions
    assert judge.usage().requests == 0


def test_a_higher_limit_asks_only_the_truncated_again(store):
    def script(body, n):
        cut = "number 1 " in str(body) and body["max_tokens"] < 1000
        return Reply(honest(body)[:30] if cut else honest(body), finish="length" if cut else "stop")

    with HostileServer(script) as server:
        predictions, _ = ask(server, store, tasks(4), max_tokens=100, max_answer_retries=0)
        assert statuses(predictions)[1] is Status.FAILED
        assert "limit of 200 tokens" in predictions[1].failure
        _, same = ask(server, store, tasks(4), max_tokens=100, max_answer_retries=0)
        assert same.usage().requests == 0
        predictions, judge = ask(server, store, tasks(4), max_tokens=1000, max_answer_retries=0)
        assert judge.usage().requests == 1
        predictions, lower = ask(server, store, tasks(4), max_tokens=5, max_answer_retries=0)
    assert lower.usage().requests >= 4, "20 tokens were not said within a limit of 10"


def test_a_cut_answer_that_is_whole_counts(store):
    with HostileServer(lambda body, n: Reply(honest(body) + "\n" * 50, finish="length")) as server:
        predictions, _ = ask(server, store, tasks(1))
        assert len(server.bodies) == 1
    assert statuses(predictions) == [Status.LABELLED]


def test_refusals_and_filters_are_failures_that_say_so(store):
    def script(body, n):
        if "number 0 " in str(body):
            return Reply(None, refusal="I cannot help with that")
        if "number 1 " in str(body):
            return Reply("", finish="content_filter")
        return error(400, "blocked by content management policy", code="content_filter")

    with HostileServer(script) as server:
        predictions, _ = ask(server, store, tasks(3))
    assert statuses(predictions) == [Status.FAILED] * 3
    assert all(p.failure.startswith("AnswerRefusedError") for p in predictions)


# -- the probe ---------------------------------------------------------------------------------------------------


def by_form(**replies):
    def answer(body, n):
        form = body.get("response_format", {}).get("type", "text")
        return replies[form](body) if form in replies else Reply("JSON is one of several formats for data.")

    return answer


@pytest.mark.parametrize(
    ("on_probe", "rung", "probes"),
    [
        (by_form(json_schema=lambda b: Reply(answer_json())), Rung.JSON_SCHEMA, 1),
        (by_form(json_schema=lambda b: Reply(answer_json(role="celebration")),
                 json_object=lambda b: Reply("{}")), Rung.JSON_OBJECT, 2),
        (by_form(json_schema=lambda b: error(400, "response_format json_schema is not supported"),
                 json_object=lambda b: Reply("{}")), Rung.JSON_OBJECT, 3),
        (by_form(json_schema=lambda b: error(500, "grammar"),
                 json_object=lambda b: error(400, "'response_format.type' must be 'json_schema' or 'text'")),
         Rung.TEXT, None),
        (by_form(json_schema=lambda b: Reply("hello")), Rung.TEXT, 3),
    ],
    ids=["enforced", "accepted only", "refused", "broken", "ignored"],
)  # fmt: skip
def test_the_probe_finds_the_best_form_that_is_enforced(store, on_probe, rung, probes):
    with HostileServer(on_probe=on_probe) as server:
        predictions, judge = ask(server, store, tasks(2), tries=1)
        assert statuses(predictions) == [Status.LABELLED] * 2
        assert judge.card().parameters["structured_output"] == rung.value
        assert probes is None or len(server.probes) == probes
        forms = {b.get("response_format", {}).get("type", "text") for b in server.bodies}
        assert forms == {rung.value}
        _, second = ask(server, store, tasks(3), tries=1)
    assert second.usage().requests == 1, "what the probe found is remembered"


def test_lengths_are_sent_only_where_they_are_taken(store):
    def picky(body, n):
        return error(400, "'maxLength' is not permitted") if "maxLength" in str(body) else Reply(answer_json())

    with HostileServer(on_probe=picky) as server:
        _, judge = ask(server, store, tasks(1))
        assert "maxLength" not in str(server.bodies)
    assert judge.card().parameters["structured_output"] == "json_schema"
    assert not judge.card().parameters["lengths_bounded"]


def test_parameters_that_are_refused_are_dropped_and_remembered(store):
    def reasoning_model(body, n):
        if "max_tokens" in body:
            return error(400, "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.")
        for name in ("temperature", "seed"):
            if name in body:
                return error(400, f"Unsupported value: '{name}'", param=name)
        return Reply(answer_json() if n is not None else "")

    with HostileServer(on_probe=reasoning_model) as server:
        predictions, judge = ask(server, store, tasks(1))
        (body,) = server.bodies
    assert statuses(predictions) == [Status.LABELLED]
    assert not {"max_tokens", "temperature", "seed"} & body.keys()
    assert body["max_completion_tokens"] == 1024
    card = judge.card()
    assert card.parameters["temperature"] is None
    assert card.parameters["token_field"] == "max_completion_tokens"  # noqa: S105 (a parameter's name)


@pytest.mark.parametrize("status", [401, 403, 404])
def test_the_probe_stops_at_a_missing_key_or_model(store, status):
    with (
        HostileServer(on_probe=lambda b, n: error(status)) as server,
        pytest.raises(JudgeRejectedError, match=str(status)),
    ):
        ask(server, store, tasks(1))
    assert len(server.probes) == 1


# -- keys, waits, ends -------------------------------------------------------------------------------------------


def test_the_key_goes_to_the_server_and_nowhere_else(store, tmp_path):
    with HostileServer() as server:
        _, judge = ask(server, store, tasks(1), api_key="sk-very-secret")
        assert "Bearer sk-very-secret" in server.headers[0]
    for file in tmp_path.iterdir():
        assert b"very-secret" not in file.read_bytes()
    assert "very-secret" not in f"{judge.card()!r}{judge.settings!r}"


def test_retry_after_is_read_in_every_form():
    now = 1_700_000_000.0
    date = email.utils.formatdate(now + 7, usegmt=True)
    assert retry_after({"retry-after": "3"}) == 3
    assert retry_after({"retry-after-ms": "250", "retry-after": "3"}) == 0.25
    assert retry_after({"retry-after": date}, now) == 7
    assert retry_after({"retry-after": "-1"}) == 0
    assert retry_after({"retry-after": "soon"}) is None
    assert retry_after({}) is None


def test_a_cancelled_worker_loses_nothing_that_is_on_the_wire(store):
    with HostileServer(lambda body, n: Reply(honest(body), delay=0.4)) as server:

        async def run():
            judge = OpenAIJudge.open(OpenAISettings(base_url=server.url, model="m"), store)
            work = asyncio.create_task(judge.judge(tasks(4)))
            while len(server.bodies) < 4:
                await asyncio.sleep(0.01)
            work.cancel()
            with pytest.raises(asyncio.CancelledError):
                await work
            await judge.aclose()

        asyncio.run(run())
        _, judge = ask(server, store, tasks(4))
    assert judge.usage().requests == 0


def test_no_warning_of_a_resource_left_open(store):
    with warnings.catch_warnings(), HostileServer() as server:
        warnings.simplefilter("error")
        ask(server, store, tasks(2))
