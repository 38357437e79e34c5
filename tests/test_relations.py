"""Measuring the rules for works without a passage: pairs merged, shares and intervals counted, the files written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("scipy", reason="training needs the dependency group train")

from classifier.errors import InputError
from classifier.judges.local.relation import CommonWords
from classifier.training import relations
from classifier.training.relations import ABSTAIN
from classifier.training.title_pairs import TitlePair, read_pairs

ROLES = {"uses": "Step marking of essays", "compares": "Rivers of ice", "background": "Fern leaves in autumn"}


def rows(name: str) -> list[dict[str, Any]]:
    return [
        {"id": str(i), "dataset": name, "text": "x [[CITATION]]", "citing_title": f"{citing} {i}",
         "cited_title": cited, "role": role}
        for i in range(12)
        for role, cited in ROLES.items()
        for citing in ("Grading with step marking", "Iron")
    ]  # fmt: skip


def write(path: Path, items: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(item) + "\n" for item in items), encoding="utf-8")
    return path


def test_passages_of_one_pair_make_one_label_and_use_wins_over_background(tmp_path: Path) -> None:
    base = {"dataset": "act", "text": "x", "cited_title": "Step Marking", "citing_title": "Tutors"}
    found = read_pairs(
        [
            write(
                tmp_path / "act.jsonl",
                [
                    base | {"id": "1", "role": "background"},
                    base | {"id": "2", "role": "background", "cited_title": "step marking"},
                    base | {"id": "3", "role": "uses"},
                    base | {"id": "4", "role": "uses", "citing_title": ""},
                ],
            )
        ]
    )
    assert found == [TitlePair("Step Marking", "Tutors", 1, frozenset({"uses_method", "uses_data"}))]


def test_an_abstention_is_wrong_or_left_out() -> None:
    pairs = [TitlePair("a", str(i), truth, frozenset({"background"})) for i, truth in enumerate([0, 0, 1, 2])]
    found = relations.scored(pairs, np.array([0, ABSTAIN, 1, 0]))
    assert (found["asserted"], found["right"]) == (3, 2)
    assert found["macro"]["value"] == pytest.approx((50.0 + 100.0 + 0.0) / 3, abs=0.01)
    assert found["macro asserted"]["value"] == pytest.approx((200 / 3 + 100.0 + 0.0) / 3, abs=0.01)
    assert found["macro"]["low"] <= found["macro"]["value"] <= found["macro"]["high"]


def test_words_of_use_in_a_title_assert_no_use() -> None:
    pairs = [TitlePair("Step marking of essays", "Grading with step marking", 0, frozenset({"background"}))]
    assert relations.groups_of(relations.by_rules(pairs, CommonWords())).tolist() == [0]
    said = relations.by_rules(pairs, CommonWords(), is_title=False)
    assert relations.groups_of(said).tolist() == [1]
    counts = relations.precision(pairs, said)["used phrase: uses_method"]
    assert (counts["asserted"], counts["role"]["count"], counts["background"]["count"]) == (1, 0, 1)


def test_a_learnt_relation_finds_what_title_words_show() -> None:
    pairs = [TitlePair(cited, f"Iron {i}", k, frozenset()) for i in range(9) for k, cited in enumerate(ROLES.values())]
    none = [None] * len(pairs)
    guess = relations.learnt((pairs, none), (pairs, none), words=True, balance=0.5)
    assert guess.tolist() == [p.truth for p in pairs]


def test_the_command_writes_both_files_the_same_twice(tmp_path: Path) -> None:
    for name, files in relations.SETS.items():
        for file in files:
            write(tmp_path / f"{file}.jsonl", rows(name))
    label = {"dataset": "act", "id": "3", "role": "uses_data", "second": False}
    silver = write(tmp_path / "labels.jsonl", [label, label | {"id": "4", "role": "unclear"}])
    for out in ("one", "two"):
        given = ["--data", str(tmp_path), "--silver", str(silver), "--out", str(tmp_path / out)]
        relations.main(given)
    page = (tmp_path / "one" / "relations.md").read_text("utf-8")
    assert page == (tmp_path / "two" / "relations.md").read_text("utf-8")
    found = json.loads((tmp_path / "one" / "relations.json").read_text("utf-8"))
    assert sum(found["act"]["labels"].values()) == found["act"]["scores"]["always background"]["pairs"] == 72
    assert found["example hub"]["works"] == 50
    assert "always background" in page


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        relations.main(["--data", str(tmp_path), "--out", str(tmp_path)])
