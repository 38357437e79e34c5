"""Reviewed works become gold; what is held out keeps its bytes."""

import json

import pytest

from classifier.cli import _run as classify
from classifier.errors import InputError, SettingsError
from classifier.evaluation.gold import read_gold
from classifier.inputs import open_input
from classifier.review.decisions import Action, DecisionLog
from classifier.review.gold import add_gold
from classifier.review.run import open_run
from classifier.schema import Basis, Polarity, Role
from tests.reviewing import HUB, read_jsonl, write_run
from tests.test_review_decisions import CONTRASTING, NEUTRAL, SHOWN, decision

BLIND = SHOWN.model_copy(update={"blind": True})


@pytest.fixture
def run(tmp_path):
    return open_run(write_run(tmp_path / "run"))


@pytest.fixture
def log(run):
    return DecisionLog(run.folder)


def test_reviewed_works_become_gold_items_and_annotations(run, log, tmp_path):
    to = tmp_path / "gold" / "mine"
    log.append([
        decision(citing_id="2305.0050", shown=BLIND), decision("bob", "2305.0050", shown=BLIND),
        decision(citing_id="2305.0150", label=CONTRASTING.model_copy(update={"note": "R22"})),
        decision(citing_id="2305.0250"), decision("bob", "2305.0250", CONTRASTING),
        decision(citing_id="2305.0350", label=None),
    ])  # fmt: skip
    done = add_gold(run, log, to)
    assert (done.added, done.disagreed, done.seen, done.already) == (2, 1, 1, 0)
    gold = read_gold(to, "dev")
    assert [(i.citing_id, i.role, i.polarity, i.basis, i.adjudicated) for i in gold.items] == [
        ("2305.0050", Role.BACKGROUND, Polarity.NEUTRAL, Basis.NONE, False),
        ("2305.0150", Role.COMPARES, Polarity.CONTRASTING, Basis.EVIDENCE, False),
    ]
    assert sorted((a.citing_id, a.annotator) for a in gold.annotations) == [
        ("2305.0050", "ada"), ("2305.0050", "bob"), ("2305.0150", "ada"),
    ]  # fmt: skip
    assert set(read_jsonl(to / "gold.jsonl")[0]) == {
        "hub_id", "citing_id", "split", "role", "other_roles", "polarity", "basis", "evidence", "adjudicated", "note",
    }  # fmt: skip
    assert [row["blind"] for row in read_jsonl(to / "annotations.jsonl")] == [True, True, False]
    # The items can be run again and are the same works.
    again = {pair.citing.citing_id: pair for pair in open_input(to / "items.jsonl").pairs()}
    assert again["2305.0150"].citing.contexts == run.results[HUB.hub_id, "2305.0150"].citing.contexts
    assert again["2305.0150"].cited.abstract == HUB.abstract


def test_a_second_call_adds_only_what_is_new_and_keeps_every_line(run, log, tmp_path):
    log.append([decision(citing_id="2305.0050")])
    add_gold(run, log, tmp_path / "gold")
    before = {path.name: path.read_bytes() for path in (tmp_path / "gold").iterdir()}
    log.append([decision(citing_id="2305.0050", label=CONTRASTING), decision(citing_id="2305.0150")])
    done = add_gold(run, log, tmp_path / "gold")
    assert (done.added, done.already, done.changed) == (1, 1, ((HUB.hub_id, "2305.0050"),))
    for name, content in before.items():
        assert (tmp_path / "gold" / name).read_bytes().startswith(content)
    assert len(read_gold(tmp_path / "gold").items) == 2


def test_a_held_out_split_is_never_written_to(run, log, tmp_path):
    log.append([decision(citing_id="2305.0050")])
    for split in ("test", "TEST", "held-out", ""):
        with pytest.raises(SettingsError, match="held-out split"):
            add_gold(run, log, tmp_path / "gold", split=split)
    gold = tmp_path / "gold"
    gold.mkdir()
    rows = [
        {"hub_id": HUB.hub_id, "citing_id": "other", "split": "test", "role": "background", "polarity": "neutral"},
        {"hub_id": "another", "citing_id": "x", "split": "dev", "role": "background", "polarity": "neutral"},
    ]
    (gold / "gold.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    before = (gold / "gold.jsonl").read_bytes()
    done = add_gold(run, log, gold)
    # Works of a hub that is in the test split would leak it: none is added, not even other works of that hub.
    assert (done.added, done.held_out) == (0, (HUB.hub_id,))
    assert (gold / "gold.jsonl").read_bytes() == before
    assert sorted(path.name for path in gold.iterdir()) == ["gold.jsonl"]


def test_the_adjudicated_label_is_gold_and_both_passes_are_kept(run, log, tmp_path):
    log.append([decision(citing_id="2305.0050"), decision("bob", "2305.0050", CONTRASTING)])
    shown = SHOWN.model_copy(update={"adjudicating": True, "answers": (1, 2)})
    log.append([decision("cleo", "2305.0050", CONTRASTING.model_copy(update={"note": "R22"}),
                         action=Action.ADJUDICATE, shown=shown)])  # fmt: skip
    add_gold(run, log, tmp_path / "gold")
    gold = read_gold(tmp_path / "gold")
    assert (gold.items[0].polarity, gold.items[0].adjudicated, gold.items[0].note) == (
        Polarity.CONTRASTING,
        True,
        "R22",
    )
    assert [a.annotator for a in gold.annotations] == ["ada", "bob"]


def test_only_blind_labels_where_that_is_asked(run, log, tmp_path):
    log.append([decision(citing_id="2305.0050"), decision(citing_id="2305.0150", shown=BLIND)])
    assert add_gold(run, log, tmp_path / "gold", blind_only=True).added == 1
    assert read_gold(tmp_path / "gold").items[0].citing_id == "2305.0150"


def test_a_stance_without_a_basis_waits(run, log, tmp_path):
    log.append([decision(citing_id="2305.0050", label=CONTRASTING.model_copy(update={"basis": None}))])
    done = add_gold(run, log, tmp_path / "gold")
    assert (done.added, done.without_basis) == (0, 1)
    assert not (tmp_path / "gold").exists()


def test_broken_off_between_files_the_next_call_completes_and_repeats_nothing(run, log, tmp_path):
    log.append([decision(citing_id="2305.0050")])
    add_gold(run, log, tmp_path / "gold")
    (tmp_path / "gold" / "gold.jsonl").unlink()
    add_gold(run, log, tmp_path / "gold")
    for name in ("gold.jsonl", "annotations.jsonl", "items.jsonl"):
        assert len(read_jsonl(tmp_path / "gold" / name)) == 1


def test_nobody_reviewed_is_said(run, log, tmp_path):
    with pytest.raises(InputError, match="nobody has reviewed"):
        add_gold(run, log, tmp_path / "gold")


def test_from_the_command_line(run, log, tmp_path, capsys):
    log.append([decision(citing_id="2305.0050"), decision(citing_id="2305.0150", label=NEUTRAL)])
    assert classify(["gold", "add", str(run.folder), "--to", str(tmp_path / "gold")]) == 0
    shown = capsys.readouterr()
    assert "2 works added to dev" in shown.out
    assert "2 of the added were labelled with the machine's answer in view" in shown.err
    assert classify(["gold", "add", str(run.folder), "--to", str(tmp_path / "gold"), "--split", "test"]) == 2
    (run.folder / "review.sqlite").unlink()
    assert classify(["gold", "add", str(run.folder), "--to", str(tmp_path / "gold")]) == 2
    assert "nobody has reviewed this run" in capsys.readouterr().err
