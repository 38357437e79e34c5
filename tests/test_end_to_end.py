"""`classify run` as a user starts it, against a real server on loopback: what it costs, keeps and survives."""

import csv
import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest

from classifier.evidence import source_text
from classifier.outputs import COLUMNS, read_run
from classifier.schema import EvidenceSource, Status
from tests.hostile_server import HostileServer, Reply, answer_json, completion, error, honest, quoted
from tests.paths import EXAMPLE, ROOT
from tests.test_cli import classify, rows
from tests.test_hostile_text import KINDS

RESULTS = ("predictions.csv", "predictions.jsonl", "predictions.schema.json")


def write_table(path, texts):
    """A JSONL table, one passage a work."""
    lines = [
        {"hub_title": "A step-wise verifier", "hub_id": "hub", "hub_abstract": "We introduce a verifier of steps.",
         "citing_id": f"w{i}", "title": f"Work {i}", "contexts": [{"text": text, "section": "Method"}]}
        for i, text in enumerate(texts)
    ]  # fmt: skip
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def plain_texts(count):
    return [f"Work number {i} follows the verifier of [[hub]] in every step." for i in range(count)]


class Place:
    """A folder with its own answer store, in which the program is started."""

    def __init__(self, folder, server, name="answers"):
        self.folder, self.server = folder, server
        self.env = {"CLASSIFIER_STORE": str(folder / f"{name}.sqlite")}

    def arguments(self, source, out, *more):
        # Requests are counted here, one a work; the one a hub that asks for its claims is test_claiming's.
        more = ("--no-claims", *more)
        return ("run", source, "--out", self.folder / out, "--judge", "openai", "--model", "m",
                "--base-url", self.server.url, *more)  # fmt: skip

    def run(self, source, out="run", *more, check=0):
        done = classify(*self.arguments(source, out, *more), cwd=self.folder, env=self.env, check=check)
        assert "Traceback" not in done.stderr
        return done

    def start(self, source, out, *more):
        env = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "PYTHONPATH": str(ROOT)} | self.env
        command = [sys.executable, "-m", "classifier", *map(str, self.arguments(source, out, *more))]
        return subprocess.Popen(command, cwd=self.folder, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def bytes_of(self, out):
        return {name: (self.folder / out / name).read_bytes() for name in RESULTS}

    def manifest(self, out):
        return json.loads((self.folder / out / "run.json").read_text(encoding="utf-8"))


@pytest.fixture
def place(tmp_path):
    with HostileServer() as server:
        yield Place(tmp_path, server)


def located(folder):
    """Every reported evidence stands at its offsets in the original; how many there were."""
    count = 0
    for result in read_run(folder):
        evidence = result.prediction.label.evidence if result.prediction.label else None
        if evidence is not None:
            text = source_text(result.citing, evidence.source, evidence.context_index)
            assert evidence.text == text[evidence.start : evidence.end]
            count += 1
    return count


def test_the_example_hub_through_an_endpoint(place):
    place.run(EXAMPLE)
    assert len(place.server.bodies) == 50
    with (place.folder / "run" / "predictions.csv").open(encoding="utf-8-sig", newline="") as file:
        assert tuple(next(csv.reader(file))) == COLUMNS
    assert located(place.folder / "run") == 50
    assert sum(result.citing.representative for result in read_run(place.folder / "run")) == 23
    manifest = place.manifest("run")
    assert manifest["judge"]["model_served"] == "served-model"
    assert manifest["usage"]["requests"] == 50 + len(place.server.probes)
    assert manifest["usage"]["prompt_tokens"] == 100 * manifest["usage"]["requests"]
    assert manifest["counts"] == {"labelled": 50, "abstained": 0, "failed": 0, "works": 50}


def test_a_second_run_sends_nothing_and_gives_the_same_bytes(place):
    table = write_table(place.folder / "t.jsonl", plain_texts(12))
    place.run(table, "first")
    sent = len(place.server.bodies), len(place.server.probes)
    assert sent[0] == 12
    place.run(table, "second")
    place.run(table, "third", "--offline", "--concurrency", "1")
    assert (len(place.server.bodies), len(place.server.probes)) == sent
    assert place.bytes_of("first") == place.bytes_of("second") == place.bytes_of("third")
    assert place.manifest("second")["usage"]["requests"] == 0


def test_offline_with_an_empty_store_opens_no_connection(place):
    done = place.run(write_table(place.folder / "t.jsonl", plain_texts(3)), "run", "--offline", check=3)
    assert (place.server.bodies, place.server.probes) == ([], [])
    assert "finished with 3 failed works" in done.stderr


def test_one_more_citing_work_costs_exactly_one_request(place):
    place.run(write_table(place.folder / "t.jsonl", plain_texts(8)))
    before = len(place.server.bodies), len(place.server.probes)
    place.run(write_table(place.folder / "t.jsonl", plain_texts(9)))
    assert (len(place.server.bodies), len(place.server.probes)) == (before[0] + 1, before[1])
    assert place.manifest("run")["usage"]["requests"] == 1
    assert "number 8" in place.server.bodies[-1]["messages"][-1]["content"]


def test_changed_parsing_costs_no_request(place):
    """The program is started with another reading of the same answers: all labels change, nothing is sent."""
    table = write_table(place.folder / "t.jsonl", plain_texts(5))
    place.run(table, "before")
    sent = len(place.server.bodies), len(place.server.probes)
    changed = (
        "import sys, classifier.judges.dialogue as d; old = d.check\n"
        "def new(*a, **k):\n"
        "    read = old(*a, **k)\n"
        "    label = read.label.model_copy(update={'rationale': 'read anew'})\n"
        "    return read._replace(label=label)\n"
        "d.check = new\n"
        "from classifier.cli import main; main(sys.argv[1:])"
    )
    env = {"PATH": os.environ["PATH"], "HOME": str(place.folder), "PYTHONPATH": str(ROOT)} | place.env
    done = subprocess.run(
        [sys.executable, "-c", changed, *map(str, place.arguments(table, "after"))],
        cwd=place.folder, env=env, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (len(place.server.bodies), len(place.server.probes)) == sent
    assert {row["rationale"] for row in rows(place.folder / "before")} != {"read anew"}
    assert {row["rationale"] for row in rows(place.folder / "after")} == {"read anew"}


@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL here")
@pytest.mark.parametrize("seed", [1, 2])
def test_a_run_killed_at_random_points_goes_on_where_it_was(tmp_path, seed):
    draw = random.Random(seed)  # noqa: S311 - test data
    works, at_once, kills = 40, 4, 3
    with HostileServer(lambda body, n: Reply(honest(body), delay=0.03)) as server:
        place = Place(tmp_path, server)
        table = write_table(tmp_path / "t.jsonl", plain_texts(works))
        for _ in range(kills):
            target = len(server.bodies) + draw.randint(1, works // 5)
            process = place.start(table, "run", "--concurrency", at_once)
            until = time.monotonic() + 60
            while len(server.bodies) < target and time.monotonic() < until:
                time.sleep(0.002)
            time.sleep(draw.random() * 0.05)
            assert process.poll() is None, "the run ended before it could be killed"
            process.send_signal(signal.SIGKILL)
            process.communicate()
            assert not (tmp_path / "run" / "predictions.csv").exists(), "results take their name when all is written"
        place.run(table, "run", "--concurrency", at_once)
        resumed = len(server.bodies)
        assert works <= resumed <= works + kills * at_once, "only what was in flight is asked again"
        asked_in_last = place.manifest("run")["usage"]["requests"]
        assert asked_in_last < works
        assert not list((tmp_path / "run").glob(".*")), "nothing half written is left behind"
        fresh = Place(tmp_path, server, name="fresh")
        fresh.run(table, "uninterrupted")
    assert place.bytes_of("run") == fresh.bytes_of("uninterrupted")


@pytest.mark.skipif(os.name == "nt", reason="no SIGINT to a child here")
def test_an_interrupted_run_writes_what_it_has_and_goes_on_later(tmp_path):
    with HostileServer(lambda body, n: Reply(honest(body), delay=0.05)) as server:
        place = Place(tmp_path, server)
        table = write_table(tmp_path / "t.jsonl", plain_texts(40))
        process = place.start(table, "run", "--concurrency", "2")
        until = time.monotonic() + 60
        while len(server.bodies) < 6 and time.monotonic() < until:
            time.sleep(0.005)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
        assert process.returncode == 130, stderr
        written = len(rows(tmp_path / "run"))
        assert 4 <= written < 40
        summary = json.loads((tmp_path / "run" / "summary.json").read_text(encoding="utf-8"))
        assert summary["complete"] is False
        assert summary["hubs"][0]["coverage"]["listed"] == 40, "the source lists all, however few were taken"
        place.run(table, "run", "--concurrency", "2")
        assert len(server.bodies) == 40
    assert len(rows(tmp_path / "run")) == 40


def wild(body, number):
    """One kind of trouble after the other for works 1 to 7, at their first request only; work 8 never answers well."""
    text = body["messages"][1]["content"]
    good = answer_json(evidence=quoted(body))
    if "number 8 " in text:
        return Reply(answer_json(role="celebration"))
    trouble = {
        "number 1 ": error(429, headers={"retry-after": "0"}), "number 2 ": error(500),
        "number 3 ": Reply(good, cut=True), "number 4 ": Reply("not JSON"),
        "number 5 ": Reply(answer_json(role="celebration")),
        "number 6 ": Reply(body=completion(good[: len(good) // 2], finish="length")),
        "number 7 ": Reply(f"```json\n{good}\n```"),
    }  # fmt: skip
    for name, reply in trouble.items():
        if name in text and name not in wild.seen:
            wild.seen.add(name)
            return reply
    return Reply(good)


def test_a_wild_server_costs_one_work_and_no_other(tmp_path):
    wild.seen = set()
    with HostileServer(wild) as server:
        place = Place(tmp_path, server)
        done = place.run(write_table(tmp_path / "t.jsonl", plain_texts(12)), check=3)
        sent = len(server.bodies)
        place.run(tmp_path / "t.jsonl", "again", "--offline", check=3)
        assert len(server.bodies) == sent
    assert len(wild.seen) == 7
    found = {row["citing_id"]: row for row in rows(tmp_path / "run")}
    assert [i for i, row in found.items() if row["status"] != "labelled"] == ["w8"]
    assert "celebration" in found["w8"]["failure"]
    assert found["w8"]["role"] == found["w8"]["polarity"] == ""
    assert "finished with 1 failed work" in done.stderr
    assert located(tmp_path / "run") == 11


def test_a_refused_key_stops_the_run_and_leaves_the_last_results_alone(tmp_path):
    script = {"refuse": False}
    with HostileServer(lambda body, n: error(401) if script["refuse"] else Reply(honest(body))) as server:
        place = Place(tmp_path, server)
        place.run(write_table(tmp_path / "t.jsonl", plain_texts(3)))
        before = place.bytes_of("run")
        script["refuse"] = True
        done = place.run(write_table(tmp_path / "t.jsonl", plain_texts(60)), "run", "--concurrency", "2", check=1)
        assert len(server.bodies) <= 3 + 2 * 2, "permanent refusals stop before more is sent"
    assert [line for line in done.stderr.splitlines() if line.startswith("error: ")], done.stderr
    assert place.bytes_of("run") == before
    assert not list((tmp_path / "run").glob(".*"))


def test_a_colleague_with_the_export_reruns_with_no_request(place):
    table = write_table(place.folder / "t.jsonl", plain_texts(6))
    place.run(table, "mine")
    sent = len(place.server.bodies), len(place.server.probes)
    classify("cache", "export", place.folder / "answers.jsonl", cwd=place.folder, env=place.env, check=0)
    colleague = Place(place.folder, place.server, name="colleague")
    classify("cache", "import", place.folder / "answers.jsonl", cwd=place.folder, env=colleague.env, check=0)
    colleague.run(table, "theirs", "--offline")
    assert (len(place.server.bodies), len(place.server.probes)) == sent
    assert place.bytes_of("mine") == place.bytes_of("theirs")


@pytest.mark.parametrize("judge", ["local", "openai"])
def test_hostile_passages_through_the_whole_program(place, judge):
    table = write_table(place.folder / "t.jsonl", KINDS.values())
    if judge == "openai":
        place.run(table, check=0)
    else:
        classify("run", table, "--judge", "local", "--out", place.folder / "run", cwd=place.folder, check=0)
    folder = place.folder / "run"
    results = list(read_run(folder))
    assert [r.citing.contexts[0].text for r in results] == list(KINDS.values()), "the original text is kept"
    assert {r.prediction.status for r in results} <= {Status.LABELLED, Status.ABSTAINED}
    assert {r.prediction.evidence_source for r in results} == {EvidenceSource.CONTEXT}
    if judge == "openai":
        assert {(r.prediction.label.role, r.prediction.label.polarity) for r in results} == {("background", "neutral")}
    assert located(folder) > len(KINDS) // 2
    table_rows = rows(folder)
    assert len(table_rows) == len(KINDS)
    for row in table_rows:
        for cell in row.values():
            assert not cell.lstrip().startswith(("=", "+", "@", "|", "%", "＝", "＋", "＠")), cell
            assert "\x00" not in cell
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "<script>alert" not in page
    for row in table_rows[::9]:
        shown = classify("show", folder, row["citing_id"], cwd=place.folder, env=place.env, check=0).stdout
        assert "\x1b" not in shown
