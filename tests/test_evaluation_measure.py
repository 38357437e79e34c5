"""A run measured against gold: coverage, nothing dropped, the table's own numbers, errors, the text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from classifier.cli import app
from classifier.errors import InputError
from classifier.evaluation.confidence import aurc, expected_calibration_error, risk_coverage
from classifier.evaluation.gold import read_gold
from classifier.evaluation.measure import Evaluation, measure
from classifier.evaluation.report import text
from classifier.evaluation.runs import read_run

pytest.importorskip("krippendorff")
np = pytest.importorskip("numpy")


def prediction(citing: str, role: str = "background", polarity: str = "neutral", **more: Any) -> dict[str, Any]:
    basis = "none" if polarity in ("neutral", "unclear") else "assessment"
    confidence = more.pop("confidence", 0.8)
    label = {"role": role, "polarity": polarity, "basis": basis, "confidence": confidence, "rationale": f"says {role}"}
    base = {"hub_id": "h", "citing_id": citing, "status": "labelled", "label": label, "judge": "fake", "model": "m"}
    return {"prediction": {**base, **more}, "citing": {"citing_id": citing, "title": f"Work {citing}"}, "extra": 1}


def failed(citing: str, status: str = "failed") -> dict[str, Any]:
    return prediction(citing, status=status, label=None, failure="server said 500")


def gold_row(citing: str, role: str = "background", polarity: str = "neutral", **more: Any) -> dict[str, Any]:
    basis = "none" if polarity in ("neutral", "unclear") else "assessment"
    return {"hub_id": "h", "citing_id": citing, "role": role, "polarity": polarity, "basis": basis, **more}


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    gold = [gold_row(str(i), split="dev" if i < 6 else "test") for i in range(8)]
    gold[1]["role"] = "extends"
    gold[2] |= {"role": "extends", "other_roles": ["background"], "note": "borderline"}
    write(tmp_path / "gold" / "gold.jsonl", gold)
    both = [
        {**row, "annotator": name, "role": "compares" if (name, row["citing_id"]) == ("b", "0") else row["role"]}
        for name in "ab"
        for row in gold
    ]
    write(tmp_path / "gold" / "annotations.jsonl", both)
    rows = [prediction(str(i)) for i in range(5)] + [failed("5"), failed("6", "abstained"), prediction("99")]
    write(tmp_path / "run" / "predictions.jsonl", rows)
    return tmp_path / "run", tmp_path / "gold"


def evaluate(folders: tuple[Path, Path], split: str | None = None) -> Evaluation:
    run, gold = folders
    return measure(read_run(run), read_gold(gold, split), split=split, resamples=200)


def test_every_gold_pair_is_counted_once(folders: tuple[Path, Path]) -> None:
    c = evaluate(folders).coverage
    assert (c.gold, c.labelled, c.abstained, c.failed, c.missing, c.without_gold) == (8, 5, 1, 1, 1, 1)
    assert evaluate(folders).failures == {"server said 500": 2}


def test_answered_and_all_items_are_both_scored(folders: tuple[Path, Path]) -> None:
    role = evaluate(folders).fields[0]
    answered, everything = role.headlines
    assert (answered.items, answered.n, answered.accuracy.value) == ("answered", 5, pytest.approx(3 / 5))
    assert (everything.items, everything.n, everything.accuracy.value) == ("all", 8, pytest.approx(3 / 8))
    assert everything.accuracy.low is not None
    assert everything.accuracy.low <= 3 / 8 <= (everything.accuracy.high or 0)
    # by hand, all items: background 2*3/(6+5), extends 0
    assert everything.macro_f1.value == pytest.approx((6 / 11 + 0) / 2)
    # two more right with the other roles of gold: work 2
    assert role.any_role is not None
    assert role.any_role.value == pytest.approx(4 / 8)


def test_matrix_has_the_stated_order_and_examples(folders: tuple[Path, Path]) -> None:
    role = evaluate(folders).fields[0]
    assert role.columns == (*role.labels, "(no answer)")
    background, extends = role.labels.index("background"), role.labels.index("extends")
    assert role.matrix[background][background] == 3
    assert role.matrix[extends][background] == 2
    assert role.matrix[background][-1] == 3
    cells = {(cell.gold, cell.predicted): cell for cell in role.cells}
    shown = cells["extends", "background"].examples
    assert [one.citing_id for one in shown] == ["1", "2"]
    assert shown[1].gold_note == "borderline"
    assert shown[0].title == "Work 1"
    assert shown[0].rationale == "says background"


def test_annotators_with_each_other_and_with_the_run(folders: tuple[Path, Path]) -> None:
    role = evaluate(folders).agreement[0]
    assert role.annotators is not None
    (pair,) = role.annotators.pairs
    assert (pair.n, pair.accuracy.value) == (8, pytest.approx(7 / 8))
    a, b = role.with_machine
    assert (a.n, a.accuracy.value) == (5, pytest.approx(3 / 5))
    assert (b.n, b.accuracy.value) == (5, pytest.approx(2 / 5))


def test_a_split_takes_its_own_gold_and_annotations(folders: tuple[Path, Path]) -> None:
    found = evaluate(folders, "dev")
    assert found.coverage.gold == 6
    assert found.agreement[0].annotators is not None
    assert found.agreement[0].annotators.items == 6
    with pytest.raises(InputError, match="no gold row has split 'train'; splits there: dev, test"):
        evaluate(folders, "train")


def test_nothing_to_score_is_an_error(folders: tuple[Path, Path], tmp_path: Path) -> None:
    run, gold = folders
    write(run / "predictions.jsonl", [prediction("99")])
    with pytest.raises(InputError, match="none of the 8 gold pairs"):
        evaluate((run, gold))
    write(run / "predictions.jsonl", [failed("1"), failed("2", "abstained")])
    with pytest.raises(InputError, match="1 were abstained on, 1 failed and 6 are missing"):
        evaluate((run, gold))
    with pytest.raises(InputError, match=r"predictions\.jsonl"):
        evaluate((tmp_path, gold))


def test_bad_rows_are_named_with_file_and_line(tmp_path: Path) -> None:
    good = gold_row("1")
    cases = [
        ([good, {**gold_row("2"), "role": "praise"}], r"gold\.jsonl:2: column role"),
        ([good, good], "two gold labels"),
        ([good, {**gold_row("2"), "polarity": "supporting"}], r":2: column basis"),
        ([{"citing_id": "1", "role": "background"}], r":1: column hub_id"),
    ]
    for rows, message in cases:
        file = write(tmp_path / "gold.jsonl", rows)
        with pytest.raises(InputError, match=message):
            read_gold(file)
    (tmp_path / "gold.jsonl").write_text('{"hub_id": ', encoding="utf-8")
    with pytest.raises(InputError, match=r"gold\.jsonl:1: not JSON"):
        read_gold(tmp_path / "gold.jsonl")
    run = write(tmp_path / "predictions.jsonl", [prediction("1"), prediction("1", role="extends")])
    with pytest.raises(InputError, match="two different predictions"):
        read_run(run)


def test_gold_from_a_table_with_one_field_only(tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    file.write_text("hub_id,citing_id,polarity,other_roles,comment\nh,1,neutral,,x\nh,2,supporting,,\n", "utf-8")
    run = write(tmp_path / "predictions.jsonl", [prediction("1"), prediction("2", polarity="supporting")])
    found = measure(read_run(run), read_gold(file), resamples=100)
    assert [field.field for field in found.fields] == ["polarity"]
    assert found.fields[0].headlines[1].accuracy.value == 1.0


def test_text_has_coverage_before_any_score_and_is_repeatable(folders: tuple[Path, Path]) -> None:
    shown = text(evaluate(folders))
    assert shown == text(evaluate(folders))
    assert "Coverage: 5 of 8 gold pairs labelled (62.5%); abstained 1, failed 1, missing from the run 1." in shown
    assert shown.index("Coverage") < shown.index("accuracy")
    assert "macro-F1" in shown
    assert "a - this run" in shown
    assert "error at coverage" in shown


def test_calibration_error_by_hand() -> None:
    confidence, right = np.array([0.95, 0.95, 0.55, 0.15]), np.array([1.0, 0.0, 1.0, 0.0])
    # bins: (0.9,1] |0.5-0.95| of 2, (0.5,0.6] |1-0.55| of 1, (0.1,0.2] |0-0.15| of 1
    assert expected_calibration_error(confidence, right) == pytest.approx((2 * 0.45 + 0.45 + 0.15) / 4)
    double = expected_calibration_error(confidence, right, np.array([[2.0, 2.0, 2.0, 2.0], [0.0, 0.0, 1.0, 0.0]]))
    assert double.tolist() == pytest.approx([(2 * 0.45 + 0.45 + 0.15) / 4, 0.45])


def test_risk_coverage_area_by_hand() -> None:
    confidence, right = np.array([0.9, 0.8, 0.7, 0.6]), np.array([1.0, 0.0, 1.0, 1.0])
    assert aurc(confidence, right) == pytest.approx((0 + 1 / 2 + 1 / 3 + 1 / 4) / 4)
    assert [p.risk for p in risk_coverage(confidence, right)] == pytest.approx([0, 1 / 2, 1 / 3, 1 / 4])
    # equal confidence gives no order: no skill, whatever order the file has
    for order in ([1.0, 1.0, 0.0, 1.0], [0.0, 1.0, 1.0, 1.0]):
        assert aurc(np.full(4, 0.8), np.array(order)) == pytest.approx(0.25)
    weights = np.array([[1.0, 1, 1, 1], [2.0, 0, 0, 2]])
    assert aurc(confidence, right, weights).tolist() == pytest.approx([13 / 48, 0])


def test_the_data_card_is_renewed_with_counts_and_agreement(folders: tuple[Path, Path]) -> None:
    _, gold = folders
    card = gold / "README.md"
    card.write_text("# Set\n<!-- begin measured -->\nstale\n<!-- end measured -->\nend\n", encoding="utf-8")
    ran = CliRunner().invoke(app, ["agreement", str(gold), "--write"], catch_exceptions=False)
    assert ran.exit_code == 0
    shown = card.read_text(encoding="utf-8")
    assert "| dev | 1 | 6 | 0 |" in shown
    assert "| extends | 2 |" in shown
    assert "| role | a / b | 8 | 0.875 (" in shown
    assert "stale" not in shown
    assert shown.endswith("end\n")
    card.write_text("no markers", encoding="utf-8")
    with pytest.raises(InputError, match="no markers"):
        CliRunner().invoke(app, ["agreement", str(gold), "--write"], catch_exceptions=False)


def test_commands_print_tell_and_write(folders: tuple[Path, Path], tmp_path: Path) -> None:
    run, gold = folders
    ran = CliRunner().invoke(app, ["evaluate", str(run), "--gold", str(gold), "--baseline", str(run), "--html",
                                   "--resamples", "100"], catch_exceptions=False)  # fmt: skip
    assert ran.exit_code == 0
    assert ran.stdout.index("Coverage: 5 of 8") < ran.stdout.index("AGAINST")
    assert "Coverage" not in ran.stderr
    assert (run / "evaluation.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    ran = CliRunner().invoke(app, ["evaluate", str(run), "--gold", str(gold), "--json"], catch_exceptions=False)
    found = json.loads(ran.stdout)
    assert found["coverage"]["labelled"] == 5
    assert found["fields"][0]["headlines"][1]["accuracy"]["value"] == 3 / 8
    with pytest.raises(InputError, match="too few to calibrate on"):
        CliRunner().invoke(app, ["calibrate", str(run), "--gold", str(gold), "--out", str(tmp_path / "c.json")],
                           catch_exceptions=False)  # fmt: skip
    assert not (tmp_path / "c.json").exists()
