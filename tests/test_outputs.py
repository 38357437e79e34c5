import asyncio
import csv
import json
import os
import subprocess
import sys

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifier.errors import InputError
from classifier.evidence import source_text
from classifier.inputs import open_input
from classifier.outputs import COLUMNS, RunWriter, csv_cells, read_run, table_schema
from classifier.pipeline import predict
from classifier.running import RunOptions, run_source
from classifier.schema import CitationContext, CitedWork, CitingWork, Pair
from tests.fakes import RuleJudge
from tests.paths import EXAMPLE

HUB = CitedWork(hub_id="h", title="Hub")
TITLE_ORDER = (
    "hub_id, citing_id, title, arxiv_id, doi, year, status, role, other_roles, polarity, basis, confidence, "
    "needs_review, evidence, evidence_source, evidence_start, evidence_end, section, rationale, judge, model, "
    "prompt, failure"
)


def one(work, **options):
    async def run():
        return await anext(predict([Pair(HUB, work)], RuleJudge(**options)))

    answered = asyncio.run(run())
    return answered.task.pair, answered.prediction


def test_columns_stand_in_the_promised_order():
    assert ", ".join(COLUMNS) == TITLE_ORDER


@given(st.text(max_size=40))
def test_no_cell_can_start_a_formula(text):
    pair, prediction = one(CitingWork(citing_id="a", title=text or "x"))
    for cell in csv_cells(pair, prediction):
        assert not cell.lstrip().startswith(("=", "+", "-", "@", "＝", "＋", "－", "＠"))
        assert not cell.startswith(("\t", "\r", "\n"))


@pytest.mark.parametrize(
    "title", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "  =HYPERLINK(1)", '=cmd|" /C calc"!A0', "＝1"]
)
def test_formulas_are_disarmed_in_the_csv_and_untouched_in_the_jsonl(tmp_path, title):
    pair, prediction = one(CitingWork(citing_id="a", title=title))
    with RunWriter(tmp_path) as writer:
        writer.write(pair, prediction)
    with (tmp_path / "predictions.csv").open(encoding="utf-8-sig", newline="") as file:
        row = next(csv.DictReader(file))
    assert row["title"] == "'" + title
    assert next(read_run(tmp_path)).citing.title == title


def test_a_run_is_read_back_as_written(tmp_path):
    work = CitingWork(citing_id="a", title="Ünïcode, \"quoted\"\nand broken", year=2020,
                      contexts=(CitationContext(text="We use [[Hub]].", section="Methods"),))  # fmt: skip
    pair, prediction = one(work)
    with RunWriter(tmp_path) as writer:
        writer.write(pair, prediction)
    result = next(read_run(tmp_path))
    assert result.prediction == prediction
    assert result.citing == work
    frame = pd.read_csv(tmp_path / "predictions.csv")
    assert list(frame.columns) == list(COLUMNS)
    assert frame.loc[0, "title"] == work.title
    assert frame.loc[0, "section"] == "Methods"


def test_a_failed_run_leaves_the_last_results_alone(tmp_path):
    pair, prediction = one(CitingWork(citing_id="a", title="T"))
    with RunWriter(tmp_path) as writer:
        writer.write(pair, prediction)
    before = (tmp_path / "predictions.jsonl").read_bytes()
    with pytest.raises(RuntimeError), RunWriter(tmp_path) as writer:
        raise RuntimeError
    assert (tmp_path / "predictions.jsonl").read_bytes() == before
    assert not list(tmp_path.glob(".*partial"))


def test_what_a_killed_run_left_is_swept_and_a_living_one_is_left_alone(tmp_path):
    ended = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    dead = tmp_path / f".predictions.csv.{int(ended.stdout)}.partial"
    living = tmp_path / f".predictions.csv.{os.getppid()}.partial"
    dead.touch()
    living.touch()
    with RunWriter(tmp_path):
        pass
    assert [path.name for path in tmp_path.glob(".*")] == [living.name]


def test_a_broken_run_file_names_the_line(tmp_path):
    (tmp_path / "predictions.jsonl").write_text('{"prediction": {}}\n', encoding="utf-8")
    with pytest.raises(InputError, match=r"predictions\.jsonl:1: not a prediction"):
        list(read_run(tmp_path))


def test_the_table_schema_names_every_column_with_type_and_meaning():
    schema = table_schema()
    assert [f["name"] for f in schema["fields"]] == list(COLUMNS)
    by_name = {f["name"]: f for f in schema["fields"]}
    assert by_name["year"]["type"] == "integer"
    assert by_name["needs_review"]["type"] == "boolean"
    assert by_name["polarity"]["constraints"]["enum"] == ["supporting", "contrasting", "mixed", "neutral", "unclear"]
    assert all(f["description"] for f in schema["fields"])


def test_a_run_writes_everything_and_counts_coverage_first(tmp_path):
    source = open_input(EXAMPLE)
    failing = source.hub.citing[3].citing_id
    result = run_source(source, RuleJudge(fails={failing}), RunOptions(out=tmp_path))
    assert result.failed == 1
    summary = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))["hubs"][0]
    assert summary["coverage"] == {
        "announced": 93, "listed": 50, "with_passage": 0, "labelled": 49, "abstained": 0,
        "failed": 1, "needs_review": 0,
    }  # fmt: skip
    assert sum(summary["role"].values()) == sum(summary["polarity"].values()) == 49
    manifest = json.loads((tmp_path / "run.json").read_text(encoding="utf-8"))
    assert manifest["counts"] == {"labelled": 49, "abstained": 0, "failed": 1, "works": 50}
    assert manifest["input"]["sha256"] == source.sha256()
    assert len(list(read_run(tmp_path))) == 50


def test_evidence_offsets_point_into_the_source(tmp_path):
    run_source(open_input(EXAMPLE), RuleJudge(), RunOptions(out=tmp_path))
    for prediction, citing in read_run(tmp_path):
        evidence = prediction.label.evidence
        assert (
            source_text(citing, evidence.source, evidence.context_index)[evidence.start : evidence.end] == evidence.text
        )


def test_two_runs_write_the_same_bytes(tmp_path):
    for name in ("one", "two"):
        run_source(open_input(EXAMPLE), RuleJudge(delays={}), RunOptions(out=tmp_path / name))
    for file in ("predictions.csv", "predictions.jsonl", "summary.json", "predictions.schema.json"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
