"""The answer store: keyed by content, shared by processes, never a stale or a lost answer."""

import hashlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time

import pytest

from classifier.errors import InputError, StoreError
from classifier.judges.openai import OpenAIJudge, OpenAISettings
from classifier.judges.request import (
    FREE_FIELDS,
    KEY_FIELDS,
    LOOKUP_FIELDS,
    ChatRequest,
    Rung,
    canonical,
    canonical_request,
    key_material,
    request_key,
)
from classifier.prompting import Message
from classifier.store import RawAnswer, Store, default_store_path
from classifier.store_tools import explain, export_store, import_store, prune, stats
from tests.paths import ROOT
from tests.requests import REQUEST, row
from tests.works import context_task

CHANGED = {
    "endpoint": "http://127.0.0.1:2/v1",
    "model": "n",
    "messages": (*REQUEST.messages[:1], Message("user", "Is it so?")),
    "rung": Rung.JSON_OBJECT,
    "schema": '{"type":"array"}',
    "temperature": 0.1,
    "top_p": 0.9,
    "seed": 2,
    "sample": 1,
    "max_tokens": 200,
    "token_field": "max_completion_tokens",
    "timeout": 61.0,
    "logprobs": True,
}


def test_every_field_of_a_request_is_placed():
    placed = [KEY_FIELDS, LOOKUP_FIELDS, FREE_FIELDS]
    assert sum(map(len, placed)) == len(frozenset().union(*placed)), "a field is placed twice"
    assert frozenset().union(*placed) == frozenset(ChatRequest._fields), "a field that nobody placed"
    assert CHANGED.keys() == set(ChatRequest._fields)


@pytest.mark.parametrize("field", ChatRequest._fields)
def test_the_key_changes_with_what_changes_the_answer_and_with_nothing_else(field):
    changed = REQUEST._replace(**{field: CHANGED[field]})
    assert (request_key(changed) != request_key(REQUEST)) is (field in KEY_FIELDS)


@pytest.mark.parametrize("index", [0, 1])
def test_every_message_counts(index):
    messages = list(REQUEST.messages)
    messages[index] = messages[index]._replace(content="other")
    assert request_key(REQUEST._replace(messages=tuple(messages))) != request_key(REQUEST)


def test_a_schema_that_is_not_sent_does_not_count():
    plain = REQUEST._replace(rung=Rung.TEXT)
    assert request_key(plain) == request_key(plain._replace(schema=CHANGED["schema"]))


@pytest.mark.parametrize("field", ChatRequest._fields)
def test_the_key_made_in_pieces_is_the_sha256_of_the_canonical_request(field):
    request = REQUEST._replace(**{field: CHANGED[field]})
    for r in (
        request,
        request._replace(messages=(*request.messages, Message("assistant", '"]}'), Message("user", "no"))),
    ):
        whole = hashlib.sha256(canonical(key_material(r)).encode("utf-8", "surrogatepass")).digest()
        assert request_key(r) == whole
        assert canonical_request(r) == canonical(key_material(r))


def test_an_answer_comes_back_as_it_was_said(tmp_path):
    said = RawAnswer("näïve \u200b\n{", "stop", None, 100, 7, 9, "served")
    with Store(tmp_path / "s.sqlite") as store:
        assert store.find([request_key(REQUEST)]) == [None]
        assert store.put([row()._replace(answer=said)]) == 1
    with Store(tmp_path / "s.sqlite") as store:
        assert store.find([b"x" * 32, request_key(REQUEST)]) == [None, said]
        (kept,) = store.rows()
        assert json.loads(kept.request)["messages"][1]["content"] == REQUEST.messages[1].content


def test_a_complete_answer_is_never_replaced_and_a_truncated_one_by_a_better(tmp_path):
    with Store(tmp_path / "s.sqlite") as store:
        store.put([row("cut", finish_reason="length", max_tokens=10)])
        assert store.put([row("cut", finish_reason="length", max_tokens=5)]) == 0
        assert store.put([row("longer", finish_reason="length", max_tokens=20)]) == 1
        assert store.put([row("whole")]) == 1
        assert store.put([row("other")]) == 0
        assert store.put([row("cut", finish_reason="length", max_tokens=99)]) == 0
        assert store.find([request_key(REQUEST)])[0].content == "whole"


@pytest.mark.parametrize(
    ("answer", "limit", "highest", "serves"),
    [
        (RawAnswer("a", completion_tokens=50, max_tokens=100), 100, 200, True),
        (RawAnswer("a", completion_tokens=50, max_tokens=100), 10, 20, False),
        (RawAnswer("a", completion_tokens=150, max_tokens=200), 100, 200, True),
        (RawAnswer("a", max_tokens=100), 20, 40, False),
        (RawAnswer("a", "length", max_tokens=200), 100, 200, True),
        (RawAnswer("a", "length", max_tokens=200), 300, 600, False),
        (RawAnswer("a", "length", max_tokens=None), 300, 600, True),
    ],
)
def test_when_a_stored_answer_serves(answer, limit, highest, serves):
    assert answer.serves(limit, highest) is serves


def test_many_keys_are_found_together(tmp_path):
    requests = [REQUEST._replace(sample=i) for i in range(1700)]
    with Store(tmp_path / "s.sqlite") as store:
        store.put([row(str(i), r) for i, r in enumerate(requests) if i % 2])
        found = store.find([request_key(r) for r in requests])
    assert [a and a.content for a in found] == [str(i) if i % 2 else None for i in range(1700)]


WRITER = """
import sys, time
from pathlib import Path
from tests.requests import REQUEST, row
from classifier.store import Store
path, me, count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
with Store(path) as store:
    print("ready", flush=True)
    for i in range(count):
        store.put([row(f"{me}-{i}", REQUEST._replace(sample=1000 * me + i)), row("same", REQUEST._replace(sample=i))])
        print(i, flush=True)
"""


def writer(path, me, count):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", WRITER, str(path), str(me), str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT)


def test_eight_processes_share_one_store(tmp_path):
    path = tmp_path / "s.sqlite"
    processes = [writer(path, me, 40) for me in range(1, 9)]
    for process in processes:
        process.communicate(timeout=60)
        assert process.returncode == 0
    with Store(path) as store:
        assert len(list(store.rows())) == 8 * 40 + 40
        for me in range(1, 9):
            found = store.find([request_key(REQUEST._replace(sample=1000 * me + i)) for i in range(40)])
            assert [a.content for a in found] == [f"{me}-{i}" for i in range(40)]


def test_a_killed_process_loses_nothing_that_it_said_was_written(tmp_path):
    path = tmp_path / "s.sqlite"
    process = writer(path, 1, 100_000)
    said = [process.stdout.readline().strip() for _ in range(30)]
    process.send_signal(signal.SIGKILL)
    process.communicate()
    last = int(said[-1])
    with Store(path) as store:
        assert None not in store.find([request_key(REQUEST._replace(sample=1000 + i)) for i in range(last + 1)])
        check = sqlite3.connect(path)
        assert check.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        check.close()


def test_a_writer_that_waits_is_served(tmp_path):
    path = tmp_path / "s.sqlite"
    with Store(path) as store:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        process = writer(path, 3, 1)
        time.sleep(0.8)
        other.execute("COMMIT")
        other.close()
        process.communicate(timeout=30)
        assert process.returncode == 0
        assert store.find([request_key(REQUEST._replace(sample=3000))])[0].content == "3-0"


def one_line(caught):
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_corrupt_store_is_one_clear_line(tmp_path):
    path = tmp_path / "s.sqlite"
    path.write_bytes(b"not a database at all " * 500)
    with pytest.raises(StoreError, match="cannot be opened") as caught:
        Store(path)
    assert str(path) in one_line(caught)
    assert path.read_bytes().startswith(b"not a database")


def test_a_store_damaged_inside_is_one_clear_line(tmp_path):
    path = tmp_path / "s.sqlite"
    with Store(path) as store:
        store.put([row("x" * 500, REQUEST._replace(sample=i)) for i in range(200)])
    data = bytearray(path.read_bytes())
    data[8192:] = b"\x5a" * (len(data) - 8192)
    path.write_bytes(data)
    with pytest.raises(StoreError) as caught, Store(path) as store:
        store.find([request_key(REQUEST._replace(sample=i)) for i in range(200)])
    one_line(caught)


def test_a_folder_that_cannot_be_made_is_one_clear_line(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="CLASSIFIER_STORE") as caught:
        Store(tmp_path / "file" / "s.sqlite")
    one_line(caught)


def test_a_full_disk_is_one_clear_line_and_keeps_what_was_there(tmp_path):
    path = tmp_path / "s.sqlite"
    with Store(path) as store:
        store.put([row("first")])
        pages = store._db.execute("PRAGMA page_count").fetchone()[0]
        store._db.execute(f"PRAGMA max_page_count={pages}")
        with pytest.raises(StoreError, match=r"cannot be written.*full") as caught:
            store.put([row("x" * 100_000, REQUEST._replace(sample=9))])
        one_line(caught)
        assert store.find([request_key(REQUEST)])[0].content == "first"


def test_a_store_of_a_later_version_is_left_alone(tmp_path):
    path = tmp_path / "s.sqlite"
    other = sqlite3.connect(path)
    other.execute("PRAGMA user_version=99")
    other.close()
    with pytest.raises(StoreError, match="version 99"):
        Store(path)


def test_where_the_store_is(monkeypatch, tmp_path):
    monkeypatch.setenv("CLASSIFIER_STORE", str(tmp_path / "x.sqlite"))
    assert default_store_path() == tmp_path / "x.sqlite"
    monkeypatch.delenv("CLASSIFIER_STORE")
    assert "citation-polarity-classifier" in str(default_store_path())


def test_a_colleague_loads_the_export_and_has_the_same(tmp_path):
    with Store(tmp_path / "a.sqlite") as mine:
        mine.put([row("one", max_tokens=5, prompt_tokens=3), row("two", REQUEST._replace(sample=2, model="n"))])
        mine.remember("capabilities x", '{"rung":"text"}')
        assert export_store(mine, tmp_path / "out.jsonl") == 2
        assert export_store(mine, tmp_path / "again.jsonl") == 2
        assert (tmp_path / "out.jsonl").read_bytes() == (tmp_path / "again.jsonl").read_bytes()
        with Store(tmp_path / "b.sqlite") as yours:
            assert import_store(yours, tmp_path / "out.jsonl") == 2
            assert import_store(yours, tmp_path / "out.jsonl") == 0
            assert list(yours.rows()) == list(mine.rows())
            assert yours.facts() == mine.facts()
        assert export_store(mine, tmp_path / "n.jsonl", model="n") == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda line: line.replace('"model":"m"', '"model":"other"'), "key does not fit"),
        (lambda line: line[:50], "not a line"),
        (lambda line: line.replace('"content"', '"contents"'), "not a line"),
        (lambda line: "[]", "not a line"),
    ],
)
def test_a_changed_export_is_refused_whole_with_its_line(tmp_path, change, message):
    with Store(tmp_path / "a.sqlite") as mine:
        mine.put([row("one"), row("two", REQUEST._replace(sample=2))])
        export_store(mine, tmp_path / "out.jsonl")
    lines = (tmp_path / "out.jsonl").read_text().splitlines()
    (tmp_path / "bad.jsonl").write_text("\n".join([lines[0], change(lines[1])]) + "\n")
    with Store(tmp_path / "b.sqlite") as yours:
        with pytest.raises(InputError, match=rf"bad.jsonl:2: .*{message}"):
            import_store(yours, tmp_path / "bad.jsonl")
        assert list(yours.rows()) == []


def test_explain_names_the_field_that_differs(tmp_path):
    with Store(tmp_path / "s.sqlite") as store:
        assert explain(store, REQUEST, 200).reason == "the store is empty"
        far = REQUEST._replace(model="far", seed=7, temperature=0.5)
        store.put([row("far", far), row("a", completion_tokens=50, max_tokens=100)])
        assert explain(store, REQUEST, 200).hit
        warmer = explain(store, REQUEST._replace(temperature=0.7), 200)
        assert not warmer.hit
        assert [(d.field, d.stored, d.wanted) for d in warmer.differences] == [("temperature", "0.0", "0.7")]
        assert warmer.nearest == request_key(REQUEST).hex()
        edited = REQUEST._replace(messages=(REQUEST.messages[0], Message("user", "Is it — not so?")))
        (difference,) = explain(store, edited, 200).differences
        assert difference.field == "messages[1] (user)"
        assert "not so" in difference.wanted
        assert "cut off at 100" in explain_truncated(tmp_path)


def explain_truncated(tmp_path):
    with Store(tmp_path / "t.sqlite") as store:
        store.put([row("cut", finish_reason="length", max_tokens=100)])
        return explain(store, REQUEST._replace(max_tokens=150), 300).reason


def test_explain_works_from_a_task(tmp_path):
    with Store(tmp_path / "s.sqlite") as store:
        judge = OpenAIJudge.open(OpenAISettings(base_url="http://127.0.0.1:1/v1", model="m"), store)
        request = judge.first_request(context_task("We follow [[hub]]."))
        store.put([row("a", request)])
        assert explain(store, request, judge.highest_limit).hit


def test_stats_count_and_prune_deletes_what_meets_all_conditions(tmp_path):
    with Store(tmp_path / "s.sqlite") as store:
        new = row("new", REQUEST._replace(sample=2))._replace(created_at="2026-06-01T00:00:00")
        other = row("cut", REQUEST._replace(model="n"), finish_reason="length", prompt_tokens=5, completion_tokens=2)
        store.put([row("old"), new, other])
        counted = stats(store)
        assert (counted.answers, counted.truncated, counted.prompt_tokens, counted.completion_tokens) == (3, 1, 5, 2)
        assert counted.by_model == {(REQUEST.endpoint, "m"): 2, (REQUEST.endpoint, "n"): 1}
        assert (counted.oldest, counted.newest) == ("2026-01-01T00:00:00", "2026-06-01T00:00:00")
        assert prune(store) == 0
        assert prune(store, before="2026-03-01", model="m") == 1
        assert prune(store, truncated=True) == 1
        assert [kept.answer.content for kept in store.rows()] == ["new"]


def test_a_store_of_the_older_layout_is_read_and_written(tmp_path):
    with Store(tmp_path / "new.sqlite") as store:
        schema = store._db.execute("SELECT sql FROM sqlite_master WHERE name='answers'").fetchone()[0]
    old = schema.partition("request BLOB NOT NULL")[0] + "request BLOB NOT NULL) WITHOUT ROWID"
    with sqlite3.connect(tmp_path / "old.sqlite") as db:
        db.execute(old.replace("KEY NOT NULL,", "KEY,"))
        db.execute("PRAGMA user_version=1")
    cut, whole = row("{", finish_reason="length", max_tokens=10), row("{}", max_tokens=20)
    with Store(tmp_path / "old.sqlite") as store:
        assert [store.put([one]) for one in (cut, whole, cut)] == [1, 1, 0]
        assert store.find([whole.key, b"unknown"]) == [whole.answer, None]
        assert [one.answer for one in store.rows()] == [whole.answer]
