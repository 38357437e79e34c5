import csv
import json
import os
import re
import subprocess
import sys

import pytest

from tests.paths import EXAMPLE, ROOT


def classify(*arguments, cwd, env=None, check=None, timeout=120):
    clean = {"PATH": os.environ["PATH"], "HOME": str(cwd), "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"} | (env or {})
    done = subprocess.run(
        [sys.executable, "-m", "classifier", *map(str, arguments)],
        cwd=cwd, env=clean, capture_output=True, text=True, timeout=timeout, check=False,
    )  # fmt: skip
    if check is not None:
        assert done.returncode == check, done.stderr
    return done


def rows(folder):
    with (folder / "predictions.csv").open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_the_example_is_labelled_with_no_key_and_no_network(tmp_path):
    done = classify("run", EXAMPLE, cwd=tmp_path, check=0)
    assert done.stderr.splitlines()[0] == "judge: local (no key and no base URL is configured)"
    folder = tmp_path / "outputs" / EXAMPLE.stem
    lines = done.stdout.splitlines()
    assert lines[1].startswith("coverage: 93 announced, 50 listed, 0 with a passage; 50 labelled")
    assert [line for line in lines if line.endswith(("predictions.csv", "run.json"))]
    assert len(rows(folder)) == 50
    assert "\x1b[" not in done.stdout + done.stderr, "colour only on a terminal"
    assert {row["polarity"] for row in rows(folder)} == {"unclear"}, "no stance can be read off a summary"


def test_the_reference_run_is_reproduced_byte_for_byte(tmp_path):
    classify("run", EXAMPLE, "--judge", "local", "--out", tmp_path / "run", cwd=tmp_path, check=0)
    reference = ROOT / "outputs" / EXAMPLE.stem
    for name in ("predictions.csv", "predictions.jsonl", "predictions.schema.json", "summary.json"):
        assert (tmp_path / "run" / name).read_bytes() == (reference / name).read_bytes(), (
            f"{name}: renew with `make run`"
        )


def test_limit_labels_only_the_first_works(tmp_path):
    done = classify("run", EXAMPLE, "--limit", 3, "--out", tmp_path / "r", cwd=tmp_path, check=0)
    assert len(rows(tmp_path / "r")) == 3
    assert "coverage: 93 announced, 50 listed, 3 taken up, 0 with a passage; 3 labelled" in done.stdout
    coverage = json.loads((tmp_path / "r" / "summary.json").read_text(encoding="utf-8"))["hubs"][0]["coverage"]
    assert (coverage["announced"], coverage["listed"], coverage["labelled"]) == (93, 50, 3)
    page = (tmp_path / "r" / "report.html").read_text(encoding="utf-8")
    assert "<strong>3 of 50</strong> citing works labelled" in page
    assert "announces 93 citing works and lists 50" in page


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["run", "absent.txt"], "error: absent.txt: no such file"),
        (["run", EXAMPLE, "--judge", "openai"], "error: judge openai needs OPENAI_API_KEY"),
        (["run", EXAMPLE, "--base-url", "http://127.0.0.1:9/v1"], "error: judge openai needs a model"),
        (["run", EXAMPLE, "--base-url", "nonsense", "--model", "m"], "error: --base-url"),
        (["show", "nowhere", "x"], "error: nowhere: no predictions.jsonl here"),
        (
            ["run", EXAMPLE, "--judge", "openai", "--model", "m", "--base-url", "http://h/v1", "--prompt", "v0"],
            "error: ",
        ),
    ],
)
def test_usage_errors_are_one_line_and_exit_2(tmp_path, arguments, line):
    done = classify(*arguments, cwd=tmp_path, check=2)
    errors = [text for text in done.stderr.splitlines() if text.startswith("error:")]
    assert len(errors) == 1
    assert errors[0].startswith(line)
    assert "Traceback" not in done.stderr


def test_an_unknown_option_exits_2(tmp_path):
    assert classify("run", EXAMPLE, "--nonsense", cwd=tmp_path).returncode == 2


def test_a_key_in_the_settings_file_is_refused(tmp_path):
    (tmp_path / "classifier.toml").write_text('api_key = "sk-secret"\n', encoding="utf-8")
    done = classify("run", EXAMPLE, cwd=tmp_path, check=2)
    assert "keys belong in the environment" in done.stderr
    assert "sk-secret" not in done.stderr + done.stdout


def test_settings_come_from_file_then_environment_then_flags(tmp_path):
    (tmp_path / "classifier.toml").write_text(
        'judge = "openai"\nbase_url = "http://127.0.0.1:9/v1"\n', encoding="utf-8"
    )
    assert "needs a model" in classify("run", EXAMPLE, cwd=tmp_path, check=2).stderr
    done = classify("run", EXAMPLE, "--limit", 1, cwd=tmp_path, env={"CLASSIFIER_JUDGE": "local"}, check=0)
    assert done.stderr.startswith("judge: local (asked for)")
    done = classify("run", EXAMPLE, "--judge", "openai", cwd=tmp_path, env={"CLASSIFIER_JUDGE": "local"}, check=2)
    assert "needs a model" in done.stderr


def test_bad_rows_stop_the_run_before_anything_is_written(tmp_path):
    table = tmp_path / "t.csv"
    table.write_text("hub_title,title,year\nHub,A,2020\nHub,B,soon\nHub,,2020\n", encoding="utf-8")
    done = classify("run", table, "--out", tmp_path / "r", cwd=tmp_path, check=2)
    assert f"{table}:3: column year" in done.stderr
    assert f"{table}:4: column title" in done.stderr
    assert not (tmp_path / "r").exists()
    done = classify("run", table, "--skip-bad-rows", "--out", tmp_path / "r", cwd=tmp_path, check=0)
    assert len(rows(tmp_path / "r")) == 1
    assert done.stderr.count("skipped: ") == 2
    assert len(json.loads((tmp_path / "r" / "run.json").read_text(encoding="utf-8"))["warnings"]) == 2


def test_convert_then_run_gives_the_same_predictions(tmp_path):
    classify("convert", EXAMPLE, tmp_path / "hub.json", cwd=tmp_path, check=0)
    classify("run", tmp_path / "hub.json", "--out", tmp_path / "r", cwd=tmp_path, check=0)
    assert (tmp_path / "r" / "predictions.csv").read_bytes() == (
        ROOT / "outputs" / EXAMPLE.stem / "predictions.csv"
    ).read_bytes()


def test_show_marks_the_evidence_in_its_text(tmp_path):
    table = tmp_path / "t.jsonl"
    context = {"text": "In contrast to [[Hub et al.]], we found no effect of the drug.", "section": "Discussion"}
    table.write_text(json.dumps({"hub_title": "Drug trial", "citing_id": "a", "title": "T", "contexts": [context]}))
    classify("run", table, "--out", tmp_path / "r", cwd=tmp_path, check=0)
    shown = classify("show", tmp_path / "r", "a", cwd=tmp_path, check=0).stdout
    assert re.search(r"▶.*◀", shown)
    assert "section Discussion" in shown
    assert classify("show", tmp_path / "r", "b", cwd=tmp_path, check=2).stderr.count("error:") == 1


def test_plan_sends_nothing_and_shows_the_first_prompt(tmp_path):
    done = classify("plan", EXAMPLE, "--base-url", "http://127.0.0.1:9/v1", "--model", "m", cwd=tmp_path, check=0)
    assert "requests: 50" in done.stdout
    assert "Let's Verify Step by Step" in done.stdout
    assert "The Coupling Tax" in done.stdout


def test_offline_answers_come_from_the_store_only(tmp_path):
    done = classify(
        "run", EXAMPLE, "--limit", 2, "--offline", "--base-url", "http://127.0.0.1:9/v1", "--model", "m",
        "--out", tmp_path / "r", cwd=tmp_path, check=3,
    )  # fmt: skip
    assert "finished with 2 failed works" in done.stderr
    assert all("not in the store" in row["failure"] for row in rows(tmp_path / "r"))


def test_the_key_is_nowhere_in_what_a_run_leaves(tmp_path):
    key = "sk-very-secret-1234567890"
    classify(
        "run", EXAMPLE, "--limit", 2, "--offline", "--model", "m", "--out", tmp_path / "r", cwd=tmp_path,
        env={"OPENAI_API_KEY": key}, check=3,
    )  # fmt: skip
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert key.encode() not in path.read_bytes(), path


def test_output_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("x", encoding="utf-8")
    done = classify("run", EXAMPLE, "--out", tmp_path / "file" / "r", cwd=tmp_path, check=2)
    assert "cannot be written" in done.stderr


def test_a_reader_that_goes_away_is_no_traceback(tmp_path):
    command = f"{sys.executable} -m classifier plan {EXAMPLE} --base-url http://127.0.0.1:9/v1 --model m | head -1"
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, shell=True, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)  # noqa: S602
    assert "Traceback" not in done.stderr


def test_start_up_is_quick(tmp_path):
    """Not a timed test: heavy libraries must not be imported for help."""
    code = (
        "import sys, classifier.cli; print([m for m in ('pandas', 'openai', 'pyarrow', 'sklearn') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
