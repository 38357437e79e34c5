"""The Batch API against a real server on loopback: nothing twice, nothing lost, whatever breaks in between."""

import json

import pytest

from classifier.batch.api import BatchClient, BatchRun
from classifier.errors import InputError, JudgeUnavailableError
from classifier.judges.openai import OpenAIJudge, OpenAISettings
from classifier.judges.request import Rung
from classifier.prices import Price
from classifier.running import spent_in_batches
from classifier.store import Store
from tests.batch_server import BatchServer
from tests.test_cli import classify, rows
from tests.works import tasks

PRICE = '[[price]]\nmodel="m"\ninput=1000\noutput=5000\nbatch=0.5\nas_of=2026-01-01\nsource="a test"\n'


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "answers.sqlite") as opened:
        yield opened


def begun(server, store, folder, count=10, **limits):
    judge = OpenAIJudge.open(OpenAISettings(base_url=server.url, model="m", offline=True), store)
    judge.assume(Rung.JSON_SCHEMA)
    run = BatchRun.create(folder, folder / "works.jsonl", {"model": "m"})
    run.write((task.pair for task in tasks(count)), judge, "0" * 64, **limits)
    return run, judge, BatchClient(server.url, "sk-test", tries=2)


def known(judge, count=10):
    return sum(p is not None for p in judge.recall(tasks(count)))


def test_submitted_answered_and_collected(store, tmp_path):
    with BatchServer(messy=True) as server:
        run, judge, client = begun(server, store, tmp_path / "run", most=4)
        assert run.submit(client) == 3
        run.refresh(client)
        assert run.collect(client, store) == []
        server.finish()
        run.refresh(client)
        collected = run.collect(client, store)
        client.close()
    assert [sum(f.counts["stored"] for f in imported) for _, imported in collected] == [4, 4, 2]
    assert known(judge) == 10
    assert not run.busy
    assert server.calls.count("upload") == server.calls.count("create") == 3
    assert run.collect(client, store) == [], "nothing is collected twice"


@pytest.mark.parametrize("lost", ["upload", "create"])
def test_a_call_whose_answer_was_lost_is_not_made_twice(store, tmp_path, lost):
    with BatchServer(drop=[lost]) as server:
        run, judge, client = begun(server, store, tmp_path / "run")
        with pytest.raises(JudgeUnavailableError):
            run.submit(client)
        again = BatchRun.open(tmp_path / "run")
        again.submit(client)
        server.finish()
        again.refresh(client)
        again.collect(client, store)
        client.close()
    assert server.calls.count(lost) == 1
    assert len(server.batches) == 1
    assert known(judge) == 10


@pytest.mark.parametrize("how", ["expired", "cancelled", "spoiled"])
def test_partial_results_are_kept_and_only_the_rest_is_asked_again(store, tmp_path, how):
    options = {"expired": {"expire_after": 6}, "cancelled": {}, "spoiled": {"spoil": 5}}[how]
    with BatchServer(**options) as server:
        run, judge, client = begun(server, store, tmp_path / "run")
        run.submit(client)
        assert run.cancel(client) == 1 if how == "cancelled" else server.finish() is None
        run.refresh(client)
        run.collect(client, store)
        there = known(judge)
        assert there == {"expired": 6, "cancelled": 1, "spoiled": 8}[how]
        server.expire_after = server.spoil = None
        assert run.write((task.pair for task in tasks(10)), judge, "0" * 64) == 10 - there
        run.submit(client)
        server.finish()
        run.refresh(client)
        run.collect(client, store)
        client.close()
    assert known(judge) == 10
    assert len(server.batches) == 2


def test_no_more_is_enqueued_than_allowed(store, tmp_path):
    with BatchServer() as server:
        run, judge, client = begun(server, store, tmp_path / "run", most=4)
        assert run.submit(client, most_tokens=1) == 1, "one part alone may be larger"
        assert run.submit(client, most_tokens=1) == 0
        for _ in range(3):
            server.finish()
            run.refresh(client)
            run.collect(client, store)
            run.submit(client, most_tokens=1)
        client.close()
    assert known(judge) == 10


def test_a_batch_that_the_queue_refused_is_started_again(store, tmp_path):
    with BatchServer(most_characters=1) as server:
        run, judge, client = begun(server, store, tmp_path / "run", most=5)
        run.submit(client)
        for _ in range(4):
            run.refresh(client)
            server.finish()
            run.refresh(client)
            run.collect(client, store)
            run.submit(client)
        client.close()
    assert known(judge) == 10
    assert server.calls.count("upload") == 2, "the file is not uploaded again"


def test_a_folder_without_batches_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="no batch run here"):
        BatchRun.open(tmp_path)


def test_the_whole_way_on_the_command_line(tmp_path):
    table = tmp_path / "works.jsonl"
    works = [{"hub_title": "A step-wise verifier", "citing_id": f"w{i}", "title": f"T{i}",
              "context": f"Work {i} follows the verifier of [[hub]] closely."} for i in range(6)]  # fmt: skip
    table.write_text("".join(json.dumps(work) + "\n" for work in works), encoding="utf-8")
    with BatchServer(expire_after=4) as server:
        env = {"CLASSIFIER_STORE": str(tmp_path / "s.sqlite"), "OPENAI_API_KEY": "sk-secret-0"}
        (tmp_path / "prices.toml").write_text(PRICE)
        options = ["--model", "m", "--base-url", server.url, "--out", "run"]
        classify("batch", "submit", table, *options, cwd=tmp_path, env=env, check=0)
        assert "in_progress" in classify("batch", "status", "run", cwd=tmp_path, env=env, check=0).stdout
        classify("batch", "collect", "run", cwd=tmp_path, env=env, check=3)
        server.finish()
        first = classify("batch", "collect", "run", cwd=tmp_path, env=env, check=0)
        assert "expired; " in first.stdout
        assert "4 stored" in first.stdout
        server.expire_after = None
        classify("batch", "submit", "run", cwd=tmp_path, env=env, check=0)
        server.finish()
        last = classify("batch", "collect", "run", "--prices", "prices.toml", cwd=tmp_path, env=env, check=0)
        assert "spent: not known, no price for m (4 answers, tokens in 400, out 80)" in first.stdout
        assert "spent: not known" in last.stdout, "the first part was collected without a price"
        done = classify("run", table, *options, "--offline", cwd=tmp_path, env=env, check=0)
    assert [row["status"] for row in rows(tmp_path / "run")] == ["labelled"] * 6
    assert "sk-secret" not in (tmp_path / "run" / "batch.json").read_text(encoding="utf-8") + done.stdout


@pytest.mark.parametrize(("share", "dollars"), [(0.5, 1.0), (None, 2.0)])
def test_the_money_of_all_answers_is_added_up_at_the_price_of_batches(store, tmp_path, share, dollars):
    """An answer takes 100 tokens in and 20 out: at a dollar for 1,000 and 5 for 1,000 that is 20 cents."""
    price = Price(model="m", input=1000, output=5000, batch=share, as_of="2026-01-01", source="a test")
    with BatchServer(messy=True) as server:
        run, _, client = begun(server, store, tmp_path / "run", most=4)
        run.submit(client)
        server.finish()
        run.refresh(client)
        run.collect(client, store, price)
        client.close()
    spent = BatchRun.open(tmp_path / "run").state.spent
    assert (spent.answers, spent.tokens.prompt, spent.tokens.completion) == (10, 1000, 200), "repeated lines count once"
    assert spent.dollars == pytest.approx(dollars)
    assert [part.spent.dollars for part in run.state.parts] == pytest.approx([dollars * n / 10 for n in (4, 4, 2)])
    assert spent_in_batches(tmp_path / "run")["dollars"] == pytest.approx(dollars)


def test_what_batches_cost_stands_in_the_manifest_of_the_run_that_uses_them(tmp_path):
    table = tmp_path / "works.jsonl"
    work = {"hub_title": "A step-wise verifier", "title": "T", "context": "We follow the verifier of [[hub]] closely."}
    table.write_text(json.dumps(work) + "\n", encoding="utf-8")
    (tmp_path / "p.toml").write_text(PRICE)
    with BatchServer() as server:
        env = {"CLASSIFIER_STORE": str(tmp_path / "s.sqlite"), "CLASSIFIER_PRICES": str(tmp_path / "p.toml")}
        options = ["--model", "m", "--base-url", server.url, "--out", "run"]
        classify("batch", "submit", table, *options, cwd=tmp_path, env=env, check=0)
        server.finish()
        collected = classify("batch", "collect", "run", cwd=tmp_path, env=env, check=0)
        done = classify("run", table, *options, "--no-claims", "--offline", cwd=tmp_path, env=env, check=0)
    said = "spent: $0.1000 in all batches of this run (1 answers, tokens in 100, out 20; 0.5 of the price)"
    assert said in collected.stdout
    assert "spent before, in batches: $0.1000 for 1 answers" in done.stdout
    manifest = json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))
    assert manifest["batches"]["dollars"] == pytest.approx(0.1)
    assert manifest["usage"]["requests"] == 0
