"""Edited spreadsheets and Label Studio's export become decisions, all or none."""

import csv
import io
import json
from pathlib import Path

import pytest

from classifier.cli import _run as classify
from classifier.errors import InputError
from classifier.export.label_studio import tasks
from classifier.review.decisions import DecisionLog
from classifier.review.importing import import_csv
from classifier.review.label_studio import import_label_studio
from classifier.review.run import open_run
from classifier.schema import Basis, EvidenceSource, Polarity, Role
from tests.reviewing import snapshot, write_run

EXPORT = Path(__file__).parent / "data" / "label-studio-1.23.2.json"
"""What Label Studio 1.23.2 exported after three of these tasks were worked on in its own page (docs/review.md)."""


@pytest.fixture
def run(tmp_path):
    return open_run(write_run(tmp_path / "run"))


def edited(run, changes, *, columns=(), delimiter=",", line_end="\n", encoding="utf-8-sig", rename=None):
    """The run's CSV with cells changed, ``{(citing_id, column): value}``, written as a spreadsheet would."""
    rows = list(
        csv.DictReader(io.StringIO((run.folder / "predictions.csv").read_text(encoding="utf-8-sig"), newline=""))
    )
    for row in rows:
        row.update(dict.fromkeys(columns, ""))
        row.update({column: value for (citing_id, column), value in changes.items() if citing_id == row["citing_id"]})
        row["citing_id"] = (rename or {}).get(row["citing_id"], row["citing_id"])
    target = io.StringIO(newline="")
    writer = csv.DictWriter(target, list(rows[0]), delimiter=delimiter, lineterminator=line_end)
    writer.writeheader()
    writer.writerows(rows)
    path = run.folder.parent / "edited.csv"
    path.write_bytes(target.getvalue().encode(encoding))
    return path


def labels(run, annotator="ada"):
    return {key[1]: d.label for key, d in DecisionLog(run.folder).of(annotator).items()}


def take(run, path):
    return import_csv(path, run, DecisionLog(run.folder), "ada")


def test_an_unedited_file_changes_nothing(run):
    done = take(run, edited(run, {}))
    assert (done.recorded, done.unchanged) == ((), 13)


@pytest.mark.parametrize(
    "written",
    [{}, {"delimiter": ";", "line_end": "\r\n"}, {"delimiter": "\t", "encoding": "utf-16"}, {"encoding": "utf-8"}],
    ids=["as written", "Excel with semicolons", "Excel Unicode text", "no byte-order mark"],
)
def test_changed_rows_are_recorded_as_the_persons_labels(run, written):
    before = snapshot(run.folder)
    path = edited(run, {("2305.0050", "role"): "Uses_Method ", ("2305.0150", "polarity"): "supporting",
                        ("2305.0150", "basis"): "assessment"}, **written)  # fmt: skip
    assert len(take(run, path).recorded) == 2
    given = labels(run)
    assert (given["2305.0050"].role, given["2305.0050"].polarity) == (Role.USES_METHOD, Polarity.NEUTRAL)
    assert given["2305.0150"].basis is Basis.ASSESSMENT
    assert given["2305.0150"].evidence.text.startswith("We follow")
    (first, _) = DecisionLog(run.folder).of("ada").values()
    assert first.origin == "csv:edited.csv"
    assert not first.shown.blind
    assert take(run, path).recorded == ()
    assert snapshot(run.folder) == before


def test_every_bad_cell_is_named_and_nothing_is_recorded(run):
    path = edited(run, {("2305.0050", "role"): "praise", ("2305.0150", "polarity"): "positive",
                        ("2305.0250", "basis"): "none", ("2305.0350", "polarity"): "",
                        ("2305.0450", "evidence"): "words that stand nowhere",
                        ("2305.0550", "role"): "compares"})  # fmt: skip
    with pytest.raises(InputError) as caught:
        take(run, path)
    lines = str(caught.value).splitlines()
    assert [line.partition(";")[0].replace(str(path), "F") for line in lines] == [
        "F: row 2: column role: unknown role",
        "F: row 3: column polarity: unknown polarity",
        "F: row 4: column basis: polarity supporting does not go with basis none",
        "F: row 5: column polarity: no polarity",
        "F: row 6: column evidence: these words stand in no text of this work",
        f"5 cells of {path} cannot be used".replace(str(path), "F"),
    ]
    assert "one of background, motivation" in lines[0]
    assert labels(run) == {}


def test_a_stance_whose_basis_was_left_alone_has_an_unknown_basis_never_a_guess(run):
    done = take(run, edited(run, {("2305.0050", "polarity"): "contrasting"}))
    assert labels(run)["2305.0050"].basis is None
    assert done.remarks == ("row 2: a contrasting without a basis; recorded as not given",)
    take(run, edited(run, {("2305.0250", "polarity"): "neutral"}))
    assert labels(run)["2305.0250"].basis is Basis.NONE


def test_a_reviewed_column_confirms_a_row_and_a_note_is_kept(run):
    path = edited(run, {("2305.0050", "reviewed"): "x", ("2305.0150", "note"): "'=R20"}, columns=("reviewed", "note"))
    assert len(take(run, path).recorded) == 2
    assert labels(run)["2305.0150"].note == "=R20"
    with pytest.raises(InputError, match="row 4: column reviewed: not yes or no"):
        take(run, edited(run, {("2305.0250", "reviewed"): "perhaps"}, columns=("reviewed",)))


def test_new_evidence_is_looked_up_in_the_text(run):
    take(run, edited(run, {("2305.0150", "evidence"): "it is  quick"}))
    found = labels(run)["2305.0150"].evidence
    assert (found.text, found.start, found.source) == ("It is quick", 74, EvidenceSource.CONTEXT)


def test_an_id_that_the_spreadsheet_made_a_number_is_known_by_its_title(run):
    path = edited(run, {("2305.0050", "role"): "extends"}, rename={"2305.0050": "2305,005", "2305.0150": "2305.015"})
    done = take(run, path)
    assert done.remarks[0] == "row 2: citing_id 2305,005 read as 2305.0050; the spreadsheet changed it"
    assert labels(run)["2305.0050"].role is Role.EXTENDS
    with pytest.raises(InputError, match="row 3: column citing_id: no such citing work"):
        take(run, edited(run, {}, rename={"2305.0150": "somebody-else"}))


def test_a_failed_work_can_be_labelled_and_a_row_may_not_stand_twice(run):
    take(run, edited(run, {("failed-one", "role"): "compares", ("failed-one", "polarity"): "neutral"}))
    assert labels(run)["failed-one"].role is Role.COMPARES
    path = edited(run, {("2305.0050", "role"): "extends"})
    text = path.read_text(encoding="utf-8-sig").splitlines(keepends=True)
    path.write_text("".join([*text, text[1]]), encoding="utf-8")
    with pytest.raises(InputError, match="stands in an earlier row too"):
        take(run, path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a,b\n1,2\n", "has no column citing_id, role, polarity"),
        (b"", "has no column"),
        (b"citing_id,role,polarity,role\n", "has the column role twice"),
        ("citing_id,role,polarity\nx,é,y\n".encode("latin-1"), "save it as `CSV UTF-8`"),
    ],
)
def test_a_file_that_is_no_edited_run_is_refused(run, tmp_path, content, message):
    path = tmp_path / "other.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        take(run, path)


def test_what_label_studio_really_exported_comes_in(run):
    done = import_label_studio(EXPORT, run, DecisionLog(run.folder), None)
    # Task 1 was submitted as it was, task 2 changed, task 3 skipped, the others not opened.
    assert len(done.recorded) == 2
    given = labels(run, "label-studio 1")
    assert set(given) == {"2305.0050", "2305.0150"}
    assert given["2305.0050"].note == ""
    changed = given["2305.0150"]
    assert (changed.role, changed.polarity, changed.basis) == (Role.USES_METHOD, Polarity.SUPPORTING, Basis.ASSESSMENT)
    assert (changed.evidence.text, changed.evidence.start) == ("It is quick", 74)
    assert changed.note == "quick is a word of worth (R20)"
    assert import_label_studio(EXPORT, run, DecisionLog(run.folder), None).recorded == ()
    assert len(import_label_studio(EXPORT, run, DecisionLog(run.folder), "ada").recorded) == 2


def _result(tasks, name):
    return next(one for one in tasks[1]["annotations"][0]["result"] if one["from_name"] == name)["value"]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda t: t[0]["data"].update(citing_id="nobody"), "task 1: no such citing work"),
        (lambda t: _result(t, "role").update(choices=["praise"]), "task 2: role: unknown value 'praise'"),
        (lambda t: _result(t, "basis").update(choices=["none"]), "does not go with basis none"),
        (lambda t: _result(t, "polarity").update(choices=[]), "task 2: has no polarity"),
        (lambda t: _result(t, "evidence").update(text="not there"), "stand in no text of this work"),
        (lambda t: _result(t, "evidence").pop("start"), "has no offsets"),
        (lambda t: t[0]["annotations"].append(t[0]["annotations"][0]), "annotated this work twice"),
    ],
)
def test_an_annotation_that_is_no_label_is_named_and_nothing_is_recorded(run, tmp_path, spoil, message):
    tasks = json.loads(EXPORT.read_text(encoding="utf-8"))
    spoil(tasks)
    path = tmp_path / "export.json"
    path.write_text(json.dumps(tasks), encoding="utf-8")
    with pytest.raises(InputError, match=message):
        import_label_studio(path, run, DecisionLog(run.folder), None)
    assert list(DecisionLog(run.folder).standing()) == []


def test_a_region_with_shifted_offsets_is_found_by_its_words(run, tmp_path):
    tasks = json.loads(EXPORT.read_text(encoding="utf-8"))
    _result(tasks, "evidence").update(start=10, end=21)
    path = tmp_path / "export.json"
    path.write_text(json.dumps(tasks), encoding="utf-8")
    import_label_studio(path, run, DecisionLog(run.folder), "ada")
    assert labels(run)["2305.0150"].evidence.start == 74


@pytest.mark.parametrize("content", ["{}", "[1]", "nonsense", '[{"id": 1}]'])
def test_another_json_is_refused(run, tmp_path, content):
    path = tmp_path / "export.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match="JSON"):
        import_label_studio(path, run, DecisionLog(run.folder), None)


def test_what_is_exported_and_accepted_as_it_is_comes_back_as_the_machines_labels(run, tmp_path):
    (hub,) = run.hubs.values()
    made = tasks(hub, run.results.values())
    for task in made:
        results = [prediction["result"] for prediction in task.pop("predictions", [])]
        task["annotations"] = [{"completed_by": {"email": "eve@example.org"}, "result": one} for one in results]
    path = tmp_path / "export.json"
    path.write_text(json.dumps(made), encoding="utf-8")
    import_label_studio(path, run, DecisionLog(run.folder), None)
    given = labels(run, "label-studio eve@example.org")
    machine = {key[1]: r.prediction.label for key, r in run.results.items() if r.prediction.label}
    assert {i: (g.role, g.polarity, g.basis, g.evidence) for i, g in given.items()} == {
        i: (m.role, m.polarity, m.basis, m.evidence) for i, m in machine.items()
    }
    assert not any(one.note for one in given.values())


def test_from_the_command_line(run, capsys):
    path = edited(run, {("2305.0050", "role"): "extends"})
    assert classify(["review", str(run.folder), "--import", str(path), "--annotator", "ada"]) == 0
    shown = capsys.readouterr()
    assert "1 labels recorded, 12 works unchanged" in shown.out
    assert "predictions.reviewed.csv" in shown.out
    path = edited(run, {("2305.0050", "role"): "nothing"})
    assert classify(["review", str(run.folder), "--import", str(path)]) == 2
    assert "error: " in capsys.readouterr().err
    assert classify(["review", str(run.folder), "--import", str(EXPORT)]) == 0
    assert "2 labels recorded" in capsys.readouterr().out
