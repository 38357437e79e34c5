"""Prices, estimates and budgets: never 0 for what is unknown, and no call after the budget."""

import asyncio
import json
import re
from contextlib import aclosing

import pytest

from classifier.errors import SettingsError
from classifier.estimating import Estimator, cost, learn
from classifier.judges.openai import OpenAIJudge, OpenAISettings
from classifier.judges.request import request_key
from classifier.pipeline import predict
from classifier.prices import PRICES, Price, Tokens, find_price, read_prices
from classifier.prompting import Prompt
from classifier.schema import CitedWork, Status
from classifier.store import RawAnswer, Store, StoredAnswer
from tests.hostile_server import HostileServer, Reply, completion, honest
from tests.test_cli import classify
from tests.works import context_task, tasks

OPENAI = "https://api.openai.com/v1"
CENT = Price(model="m", input=10_000, output=0, as_of="2026-01-01", source="a test")


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "answers.sqlite") as opened:
        yield opened


def test_every_price_is_dated_and_sourced():
    prices = read_prices(PRICES)
    assert prices
    for price in prices:
        assert price.as_of.year >= 2025
        assert "http" in price.source
        assert price.cached_input < price.input < price.output


def test_cached_reasoning_and_batch_tokens_have_their_own_price():
    price = Price(
        model="m", input=2, cached_input=0.5, output=8, reasoning=4, batch=0.5, as_of="2026-01-01", source="x"
    )
    tokens = Tokens(prompt=1_000_000, cached=400_000, completion=1_000_000, reasoning=250_000)
    assert price.cost(tokens) == pytest.approx(0.6 * 2 + 0.4 * 0.5 + 0.75 * 8 + 0.25 * 4)
    assert price.cost(tokens, batch=True) == pytest.approx(price.cost(tokens) / 2)
    bare = price.model_copy(update={"cached_input": None, "reasoning": None})
    assert bare.cost(tokens) == pytest.approx(2 + 8)


def test_a_model_without_a_price_has_none_and_a_snapshot_has_its_models():
    assert find_price("nobody-knows", OPENAI) is None
    assert find_price("gpt-4.1", "http://127.0.0.1:1/v1") is None, "another endpoint may ask another price"
    assert find_price("gpt-4.1-2025-04-14", OPENAI) == find_price("gpt-4.1", OPENAI)


def test_the_users_table_comes_first(tmp_path):
    own = tmp_path / "own.toml"
    own.write_text('[[price]]\nmodel="gpt-4.1"\ninput=1\noutput=1\nas_of=2026-11-01\nsource="my contract"\n')
    assert find_price("gpt-4.1", OPENAI, own).source == "my contract"
    own.write_text('[[price]]\nmodel="gpt-4.1"\ninput=-1\noutput=1\nas_of=2026-11-01\nsource="x"\n')
    with pytest.raises(SettingsError, match="input"):
        find_price("gpt-4.1", OPENAI, own)


@pytest.mark.parametrize("fails", [0, 3])
def test_a_budget_is_overshot_by_no_more_than_the_calls_in_flight(store, fails):
    """Each answer costs one dollar (100 tokens): of a budget of 10 with 4 in flight at most 14 are asked."""
    seen = {}

    def script(body, n):
        prompt = body["messages"][1]["content"]
        seen[prompt] = seen.get(prompt, 0) + 1
        if seen[prompt] == 1 and n % 5 < fails:
            return Reply(completion and "no JSON at all", delay=0.02)
        return Reply(honest(body), delay=0.02)

    work = tasks(100)
    with HostileServer(script) as server:
        settings = OpenAISettings(base_url=server.url, model="m", timeout=5, concurrency=4, price=CENT, max_cost=10)
        judge = OpenAIJudge.open(settings, store)

        async def run():
            found = []
            stop = lambda: judge.usage().budget_spent  # noqa: E731
            async with aclosing(predict([t.pair for t in work], judge, concurrency=16, stop=stop)) as answers:
                async for answered in answers:
                    found.append(answered.prediction)
            await judge.aclose()
            return found

        found = asyncio.run(run())
        asked = len(server.bodies) + len(server.probes)
    assert 10 <= asked <= 14
    assert judge.usage().dollars == pytest.approx(asked), "failed tries cost too"
    assert all("budget" in p.failure for p in found if p.status is Status.FAILED)
    assert len(found) < 40


def test_a_lost_try_counts_as_its_characters_and_its_limit(store):
    with HostileServer(lambda body, n: Reply(honest(body), cut=n == 0)) as server:
        settings = OpenAISettings(base_url=server.url, model="m", timeout=5, price=CENT)
        judge = OpenAIJudge.open(settings, store)

        async def run():
            await judge.judge(tasks(1))
            await judge.aclose()

        asyncio.run(run())
    usage = judge.usage()
    assert usage.lost == 1
    assert usage.dollars > 2 + 10, "the prompt is some 1,500 tokens of one cent"


def answered_store(store, count, tokens):
    """A store of answers to works of different lengths, with the usage that ``tokens`` gives."""
    judge = OpenAIJudge.open(OpenAISettings(base_url=OPENAI, model="m"), store)
    work = [context_task("word " * (10 + 7 * (i % 40)) + f"[[hub]] {i}.", citing_id=f"w{i}") for i in range(count)]
    rows = []
    for i, task in enumerate(work):
        request = next(judge.interviewer.dialogue(task))
        sent = sum(len(m.content) for m in request.messages)
        said = {"endpoint": OPENAI, "model": "m", "messages": [m._asdict() for m in request.messages]}
        rows.append(
            StoredAnswer(
                request_key(request),
                json.dumps(said),
                RawAnswer("{}", prompt_tokens=tokens(sent, i), completion_tokens=80 + i % 50),
                "x",
            )
        )
    store.put(rows)
    return work, judge


def test_an_estimate_learned_from_the_store_is_within_a_tenth(store):
    truth = lambda sent, i: round(11 + sent / 4.63 + (i * 37 % 21) - 10)  # noqa: E731
    work, judge = answered_store(store, 120, truth)
    estimator = learn(store, OPENAI, "m")
    assert estimator.answers == 120
    characters = [sum(len(m.content) for m in judge.prompt.render(task)) for task in work]
    true = sum(truth(sent, i) for i, sent in enumerate(characters))
    found = estimator.prompt(len(work), sum(characters))
    assert found.middle == pytest.approx(true, rel=0.02)
    assert found.low < true < found.high
    assert estimator.completion(120).middle == pytest.approx(sum(80 + i % 50 for i in range(120)), rel=0.02)
    assert "learned from 120 stored answers" in estimator.how


def test_too_few_answers_teach_nothing_and_the_assumption_is_said(store):
    answered_store(store, 5, lambda sent, i: sent // 3)
    estimator = learn(store, OPENAI, "m")
    assert estimator == Estimator()
    assert estimator.how.startswith("assumed: 4 characters a token")
    middle = estimator.prompt(10, 4000)
    assert (middle.low, middle.middle, middle.high) == (750, 1000, 1250)
    assert cost(CENT, middle, middle).middle == pytest.approx(10)


def test_plan_asks_for_an_unknown_price_and_shows_a_known_one_with_its_interval(tmp_path):
    table = tmp_path / "w.jsonl"
    table.write_text('{"hub_title":"H","title":"T","context":"We follow [[H]] here."}\n', encoding="utf-8")
    env = {"OPENAI_API_KEY": "sk-x", "CLASSIFIER_STORE": str(tmp_path / "s.sqlite")}
    done = classify("plan", table, "--model", "odd-model", cwd=tmp_path, env=env, check=0)
    assert "cost: no price is known for 'odd-model'" in done.stdout
    assert "$0" not in done.stdout
    done = classify("plan", table, "--model", "gpt-4.1-mini", cwd=tmp_path, env=env, check=0)
    assert re.search(r"^cost: about \$0\.\d+ \(\$0\.\d+ to \$0\.\d+\)$", done.stdout, re.MULTILINE)
    assert "as of 2025-06-03" in done.stdout
    done = classify("run", table, "--model", "odd-model", "--max-cost", 1, cwd=tmp_path, env=env, check=2)
    assert "no price is known" in done.stderr


def test_plan_counts_the_examples_and_the_question_for_claims_and_every_judge(tmp_path):
    """What is planned on an empty store is what a server then gets, prompt by prompt."""
    table, gold = tmp_path / "w.jsonl", tmp_path / "gold.jsonl"
    hub = {"hub_id": "h", "hub_title": "H", "hub_abstract": "We show that verifying every step beats the answer."}
    works = [hub | {"title": f"T{i}", "context": f"We follow [[H]] in step {i}."} for i in range(3)]
    table.write_text("".join(json.dumps(work) + "\n" for work in works), encoding="utf-8")
    shots = [{"hub_id": "g", "citing_id": f"x{i}", "split": "dev", "role": "uses_method", "polarity": "neutral",
              "basis": "none", "text": f"They follow [[G]] in step {i}."} for i in range(4)]  # fmt: skip
    gold.write_text("".join(json.dumps(shot) + "\n" for shot in shots), encoding="utf-8")
    prices = tmp_path / "p.toml"
    one = '[[price]]\nmodel="{}"\ninput={}\noutput=0\nas_of=2026-01-01\nsource="a test"\n'
    prices.write_text(one.format("a", 1000) + one.format("b", 3000), encoding="utf-8")

    def planned(*options):
        env = {"CLASSIFIER_BASE_URL": "http://127.0.0.1:1/v1", "CLASSIFIER_STORE": str(tmp_path / "s.sqlite")}
        done = classify("plan", table, "--prices", prices, *options, cwd=tmp_path, env=env, check=0).stdout
        tokens = [int(n.replace(",", "")) for n in re.findall(r"tokens in: about ([\d,]+)", done)]
        return done, tokens, [float(n) for n in re.findall(r"cost[^:\n]*: about \$([\d.]+)", done)]

    _, (bare,), _ = planned("--model", "a", "--no-claims")
    text, (claimed,), _ = planned("--model", "a")
    assert "and 1 for the claims of hubs not asked yet" in text
    question = Prompt("v1").render_claims(CitedWork(hub_id="h", title="H", abstract=hub["hub_abstract"]))
    wanted = sum(len(m.content) for m in question) + 3 * round(0.5 * len(hub["hub_abstract"]))
    assert claimed - bare == pytest.approx(wanted / 4, abs=2)
    shown, (helped,), _ = planned("--model", "a", "--no-claims", "--examples", gold, "--shots", 2)
    assert "They follow" in shown
    assert helped > bare + 3 * 2 * 10, "two examples in each of three prompts"
    _, tokens, costs = planned("--no-claims", "--judge", "a", "--judge", "local", "--judge", "b")
    assert tokens == [bare, bare]
    assert costs == pytest.approx([bare / 1000, 3 * bare / 1000, 4 * bare / 1000], rel=0.01)
