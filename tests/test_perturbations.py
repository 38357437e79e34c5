"""Behavioural tests: the data hold together, the command counts every pair, and a real judge runs through it."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from classifier.cli import app
from classifier.errors import InputError
from classifier.evaluation.gold import read_gold
from classifier.evaluation.perturbations import Expectation, judge_pairs, read_expectations, tally, text
from classifier.evaluation.runs import read_run
from classifier.inputs import open_input
from classifier.schema import MENTION
from tests.paths import ROOT

DATA = ROOT / "eval" / "perturbations"
CONTEXTS = ROOT / "eval" / "gold" / "contexts"
AT_LEAST = {"rename": 25, "hostile": 25, "negate": 20, "swap": 15, "hedge": 15, "turn-next": 10}
STAY = {"rename": "both", "hostile": "both", "turn-next": "both", "hedge": "polarity"}
HUB_COLUMNS = ("hub_id", "hub_title", "hub_abstract", "field", "split")

Row = dict[str, Any]


def lines(path: Path) -> list[Row]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def items() -> dict[str, Row]:
    rows = lines(DATA / "items.jsonl")
    by_id = {row["citing_id"]: row for row in rows}
    assert len(by_id) == len(rows)
    return by_id


@pytest.fixture(scope="module")
def expectations() -> tuple[Expectation, ...]:
    return read_expectations(DATA / "expectations.jsonl")


def words(row: Row) -> str:
    passage = row["contexts"][0]
    return " ".join(passage.get(part) or "" for part in ("before", "text", "after"))


# The data.


def test_every_expectation_has_its_items_and_every_item_its_use(items, expectations):
    named = {one for e in expectations for one in (e.original, e.citing_id)}
    assert named == set(items)
    for e in expectations:
        assert e.citing_id == f"{e.original}~{e.perturbation}"
        assert items[e.citing_id]["hub_id"] == items[e.original]["hub_id"] == e.hub_id


def test_there_are_enough_of_each_and_each_says_what_must_happen(expectations):
    counts = Counter(e.perturbation for e in expectations)
    assert set(counts) == set(AT_LEAST)
    assert all(counts[name] >= least for name, least in AT_LEAST.items()), counts
    for e in expectations:
        if e.perturbation in STAY:
            assert (e.expect, e.field, e.to) == ("same", STAY[e.perturbation], None)
        else:
            assert (e.expect, e.field) == ("changed", "polarity")
            assert e.to in ("supporting", "contrasting")
        assert e.why


def test_only_the_dev_split_is_used_and_originals_are_unchanged(items, expectations):
    dev = {one.key for one in read_gold(CONTEXTS, "dev").items}
    source = {
        row["citing_id"]: row for row in lines(CONTEXTS / "items.jsonl") if (row["hub_id"], row["citing_id"]) in dev
    }
    for e in expectations:
        assert (e.hub_id, e.original) in dev
        assert items[e.original] == source[e.original]
        assert [items[e.citing_id][c] for c in HUB_COLUMNS] == [source[e.original][c] for c in HUB_COLUMNS]


def test_the_mention_is_marked_once_and_the_texts_differ(items, expectations):
    for citing_id, row in items.items():
        assert len(row["contexts"]) == 1
        assert len(MENTION.findall(row["contexts"][0]["text"])) == 1, citing_id
        assert not MENTION.search(" ".join(row["contexts"][0].get(p) or "" for p in ("before", "after"))), citing_id
    for e in expectations:
        assert words(items[e.citing_id]) != words(items[e.original]), e.citing_id
    texts = Counter((row["hub_id"], words(row)) for row in items.values())
    assert max(texts.values()) == 1, "two items with the same words"


def test_flips_leave_the_gold_polarity_and_hedges_start_from_a_stance(expectations):
    gold = {one.key: one.polarity for one in read_gold(CONTEXTS, "dev").items}
    for e in expectations:
        before = gold[e.hub_id, e.original]
        if e.expect == "changed":
            assert e.to != before, e.citing_id
        if e.perturbation == "hedge":
            assert before in ("supporting", "contrasting"), e.citing_id


def test_hostile_items_hold_the_original_words_and_some_invisible_characters(items, expectations):
    hidden = 0
    for e in expectations:
        if e.perturbation == "hostile":
            before, after = (items[one]["contexts"][0] for one in (e.original, e.citing_id))
            assert all((before.get(p) or "") in (after.get(p) or "") for p in ("before", "text", "after")), e.citing_id
            hidden += any(ch in words(items[e.citing_id]) for ch in "\u200b\u200c\u200d\u2060\u202e\u2066\ufeff")
    assert hidden >= 4


def test_the_items_are_read_as_a_table(items):
    assert sum(1 for _ in open_input(DATA / "items.jsonl").pairs()) == len(items)


def test_the_card_names_the_numbers_of_the_data(items, expectations):
    card = (DATA / "README.md").read_text(encoding="utf-8")
    for name, n in Counter(e.perturbation for e in expectations).items():
        assert f"| `{name}` | {n} |" in card
    assert f"{len(items)} items" in card
    assert f"{len({e.original for e in expectations})} originals" in card


# The command.


def answer(citing_id: str, polarity: str = "neutral", role: str = "background") -> Row:
    label = {
        "role": role,
        "polarity": polarity,
        "basis": "none" if polarity == "neutral" else "evidence",
        "confidence": 0.7,
        "rationale": "says so",
    }
    return row_of(citing_id, "labelled", label=label)


def row_of(citing_id: str, status: str, **more: Any) -> Row:
    base = {"hub_id": "h", "citing_id": citing_id, "status": status, "judge": "fake", "model": "m"}
    return {"prediction": {**base, **more}, "citing": {"citing_id": citing_id, "title": citing_id}}


def wanted(original: str, perturbation: str, to: str | None = None, field: str = "polarity") -> Row:
    return {
        "hub_id": "h",
        "citing_id": f"{original}~{perturbation}",
        "original": original,
        "perturbation": perturbation,
        "expect": "changed" if to else "same",
        "field": field,
        "to": to,
        "why": "because",
    }


def write(path: Path, rows: list[Row]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    predictions = [
        answer("a", "supporting"),
        answer("a~negate", "contrasting"),
        answer("b", "supporting"),
        answer("b~negate", "supporting"),
        answer("c", "supporting"),
        answer("c~negate", "neutral"),
        row_of("d", "failed", failure="server\nsaid \x1b[31m500"),
        answer("d~negate", "contrasting"),
        answer("e", "contrasting"),
        answer("e~rename", "contrasting"),
        answer("f", "contrasting"),
        answer("f~rename", "contrasting", role="compares"),
        answer("g", "mixed"),
        row_of("g~rename", "abstained", failure="too unsure"),
        answer("i", "contrasting"),
        answer("i~negate", "contrasting"),
    ]
    write(tmp_path / "run" / "predictions.jsonl", predictions)
    expected = [wanted(name, "negate", "contrasting") for name in "abcdi"]
    expected += [wanted(name, "rename", field="both") for name in "efgh"]
    write(tmp_path / "expectations.jsonl", expected)
    return tmp_path


def test_every_pair_is_counted_once_and_none_is_dropped(folder):
    outcomes = judge_pairs(read_run(folder / "run"), read_expectations(folder / "expectations.jsonl"))
    negate, rename = tally(outcomes)
    # a flips; b stays; c goes elsewhere; i was contrasting before, which is no flip; d has no label before.
    assert (negate.pairs, negate.met, negate.not_met, negate.failed) == (5, 1, 3, 1)
    # e stays; f changes its role, which `both` looks at; g abstained; h is not in the run.
    assert (rename.pairs, rename.met, rename.not_met, rename.abstained, rename.missing) == (4, 1, 1, 1, 1)
    for one in (negate, rename):
        assert one.met + one.not_met + one.abstained + one.failed + one.missing == one.pairs


def test_rates_are_of_all_pairs_and_of_those_answered_with_wilson_intervals(folder):
    outcomes = judge_pairs(read_run(folder / "run"), read_expectations(folder / "expectations.jsonl"))
    negate, rename = tally(outcomes)
    assert negate.of_all.value == pytest.approx(1 / 5)
    assert negate.of_answered.value == pytest.approx(1 / 4)
    # Wilson's score interval of 1 of 4 by hand: centre (1 + z²/2) / (4 + z²), with z = 1.959964.
    assert (negate.of_answered.low, negate.of_answered.high) == pytest.approx((0.0456, 0.6994), abs=1e-4)
    assert rename.of_answered.value == pytest.approx(1 / 2)


def test_the_command_lists_failures_and_what_has_no_answer(folder):
    shown = CliRunner().invoke(
        app, ["perturbations", str(folder / "run"), "--expect", str(folder / "expectations.jsonl")]
    )
    assert shown.exit_code == 0, shown.output
    assert "run: 6 of 9 pairs labelled on both sides" in shown.stdout
    assert "b~negate: supporting -> supporting, must flip to contrasting: because" in shown.stdout
    assert "c~negate: supporting -> neutral" in shown.stdout
    assert "f~rename: background/contrasting -> compares/contrasting, must stay" in shown.stdout
    assert "h~rename: original missing, perturbed missing" in shown.stdout
    assert "g~rename: original labelled, perturbed abstained (too unsure)" in shown.stdout
    assert "d~negate: original failed, perturbed labelled (server said" in shown.stdout
    assert "\x1b" not in shown.stdout
    assert "a~negate" not in shown.stdout
    assert "e~rename" not in shown.stdout


def test_an_answer_that_never_varies_is_said(tmp_path):
    run = write(tmp_path / "predictions.jsonl", [answer("e"), answer("e~rename")])
    done = read_run(run)
    expected = [Expectation.model_validate(wanted("e", "rename", field="both"))]
    assert "polarity: neutral 2; it never varies" in text(done, judge_pairs(done, expected))


def test_a_run_without_two_answers_to_any_pair_is_an_error_that_counts_them(tmp_path):
    rows = [row_of(one, "failed", failure="no") for one in ("e", "e~rename")]
    run = read_run(write(tmp_path / "predictions.jsonl", rows))
    expected = [Expectation.model_validate(wanted(name, "rename")) for name in "ef"]
    with pytest.raises(InputError, match=r"none of the 2 pairs is labelled on both sides .*failed 1, missing 1"):
        judge_pairs(run, expected)


def test_a_perturbation_without_answers_keeps_its_row(folder):
    expected = [Expectation.model_validate(one) for one in (wanted("e", "rename"), wanted("d", "hedge"))]
    write(folder / "one" / "predictions.jsonl", [*lines(folder / "run" / "predictions.jsonl"), answer("d~hedge")])
    _, hedge = tally(judge_pairs(read_run(folder / "one"), expected))
    assert (hedge.failed, hedge.of_all.value, hedge.of_answered.value) == (1, 0.0, None)


def test_nothing_to_score_is_an_error(folder):
    other = read_run(write(folder / "other" / "predictions.jsonl", [answer("z")]))
    with pytest.raises(InputError, match="nothing to score: none of the 9 pairs"):
        judge_pairs(other, read_expectations(folder / "expectations.jsonl"))
    with pytest.raises(InputError, match="nothing to score: no expectations"):
        read_expectations(write(folder / "empty.jsonl", []))
    with pytest.raises(InputError, match="no such file; give it with --expect"):
        read_expectations(folder / "absent.jsonl")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"to": "positive"}, "goes with `changed`"),
        ({"expect": "same"}, "goes with `changed`"),
        ({"field": "both"}, "goes with `changed`"),
        ({"citing_id": "a"}, "citing_id of its own"),
        ({"expect": "better"}, "'same' or 'changed'"),
    ],
)
def test_an_impossible_expectation_is_one_line_with_its_place(tmp_path, change, says):
    file = write(tmp_path / "e.jsonl", [wanted("b", "rename"), {**wanted("a", "negate", "contrasting"), **change}])
    with pytest.raises(InputError, match=says) as caught:
        read_expectations(file)
    assert caught.value.line == 2


def test_an_item_with_two_expectations_is_refused(tmp_path):
    file = write(tmp_path / "e.jsonl", [wanted("a", "rename"), wanted("a", "rename")])
    with pytest.raises(InputError, match="two expectations"):
        read_expectations(file)


def test_the_local_judge_goes_through_the_whole_chain(tmp_path):
    run = tmp_path / "run"
    runner = CliRunner()
    ran = runner.invoke(app, ["run", str(DATA / "items.jsonl"), "--judge", "local", "--out", str(run)])
    assert ran.exit_code == 0, ran.output
    shown = runner.invoke(app, ["perturbations", str(run), "--expect", str(DATA / "expectations.jsonl")])
    assert shown.exit_code == 0, shown.output
    assert "of 150 pairs labelled on both sides" in shown.stdout
    assert all(f"  {name} " in shown.stdout for name in AT_LEAST)
