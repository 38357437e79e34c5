"""Scores, agreement and intervals against scikit-learn, hand computation and published worked examples."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from classifier.evaluation import agreement, scores
from classifier.evaluation.gold import GoldItem
from classifier.evaluation.intervals import estimate, percentile_interval, resample

sklearn_metrics = pytest.importorskip("sklearn.metrics")
scipy_stats = pytest.importorskip("scipy.stats")
krippendorff = pytest.importorskip("krippendorff")


def test_gwet_and_kappa_on_the_paradox_table() -> None:
    # 125 subjects, 94.4 % raw agreement: kappa falls below 0 while AC1 stays high (Gwet's paradox table).
    table = np.array([[118.0, 5.0], [2.0, 0.0]])
    # by hand: p_1 = (123 + 120) / 250 = 0.972; chance 2 * 0.972 * 0.028 = 0.054432
    assert agreement.gwet_ac1(table) == pytest.approx((0.944 - 0.054432) / (1 - 0.054432))
    assert agreement.gwet_ac1(table) == pytest.approx(0.9408, abs=5e-5)
    # by hand: chance = 0.984 * 0.96 + 0.016 * 0.04 = 0.94528
    assert agreement.cohen_kappa(table) == pytest.approx((0.944 - 0.94528) / (1 - 0.94528))
    assert agreement.cohen_kappa(table) == pytest.approx(-0.0234, abs=5e-5)


def table_of(first: str, second: str) -> np.ndarray:
    values = sorted(set(first + second))
    table = np.zeros((len(values), len(values)))
    for a, b in zip(first, second, strict=True):
        table[values.index(a), values.index(b)] += 1
    return table


def test_alpha_on_krippendorffs_binary_and_nominal_examples() -> None:
    # Krippendorff (2011), Computing Krippendorff's Alpha-Reliability, sections A (binary) and B (nominal).
    assert round(float(agreement.krippendorff_alpha(table_of("0100000010", "1110010000"))), 3) == 0.095
    assert round(float(agreement.krippendorff_alpha(table_of("aabbdcccedda", "babbbccceddd"))), 3) == 0.692


def test_alpha_of_several_annotators_with_gaps_is_krippendorffs() -> None:
    # The four-observer example with missing values of the same paper, section C: nominal alpha 0.743.
    grid = [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
        [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None],
    ]
    roles = ["background", "motivation", "uses_method", "uses_data", "extends"]
    annotations = [
        GoldItem.model_validate({"hub_id": "h", "citing_id": str(u), "annotator": f"a{r}", "role": roles[v - 1]})
        for r, row in enumerate(grid)
        for u, v in enumerate(row)
        if v is not None
    ]
    found = agreement.annotator_agreement(annotations, "role", resamples=100, seed=1)
    assert found is not None
    assert found.alpha.value == pytest.approx(0.743, abs=5e-4)
    assert found.items == 11  # one unit has a single value and cannot be compared
    assert len(found.pairs) == 6
    apart = [one.model_copy(update={"annotator": f"b{one.citing_id}"}) for one in annotations if one.annotator == "a3"]
    more = agreement.annotator_agreement([*annotations, *apart], "role", resamples=100, seed=1)
    assert more is not None
    assert all(pair.n for pair in more.pairs), "annotators without a common item are no pair"
    low, high = found.alpha.low, found.alpha.high
    assert low is not None
    assert high is not None
    assert low < 0.743 < high


@pytest.mark.parametrize("seed", range(5))
def test_scores_equal_scikit_learn(seed: int) -> None:
    draw = np.random.default_rng(seed)
    gold, predicted = draw.integers(0, 4, 60), draw.integers(0, 5, 60)
    predicted[gold == 2] = 2
    table = scores.answered(scores.confusion(gold, predicted, 5))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # predicted class without gold: scikit-learn warns, we leave it out
        assert scores.accuracy(table) == pytest.approx(sklearn_metrics.accuracy_score(gold, predicted))
        assert scores.macro_f1(table) == pytest.approx(sklearn_metrics.f1_score(gold, predicted, average="macro"))
        balanced = sklearn_metrics.balanced_accuracy_score(gold, predicted)
        assert scores.balanced_accuracy(table) == pytest.approx(balanced)
        assert agreement.cohen_kappa(table) == pytest.approx(sklearn_metrics.cohen_kappa_score(gold, predicted))
        theirs = sklearn_metrics.precision_recall_fscore_support(gold, predicted, labels=range(5))
    np.testing.assert_allclose(np.nan_to_num(scores.precision(table)), theirs[0])
    np.testing.assert_allclose(np.nan_to_num(scores.recall(table)), theirs[1])
    np.testing.assert_allclose(np.nan_to_num(scores.f1(table)), theirs[2])
    alpha = krippendorff.alpha(reliability_data=np.array([gold, predicted]), level_of_measurement="nominal")
    assert agreement.krippendorff_alpha(table) == pytest.approx(alpha)


def test_no_answer_counts_as_wrong_and_is_never_a_class_of_its_own() -> None:
    # gold a a b b; answers a, none, b, a. By hand: F1(a) = 2/(2+2), F1(b) = 2/(2+1).
    table = scores.confusion(np.array([0, 0, 1, 1]), np.array([0, 2, 1, 0]), 2)
    assert table.tolist() == [[1, 0, 1], [1, 1, 0]]
    assert scores.accuracy(table) == 0.5
    assert scores.macro_f1(table) == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert scores.recall(table).tolist() == [0.5, 0.5]
    assert scores.accuracy(scores.answered(table)) == pytest.approx(2 / 3)
    # kappa on all items: observed 2/4, chance (2*2 + 2*1 + 0*1)/16
    assert agreement.cohen_kappa(agreement.squared(table)) == pytest.approx((0.5 - 6 / 16) / (1 - 6 / 16))


def test_scores_of_a_stack_are_the_scores_of_its_tables() -> None:
    stack = np.random.default_rng(0).integers(0, 9, (7, 3, 4)).astype(float)
    for score in (scores.accuracy, scores.macro_f1, scores.balanced_accuracy):
        np.testing.assert_allclose(score(stack), [float(score(one)) for one in stack])
    for score in (agreement.cohen_kappa, agreement.gwet_ac1, agreement.krippendorff_alpha):
        square = scores.answered(stack)
        np.testing.assert_allclose(score(square), [float(score(one)) for one in square])


def test_what_is_not_defined_is_nan_not_a_number() -> None:
    one_value = np.array([[5.0, 0.0], [0.0, 0.0]])
    assert np.isnan(agreement.cohen_kappa(one_value))
    assert np.isnan(agreement.krippendorff_alpha(one_value))
    assert scores.macro_f1(one_value) == 1.0
    assert percentile_interval(float("nan"), np.array([1.0])).value is None


def test_item_bootstrap_interval_is_near_the_textbook_one() -> None:
    cells = np.array([1] * 160 + [0] * 40)
    table = np.array([40.0, 160.0])
    drawn = resample(cells, 2, resamples=20_000, seed=3)
    found = estimate(lambda t: t[..., 1] / t.sum(-1), table, drawn)
    half = 1.96 * (0.8 * 0.2 / 200) ** 0.5
    assert found.low == pytest.approx(0.8 - half, abs=0.006)
    assert found.high == pytest.approx(0.8 + half, abs=0.006)


def test_hub_bootstrap_is_wider_when_works_of_a_hub_are_alike() -> None:
    right = np.repeat([1, 0, 1, 1, 0, 1, 1, 0, 1, 1], 20)
    hubs = np.repeat(np.arange(10), 20)
    table = np.bincount(right).astype(float)

    def width(clusters: np.ndarray | None) -> float:
        found = estimate(lambda t: t[..., 1] / t.sum(-1), table, resample(right, 2, clusters))
        assert found.low is not None
        assert found.high is not None
        return found.high - found.low

    # ten hubs that are all right or all wrong carry the information of ten items, not of two hundred
    assert width(hubs) == pytest.approx(width(None) * 20**0.5, rel=0.15)


def test_same_seed_same_draws() -> None:
    cells = np.array([0, 1, 2, 1])
    assert (resample(cells, 3, seed=5) == resample(cells, 3, seed=5)).all()
    assert (resample(cells, 3, seed=5) != resample(cells, 3, seed=6)).any()


def test_no_spread_is_not_certainty() -> None:
    all_right = percentile_interval(1.0, np.ones(50), items=5)
    assert all_right.high == 1.0
    assert all_right.low == pytest.approx(scipy_stats.binomtest(5, 5).proportion_ci(method="exact").low)
    none_right = percentile_interval(0.0, np.zeros(50), items=5)
    assert none_right.high == pytest.approx(scipy_stats.binomtest(0, 5).proportion_ci(method="exact").high)
    assert percentile_interval(1.0, np.ones(50)).low is None
