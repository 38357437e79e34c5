"""Training: labels mapped as stated, the partial-label loss, calibration, and the same bytes every time."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("scipy", reason="training needs the dependency group train")

import numpy as np
import scipy.optimize
import scipy.sparse as sp
from typer.testing import CliRunner

from classifier.cli import app
from classifier.errors import InputError
from classifier.judges.local.encoder import HEADS
from classifier.judges.local.features import Source, extract
from classifier.judges.local.model import LocalModel
from classifier.judges.local.stances import kind_of
from classifier.training import (
    assertions,
    blending,
    calibration,
    candidates,
    card,
    corpora,
    evaluate,
    fitting,
    in_domain,
    matrices,
    whole_sets,
)
from classifier.training.corpora import POLARITIES, Example
from classifier.training.train import Settings, Shown, patterns_of, train, tune, tune_stances, usable
from tests.paths import SHARED

WORDS = {"background": "was studied by", "uses": "we used the method of", "compares": "our results agree with those of"}


def rows(name: str, seed: int, count: int = 60) -> list[dict[str, Any]]:
    """Invented passages of one data set."""
    draw = random.Random(seed)  # noqa: S311 - invented rows, no secret
    out = []
    for i in range(count):
        role = draw.choice(list(WORDS))
        noun = draw.choice(["rivers", "parsers", "patients", "stars"])
        polarity = "supports" if role == "compares" else "neutral"
        text = f"The flow of {noun} {WORDS[role]} [[CITATION]] ."
        out.append({"id": str(i), "dataset": name, "split": "train", "text": text, "role": role, "polarity": polarity})
    return out


def write(path: Path, items: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(item) + "\n" for item in items), encoding="utf-8")
    return path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    for seed, name in enumerate(("scicite", "act", "citelling", "kumpa-arxiv")):
        write(folder / f"{name}.jsonl", rows(name, seed))
    return folder


def test_training_twice_gives_the_same_bytes_and_a_model_that_works(data: Path, tmp_path: Path) -> None:
    report = train([data], tmp_path / "one")
    train([data], tmp_path / "two")
    for path in sorted((tmp_path / "one").iterdir()):
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes(), path.name
    model = LocalModel.load(tmp_path / "one")
    scored = model.score([Source("The flow of stars we used the method of [[CITATION]] .")])[0]
    p = dict(zip(model.heads["role"], scored.probabilities["role"], strict=True))
    assert p["uses_method"] + p["uses_data"] + p["extends"] > p["background"]
    assert set(report.manifest["files"]) == {p.name for p in data.iterdir()}
    assert report.size == sum(p.stat().st_size for p in (tmp_path / "one").iterdir())


def test_a_model_that_asserts_no_stance_says_so(data: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["train", "--data", str(data), "--out", str(tmp_path / "model")])
    assert done.exit_code == 0, done.output
    limits = LocalModel.load(tmp_path / "model").settings["thresholds"]
    assert all(limit > 1 for decision, limit in limits.items() if decision not in ("role", "neutral"))
    assert "asserts no stance" in done.stderr


def test_silver_labels_are_looked_up_and_written_passages_carry_their_text(data: Path, tmp_path: Path) -> None:
    silver = write(
        tmp_path / "silver.jsonl",
        [
            {"dataset": "act", "id": "3", "role": "extends", "polarity": "contrasting", "basis": "assessment"},
            {"dataset": "act", "id": "4", "role": "unclear", "polarity": "unclear", "basis": "none"},
            {"dataset": "not-there", "id": "3", "role": "extends", "polarity": "neutral", "basis": "none"},
        ],
    )
    written = write(tmp_path / "written.jsonl", [{"id": "w1", "text": "We extend [[1]].", "role": "extends"}])
    found = corpora.load_own([silver, written], sorted(data.glob("*.jsonl")))
    assert [(e.corpus, e.family) for e in found] == [("silver", "act"), ("written", "written")]
    assert found[0].allowed == {"role": {"extends"}, "polarity": {"contrasting"}, "basis": {"assessment"}}


def test_a_silver_label_is_of_the_training_part_where_an_id_stands_in_two(tmp_path: Path) -> None:
    silver = write(tmp_path / "silver.jsonl", [{"dataset": "scicite", "id": "7", "role": "extends"}])
    parts = [
        write(tmp_path / f"{part}.jsonl", [{"dataset": "scicite", "id": "7", "split": part, "text": f"{part} [[1]]"}])
        for part in ("dev", "test", "train")
    ]
    for data in (parts, parts[::-1], parts[2:]):
        assert corpora.load_own([silver], data)[0].source.text == "train [[1]]"
    assert corpora.load_own([silver], parts[:1])[0].source.text == "dev [[1]]"


def test_a_label_that_is_not_ours_is_refused(data: Path, tmp_path: Path) -> None:
    written = write(tmp_path / "written.jsonl", [{"id": "w1", "text": "We extend [[1]].", "role": "extending"}])
    with pytest.raises(InputError, match="extending"):
        corpora.load_own([written], [])


@pytest.mark.parametrize(
    ("row", "allowed"),
    [
        ({"dataset": "scicite", "role": "uses"}, {"role": {"uses_method", "uses_data", "extends"}}),
        (
            {"dataset": "sdcf", "role": "extends", "polarity": "neutral"},
            {"role": {"extends", "uses_method"}, "polarity": {"neutral"}},
        ),
        ({"dataset": "citelling", "role": "compares", "polarity": "contrast"}, {"role": {"compares"}}),
        ({"dataset": "sdcf", "polarity": "contrast"}, {"polarity": {"neutral"}}),
        ({"dataset": "athar", "polarity": "critical"}, {"polarity": {"contrasting"}}),
        ({"dataset": "focal", "roles": ["background", "uses"]}, {"role": {"background", "uses_method", "uses_data"}}),
    ],
)
def test_native_labels_allow_sets_of_ours(row: dict[str, Any], allowed: dict[str, set[str]]) -> None:
    assert corpora.to_example({"text": "x [[CITATION]]", "id": 1, **row}).allowed == allowed


@pytest.mark.parametrize(
    ("dataset", "split", "plain", "everything"),
    [
        ("scicite", "train", True, True),
        ("scicite", "dev", False, False),
        ("scicite", "test", False, False),
        ("acl-arc", "train", False, True),
        ("multicite", "dev", False, False),
    ],
)
def test_what_may_be_trained_on(dataset: str, split: str, plain: bool, everything: bool) -> None:
    example = corpora.to_example({"dataset": dataset, "split": split, "text": "x", "role": "background", "id": 1})
    assert (usable(example, False), usable(example, True)) == (plain, everything)


def test_a_bad_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text('{"text": "a", "dataset": "act"}\nnot json\n', encoding="utf-8")
    with pytest.raises(InputError, match=r"bad\.jsonl:2"):
        corpora.load([path])


def test_nothing_to_train_on_is_an_error(tmp_path: Path) -> None:
    path = write(tmp_path / "acl.jsonl", rows("acl-arc", 1))
    with pytest.raises(InputError, match="no usable training example"):
        train([path], tmp_path / "out")


def test_gradient_of_the_partial_label_loss() -> None:
    """Against finite differences, through the fitted optimum of a tiny problem: the gradient there is zero."""
    draw = np.random.default_rng(0)
    x = sp.csr_matrix(draw.normal(size=(30, 4)))
    allowed = draw.random((30, 3)) < 0.5
    allowed[np.arange(30), draw.integers(0, 3, 30)] = True
    corpus = draw.integers(0, 2, 30)
    weight = np.ones(30)
    fit = fitting.fit(x, allowed, corpus, weight, 0.1, 500)

    def loss(flat: np.ndarray[Any, np.dtype[np.float64]]) -> float:
        w, b = flat[:12].reshape(4, 3), flat[12:].reshape(2, 3)
        p = np.exp(fitting.log_softmax(x @ w + b[corpus]))
        return float(-np.log((p * allowed).sum(axis=1)).mean() + 0.05 * (w**2).sum() + 0.5e-4 * (b**2).sum())

    flat = np.concatenate([fit.weights.ravel(), fit.biases.ravel()])
    assert loss(flat) == pytest.approx(fit.loss, abs=1e-9)
    assert np.abs(scipy.optimize.approx_fprime(flat, loss, 1e-6)).max() < 2e-3


def _labelled(scores: np.ndarray, draw: np.random.Generator, corpus: str) -> calibration.Held:
    """Rows whose labels are drawn by the softmax of `scores`."""
    p = np.exp(fitting.log_softmax(scores))
    allowed = np.eye(3, dtype=bool)[[draw.choice(3, p=row) for row in p]]
    return calibration.Held(scores, allowed, np.array([corpus] * len(p)), np.arange(len(p)))


def test_temperature_recovers_overconfidence() -> None:
    draw = np.random.default_rng(1)
    held = _labelled(draw.normal(size=(4000, 3)), draw, "a")
    tripled = held._replace(scores=held.scores * 3.0)
    assert calibration.even_temperature(tripled, np.ones(4000, dtype=bool)) == pytest.approx(3.0, rel=0.1)
    assert calibration.best_temperature(tripled, np.full(4000, 1 / 4000))[0] == pytest.approx(3.0, rel=0.1)


def test_temperature_misses_both_kinds_of_labels_by_as_much_whatever_their_number() -> None:
    draw = np.random.default_rng(2)
    sure, unsure = (_labelled(draw.normal(size=(n, 3)), draw, name) for n, name in ((4000, "a"), (1000, "b")))
    unsure = unsure._replace(scores=unsure.scores * 4.0)
    held = calibration.Held(*map(np.concatenate, zip(sure, unsure, strict=True)))
    at = calibration.even_temperature(held, held.corpora == "a")
    gaps = []
    for part in (sure, unsure):
        p = calibration.probabilities(part.scores, at)
        gaps.append(float(p.max(axis=1).mean() - part.allowed[np.arange(len(p)), p.argmax(axis=1)].mean()))
    assert gaps[0] < -0.02
    assert gaps[0] + gaps[1] == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize(("allowed", "log_t"), [(True, -1.5), (False, 2.5)])
def test_temperature_stays_within_bounds_where_all_or_nothing_is_right(allowed: bool, log_t: float) -> None:
    held = calibration.Held(np.zeros((50, 2)), np.full((50, 2), allowed), np.array(["a"] * 50), np.arange(50))
    assert calibration.even_temperature(held, np.ones(50, dtype=bool)) == pytest.approx(np.exp(log_t), abs=1e-4)


def test_threshold_reaches_its_precision_or_says_never() -> None:
    confidence = np.linspace(0, 1, 101)
    right = confidence > 0.5
    weight = np.ones(101)
    at = calibration.threshold(confidence, right, weight, 0.9, least=10)
    assert right[confidence >= at].mean() >= 0.9
    assert right[confidence >= at - 0.05].mean() < 0.9
    assert calibration.threshold(confidence, np.zeros(101, dtype=bool), weight, 0.9) == calibration.NEVER


def test_a_threshold_holds_by_every_way_of_counting() -> None:
    confidence = np.linspace(1, 0, 200)
    right = np.arange(200) < 120
    even, odd = np.arange(200) % 2 == 0, np.arange(200) % 2 == 1
    alone = calibration.threshold(confidence, right, even / 1.0, 0.75)
    right[odd] = np.arange(100) < 40
    both = calibration.threshold(confidence, right, np.stack([even, odd]) / 1.0, 0.75)
    assert both > alone
    assert right[odd & (confidence >= both)].mean() >= 0.75
    assert calibration.threshold(confidence, right, np.stack([even / 1.0, np.zeros(200)]), 0.75) == alone


def test_conformal_floor_keeps_the_truth() -> None:
    draw = np.random.default_rng(2)
    p = draw.dirichlet(np.ones(4), size=1000)
    truth = np.array([draw.choice(4, p=row) for row in p])
    allowed = np.eye(4, dtype=bool)[truth]
    floor = calibration.conformal(p, allowed, np.full(1000, 1e-3), 0.1)
    assert (p[np.arange(1000), truth] >= floor).mean() == pytest.approx(0.9, abs=0.01)


def test_macro_f1_by_hand() -> None:
    truth, guess = np.array([0, 0, 1, 1, 2]), np.array([0, 1, 1, 1, 0])
    macro, classes = evaluate.macro_f1(truth, guess, 3)
    assert classes == pytest.approx((50.0, 80.0, 0.0))
    assert macro == pytest.approx(130 / 3)
    assert evaluate.bootstrap(truth, guess, 3).macro == pytest.approx(130 / 3)


def test_corpora_count_the_same_in_the_pooled_calibration_error() -> None:
    """Half of the large corpus is right and all of the small one: 0.75 together, if both count the same."""
    half = calibration.Sureness(np.full(1000, 0.9), np.tile([True, False], 500))
    sure = calibration.Sureness(np.full(10, 0.9), np.array([True] * 10))
    assert calibration.pooled_error([half, half]) == pytest.approx(0.4)
    assert calibration.pooled_error([half, sure]) == pytest.approx(abs(0.9 - 0.75))


def test_calibration_error_of_perfect_and_of_wrong_confidence() -> None:
    right = np.array([True] * 50 + [False] * 50)
    assert calibration.calibration_error(np.full(100, 0.5), np.tile([True, False], 50)) == pytest.approx(0.0)
    assert calibration.calibration_error(np.full(100, 1.0), right) == pytest.approx(0.5)


def example(key, text, split="train", corpus="clinical-sentiment"):
    allowed = {"polarity": frozenset({"neutral"})}
    return Example(f"{corpus}:{key}", corpus, corpus, split, Source(text, None, None), allowed, "")


def test_in_domain_folds_hold_whole_papers_and_every_row_once():
    rows = [example(f"{paper}_{i}", f"Passage {paper} {i} of [[X]].") for paper in range(40) for i in range(3)]
    rows += [example(f"p{paper}>cited{i}_0", f"Passage {paper} {i} of [[Y]].") for paper in range(40) for i in range(3)]
    rows += [example("again_1", "Passage 7  1 of [[X]]!"), example("again>other_2", "Passage 9 2 of [[Y]].")]
    parts = in_domain.parts_of(rows)
    papers = np.array([e.key.split(":")[1].split(">")[0].split("_")[0] for e in rows])
    prints = np.array([corpora.fingerprint(e.source.text) for e in rows])
    assert (np.sum([asked for _, asked in parts], axis=0) == 1).all()
    for inside, asked in parts:
        assert not set(papers[inside]) & set(papers[asked])
        assert not set(prints[inside]) & set(prints[asked]), "the same passage under another id is left out"


def test_the_published_split_keeps_the_same_text_out_of_training():
    rows = [example("1_a", "We follow [[X]].", "train"), example("2_a", "We  follow [[X]]!", "dev"),
            example("3_a", "Another [[X]].", "train")]  # fmt: skip
    ((train, asked),) = in_domain.parts_of(rows, folds=False)
    assert train.tolist() == [False, False, True]
    assert asked.tolist() == [False, True, False]


def test_in_domain_refuses_a_network_that_saw_the_set_or_is_not_there(tmp_path):
    made_from = {"examples": {"scicite": 5, "jurgens-fine": 5}, "left_out": {"all": [], "a": ["scicite"]}}
    (tmp_path / "recipe.json").write_text(json.dumps(made_from))
    scicite, arc, clinical = (in_domain.TASKS[k] for k in ("scicite", "acl-arc", "clinical-sentiment"))
    for name in ("a", "all"):
        (tmp_path / f"{name}.pt").touch()
    for task in (scicite, clinical):
        in_domain.check(tmp_path, task)
    with pytest.raises(InputError, match="trained on scicite"):
        in_domain.check(tmp_path, scicite._replace(network="all"))
    with pytest.raises(InputError, match="trained on acl-arc"):
        in_domain.check(tmp_path, arc)  # jurgens-fine is the same papers
    (tmp_path / "a.pt").unlink()
    with pytest.raises(InputError, match="no such network"):
        in_domain.check(tmp_path, scicite)


def shown_of(corpora_: list[str], wrong: list[bool], told: Sequence[bool] = ()) -> Shown:
    """Rows with logits (0, 3) on two of four values, right where not `wrong`; the family is the corpus.

    told: in which rows a pattern of words tells agreement; none by default.
    """
    scores = np.tile([0.0, 3.0, -9.0, -9.0], (len(wrong), 1))
    allowed = np.zeros((len(wrong), 4), dtype=bool)
    allowed[np.arange(len(wrong)), np.where(wrong, 0, 1)] = True
    names = np.array(corpora_)
    marks = sp.csr_matrix(np.array(told or [False] * len(wrong), dtype=float)[:, None])
    table = matrices.Table([], np.array(["g agrees"]), marks, names, names)
    return Shown(table, calibration.Held(scores, allowed, names, np.arange(len(wrong))))


def test_temperature_weighs_silver_labels_and_labels_by_people_half_each_and_their_sets_alike():
    silver = shown_of(["silver"] * 100, [i % 10 == 0 for i in range(100)])
    people = [("athar", i % 2 == 0) for i in range(100)], [("sdcf", i % 4 == 0) for i in range(100)]

    def at(*times: int) -> float:
        rows = [row for part, n in zip(people, times, strict=True) for row in part * n]
        return tune([silver, shown_of(*zip(*rows, strict=True))], POLARITIES, "polarity", Settings(enough=10))[
            "temperature"
        ]

    assert at(1, 1) == at(10, 1) == at(1, 10)
    odds = 0.5 * 0.9 + 0.25 * 0.5 + 0.25 * 0.75  # the share right: half silver, a quarter each set of people
    p = calibration.probabilities(np.array([[0.0, 3.0, -9.0, -9.0]]), at(1, 1))
    assert float(p.max()) == pytest.approx(odds, abs=1e-3)


def test_own_passages_and_hard_ones_tune_nothing_and_sets_count_the_same():
    settings = Settings(enough=10)
    clean = [("silver", i % 10 == 0) for i in range(100)]
    found = []
    for extra in ([], [("written", True)] * 500, [("silver-hard", True)] * 500, [("scite-sample(silver)", True)] * 500):
        seen = shown_of(*zip(*(clean + extra), strict=True))
        found.append(tune([seen], POLARITIES, "polarity", settings))
    assert found[0] == found[1] == found[2] == found[3]
    counts = []
    for times in (1, 10):
        seen = shown_of(*zip(*clean, strict=True)), shown_of(["athar"] * 100 * times, [True, False] * 50 * times)
        counts.append(tune(seen, POLARITIES, "polarity", settings)["temperature"])
    assert counts[0] == pytest.approx(counts[1], rel=1e-3), "a large set counts no more than a small one"
    assert counts[0] > found[0]["temperature"], "a set outside the training data on which it errs makes it less sure"


def test_own_passages_alone_are_refused():
    with pytest.raises(InputError, match="nothing but own passages"):
        tune([shown_of(["written"] * 20, [False] * 20)], POLARITIES, "polarity", Settings())


def test_three_in_four_are_right_on_silver_labels_and_on_labels_by_people():
    """With the encoder: silver labels would allow 0.6; on people's labels three in four are right from 0.9 on.

    Stances told in words are counted apart: there all are right, and 0.6 is enough.
    """
    settings = Settings(enough=100, blend={"polarity": 0.0})

    def part(
        name: str, sure: Sequence[float], right: Sequence[bool], told: Sequence[bool] = (), family: str = "act"
    ) -> Shown:
        shown = shown_of([name] * len(right), [not r for r in right], told)
        shown = shown._replace(table=shown.table._replace(families=np.array([family] * len(right))))
        p = np.array(sure)
        scores = np.log(np.stack([1 - p, p, np.full(len(p), 1e-9), np.full(len(p), 1e-9)], axis=1))
        return Shown(shown.table, shown.held._replace(scores=scores))

    silver = part("silver", [0.6, 0.95] * 100, [True, True] * 100)
    hard = part("silver-hard", [0.6, 0.95] * 100, [False, True] * 100)
    people = part("athar", [0.6, 0.9] * 200, [False, True, False, True, False, True, False, False] * 50)
    told = part("silver", [0.6, 0.95] * 50, [True, True] * 50, [True] * 100)
    alone = tune_stances([silver], 1.0, settings)
    assert alone == {"told": pytest.approx(0.6), "implied": pytest.approx(0.6)}  # too few told: all together
    assert tune_stances([silver, hard], 1.0, settings)["implied"] == pytest.approx(0.6)  # three in four with both
    assert tune_stances([silver, hard, hard], 1.0, settings)["implied"] == pytest.approx(0.95)
    assert tune_stances([silver, people, told], 1.0, settings) == {
        "told": pytest.approx(0.6),
        "implied": pytest.approx(0.9),
    }
    apart = part("silver", [0.6, 0.95] * 50, [False, True] * 50, [True] * 100, family="focal")
    assert tune_stances([silver, told, apart], 1.0, settings) == {  # of what is told three in four, without act half
        "told": pytest.approx(0.95),
        "implied": pytest.approx(0.6),
    }
    never = part("silver", [0.6, 0.95] * 50, [False, False] * 50, [True] * 100)
    assert tune_stances([silver, never], 1.0, settings) == {"told": calibration.NEVER, "implied": pytest.approx(0.6)}
    other = part("silver", [0.6, 0.95] * 100, [False, True] * 100, family="focal")  # right half the time without act
    assert tune_stances([silver, other], 1.0, settings)["implied"] == pytest.approx(0.95)
    people = part("athar", [0.6, 0.9] * 100, [True, True] * 100, [True] * 200)
    doubtful = part("athar", [0.7, 0.95] * 50, [False, True] * 50)  # three in four with what is told
    assert tune_stances([people, doubtful], 1.0, settings) == {
        "told": pytest.approx(0.6),
        "implied": pytest.approx(0.7),
    }
    wrong = part("athar", [0.8] * 90, [False] * 90)  # what is told makes up for no more of these
    assert tune_stances([people, doubtful, wrong], 1.0, settings)["implied"] == pytest.approx(0.95)


def test_what_is_told_and_what_is_implied_have_thresholds_of_their_own_and_are_counted_apart() -> None:
    shown = shown_of(["silver"] * 4, [False, True, False, False], [True, True, False, False])
    scores = assertions.Scores(
        np.arange(4),
        np.array([[0.4, 0.6, 0, 0], [0.4, 0.6, 0, 0], [0.4, 0.6, 0, 0], [0.1, 0.9, 0, 0]]),
        {"neutral": 0.5, "told": 0.5, "implied": 0.8},
    )
    labels = ("supporting", "neutral", "supporting", "supporting")
    rows = [example(v, "a [[X]]")._replace(allowed={"polarity": frozenset({v})}) for v in labels]
    counted = assertions.asserted(scores, shown.table._replace(examples=rows), Settings(blend={"polarity": 0.0}))
    assert {k: (v.asserted, v.right) for k, v in counted.items() if v.asserted} == {
        "supporting/told": (2, 1),
        "supporting/implied": (1, 1),
    }


def test_the_card_counts_contrasting_stances_and_leaves_scicite_out_once() -> None:
    kinds = {
        "contrasting/told": {"rows": 9, "asserted": 3, "right": 2, "neutral_given": 4, "neutral_right": 3},
        "supporting/implied": {"rows": 9, "asserted": 1, "right": 1, "neutral_given": 4, "neutral_right": 3},
    }
    limits = {"told": 0.3, "implied": calibration.NEVER, "neutral": 0.3}
    one = {"stances": 5, "contrasting": 4, "asserted": kinds, "asserted as shipped": kinds, "thresholds": limits}
    text = card._asserted({"shipped": {"polarity own": {"act": one, "scicite": one}}})
    assert "| own scheme | act | 9 | 5 | 4 | 3 (75%) | 4 | 3 | 2 (67%) | 1 | 11% | 0.30, never | 4 | 3 (75%) |" in text
    assert "| own scheme | all | 18 | 10 | 8 |" in text
    assert "| own scheme | all but scicite | 9 | 5 | 4 |" in text
    assert "| own scheme | contrasting/told | 6 | 4 (67%) |" in text
    assert "| own scheme, all but scicite | contrasting/told | 3 | 2 (67%) |" in text


def test_over_a_whole_set_what_has_no_label_is_known_from_a_sample() -> None:
    """Six passages: two asserted (one labelled, and rightly), four not (a labelled one, a sampled one)."""
    marked = shown_of(["act"] * 6, [False] * 6, [True, True, False, False, False, False])
    passages = [example(str(i), "a [[X]]", corpus="act")._replace(key=f"act:{i}", allowed={}) for i in range(6)]
    p = np.array([[0.4, 0.6, 0, 0]] * 2 + [[0.9, 0.1, 0, 0]] * 4)
    scores = assertions.Scores(np.arange(6), p, {"neutral": 0.5, "told": 0.5, "implied": 0.8})
    table = marked.table._replace(examples=passages)
    labels, sample = {"act:0": "supporting", "act:2": "contrasting"}, {"act:3": "neutral"}
    found = assertions.whole_set(scores, table, Settings(blend={"polarity": 0.0}), labels, sample)
    assert found["counts"][""] == {"contrasting": 1, "": 3}
    assert found["counts"]["supporting"] == {"supporting": 1, "": 1}
    assert found["sampled"] == {"neutral": 1}
    at = assertions.by_truth(found)
    assert [at[truth].tolist() for truth in ("supporting", "contrasting", "")] == [[1, 0, 0], [0, 0, 1], [1, 0, 3]]
    text = whole_sets.section({"shipped": {"polarity own": {"act": {"whole set": found}, "mean": {}}}})
    assert "| act | 6 | 2 | 1 | 2 | 2 | 1 | 1 (50%, 9 to 91) | 0 | 0 |" in text


def test_at_the_rates_of_citations_at_large_few_errors_outweigh_rare_stances() -> None:
    """One neutral passage in a hundred taken for contrasting, half of the contrasting found: 0.0035 of 0.01308."""
    counts = {"supporting": [500, 0, 500], "contrasting": [0, 500, 500], "": [0, 10, 990]}
    found = assertions.at_rates({truth: np.array(n, dtype=float) for truth, n in counts.items()})
    assert found["supporting"] == (1.0, 1.0, 1.0)
    share, low, high = found["contrasting"]
    assert share == pytest.approx(0.0035 / (0.0035 + 0.00958))
    assert low < share < high


def test_an_encoder_left_beside_new_heads_is_removed_and_networks_are_not(tmp_path: Path) -> None:
    names = ("encoder.json", "encoder.onnx", "pieces.txt")
    for folder, more in (("model", ()), ("networks", ("held-out.npz", "all.pt")), ("others", ("mine.txt",))):
        (tmp_path / folder / "encoder").mkdir(parents=True)
        for name in (*names, *more):
            (tmp_path / folder / "encoder" / name).write_text("x")
        blending.uninstall(tmp_path / folder)
    assert not (tmp_path / "model" / "encoder").exists()
    assert len(list((tmp_path / "networks" / "encoder").iterdir())) == 5
    assert [path.name for path in (tmp_path / "others" / "encoder").iterdir()] == ["mine.txt"]
    blending.uninstall(tmp_path / "nothing")


def test_patterns_are_the_same_in_training_and_at_run_time() -> None:
    texts = ("Our results contradict those of [[1]].", "This is in line with [[1]].", "We follow [[1]].")
    table = matrices.tabulate([example(str(i), text) for i, text in enumerate(texts)], 3)
    told = 0
    for found, text in zip(patterns_of(table, np.arange(3)), texts, strict=True):
        assert found == {f.name[2:] for f in extract(Source(text))[1] if f.name.startswith("g ")}
        told += sum(kind_of(value, found) is not None for value in POLARITIES)
    assert told == 2


def test_candidates_without_silver_labels_have_none():
    rows = [example("1", "a [[X]]", corpus=name) for name in ("silver", "silver-hard", "written", "scicite")]
    table = matrices.tabulate(rows, 1)
    left = candidates.rows_for(table, candidates.Candidate(silver=False, written=False))
    assert table.corpora[left].tolist() == ["scicite"]


def test_the_page_of_candidates_is_the_one_its_file_gives_and_says_what_ships():
    folder = Path(__file__).parents[1] / "eval" / "results" / "embedded"
    results = json.loads((folder / "local-candidates.json").read_text(encoding="utf-8"))
    page = candidates.as_markdown(results)
    assert page == (folder / "local-candidates.md").read_text(encoding="utf-8")
    (first,) = re.findall(r"^\| shipped \|.*\| (\d+) of [\d,]+ \|", page, re.MULTILINE)
    by_set = page.split("### polarity own", 1)[1].split("##", 1)[0]
    assert sum(map(int, re.findall(r"\| (\d+) of [\d,]+, \d+% \|", by_set))) == int(first) > 0


def test_values_are_summed_within_the_classes_of_a_set():
    p = np.array([[0.1, 0.2, 0.3, 0.4]])
    assert np.allclose(evaluate.grouped(p, np.array((0, 1, 1, 0))), [[0.5, 0.5]])
    for task in in_domain.TASKS.values():
        assert len(task.classes) == len(HEADS[task.head])


@pytest.mark.skipif(not (SHARED / "bench").is_dir(), reason="no ../shared/bench: the public data sets are not at hand")
@pytest.mark.parametrize(("name", "said"), [("scicite", "561 of 916"), ("acl_arc", "111 of 114")])
def test_how_many_published_dev_passages_are_from_papers_of_the_training_part(name: str, said: str) -> None:
    train_part, dev = (corpora.load([SHARED / "bench" / f"{name}_{part}.jsonl"]) for part in ("train", "dev"))
    papers = {in_domain.paper_of(e) for e in train_part}
    assert f"{sum(in_domain.paper_of(e) in papers for e in dev)} of {len(dev)}" == said
    assert said.split(" of ")[0] in in_domain.ABOUT


def test_the_model_card_is_the_one_its_files_give():
    folder = Path(__file__).parents[1]
    found = [
        json.loads((folder / "eval" / "results" / "embedded" / f"{name}.json").read_text(encoding="utf-8"))
        for name in ("local-candidates", "gold-contexts", "in-domain")
    ]
    page = card.card(folder / "classifier" / "judges" / "local" / "model", *found)
    assert page == (folder / "docs" / "model-card.md").read_text(encoding="utf-8"), "renew it: classifier.training.card"
    assert found[1]["model"] == LocalModel.load().name
    assert found[0]["model"]["sha256"] == LocalModel.load().digest
