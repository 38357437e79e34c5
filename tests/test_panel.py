"""Several judges in one run: whose labels count, what they disagree on, what it costs, and what a failure loses."""

import asyncio
import json

import pytest

from classifier.errors import JudgeRejectedError, SettingsError
from classifier.evaluation.judging import Help, open_panel
from classifier.evaluation.panel import PanelAgreement
from classifier.judges.panel import PanelJudge
from classifier.schema import EvidenceSource, Status
from classifier.settings import key_of_host, load_settings, settings_of_judges
from tests.fakes import RuleJudge
from tests.hostile_server import HostileServer, Reply, answer_json, error, quoted
from tests.test_cli import classify, rows
from tests.works import tasks

PRICES = """
[[price]]
model = "a"
input = 10000
output = 0
as_of = 2026-01-01
source = "a test"

[[price]]
model = "b"
input = 20000
output = 0
as_of = 2026-01-01
source = "a test"
"""


def of_model(body, n):
    """Model b calls every third work a comparison; model a never does."""
    user = body["messages"][1]["content"]
    odd = body["model"] == "b" and any(f"number {i} " in user for i in range(0, 100, 3))
    return Reply(answer_json(role="compares" if odd else "background", evidence=quoted(body)))


@pytest.fixture
def table(tmp_path):
    file = tmp_path / "works.jsonl"
    text = "Work number {} follows the verifier of [[hub]] in every step."
    works = [{"hub_title": "A verifier", "citing_id": f"w{i}", "title": f"T{i}", "context": text.format(i)}
             for i in range(9)]  # fmt: skip
    file.write_text("".join(json.dumps(work) + "\n" for work in works), encoding="utf-8")
    (tmp_path / "prices.toml").write_text(PRICES, encoding="utf-8")
    return file


def run(table, server, *options, check=0, out="run", **more):
    env = {"CLASSIFIER_STORE": str(table.parent / "s.sqlite"), "CLASSIFIER_BASE_URL": server.url, **more}
    return classify("run", table, *options, "--prices", table.parent / "prices.toml", "--out", table.parent / out,
                    cwd=table.parent, env=env, check=check)  # fmt: skip


def manifest(table, out="run"):
    return json.loads((table.parent / out / "run.json").read_text(encoding="utf-8"))


def test_the_first_judge_labels_and_the_second_is_compared(table):
    with HostileServer(of_model) as server:
        done = run(table, server, "--judge", "a", "--judge", "b")
        asked = len(server.bodies)
        again = run(table, server, "--judge", "b", "--judge", "a", out="other")
        assert len(server.bodies) == asked, "answers of every judge are used again"
    found = rows(table.parent / "run")
    assert {row["role"] for row in found} == {"background"}
    assert {row["model"] for row in found} == {"a"}
    assert {row["model_2"] for row in found} == {"b"}
    for row in found:
        odd = int(row["citing_id"][1:]) % 3 == 0
        assert row["role_2"] == ("compares" if odd else "background")
        assert (row["role_agree"], row["polarity_agree"]) == ("false" if odd else "true", "true")
        assert row["needs_review"] == ("true" if odd else "false")
        assert row["review_reason"] == ("judges disagree: role background (a), compares (b)" if odd else "")
    assert {row["role"] for row in rows(table.parent / "other")} == {"background", "compares"}
    saved = manifest(table)
    assert [one["model"] for one in saved["judges"]] == ["a", "b"]
    assert saved["judge"]["model"] == "a"
    probed = [one["usage"]["requests"] for one in saved["judges"]]
    assert sum(probed) == saved["usage"]["requests"] == asked + len(server.probes)
    money = [one["usage"]["dollars"] for one in saved["judges"]]
    assert money[1] == pytest.approx(2 * money[0])
    assert saved["usage"]["dollars"] == pytest.approx(sum(money))
    summary = json.loads((table.parent / "run" / "summary.json").read_text(encoding="utf-8"))
    role, polarity = summary["agreement"]
    assert (role["first"], role["second"], role["field"], role["n"]) == ("a", "b", "role", 9)
    assert role["accuracy"]["value"] == pytest.approx(6 / 9)
    assert role["accuracy"]["low"] < 6 / 9 < role["accuracy"]["high"]
    assert polarity["accuracy"]["value"] == 1
    assert "agreement of a and b, on 9 works that both labelled; role 66.7%" in done.stdout
    assert "spent: $" in done.stdout
    assert "$0.0000 in 0" not in again.stdout
    schema = json.loads((table.parent / "run" / "predictions.schema.json").read_text(encoding="utf-8"))
    assert [one["name"] for one in schema["fields"]] == list(found[0])
    shown = classify("show", table.parent / "run", "w0", cwd=table.parent,
                     env={"CLASSIFIER_STORE": str(table.parent / "s.sqlite")}, check=0).stdout  # fmt: skip
    assert "review      judges disagree: role background (a), compares (b)" in shown
    assert "also        compares, neutral (labelled by openai b)" in shown


def test_a_run_with_one_judge_has_no_column_more(table):
    with HostileServer(of_model) as server:
        run(table, server, "--judge", "b")
    assert "role_agree" not in rows(table.parent / "run")[0]
    assert "judges" not in manifest(table)


def test_the_local_judge_beside_a_model_sends_nothing_and_both_are_named(table):
    with HostileServer(of_model) as server:
        run(table, server, "--judge", "local", "--judge", "b", "--samples", 2)
        assert len(server.bodies) == 18, "each work twice, the local judge never"
    found = rows(table.parent / "run")
    assert {row["judge"] for row in found} == {"local"}
    assert {row["judge_2"] for row in found} == {"openai"}
    saved = manifest(table)
    assert saved["judges"][1]["parameters"]["samples"] == 2
    assert [one["name"] for one in saved["judges"]] == ["local", "b"]


def test_a_judge_that_fails_on_a_work_loses_neither_batch_nor_the_other_label(table):
    def script(body, n):
        bad = body["model"] == "b" and "number 4 " in body["messages"][1]["content"]
        return Reply("no JSON") if bad else of_model(body, n)

    with HostileServer(script) as server:
        done = run(table, server, "--judge", "a", "--judge", "b", check=3)
    by_id = {row["citing_id"]: row for row in rows(table.parent / "run")}
    assert by_id["w4"]["status"] == "labelled"
    assert by_id["w4"]["status_2"] == "failed"
    assert by_id["w4"]["role_agree"] == ""
    assert [row["status_2"] for row in by_id.values()].count("labelled") == 8
    assert "judge b failed on 1 works" in done.stderr
    assert "b gave no label on 1 works" in done.stdout


def test_a_judge_that_is_refused_drops_out_and_the_other_goes_on(table):
    def script(body, n):
        return error(404, "no such model") if body["model"] == "b" else of_model(body, n)

    with HostileServer(script, on_probe=lambda body, n: script(body, n)) as server:
        run(table, server, "--judge", "b", "--judge", "a", check=3)
    found = rows(table.parent / "run")
    assert {(row["status"], row["status_2"]) for row in found} == {("failed", "labelled")}
    assert "dropped out" in manifest(table)["judges"][0]["notes"][-1]


def test_the_budget_counts_the_money_of_all_judges(table):
    """A request costs 1 dollar to judge a and 2 to judge b (100 prompt tokens)."""
    with HostileServer(of_model) as server:
        done = run(table, server, "--judge", "a", "--judge", "b", "--max-cost", 9, "--concurrency", 1, check=3)
        spent = manifest(table)["usage"]["dollars"]
    assert "the budget of --max-cost is spent" in done.stderr
    assert 9 <= spent <= 9 + 1 + 2, "at most the calls in flight beyond it"


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--judge", "a", "--judge", "a"], "error: --judge a: this judge is named twice"),
        (["--judge", "local", "--judge", "a", "--cascade"], "error: --cascade makes one answer"),
        (["--judge", "a", "--judge", "b", "--fuse", "FUSION"], "error: --fuse makes one answer"),
        (["--judge", "@http://127.0.0.1/v1"], "error: --judge '@http"),
    ],
)
def test_what_cannot_be_combined_is_one_line_and_exit_2(table, options, line):
    with HostileServer(of_model) as server:
        done = run(table, server, *options, check=2)
        assert server.bodies == server.probes == []
    errors = [text for text in done.stderr.splitlines() if text.startswith("error:")]
    assert len(errors) == 1
    assert errors[0].startswith(line)


def test_the_key_goes_to_the_configured_endpoint_and_to_no_other(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    here, there, same = settings_of_judges(
        load_settings(base_url="http://127.0.0.1:1/v1"),
        ["m", "m@http://127.0.0.1:2/v1", "n@http://127.0.0.1:1/v1/"],
    )
    assert here.api_key is not None
    assert there.api_key is None
    assert same.api_key is not None
    assert (there.model, there.base_url) == ("m", "http://127.0.0.1:2/v1")
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(SettingsError, match="needs OPENAI_API_KEY"):
        settings_of_judges(load_settings(), ["lcoal"])


def test_a_second_paid_endpoint_gets_the_key_of_its_host(table):
    """Each of two servers sees its own key and never the other's; neither key is written anywhere."""
    keys = {"OPENAI_API_KEY": "sk-of-the-first", "CLASSIFIER_API_KEYS": "localhost=sk-of-the-second"}
    with HostileServer(of_model) as first, HostileServer(of_model) as second:
        elsewhere = second.url.replace("127.0.0.1", "localhost")
        run(table, first, "--judge", "a", "--judge", f"b@{elsewhere}", **keys)
        seen = [{word for head in server.headers for word in head.split() if word.startswith("sk-")}
                for server in (first, second)]  # fmt: skip
    assert seen == [{"sk-of-the-first"}, {"sk-of-the-second"}]
    written = [file.read_bytes() for file in table.parent.rglob("*") if file.is_file()]
    assert not any(b"sk-of-the" in content for content in written)


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("https://api.example.org/v1", "sk-1"),
        ("https://API.example.org:8443/v1", "sk-1"),
        ("https://api-example.org/v1", None),
        ("https://api.example.org.evil.net/v1", None),
        ("https://other.org/v1", "sk-2="),
        ("http://127.0.0.1:8080/v1", "sk-3"),
    ],
)
def test_a_key_goes_to_its_own_host_letter_for_letter(monkeypatch, url, key):
    monkeypatch.setenv("CLASSIFIER_API_KEYS", "api.example.org=sk-1 other.org=sk-2=  127.0.0.1=sk-3")
    found = key_of_host(url)
    assert (found.get_secret_value() if found else None) == key


@pytest.mark.parametrize(
    ("url", "keys", "line"),
    [
        ("http://api.example.org/v1", "api.example.org=sk-secret", "not sent over plain http"),
        ("https://api.example.org/v1", "sk-secret", "wanted HOST=KEY"),
        ("http://user:sk-secret@/v1", "", "no address"),
    ],
)
def test_a_key_that_could_go_astray_is_refused_and_not_shown(monkeypatch, url, keys, line):
    monkeypatch.setenv("CLASSIFIER_API_KEYS", keys)
    with pytest.raises(SettingsError, match=line) as caught:
        key_of_host(url)
    assert "sk-secret" not in str(caught.value)


def test_one_model_at_two_endpoints_is_told_apart(tmp_path):
    asked = settings_of_judges(
        load_settings(store=tmp_path / "s.sqlite"), ["m@http://127.0.0.1:1/v1", "m@http://127.0.0.1:2/v1"]
    )
    judge = open_panel(asked, Help()).judge
    assert [one.name for one in judge.members()] == ["m@http://127.0.0.1:1/v1", "m@http://127.0.0.1:2/v1"]


def test_judges_of_one_endpoint_share_its_gate(tmp_path):
    names = ["a@http://127.0.0.1:1/v1", "b@http://127.0.0.1:1/v1", "a@http://127.0.0.1:2/v1"]
    panel = open_panel(settings_of_judges(load_settings(store=tmp_path / "s.sqlite"), names), Help()).judge
    gates = [judge.asker.admission for judge in panel.judges]
    assert gates[0] is gates[1] is not gates[2]
    assert len({id(judge.asker.spending.purse) for judge in panel.judges}) == 1


def test_a_panel_of_judges_that_are_all_gone_stops(tmp_path):
    gone = [RuleJudge(error=("w1", JudgeRejectedError("no"))) for _ in range(2)]
    panel = PanelJudge(gone, ["x", "y"])
    with pytest.raises(JudgeRejectedError):
        asyncio.run(panel.judge(tasks(3)))


def test_kappa_is_that_of_the_counts_and_works_without_text_count_nowhere():
    panel = PanelJudge([RuleJudge(), RuleJudge(fails={"w2"})], ["x", "y"])
    found = asyncio.run(panel.judge(tasks(4)))
    assert [one.others[0].status for one in found][2] is Status.FAILED
    counted = PanelAgreement(["x", "y"])
    for one in found:
        counted.add(one)
    counted.add(found[0].model_copy(update={"evidence_source": EvidenceSource.NONE}))
    (_, role), _ = counted.found()
    assert role.n == 3
    assert role.accuracy.value == 1
    assert role.cohen_kappa.value is None, "one value only: chance agreement is 1"
    assert counted.lines()[-1] == "y gave no label on 1 works"
