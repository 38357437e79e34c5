"""File mode: requests out, answers of anyone in, the same keys as online."""

import json

import pytest

from classifier.batch.files import import_responses, manifest_path, open_requests, write_requests
from classifier.batch.lines import custom_id, read_request, request_line
from classifier.errors import InputError, SettingsError
from classifier.judges.openai import OpenAIJudge, OpenAISettings
from classifier.judges.request import Rung, request_key
from classifier.prompting import Message
from classifier.schema import Status
from classifier.store import Store
from tests.hostile_server import HostileServer, Reply, answer_json, completion, honest
from tests.test_cli import classify, rows
from tests.works import tasks

FILE = {"base_url": "file:somebody", "model": "m", "offline": True}


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "answers.sqlite") as opened:
        yield opened


def opened(store, rung=Rung.JSON_SCHEMA, **changes):
    judge = OpenAIJudge.open(OpenAISettings(**FILE | changes), store)
    judge.assume(rung)
    return judge


def exported(store, path, count=10, **changes):
    judge = opened(store, **changes)
    requests = list(open_requests([task.pair for task in tasks(count)], judge))
    parts = write_requests(requests, path)
    manifest = {"endpoint": judge.settings.endpoint, "model": "m", "prompt": "v1", "input": "x", "input_sha256": "x",
                "works": count, "answered": 0, "parts": [part.model_dump() for part in parts]}  # fmt: skip
    manifest_path(path).write_text(json.dumps(manifest), encoding="utf-8")
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def batch_line(record, content=None, **more):
    body = completion(honest(record["body"]) if content is None else content, **more)
    return {"id": "b", "custom_id": record["custom_id"], "response": {"status_code": 200, "body": body}, "error": None}


def write(path, records):
    path.write_text("".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in records), encoding="utf-8")
    return path


@pytest.mark.parametrize("rung", list(Rung))
def test_a_request_line_is_read_back_as_the_request_it_was(store, rung):
    judge = opened(store, rung, sample=3, temperature=None, seed=7)
    (request,) = open_requests([tasks(1)[0].pair], judge)
    again = read_request(request_line(request), request.endpoint)
    assert request_key(again) == request_key(request)
    assert (again.max_tokens, again.messages, again.sample) == (request.max_tokens, request.messages, 3)


def test_a_request_with_a_lone_surrogate_survives_the_file(store, tmp_path):
    (request,) = open_requests([tasks(1)[0].pair], opened(store))
    request = request._replace(messages=(*request.messages, Message("user", "odd \ud800 text")))
    write_requests([request], tmp_path / "r.jsonl")
    line = (tmp_path / "r.jsonl").read_text(encoding="utf-8")
    assert request_key(read_request(line, request.endpoint)) == request_key(request)


def test_a_changed_request_line_is_refused(store, tmp_path):
    (record,) = exported(store, tmp_path / "r.jsonl", 1)
    path = tmp_path / "r.jsonl"
    path.write_text(path.read_text(encoding="utf-8").replace("every step", "no step"), encoding="utf-8")
    with pytest.raises(InputError, match="was changed"):
        import_responses(path, write(tmp_path / "a.jsonl", [batch_line(record)]), store)


def test_answers_in_any_order_repeated_or_broken_are_each_taken_once(store, tmp_path):
    records = exported(store, tmp_path / "r.jsonl", 10)
    answers = [batch_line(record) for record in records[:6]]
    answers += [answers[0], answers[3]]
    answers += [
        {"custom_id": records[6]["custom_id"], "response": None, "error": {"code": "batch_expired", "message": "late"}},
        {"custom_id": records[7]["custom_id"], "response": {"status_code": 429, "body": {"error": {"message": "no"}}}},
        {"custom_id": "nobody-0", "content": "{}"},
        "{broken",
        "[1]",
        batch_line(records[8], "I would rather not."),
    ]
    answers = answers[::-2] + answers[-2::-2]
    found = import_responses(tmp_path / "r.jsonl", write(tmp_path / "a.jsonl", answers), store)
    assert found.counts == {
        "stored": 7, "usable": 6, "unusable": 1, "repeated": 2, "failed": 2, "unknown": 1, "unreadable": 2, "known": 0
    }  # fmt: skip
    assert (found.requests, found.open) == (10, 3)
    assert any("batch_expired late" in problem.what for problem in found.problems)
    again = import_responses(tmp_path / "r.jsonl", tmp_path / "a.jsonl", store)
    assert (again.counts["stored"], again.counts["known"]) == (0, 7)


def test_an_unusable_answer_is_asked_again_with_the_reason(store, tmp_path):
    records = exported(store, tmp_path / "r.jsonl", 2)
    lines = [batch_line(records[0]), batch_line(records[1], answer_json(role="celebration"))]
    import_responses(tmp_path / "r.jsonl", write(tmp_path / "a.jsonl", lines), store)
    (follow_up,) = open_requests([task.pair for task in tasks(2)], opened(store))
    assert [message.role for message in follow_up.messages] == ["system", "user", "assistant", "user"]
    assert "celebration" in follow_up.messages[-1].content


def test_plain_lines_carry_content_as_text_or_object_and_the_provenance(store, tmp_path):
    records = exported(store, tmp_path / "r.jsonl", 2)
    first, second = (json.loads(honest(record["body"])) for record in records)
    lines = [
        {"custom_id": records[0]["custom_id"], "content": first, "model": "a-person"},
        {"custom_id": records[1]["custom_id"], "content": json.dumps(second)},
    ]
    import_responses(tmp_path / "r.jsonl", write(tmp_path / "a.jsonl", lines), store, answered_by=None)
    predictions = opened(store).recall(tasks(2))
    assert [p.status for p in predictions] == [Status.LABELLED] * 2
    told = sorted(row.provenance for row in store.rows())
    assert told[0].startswith("file a.jsonl sha256 ")
    assert [text.rpartition("answered by ")[2] for text in told] in (["a-person", "not said"], ["not said", "a-person"])


def test_files_are_split_by_requests_and_bytes(store, tmp_path):
    requests = list(open_requests([task.pair for task in tasks(10)], opened(store)))
    parts = write_requests(requests, tmp_path / "r.jsonl", most=4)
    assert [(part.file, part.requests) for part in parts] == [("r.jsonl", 4), ("r-2.jsonl", 4), ("r-3.jsonl", 2)]
    size = len(request_line(requests[0])) + 1
    parts = write_requests(requests, tmp_path / "b.jsonl", most_bytes=3 * size + 10)
    assert [part.requests for part in parts] == [3, 3, 3, 1]
    assert all(part.bytes == (tmp_path / part.file).stat().st_size <= 3 * size + 10 for part in parts)


def test_the_same_request_is_written_once(store):
    twice = [task.pair for task in tasks(3)] * 2
    assert len(list(open_requests(twice, opened(store)))) == 3


def test_files_and_requests_online_share_their_keys(store, tmp_path):
    with HostileServer(lambda body, n: Reply(honest(body))) as server:
        path = tmp_path / "r.jsonl"
        records = exported(store, path, 4, base_url=server.url)
        import_responses(path, write(tmp_path / "a.jsonl", [batch_line(record) for record in records[:3]]), store)
        judge = OpenAIJudge.open(OpenAISettings(base_url=server.url, model="m", timeout=5.0), store)
        assert [p is not None for p in judge.recall(tasks(4))] == [True, True, True, False]


def test_assuming_a_form_never_overrules_what_was_probed(store):
    key = "capabilities " + json.dumps(["file:somebody", "m"], separators=(",", ":"))
    store.remember(key, '{"rung":"text"}')
    with pytest.raises(SettingsError, match="the probe of file:somebody found text"):
        opened(store, Rung.JSON_SCHEMA)


def test_from_export_over_import_to_tables_on_the_command_line(tmp_path):
    table = tmp_path / "works.jsonl"
    hub = {"hub_title": "A step-wise verifier", "hub_id": "hub"}
    works = [hub | {"citing_id": f"w{i}", "title": f"T{i}", "context": f"Work {i} follows [[hub]]."} for i in range(5)]
    write(table, works)
    env = {"CLASSIFIER_STORE": str(tmp_path / "s.sqlite")}
    options = ["--model", "m", "--base-url", "file:panel"]
    done = classify("batch", "export", table, "r.jsonl", *options, cwd=tmp_path, env=env, check=0)
    assert done.stdout.startswith("r.jsonl: 5 requests")
    records = [json.loads(line) for line in (tmp_path / "r.jsonl").read_text(encoding="utf-8").splitlines()]
    assert {record["custom_id"] for record in records} == {
        custom_id(read_request(json.dumps(record), "file:panel")) for record in records
    }
    write(tmp_path / "a.jsonl", [batch_line(record) for record in records[:4]])
    part = classify("batch", "import", "r.jsonl", "a.jsonl", "--by", "a panel", cwd=tmp_path, env=env, check=3)
    assert part.stdout == "a.jsonl: 5 requests; 4 stored, 4 usable; 1 without an answer\n"
    write(tmp_path / "b.jsonl", [batch_line(records[4])])
    whole = classify("batch", "import", "r.jsonl", "a.jsonl", "b.jsonl", cwd=tmp_path, env=env, check=0)
    assert whole.stdout.splitlines()[1] == "b.jsonl: 5 requests; 1 stored, 1 usable; 0 without an answer"
    classify("run", table, *options, "--out", "run", cwd=tmp_path, env=env, check=0)
    assert [row["status"] for row in rows(tmp_path / "run")] == ["labelled"] * 5
    empty = classify("batch", "export", table, "r2.jsonl", *options, cwd=tmp_path, env=env, check=0)
    assert empty.stdout.startswith("nothing to ask")


def test_token_probabilities_asked_for_in_files_are_those_of_the_run(tmp_path):
    table = tmp_path / "works.jsonl"
    write(table, [{"hub_title": "A verifier", "citing_id": "w", "title": "T", "context": "Work follows [[hub]]."}])
    env = {"CLASSIFIER_STORE": str(tmp_path / "s.sqlite")}
    options = ["--model", "m", "--base-url", "file:panel", "--logprobs"]
    classify("batch", "export", table, "r.jsonl", *options, cwd=tmp_path, env=env, check=0)
    record = json.loads((tmp_path / "r.jsonl").read_text(encoding="utf-8"))
    assert record["body"]["logprobs"] is True
    line = batch_line(record)
    choice = line["response"]["body"]["choices"][0]
    said = choice["message"]["content"]
    at = said.index("background")
    tokens = [(said[:at], -0.5), ("background", -0.25), (said[at + len("background") :], -1.0)]
    choice["logprobs"] = {"content": [{"token": text, "logprob": value} for text, value in tokens]}
    write(tmp_path / "a.jsonl", [line])
    classify("batch", "import", "r.jsonl", "a.jsonl", cwd=tmp_path, env=env, check=0)
    classify("run", table, *options, "--out", "run", cwd=tmp_path, env=env, check=0)
    (row,) = rows(tmp_path / "run")
    assert float(row["role_logprob"]) == -0.25
    plain = classify("run", table, *options[:-1], "--out", "plain", cwd=tmp_path, env=env, check=3)
    assert "finished with 1 failed" in plain.stderr, "an answer with tokens is no answer to a request without"
