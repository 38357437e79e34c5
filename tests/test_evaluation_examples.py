"""Nearest labelled examples: nearest, balanced, repeatable, and nothing that gives the answer away."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from classifier.errors import InputError, SettingsError
from classifier.evaluation.calibration import Calibration, Mapping, Method, Target
from classifier.evaluation.examples import NearestExamples, read_examples, same_text, shingles
from classifier.evaluation.fusion import Fusion
from classifier.evaluation.judging import CalibratedJudge, FusedJudge, Help, examples_of, open_helped
from classifier.evidence import Task, prepare
from classifier.judges.local.judge import LocalJudge
from classifier.prompting import Prompt
from classifier.schema import CitationContext, CitedWork, CitingWork, Pair
from classifier.settings import Settings

pytest.importorskip("sklearn")


def task(text: str, citing: str = "new", title: str = "", source_id: str | None = None) -> Task:
    work = CitingWork(citing_id=citing, title=title, contexts=(CitationContext(text=text, source_id=source_id),))
    return prepare(Pair(CitedWork(hub_id="h", title="Hub"), work))


def write(path: Path, *rows: dict[str, object]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def row(text: str, role: str, polarity: str, basis: str, citing: str) -> dict[str, object]:
    return {"text": text, "role": role, "polarity": polarity, "basis": basis, "citing_id": citing}


ROWS = (
    row("We train our parser on the treebank of [[Lund]].", "uses_data", "neutral", "none", "a"),
    row("Our parser was trained on the corpus by [[Lund]] too.", "uses_data", "neutral", "none", "b"),
    row("A treebank parser trained on [[Lund]] is common.", "uses_data", "neutral", "none", "c"),
    row("Unlike [[Holm]], bees do not sleep in winter.", "compares", "contrasting", "evidence", "d"),
    row("The survey of [[Ash]] describes rivers.", "background", "neutral", "none", "e"),
)


@pytest.fixture
def nearest(tmp_path: Path) -> NearestExamples:
    return read_examples(write(tmp_path / "mine.jsonl", *ROWS), 3)


def test_each_class_has_its_turn_and_the_nearest_stands_last(nearest: NearestExamples) -> None:
    shots = nearest(task("Here we train our fast parser on the treebank [[Kay]] made."))
    assert len(shots) == 3
    assert {shot.role for shot in shots} == {"uses_data", "compares", "background"}
    assert shots[-1].text == "We train our parser on the treebank of [[Lund]]."
    assert shots == nearest(task("Here we train our fast parser on the treebank [[Kay]] made."))


def test_the_same_passage_and_its_edits_are_left_out(nearest: NearestExamples) -> None:
    for text in (
        "We train our parser on the treebank of [[Kay et al. (1999)]].",
        "Here is more. We train our parser on the treebank of [[Lund]]. It was fast, as one hoped it to be.",
        "WE TRAIN OUR PARSER, on the treebank of [[Lund]]!",
    ):
        shown = {shot.text for shot in nearest(task(text))}
        assert "We train our parser on the treebank of [[Lund]]." not in shown
        assert len(shown) == 3


def test_passages_of_the_same_citing_work_are_left_out(tmp_path: Path) -> None:
    rows = [{**ROWS[0], "citing_title": "Parsing, fast"}, ROWS[1], {"dataset": "acl-arc", "id": "W06-1_3", **ROWS[3]}]
    found = read_examples(write(tmp_path / "mine.jsonl", *rows), 3)
    text = "Here we train our fast parser on the treebank [[Kay]] made."
    assert len(found(task(text))) == 3
    assert ROWS[0]["text"] not in {shot.text for shot in found(task(text, citing="a"))}
    assert ROWS[0]["text"] not in {shot.text for shot in found(task(text, title="parsing fast"))}
    assert ROWS[3]["text"] not in {shot.text for shot in found(task(text, source_id="W06-1"))}


def test_examples_of_a_gold_folder_never_show_its_test_split(tmp_path: Path) -> None:
    items = [
        {"hub_id": "h", "citing_id": row["citing_id"], "title": "t", "contexts": [{"text": row["text"]}]}
        for row in ROWS
    ]
    write(tmp_path / "items.jsonl", *items)
    names = ("role", "polarity", "basis", "citing_id")
    labels = [
        {**{k: one[k] for k in names}, "hub_id": "h", "split": "test" if one["citing_id"] == "d" else "dev"}
        for one in ROWS
    ]
    write(tmp_path / "gold.jsonl", *labels)
    found = read_examples(tmp_path, 9)
    assert len(found.examples) == 4
    assert ROWS[3]["text"] not in {example.shot.text for example in found.examples}


def test_coarser_schemes_are_worded_and_open_questions_said(tmp_path: Path) -> None:
    rows = [
        {"dataset": "scicite", "id": "1", "text": "Using [[X]] we sorted the cells.", "role": "uses"},
        {"dataset": "clinical", "id": "2", "text": "In line with [[Y]] we found less pain.", "polarity": "supports"},
        {"dataset": "sdcf", "id": "3", "text": "This corroborates it", "label": "x"},
    ]
    found = read_examples(write(tmp_path / "b.jsonl", *rows), 2)
    assert len(found.examples) == 2
    shots = {shot.role: shot for shot in found(task("Nothing alike"))}
    assert shots["uses_method or uses_data"].polarity == "not labelled"
    assert shots["not labelled"].polarity == "supporting"
    messages = Prompt("v1").render(task("Nothing alike"), tuple(shots.values()))
    assert "role not labelled; polarity supporting; basis not labelled" in messages[1].content
    assert "role uses_method or uses_data; polarity not labelled" in messages[1].content


def test_another_file_or_number_of_shots_is_another_experiment(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", *ROWS)
    assert read_examples(file, 3).sha256 == read_examples(file, 3).sha256
    assert read_examples(file, 3).sha256 != read_examples(file, 4).sha256
    assert read_examples(file, 3).sha256 != read_examples(write(tmp_path / "b.jsonl", *ROWS[1:]), 3).sha256


def test_rows_without_a_label_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.jsonl:2: no text"):
        read_examples(write(tmp_path / "a.jsonl", ROWS[0], {"text": "x"}), 3)
    with pytest.raises(InputError, match="no labelled examples"):
        read_examples(write(tmp_path / "a.jsonl"), 3)
    with pytest.raises(InputError, match=r"items\.jsonl"):
        read_examples(tmp_path, 3)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from("one two three four five six seven eight".split()), min_size=1, max_size=30))
def test_a_text_is_the_same_as_itself_in_any_frame(words: list[str]) -> None:
    text = " ".join(words)
    assert same_text(shingles(text), shingles(f"{text} [[mention]]"))
    if len(words) > 5:
        assert same_text(shingles(text), shingles(f"before it came {text} and something after"))


def test_the_embedded_judge_reads_no_examples(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", *ROWS)
    with pytest.raises(SettingsError, match="reads no examples"):
        open_helped(Settings(judge="local"), Help(examples=file))


def test_a_calibrated_judge_calibrates_and_says_so() -> None:
    inner = LocalJudge()
    tasks = [task("We train our parser on the treebank of [[Lund]].")]
    mapping = Mapping(method=Method.PLATT, parameters=(0.0, 0.0))
    whole = Target(mapping=mapping, n=30, accuracy=0.5, log_loss={}, ece={})
    calibration = Calibration(judge="local", model=inner.model_name, prompt="", gold="g", targets={"label": whole})
    judge = CalibratedJudge(inner, calibration)
    (plain,), (mended,) = asyncio.run(inner.judge(tasks)), asyncio.run(judge.judge(tasks))
    assert plain.label is not None
    assert mended.label is not None
    assert mended.label.confidence == 0.5
    assert mended.label.role == plain.label.role
    assert judge.recall(tasks) == [None]
    assert "calibration" in judge.card().parameters
    asyncio.run(judge.aclose())


def test_a_fusion_holds_for_its_own_two_judges() -> None:
    rule = Fusion(local_model="other", model="m", prompt="v1", gold="g", heads={})
    with pytest.raises(SettingsError, match="fitted for other with m"):
        FusedJudge(LocalJudge(), LocalJudge(), rule)


def test_examples_of_a_run_are_found_again_or_it_is_said_why_not(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", *ROWS)
    asked = {"path": str(file), "shots": 3, "sha256": read_examples(file, 3).sha256}
    (tmp_path / "run.json").write_text(json.dumps({"options": {"examples": asked}}), encoding="utf-8")
    found, why = examples_of(tmp_path)
    assert found is not None
    assert why == ""
    write(file, *ROWS[1:])
    assert "no longer those" in examples_of(tmp_path)[1]
    file.unlink()
    assert "cannot be read" in examples_of(tmp_path)[1]
    assert examples_of(tmp_path / "nowhere") == (None, "")
