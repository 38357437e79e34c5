"""From the command line to a real server and back: examples in the prompt, calibration, fusion, side by side."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from classifier.cli import app
from classifier.errors import InputError, SettingsError
from classifier.evaluation.runs import read_run
from classifier.schema import Status
from tests.hostile_server import HostileServer, Reply, answer_json, quoted

pytest.importorskip("sklearn")

TEXTS = {
    "background": "Trial {} reminds us that the sleep of bees was described long ago by [[Lund]].",
    "uses_method": "Samples of batch {} were prepared using the protocol of [[Lund]].",
    "compares": "Our yield in plot {} was compared with the yield that [[Lund]] reported.",
}


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def gold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A gold folder of 30 works, 12 of them dev; the store and the working folder are the test's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLASSIFIER_STORE", str(tmp_path / "answers.sqlite"))
    items, labels = [], []
    for i in range(30):
        role = list(TEXTS)[i % 3]
        pair = {"hub_id": "bees", "citing_id": f"w{i}"}
        context = {"text": TEXTS[role].format(f"{i} {'abcdefghij'[i % 10]}x{i}")}
        items.append({**pair, "hub_title": "The sleep of bees", "title": f"Work {i}", "contexts": [context]})
        labels.append(
            {**pair, "role": role, "polarity": "neutral", "basis": "none", "split": "dev" if i < 12 else "test"}
        )
    write(tmp_path / "gold" / "items.jsonl", items)
    write(tmp_path / "gold" / "gold.jsonl", labels)
    return tmp_path / "gold"


def classify(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(one) for one in arguments], catch_exceptions=False)


def says_background(body: dict[str, Any], _: int) -> Reply:
    """A model that finds methods and takes every comparison for background."""
    user = body["messages"][-1]["content"].rpartition("</example>")[2]
    role = "uses_method" if "protocol" in user else "background"
    return Reply(answer_json(role=role, evidence=quoted(body)))


def test_examples_reach_the_model_the_cache_key_and_show(gold: Path, tmp_path: Path) -> None:
    items = gold / "items.jsonl"
    with HostileServer(says_background) as server:
        asked = ("--base-url", server.url, "--model", "m")
        assert classify("run", items, *asked, "--examples", gold, "--shots", 3, "--out", tmp_path / "a").exit_code == 0
        sent = [body["messages"][-1]["content"] for body in server.bodies]
        classify("run", items, *asked, "--examples", gold, "--shots", 3, "--out", tmp_path / "b")
        again = len(server.bodies)
        classify("run", items, *asked, "--out", tmp_path / "c")
        without = [body["messages"][-1]["content"] for body in server.bodies[again:]]
    assert len(sent) == again == 30
    assert len(without) == 30
    assert not any("<example>" in text for text in without)
    for text in sent:
        shown, _, item = text.rpartition("</example>")
        assert shown.count("Label: role") == 3
        own = next(line for line in item.splitlines() if "[[Lund]]" in line)
        assert own.partition("Text: ")[2] not in shown
    assert {"background", "uses_method", "compares"} == {
        line.split()[2].rstrip(";") for line in sent[20].splitlines() if line.startswith("Label: role")
    }
    manifest = json.loads((tmp_path / "a" / "run.json").read_text(encoding="utf-8"))
    assert manifest["options"]["examples"]["shots"] == 3
    shown = classify("show", tmp_path / "a", "w20").stdout
    assert shown.count("<example>") == 3
    write(gold / "items.jsonl", json.loads(f"[{','.join(items.read_text().splitlines())}]")[:5])
    assert "no longer those of this run" in classify("show", tmp_path / "a", "w20").stdout


def test_fusion_from_fit_to_run(gold: Path, tmp_path: Path) -> None:
    items = gold / "items.jsonl"
    with HostileServer(says_background) as server:
        asked = ("--base-url", server.url, "--model", "m")
        classify("run", items, *asked, "--out", tmp_path / "model")
        classify("run", items, "--judge", "local", "--out", tmp_path / "local")
        rule = (
            "calibrate",
            tmp_path / "model",
            "--fuse",
            tmp_path / "local",
            "--gold",
            gold,
            "--out",
            tmp_path / "f.json",
        )
        assert classify(*rule).exit_code == 0
        done = classify("run", items, *asked, "--fuse", tmp_path / "f.json", "--out", tmp_path / "fused")
        assert done.exit_code == 0
        assert len(server.bodies) == 30, "the model's stored answers are used again"
        with pytest.raises(SettingsError, match="the fusion was fitted for"):
            classify("run", items, "--base-url", server.url, "--model", "other", "--fuse", tmp_path / "f.json")
    fused = read_run(tmp_path / "fused").predictions
    assert {one.judge for one in fused.values()} == {"fused"}
    assert all(one.label and one.label.evidence for one in fused.values())
    shown = classify("evaluate", tmp_path / "model", "--fuse", tmp_path / "local", "--gold", gold).stdout
    table = shown[shown.index("SIDE BY SIDE") :]
    accuracy = {line.split()[0]: float(line.split()[2]) for line in table.splitlines()[2:5]}
    assert set(accuracy) == {"local", "model", "fused"}
    assert accuracy["model"] == pytest.approx(2 / 3, abs=1e-3)
    assert accuracy["fused"] >= accuracy["model"]


def test_calibration_from_fit_to_run(gold: Path, tmp_path: Path) -> None:
    items = gold / "items.jsonl"
    with HostileServer(says_background) as server:
        asked = ("--base-url", server.url, "--model", "m")
        classify("run", items, *asked, "--out", tmp_path / "model")
        fitted = classify("calibrate", tmp_path / "model", "--gold", gold, "--out", tmp_path / "c.json",
                          "--error-level", "0.2", "--guarantee", "all")  # fmt: skip
        assert fitted.exit_code == 0
        assert "held-out gold" in fitted.stdout
        classify("run", items, *asked, "--calibration", tmp_path / "c.json", "--out", tmp_path / "mended")
    before, after = read_run(tmp_path / "model").predictions, read_run(tmp_path / "mended").predictions
    confidence = {round(one.label.confidence, 3) for one in after.values() if one.label}
    assert {one.label.confidence for one in before.values() if one.label} == {0.8}
    assert len(confidence) == 1
    assert abs(confidence.pop() - 2 / 3) < 0.06
    # one confidence for all works cannot tell right from wrong: nothing keeps the error at 20 %
    assert {one.status for one in after.values()} == {Status.ABSTAINED}
    with pytest.raises(SettingsError, match="fitted for openai m"):
        classify("run", items, "--judge", "local", "--calibration", tmp_path / "c.json", "--out", tmp_path / "x")
    with pytest.raises(InputError, match=r"absent\.json"):
        classify("run", items, "--judge", "local", "--calibration", tmp_path / "absent.json", "--out", tmp_path / "x")


def test_a_benchmark_asks_a_model_with_examples_and_stores_its_answers(gold: Path, tmp_path: Path) -> None:
    rows = [
        {"id": f"a{i}>x_{i}", "dataset": "scicite", "split": "dev", "text": TEXTS[role].format(i), "label": label}
        for i, (role, label) in enumerate(
            [("background", "background"), ("uses_method", "method"), ("compares", "result")]
        )
    ]
    file = write(tmp_path / "dev.jsonl", rows)
    with HostileServer(says_background) as server:
        asked = ("benchmark", "scicite", "--data", file, "--base-url", server.url, "--model", "m")
        done = classify(*asked, "--examples", gold, "--shots", 2, "--results", tmp_path / "results")
        again = classify(*asked, "--examples", gold, "--shots", 2, "--results", tmp_path / "results")
    assert done.stdout == again.stdout
    assert len(server.bodies) == 3
    assert all(body["messages"][-1]["content"].count("<example>") == 2 for body in server.bodies)
    found = json.loads((tmp_path / "results" / "scicite-m-2-shots.json").read_text(encoding="utf-8"))
    assert (found["judge"], found["trained_on"], found["shots"], found["rows"]) == ("openai", "unknown", 2, 3)
    assert found["accuracy"]["value"] == pytest.approx(2 / 3)


def test_calibrate_makes_its_folder_and_tells_what_it_cannot_do(gold: Path, tmp_path: Path) -> None:
    classify("run", gold / "items.jsonl", "--judge", "local", "--out", tmp_path / "local")
    asked = ("calibrate", tmp_path / "local", "--gold", gold, "--out")
    assert classify(*asked, tmp_path / "new" / "c.json").exit_code == 0
    assert (tmp_path / "new" / "c.json").is_file()
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(InputError, match="cannot be written"):
        classify(*asked, tmp_path / "file" / "c.json")
    with pytest.raises(SettingsError, match="--field 'bar' is unknown"):
        classify(*asked, tmp_path / "c.json", "--field", "bar")
    with pytest.raises(SettingsError, match="--guarantee 'bar' is unknown"):
        classify(*asked, tmp_path / "c.json", "--guarantee", "bar")


def test_a_calibration_is_for_its_judge_and_a_fused_run_has_its_own(gold: Path, tmp_path: Path) -> None:
    items = gold / "items.jsonl"
    with HostileServer(says_background) as server:
        asked = ("--base-url", server.url, "--model", "m")
        classify("run", items, *asked, "--out", tmp_path / "model")
        classify("run", items, "--judge", "local", "--out", tmp_path / "local")
        fit = ("calibrate", tmp_path / "model", "--gold", gold, "--out")
        classify(*fit, tmp_path / "f.json", "--fuse", tmp_path / "local")
        classify(*fit, tmp_path / "plain.json")
        fused = (*asked, "--fuse", tmp_path / "f.json")
        with pytest.raises(SettingsError, match="fitted for openai m, this run asks fused m"):
            classify("run", items, *fused, "--calibration", tmp_path / "plain.json")
        with pytest.raises(SettingsError, match="fitted for openai m, this run asks local"):
            classify("run", items, "--judge", "local", "--calibration", tmp_path / "plain.json")
        classify("run", items, *fused, "--out", tmp_path / "fused")
        level = ("--error-level", 0.9)
        classify("calibrate", tmp_path / "fused", "--gold", gold, "--out", tmp_path / "own.json", *level)
        rows = [json.loads(line) for line in items.read_text(encoding="utf-8").splitlines()]
        other = {**rows[0], "citing_id": "new", "contexts": [{"text": "Bees were also studied by [[Lund]]."}]}
        new = write(tmp_path / "new.jsonl", [*rows, other])
        calibrated = (*fused, "--calibration", tmp_path / "own.json", "--offline")
        done = classify("run", new, *calibrated, "--out", tmp_path / "calibrated")
    assert done.exit_code == 0, done.output
    predictions = read_run(tmp_path / "calibrated").predictions
    assert sum(one.judge == "fused" for one in predictions.values()) == 30
    alone = predictions["bees", "new"]
    assert (alone.judge, alone.status) == ("local", Status.ABSTAINED)
    assert "only judge local answered" in str(alone.failure)


def test_examples_reach_answers_that_only_come_in_files(gold: Path, tmp_path: Path) -> None:
    items, asked = gold / "items.jsonl", ("--model", "m", "--examples", gold, "--shots", 3)
    requests, answers = tmp_path / "requests.jsonl", tmp_path / "answers.jsonl"
    assert classify("batch", "export", items, requests, "--base-url", "file:me", *asked).exit_code == 0
    records = [json.loads(line) for line in requests.read_text(encoding="utf-8").splitlines()]
    assert len(records) == 30
    assert all(one["body"]["messages"][-1]["content"].count("Label: role") == 3 for one in records)
    write(
        answers,
        [
            {"custom_id": r["custom_id"], "content": answer_json(evidence=quoted(r["body"])), "model": "m"}
            for r in records
        ],
    )
    assert classify("batch", "import", requests, answers).exit_code == 0
    done = classify("run", items, "--judge", "openai", "--base-url", "file:me", *asked, "--out", tmp_path / "run")
    assert done.exit_code == 0, done.output
    without = classify("run", items, "--judge", "openai", "--base-url", "file:me", "--model", "m",
                       "--out", tmp_path / "without")  # fmt: skip
    assert without.exit_code == 3, "an answer to another prompt is no answer to this one"
