"""Calibration, abstention, comparison, corrected shares and fusion, against simulated truth and hand computation."""

from __future__ import annotations

import numpy as np
import pytest

from classifier.errors import InputError, SettingsError
from classifier.evaluation.align import Item
from classifier.evaluation.calibrating import fit_calibration
from classifier.evaluation.calibration import (
    Calibration,
    Method,
    Scored,
    apply,
    apply_calibration,
    fit,
    fit_target,
    folds,
    read_calibration,
)
from classifier.evaluation.compare import compare, mcnemar_exact
from classifier.evaluation.conformal import Guarantee, fit_abstention, threshold_all, threshold_answered
from classifier.evaluation.fusion import Fusion, fit_fusion, fuse, fused_run, read_fusion
from classifier.evaluation.gold import FIELDS, Gold, GoldItem
from classifier.evaluation.measure import measure, side_by_side
from classifier.evaluation.prevalence import HubShares, Share, corrected_share, hub_shares, naive_share, wilson
from classifier.evaluation.report import text
from classifier.evaluation.report_html import html
from classifier.evaluation.report_runs import calibration_text, comparison_lines, share_lines, side_lines
from classifier.evaluation.runs import Run
from classifier.schema import Basis, EvidenceSource, Label, Polarity, Prediction, Role, Status

pytest.importorskip("scipy")
pytest.importorskip("sklearn")
from pathlib import Path


def scored(confidence: np.ndarray, right: np.ndarray) -> Scored:
    two = np.stack([confidence, 1 - confidence], axis=1)
    zeros = np.zeros(len(right), dtype=np.int64)
    return Scored(two, zeros, right.astype(float), zeros)


def prediction(
    citing: str, polarity: Polarity = Polarity.NEUTRAL, confidence: float = 0.9, hub: str = "h", **more: object
) -> Prediction:
    basis = Basis.NONE if polarity in (Polarity.NEUTRAL, Polarity.UNCLEAR) else Basis.ASSESSMENT
    label = Label(role=Role.BACKGROUND, polarity=polarity, basis=basis, confidence=confidence)
    base = Prediction(hub_id=hub, citing_id=citing, status=Status.LABELLED, label=label, judge="fake", model="m")
    return base.model_copy(update=more)


def gold_item(citing: str, polarity: Polarity = Polarity.NEUTRAL, hub: str = "h") -> GoldItem:
    return GoldItem(hub_id=hub, citing_id=citing, role=Role.BACKGROUND, polarity=polarity)


def run_of(*predictions: Prediction, name: str = "run") -> Run:
    return Run(Path(name), {(one.hub_id, one.citing_id): one for one in predictions}, {}, {})


@pytest.mark.parametrize("method", [Method.PLATT, Method.ISOTONIC, Method.TEMPERATURE])
def test_each_method_mends_an_overconfident_judge(method: Method) -> None:
    draw = np.random.default_rng(0)
    true = draw.uniform(0.5, 1, 4000)
    stated = 1 / (1 + np.exp(-3 * np.log(true / (1 - true))))  # logits three times too large
    data = scored(stated, draw.random(4000) < true)
    mended = apply(fit(method, data), data)
    assert np.abs(mended - true).mean() < 0.03
    assert np.abs(stated - true).mean() > 0.12


def test_temperature_is_recovered_from_whole_distributions() -> None:
    draw = np.random.default_rng(1)
    logits = draw.normal(0, 1.5, (5000, 4))
    true = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    gold = np.array([draw.choice(4, p=row) for row in true])
    stated = true**2.5 / (true**2.5).sum(1, keepdims=True)
    top = stated.argmax(1)
    mapping = fit(Method.TEMPERATURE, Scored(stated, top, (top == gold).astype(float), np.zeros(5000, dtype=np.int64)))
    assert mapping.parameters[0] == pytest.approx(1 / 2.5, rel=0.1)


def test_the_winner_is_the_lowest_log_loss_out_of_fold() -> None:
    draw = np.random.default_rng(2)
    items = []
    for i in range(400):
        wrong = draw.random() < 0.4
        gold = gold_item(str(i), Polarity.SUPPORTING if wrong else Polarity.NEUTRAL)
        items.append(Item(gold, prediction(str(i), confidence=float(draw.uniform(0.9, 0.99)))))
    target = fit_target(items, "label")
    assert target is not None
    assert target.mapping.method is not Method.AS_IS
    assert target.log_loss[target.mapping.method] == min(target.log_loss.values())
    assert target.ece[target.mapping.method] < 0.08 < 0.3 < target.ece[Method.AS_IS]
    assert fit_target(items[:10], "label") is None


def test_folds_keep_hubs_together_and_are_repeatable() -> None:
    hub = np.repeat(np.arange(8), 5)
    fold = folds(hub)
    assert all(len(set(fold[hub == i])) == 1 for i in range(8))
    assert (fold == folds(hub)).all()
    assert set(folds(np.zeros(20, dtype=np.int64))) == {0, 1, 2, 3, 4}


def calibrated_run() -> tuple[Run, Gold]:
    draw = np.random.default_rng(3)
    predictions, items = [], []
    for i in range(200):
        confidence = float(draw.uniform(0.6, 0.99))
        wrong = draw.random() > confidence - 0.2
        heads = {
            "polarity": {"neutral": confidence, "supporting": (1 - confidence) * 0.7, "mixed": (1 - confidence) * 0.3}
        }
        predictions.append(prediction(str(i), confidence=confidence, probabilities=heads))
        items.append(gold_item(str(i), Polarity.SUPPORTING if wrong else Polarity.NEUTRAL))
    return run_of(*predictions), Gold(Path("gold"), tuple(items), ())


def test_a_stored_calibration_changes_confidence_and_never_the_label(tmp_path: Path) -> None:
    run, gold = calibrated_run()
    fitted = fit_calibration(run, gold, error_level=0.2, guarantee="all")
    (tmp_path / "c.json").write_text(fitted.model_dump_json(), encoding="utf-8")
    stored = read_calibration(tmp_path / "c.json")
    assert stored == fitted
    before = [one for one in run.predictions.values() if one.label]
    after = [apply_calibration(one, stored) for one in before]
    for old, new in zip(before, after, strict=True):
        assert new.label is not None
        assert old.label is not None
        assert new.label.model_copy(update={"confidence": old.label.confidence}) == old.label
        assert new.probabilities is not None
        assert sum(new.probabilities["polarity"].values()) == pytest.approx(1)
        Prediction.model_validate(new.model_dump())
    kept = [one for one in after if one.status is Status.LABELLED]
    assert 0 < len(kept) < len(after)
    held = next(one for one in after if one.status is Status.ABSTAINED)
    assert "error level 0.2" in (held.failure or "")
    mean = np.mean([one.label.confidence for one in after if one.label])
    right = np.mean([item.polarity is Polarity.NEUTRAL for item in gold.items])
    assert mean == pytest.approx(right, abs=0.03)
    assert "log loss platt" in calibration_text(fitted)
    assert "held-out gold" in calibration_text(fitted)


def test_a_calibration_holds_for_its_own_judge_only(tmp_path: Path) -> None:
    fitted = fit_calibration(*calibrated_run())
    other = prediction("1").model_copy(update={"model": "another"})
    with pytest.raises(SettingsError, match="fitted for fake m"):
        apply_calibration(other, fitted)
    failed = Prediction(hub_id="h", citing_id="1", status=Status.FAILED, failure="500", judge="x", model="y")
    assert apply_calibration(failed, fitted) == failed
    (tmp_path / "bad.json").write_text('{"targets": 3}', encoding="utf-8")
    for name in ("bad.json", "absent.json"):
        with pytest.raises(InputError, match=name):
            read_calibration(tmp_path / name)
    run, gold = calibrated_run()
    with pytest.raises(InputError, match="too few to calibrate on"):
        fit_calibration(run, gold._replace(items=gold.items[:10]))
    with pytest.raises(SettingsError, match="--guarantee 'some'"):
        fit_calibration(run, gold, error_level=0.1, guarantee="some")


def test_risk_control_threshold_by_hand() -> None:
    confidence, right = np.array([0.9, 0.8, 0.7, 0.6]), np.array([1.0, 1.0, 0.0, 1.0])
    assert threshold_all(confidence, right, 0.5) == 0.6  # (1 + 1) / 5 <= 0.5 with all of them
    assert threshold_all(confidence, right, 0.3) == 0.8  # with 0.7 it would be 0.4
    assert threshold_all(confidence, right, 0.1) is None  # (0 + 1) / 5 is already above


def test_thresholds_keep_their_promise_on_new_draws() -> None:
    level, delta = 0.1, 0.1
    broken, errors, answered = 0, [], []
    for seed in range(300):
        draw = np.random.default_rng(seed)
        true = draw.uniform(0.5, 1, 300)
        right = (draw.random(300) < true).astype(float)
        strict = threshold_answered(true, right, level, delta)
        if strict is not None:
            # confidences uniform on (0.5, 1): mean error at or above t is 1 - (t + 1) / 2
            broken += 1 - (strict + 1) / 2 > level
            answered.append((1 - strict) / 0.5)
        loose = threshold_all(true, right, level)
        if loose is not None:
            errors.append((1 - loose) / 0.5 * (1 - (loose + 1) / 2))
    assert broken / 300 <= delta + 0.03
    assert len(answered) > 150
    assert np.mean(answered) > 0.15
    assert np.mean(errors) <= level
    assert np.mean(errors) > level * 0.8


def test_abstention_reports_what_it_did_on_gold_it_had_not_seen() -> None:
    draw = np.random.default_rng(5)
    confidence = draw.uniform(0.5, 1, 500)
    right = (draw.random(500) < confidence).astype(float)
    rule = fit_abstention(confidence, right, folds(np.zeros(500, dtype=np.int64)), level=0.15)
    assert rule.threshold is not None
    assert rule.held_out.n == 500
    assert rule.held_out.error_answered is not None
    assert rule.held_out.error_answered < 0.2
    assert 0.1 < rule.held_out.coverage < 0.8
    impossible = fit_abstention(confidence, right, folds(np.zeros(500, dtype=np.int64)), level=0.001)
    assert impossible.threshold is None
    assert impossible.held_out.answered == 0
    assert impossible.reason(prediction("1")) is not None
    with pytest.raises(InputError, match="between 0 and 1"):
        fit_abstention(confidence, right, np.zeros(500, dtype=np.int64), level=1.5, guarantee=Guarantee.ALL)


def test_mcnemar_by_hand() -> None:
    # nine flips, eight of them for the better: 2 * (C(9,0) + C(9,1)) / 2^9
    assert mcnemar_exact(8, 1) == pytest.approx(20 / 512)
    assert mcnemar_exact(0, 0) == 1.0


def test_two_runs_on_the_same_gold() -> None:
    gold = Gold(Path("g"), tuple(gold_item(str(i), Polarity.SUPPORTING) for i in range(20)), ())
    old = run_of(*(prediction(str(i), Polarity.SUPPORTING if i < 10 else Polarity.NEUTRAL) for i in range(20)))
    new = run_of(*(prediction(str(i), Polarity.SUPPORTING if 1 <= i < 18 else Polarity.MIXED) for i in range(19)))
    polarity = next(one for one in compare(new, old, gold) if one.field == "polarity")
    assert (polarity.accuracy, polarity.gained, polarity.lost) == ((0.5, 0.85), 8, 1)
    assert polarity.p_value == pytest.approx(20 / 512)
    assert polarity.accuracy_difference.value == pytest.approx(0.35)
    assert polarity.accuracy_difference.low is not None
    assert polarity.accuracy_difference.low > 0
    flips = {flip.citing_id: flip for flip in polarity.flips}
    assert len(flips) == 9
    assert not flips["0"].better
    assert (flips["12"].baseline, flips["12"].run) == ("neutral", "supporting")
    same = next(one for one in compare(old, old, gold) if one.field == "polarity")
    assert (same.gained, same.lost, same.p_value, same.flips) == (0, 0, 1.0, ())
    assert same.macro_f1_difference.value == 0
    assert "0.039" in "\n".join(comparison_lines([polarity], "old"))


def test_wilson_on_a_published_example() -> None:
    # Newcombe (1998), Statistics in Medicine 17:857, table I, score method: 81/263 and 15/148
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert wilson(15, 148) == pytest.approx((0.0624, 0.1605), abs=1e-4)


def test_corrected_share_by_hand() -> None:
    # 1000 works, 120 predicted; in 100 with gold 8 were missed and 3 falsely found
    found = corrected_share(1000, 120, 100, 8, 3)
    assert found.value == pytest.approx(0.12 + 0.05)
    shift = 5 / 102
    variance = ((8.5 + 3.5) / 102 - shift**2) / 102 * 0.9
    assert found.low == pytest.approx(0.12 + shift - 1.959964 * variance**0.5)
    assert found.high == pytest.approx(0.12 + shift + 1.959964 * variance**0.5)
    census = corrected_share(50, 10, 50, 3, 1)
    assert (census.value, census.low, census.high) == (pytest.approx(0.24),) * 3
    no_errors = corrected_share(1000, 100, 20, 0, 0)
    assert no_errors.low is not None
    assert no_errors.high is not None
    assert no_errors.high - no_errors.low > 0.1  # twenty without an error prove little


def test_corrected_interval_covers_and_the_naive_one_does_not() -> None:
    from benchmarks.prevalence_coverage import simulate

    corrected, naive, _, _ = simulate((1000, 100, 0.2, 0.7, 0.02), 1000, seed=2)
    assert corrected > 0.92
    assert naive < 0.6


def test_shares_of_a_hub_count_works_without_an_answer() -> None:
    works = [prediction(str(i), Polarity.SUPPORTING if i < 6 else Polarity.NEUTRAL) for i in range(40)]
    failed = [Prediction(hub_id="h", citing_id=str(i), status=Status.FAILED, failure="x", judge="f", model="m")
              for i in range(40, 50)]  # fmt: skip
    gold = [
        gold_item(str(i), Polarity.SUPPORTING if i in (0, 45) else Polarity.NEUTRAL) for i in (*range(8, 20), 0, 45)
    ]
    (_, polarity) = hub_shares(run_of(*works, *failed), Gold(Path("g"), tuple(gold), ()))
    supporting = next(one for one in polarity.shares if one.value == "supporting")
    assert (polarity.works, polarity.sample, supporting.predicted) == (50, 14, 6)
    assert supporting.naive.value == pytest.approx(6 / 40)  # of the answered works
    assert supporting.corrected.value == pytest.approx(6 / 50 + 1 / 14)
    assert hub_shares(run_of(*works), Gold(Path("g"), tuple(gold[:5]), ())) == ()
    assert "14 of 50 works have gold" in "\n".join(share_lines([polarity]))


def local_prediction(citing: str, shares: dict[str, float], hub: str = "h") -> Prediction:
    top = Polarity(max(shares, key=lambda name: shares[name]))
    role = {"background": 1.0}
    basis = {"none": 0.5, "assessment": 0.3, "evidence": 0.2}
    one = prediction(citing, top, shares[top], hub, probabilities={"polarity": shares, "role": role, "basis": basis})
    return one.model_copy(update={"judge": "local", "model": "tiny"})


def two_judges(n: int = 300) -> tuple[Run, Run, Gold]:
    """Local: right with its probabilities. Model: calls every contrast mixed, and is right on the rest."""
    draw = np.random.default_rng(7)
    kinds = [Polarity.NEUTRAL, Polarity.SUPPORTING, Polarity.CONTRASTING]
    local, model, gold = [], [], []
    for i in range(n):
        truth = kinds[int(draw.integers(3))]
        shares = draw.dirichlet([2.5 if kind is truth else 1 for kind in kinds])
        local.append(local_prediction(str(i), dict(zip(map(str, kinds), map(float, shares), strict=True))))
        says = Polarity.MIXED if truth is Polarity.CONTRASTING else truth
        if draw.random() < 0.2:
            says = kinds[int(draw.integers(3))]
        model.append(prediction(str(i), says, 0.8, evidence_source=EvidenceSource.CONTEXT))
        gold.append(gold_item(str(i), truth))
    return run_of(*local, name="local"), run_of(*model), Gold(Path("g"), tuple(gold), ())


def test_fusion_beats_both_judges_out_of_fold() -> None:
    local, model, gold = two_judges()
    runs = {"local": local, "model": model, "fused": fused_run(local, model, gold)}
    found = side_by_side(runs, gold, resamples=100)
    accuracy = {one.name: one.scores.accuracy.value or 0 for one in found if one.field == "polarity"}
    assert accuracy["fused"] > accuracy["model"] + 0.1
    assert accuracy["fused"] > accuracy["local"] + 0.1
    assert "fused" in "\n".join(side_lines(found))


def test_fused_labels_are_whole_and_say_who_made_them(tmp_path: Path) -> None:
    local, model, gold = two_judges()
    rule = fit_fusion(local, model, gold)
    (tmp_path / "f.json").write_text(rule.model_dump_json(), encoding="utf-8")
    assert read_fusion(tmp_path / "f.json") == rule
    turned = 0
    for key, one in model.predictions.items():
        fused = fuse(local.predictions[key], one, rule)
        Prediction.model_validate(fused.model_dump())
        assert fused.judge == "fused"
        assert fused.probabilities is not None
        assert sum(fused.probabilities["polarity"].values()) == pytest.approx(1)
        turned += fused.label is not None and one.label is not None and fused.label.polarity is not one.label.polarity
    assert turned > 50
    failed = Prediction(hub_id="h", citing_id="1", status=Status.FAILED, failure="x", judge="f", model="m")
    assert fuse(local.predictions["h", "1"], failed, rule) == local.predictions["h", "1"]
    assert fuse(failed, model.predictions["h", "1"], rule) == model.predictions["h", "1"]
    with pytest.raises(InputError, match="too few gold pairs"):
        fit_fusion(local, model, gold._replace(items=gold.items[:5]))
    assert set(Fusion.model_validate_json(rule.model_dump_json()).heads) == {"role", "polarity"}


def test_page_escapes_text_from_papers_and_holds_every_section() -> None:
    local, model, gold = two_judges(60)
    hostile = "<script>alert(1)</script>"
    noted = tuple(item.model_copy(update={"note": hostile}) for item in gold.items)
    found = measure(model, gold._replace(items=noted), resamples=100)
    share = Share(value="neutral", predicted=1, naive=naive_share(2, 1), corrected=naive_share(2, 1))
    shares = (HubShares(hub_id=hostile, field="polarity", works=2, sample=1, shares=(share,)),)
    compared = compare(model, local, gold, resamples=100)
    together = side_by_side({hostile: model}, gold, resamples=100)
    page = html(found, shares=shares, compared={hostile: compared}, together=together)
    assert hostile not in page
    assert page.count("&lt;script&gt;") >= 5
    assert all(f'<h2 id="{name}">' in page for name in ("shares", "comparison", "together"))
    assert page.count("<div") == page.count("</div>")
    assert page.count("<table") == page.count("</table>") == page.count('class="scroll"')
    assert page.count("<svg") == 2 * len(found.confidence)
    assert "src=" not in page
    for field in FIELDS:
        if field != "basis":
            assert f'<h2 id="{field}">' in page
    assert text(found, ["SHARES", "x"]).index("SHARES") > text(found).index("CONFIDENCE")


def test_calibration_file_is_plain_json() -> None:
    stored = fit_calibration(*calibrated_run()).model_dump_json()
    assert Calibration.model_validate_json(stored).model_dump_json() == stored


def test_a_value_without_a_probability_is_left_out_of_its_head_only() -> None:
    run, gold = calibrated_run()
    unsure = {
        key: one.model_copy(update={"label": Label(role=Role.BACKGROUND, polarity=Polarity.UNCLEAR, confidence=0.3)})
        for key, one in list(run.predictions.items())[:40]
    }
    mixed = run._replace(predictions={**run.predictions, **unsure})
    fitted = fit_calibration(mixed, gold)
    assert (fitted.targets["label"].n, fitted.targets["polarity"].n) == (200, 160)
    one = next(iter(unsure.values()))
    assert apply_calibration(one, fitted).probabilities == one.probabilities
    assert measure(mixed, gold, resamples=100).confidence[-1].n == 200
