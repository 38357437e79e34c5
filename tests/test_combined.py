"""Several samples of one model, and the cascade from the local judge to a model."""

import asyncio

import pytest

from classifier.evidence import prepare
from classifier.judges.base import PASSED_ON
from classifier.judges.combined import CascadeJudge, elect, sampled
from classifier.judges.openai import OpenAIJudge, OpenAISettings
from classifier.schema import Basis, Label, Polarity, Prediction, Role, Status
from classifier.store import Store
from tests.fakes import RuleJudge
from tests.hostile_server import HostileServer, Reply, answer_json, honest, quoted
from tests.works import tasks


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "answers.sqlite") as opened:
        yield opened


def asked(judge, work):
    async def run():
        try:
            return await judge.judge(work)
        finally:
            await judge.aclose()

    return asyncio.run(run())


def by_seed(body, n):
    """Of seeds 1 to 3 two say compares, one says extends."""
    role = "extends" if body["seed"] == 1 else "compares"
    return Reply(answer_json(role=role, evidence=quoted(body)))


def test_the_majority_decides_and_the_shares_are_told(store):
    with HostileServer(by_seed) as server:
        settings = OpenAISettings(base_url=server.url, model="m", temperature=0.0, seed=1, timeout=5)
        judge = sampled(OpenAIJudge.open(settings, store), 3)
        (found,) = asked(judge, tasks(1))
        assert found.label.role is Role.COMPARES
        assert found.probabilities["role"] == pytest.approx({"compares": 2 / 3, "extends": 1 / 3})
        assert found.label.confidence == pytest.approx(2 / 3)
        assert sorted(body["seed"] for body in server.bodies) == [1, 2, 3]
        assert {body["temperature"] for body in server.bodies} == {0.7}
        assert len(server.probes) == 1
        again = sampled(OpenAIJudge.open(settings, store), 3)
        assert again.recall(tasks(1)) == [found]
        assert sampled(OpenAIJudge.open(settings, store), 5).recall(tasks(1)) == [None]
        asked(sampled(OpenAIJudge.open(settings, store), 5), tasks(1))
        assert len(server.bodies) == 5, "two more samples are two more requests"


def vote(role, status=Status.LABELLED):
    label = Label(role=role, polarity=Polarity.NEUTRAL, basis=Basis.NONE, confidence=0.9)
    failure = None if status is Status.LABELLED else "it failed"
    return Prediction(hub_id="h", citing_id="w", status=status, judge="openai", model="m", failure=failure,
                      label=None if status is Status.FAILED else label, evidence_source="context")  # fmt: skip


def test_a_tie_goes_to_the_earlier_sample_and_asks_for_a_review():
    found = elect([vote(Role.EXTENDS), vote(Role.COMPARES)])
    assert (found.label.role, found.needs_review) == (Role.EXTENDS, True)


def test_failed_samples_lower_the_confidence_and_never_win():
    failed = vote(Role.BACKGROUND, Status.FAILED)
    found = elect([failed, vote(Role.COMPARES), vote(Role.COMPARES)])
    assert found.label.confidence == pytest.approx(2 / 3)
    assert elect([failed, failed]).status is Status.FAILED


def test_the_cascade_asks_only_for_what_is_unsure(store):
    work = tasks(6)
    local = RuleJudge(fails={"w1"})
    with HostileServer(lambda body, n: Reply(honest(body))) as server:
        model = OpenAIJudge.open(OpenAISettings(base_url=server.url, model="m", timeout=5), store)
        judge = CascadeJudge(local, model, below=0.4)
        found = asked(judge, work)
    assert [p.judge for p in found] == ["fake", "openai", "fake", "fake", "fake", "fake"]
    assert len(server.bodies) == 1
    assert judge.card().parameters["cascade"] == {"below": 0.4, "kept_local": 5, "passed_on": 1, "saved": 0.8333}
    assert local.closed


def test_where_the_model_gives_no_label_the_local_one_stands(store):
    with HostileServer(lambda body, n: Reply("no")) as server:
        model = OpenAIJudge.open(OpenAISettings(base_url=server.url, model="m", timeout=5), store)
        (found,) = asked(CascadeJudge(RuleJudge(), model, below=0.6), [prepare(tasks(1)[0].pair)])
    assert found.judge == "fake"
    assert (found.needs_review, found.review_reason) == (True, PASSED_ON)
