"""`classify evaluate` on runs of several judges and on cascades: every judge is scored, the saving has its cost."""

import json

import pytest

from classifier.evaluation.cascade import cascade_report
from classifier.evaluation.gold import Gold
from classifier.evaluation.report_html import html
from classifier.evaluation.report_runs import cascade_lines
from classifier.evaluation.runs import read_run, runs_of_judges
from classifier.judges.base import PASSED_ON
from classifier.schema import Polarity
from tests.hostile_server import HostileServer
from tests.test_cli import classify
from tests.test_evaluation_confidence import gold_item, prediction, run_of
from tests.test_panel import of_model, run, table

pytest.importorskip("scipy")
pytest.importorskip("sklearn")
__all__ = ["table"]


def gold_of(folder, count=9):
    file = folder / "gold.jsonl"
    lines = [
        json.dumps({
            "hub_id": "a-verifier", "citing_id": f"w{i}", "role": "background" if i % 3 else "compares",
            "polarity": "neutral", "basis": "none",
        })
        for i in range(count)
    ]  # fmt: skip
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def test_every_judge_of_a_run_is_scored_and_the_first_tested_against_the_others(table):
    with HostileServer(of_model) as server:
        run(table, server, "--judge", "a", "--judge", "b")
    folder = table.parent / "run"
    found = runs_of_judges(read_run(folder))
    assert list(found) == ["a", "b"]
    hub = next(iter(found["a"].predictions))[0]
    gold = gold_of(table.parent)
    gold.write_text(gold.read_text(encoding="utf-8").replace("a-verifier", hub), encoding="utf-8")
    done = classify("evaluate", folder, "--gold", gold, "--html", cwd=table.parent, check=0)
    assert "SIDE BY SIDE (all items)" in done.stdout
    assert "AGAINST b (a minus b, all items)" in done.stdout
    shown = json.loads(classify("evaluate", folder, "--gold", gold, "--json", cwd=table.parent, check=0).stdout)
    accuracy = {
        one["name"]: one["scores"]["accuracy"]["value"] for one in shown["side_by_side"] if one["field"] == "role"
    }
    assert accuracy == {"a": pytest.approx(6 / 9), "b": 1.0}
    role = next(one for one in shown["judges"]["b"] if one["field"] == "role")
    assert (role["gained"], role["lost"], role["n"]) == (0, 3, 9)
    assert role["accuracy_difference"]["value"] == pytest.approx(-3 / 9)
    assert 'id="together"' in (folder / "evaluation.html").read_text(encoding="utf-8")
    assert shown["cascade"] is None


def test_a_run_of_one_judge_has_no_other():
    assert runs_of_judges(run_of(prediction("1"))) == {}


def cascade():
    """Ten works: the local judge keeps six and is wrong on two of those; the model is right on all that it sees."""
    truth = [Polarity.SUPPORTING if i < 4 else Polarity.NEUTRAL for i in range(10)]
    gold = Gold(None, tuple(gold_item(str(i), truth[i]) for i in range(10)), ())
    given = [prediction(str(i), Polarity.NEUTRAL if i < 2 else truth[i], judge="local" if i < 6 else "openai")
             for i in range(10)]  # fmt: skip
    done = run_of(*given)._replace(manifest={"judge": {"judge": "cascade", "model": "m"}})
    alone = run_of(*(prediction(str(i), truth[i], judge="openai") for i in range(10)))
    return done, gold, alone._replace(manifest={"judge": {"judge": "openai", "model": "m"}})


def test_a_cascade_shows_its_saving_and_what_that_costs():
    done, gold, alone = cascade()
    assert cascade_report(alone, gold) is None
    plain = cascade_report(done, gold, resamples=200)
    found = cascade_report(done, gold, alone, resamples=200)
    assert (found.works, found.kept_local, found.saved) == (10, 6, 0.6)
    polarity = next(one for one in found.fields if one.field == "polarity")
    assert (polarity.kept_items, polarity.passed_on_items) == (6, 4)
    assert polarity.kept.value == pytest.approx(4 / 6)
    assert polarity.passed_on.value == polarity.model_on_kept.value == 1
    assert polarity.cost.value == pytest.approx(0.2)
    assert polarity.cost.low <= 0.2 <= polarity.cost.high
    assert "kept 6 of 10 works; no model was asked for 60.0%" in cascade_lines(found)[0]
    assert "--baseline RUN" in cascade_lines(plain)[-1]
    assert "--baseline RUN" not in cascade_lines(found)[-1]


def test_a_work_whose_model_failed_was_passed_on_and_a_missing_one_is_in_neither_part():
    done, gold, _ = cascade()
    stood = {("h", "6"): prediction("6", judge="local", review_reason=PASSED_ON)}
    rest = {key: one for key, one in done.predictions.items() if key[1] not in ("6", "9")}
    found = cascade_report(done._replace(predictions=rest | stood), gold, resamples=100)
    assert (found.works, found.kept_local) == (9, 6)
    polarity = next(one for one in found.fields if one.field == "polarity")
    assert (polarity.kept_items, polarity.passed_on_items) == (6, 3)


@pytest.mark.parametrize("other", [{"judge": "local", "model": "m"}, {"judge": "openai", "model": "n"}, None])
def test_the_cost_is_told_against_the_same_model_only(other):
    done, gold, alone = cascade()
    found = cascade_report(done, gold, alone._replace(manifest={"judge": other}), resamples=100)
    assert all(one.cost is None and one.model_on_kept is None for one in found.fields)
    assert "is no run of m alone" in cascade_lines(found)[-1]


def test_a_part_without_gold_has_no_accuracy():
    done, gold, _ = cascade()
    found = cascade_report(done, gold._replace(items=gold.items[:6]), resamples=100)
    assert all(one.passed_on is None and one.passed_on_items == 0 for one in found.fields)


def test_the_page_of_a_cascade_has_its_table():
    from classifier.evaluation.measure import measure

    done, gold, alone = cascade()
    page = html(measure(done, gold._replace(path="g"), resamples=100), saving=cascade_report(done, gold, alone))
    assert '<h2 id="cascade">' in page
    assert page.count("<table") == page.count("</table>")
    assert "None" not in page
