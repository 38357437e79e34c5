import base64
import gzip
import hashlib
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import html as lxml_html

from classifier.cli import main
from classifier.errors import InputError
from classifier.inputs import open_input
from classifier.judges.base import JudgeCard
from classifier.outputs import read_run
from classifier.report import write_report
from classifier.report.data import MOST_WORKS, _spent, gather
from classifier.report.page import BLOCK, ROW_FIELDS, _embedded, shown
from classifier.report.shares import wilson
from classifier.schema import (
    CitationContext,
    CitedWork,
    CitingWork,
    Evidence,
    Hub,
    Label,
    Polarity,
    Prediction,
    Role,
    Status,
    WorkIds,
)
from tests.paths import EXAMPLE
from tests.sample_hub import SampleJudge, label, make_hub, make_run, prose_hub

EVIL = '</script><script>alert(1)</script><img src=x onerror="alert(2)">{{7*7}}<!--'


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("sample"))


@pytest.fixture(scope="module")
def page(run):
    return write_report(run).read_text(encoding="utf-8")


def embedded(page, name):
    value = json.loads(re.search(rf'<script type="application/json" id="{name}">(.*?)</script>', page, re.S).group(1))
    return [unpack(block) for block in value] if isinstance(value, list) else unpack(value)


def unpack(block):
    return json.loads(gzip.decompress(base64.b85decode(block.translate(str.maketrans(",./", "<>&")))))


# Brown, Cai and DasGupta (2001) give the formula; values by R 4.3, prop.test(x, n, correct = FALSE)$conf.int.
@pytest.mark.parametrize(
    ("count", "total", "low", "high"),
    [(0, 10, 0.0, 0.2775328), (5, 10, 0.2365931, 0.7634069), (10, 10, 0.7224672, 1.0), (1, 100, 0.0017674, 0.0544862)],
)
def test_wilson_intervals(count, total, low, high):
    found = wilson(count, total)
    assert (found.value, found.low, found.high) == (
        count / total,
        pytest.approx(low, abs=1e-6),
        pytest.approx(high, abs=1e-6),
    )
    assert wilson(0, 0) is None


@given(st.integers(1, 10**6).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_an_interval_holds_its_share(pair):
    found = wilson(*pair)
    assert 0 <= found.low <= found.value <= found.high <= 1


def test_the_same_run_gives_the_same_bytes(run, tmp_path):
    assert write_report(run, tmp_path / "a.html").read_bytes() == write_report(run, tmp_path / "b.html").read_bytes()


def test_the_date_is_the_runs_not_todays(run, tmp_path):
    manifest = json.loads((run / "run.json").read_text())
    copy = tmp_path / "run"
    copy.mkdir()
    for name in ("summary.json", "predictions.jsonl"):
        (copy / name).write_bytes((run / name).read_bytes())
    (copy / "run.json").write_text(json.dumps(manifest | {"finished": "2001-02-03T04:05:06+00:00"}))
    assert '<time datetime="2001-02-03T04:05:06+00:00">2001-02-03</time>' in write_report(copy).read_text("utf-8")


def test_coverage_stands_first_and_counts_agree_with_the_summary(run, page):
    summary = json.loads((run / "summary.json").read_text())["hubs"][0]
    text = " ".join(lxml_html.fromstring(page.encode()).text_content().split())
    coverage = summary["coverage"]
    assert f"{coverage['labelled']} of {coverage['listed']} citing works labelled" in text
    assert f"{coverage['with_passage']} with a passage" in text
    assert f"{coverage['abstained']} abstained" in text
    data = gather(run).page
    assert {row.value: row.count for row in data.roles} == summary["role"]
    assert {row.value: row.count for row in data.polarities} == summary["polarity"]
    for row in data.polarities:
        assert sum(row.source.values()) == row.count
        if row.basis:
            assert {b: n for b, n in row.basis.items() if b != "none"} == summary["stance_by_basis"][row.value]


def test_years_and_works_without_one_add_up(run):
    data = gather(run).page
    counted = sum(sum(counts.values()) for counts in data.years.values())
    assert data.years_unknown > 0
    assert counted + data.years_unknown == data.coverage.labelled


def test_the_page_carries_every_work_and_the_bytes_of_the_csv(run, page):
    data, packed = embedded(page, "data"), embedded(page, "packed")
    assert data["fields"] == list(ROW_FIELDS)
    assert [row[0] for row in data["rows"]] == [r.prediction.citing_id for r in read_run(run)]
    works = [work for block in packed for work in block]
    assert len(works) == len(data["rows"]) <= BLOCK * len(packed)
    csv = next(i for i, form in enumerate(data["forms"]) if form["label"] == "CSV")
    form = data["forms"][csv]
    written = form["start"] + form["separator"].join(work[csv] for work in works) + form["end"]
    assert written.encode() == (run / "predictions.csv").read_bytes()


def test_the_policy_allows_these_scripts_and_this_style_and_nothing_else(page):
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page).group(1)
    directives = dict(part.strip().split(" ", 1) for part in policy.replace("&#39;", "'").split(";"))
    assert directives["default-src"] == directives["base-uri"] == directives["form-action"] == "'none'"

    def digests(pattern):
        found = re.findall(pattern, page, re.S)
        return {f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in found}

    assert digests(r"<script>(.*?)</script>") == set(directives["script-src"].split())
    assert digests(r"<style>(.*?)</style>") == set(directives["style-src"].split())
    assert "unsafe" not in policy


def test_nothing_in_the_page_points_outside_but_links(page):
    tree = lxml_html.fromstring(page.encode())
    assert not tree.xpath(
        "//@src | //link | //iframe | //object | //embed | //@style | //@*[starts-with(name(), 'on')]"
    )
    assert all(re.match(r"#|https?://", href) for href in tree.xpath("//a/@href"))


@given(st.text())
def test_embedded_json_reads_back_and_cannot_end_its_element(text):
    written = _embedded({"x": text + EVIL})
    assert not set(written) & set("<>&")
    assert json.loads(written)["x"] == text + EVIL


def test_unseen_characters_are_shown_one_for_one():
    assert shown("a\u202eb\u2066c\x00d\x9be") == "a�b�c�d�e"
    assert shown("line\nend\tשלום\u200f") == "line\nend\tשלום\u200f"


def hostile_hub():
    bidi = "invoice\u202egnp.exe"
    work = CitingWork(
        citing_id='"><script>alert(3)</script>', title=EVIL, summary=EVIL, authors=(EVIL, bidi), venue=EVIL,
        ids=WorkIds(url="javascript:alert(4)"), contexts=(CitationContext(text=f"{EVIL} [[{EVIL}]]", section=EVIL),),
    )  # fmt: skip
    return Hub(
        cited=CitedWork(
            hub_id="evil", title=EVIL + bidi, abstract=f"We show {EVIL}. {bidi}", authors=(EVIL,), venue=EVIL,
            ids=WorkIds(doi='10.1/"><script>alert(5)</script>'),
        ),
        citing=(work, CitingWork(citing_id="w00008", title=bidi, ids=WorkIds(url="data:text/html,<script>"))),
    )  # fmt: skip


class HostileJudge(SampleJudge):
    """Labels every work, with the whole of its first text as evidence."""

    def _prediction(self, task):
        passage = task.passages[0]
        evidence = Evidence(
            text=passage.text, source=passage.source, start=0, end=len(passage.text),
            context_index=passage.context_index,
        )  # fmt: skip
        label = Label(role=Role.EXTENDS, polarity=Polarity.NEUTRAL, evidence=evidence, rationale=EVIL)
        return Prediction(
            hub_id="evil", citing_id=task.pair.citing.citing_id, status=Status.LABELLED, label=label, judge="x",
            model=EVIL, prompt=EVIL, evidence_source=passage.source,
        )  # fmt: skip

    def card(self):
        return JudgeCard(judge="x", model=EVIL, prompts={EVIL: EVIL})


def make_hostile_run(folder):
    return make_run(folder, hostile_hub(), HostileJudge())


def test_a_hostile_hub_adds_no_element_and_no_attribute(tmp_path):
    tree = lxml_html.fromstring(write_report(make_hostile_run(tmp_path)).read_bytes())
    assert len(tree.xpath("//script")) == 4
    assert not tree.xpath("//img | //@onerror | //@src | //*[@style]")
    assert all(re.match(r"#|https://doi\.org/10\.1/", href) for href in tree.xpath("//a/@href"))
    visible = "".join(tree.xpath("//body//text()[not(ancestor::script)]"))
    assert "\u202e" not in visible
    assert EVIL in visible


def test_a_hub_without_passages_says_what_is_missing(tmp_path):
    hub = open_input(EXAMPLE).hub
    text = write_report(make_run(tmp_path, hub.model_copy(update={"citing": hub.citing[:5]}))).read_text("utf-8")
    for words in ("No citing work came with a passage", "came with its year", "names no co-cited works"):
        assert words in text
    assert "what they do with this claim is not known" in text


def test_corrected_shares_come_from_the_evaluation_of_the_run(tmp_path):
    run = make_run(tmp_path, make_hub(20))
    share = {"value": "supporting", "corrected": {"value": 0.4, "low": 0.3, "high": 0.5}}
    one = {"hub_id": "stepwise-feedback", "field": "polarity", "works": 20, "sample": 12, "shares": [share]}
    (run / "evaluation.json").write_text(json.dumps({"shares": [one, one | {"hub_id": "another"}]}))
    text = write_report(run).read_text("utf-8")
    assert "polarity with gold labels of 12 of 20 works" in text
    assert "40.0 % (30.0 – 50.0 %)" in text
    (run / "evaluation.json").write_text('{"shares": 3}')
    with pytest.raises(InputError, match=r"evaluation.json: is not what `classify evaluate --save` writes"):
        write_report(run)


def test_evaluate_save_writes_what_the_report_reads(tmp_path, capsys):
    run = make_run(tmp_path, make_hub(20))
    gold = tmp_path / "gold.csv"
    rows = [result.prediction for result in read_run(run) if result.prediction.status is Status.LABELLED]
    lines = [f"{p.hub_id},{p.citing_id},{p.label.role},{p.label.polarity},{p.label.basis}" for p in rows[:15]]
    gold.write_text("\n".join(["hub_id,citing_id,role,polarity,basis", *lines]) + "\n")
    with pytest.raises(SystemExit, match="0"):
        main(["evaluate", str(run), "--gold", str(gold), "--save", "--resamples", "100"])
    assert str(run / "evaluation.json") in capsys.readouterr().err
    assert "with gold labels of 15 of 20 works" in write_report(run).read_text("utf-8")


def test_a_run_with_several_hubs_shows_one_and_says_so(tmp_path):
    table = tmp_path / "pairs.csv"
    table.write_text(
        "hub_id,hub_title,citing_id,title\n"
        + "".join(f"{hub},Hub {hub},w0000{i},Work {i}\n" for hub in "ab" for i in range(3))
    )
    run = label(open_input(table), SampleJudge(), tmp_path / "run")
    assert "This run holds 1 more hub;" in write_report(run).read_text("utf-8")
    other = write_report(run, tmp_path / "b.html", hub_id="b").read_text("utf-8")
    assert "<h1><bdi>Hub b</bdi></h1>" in other
    with pytest.raises(InputError, match="holds no such hub"):
        write_report(run, hub_id="c")


def test_more_works_than_a_page_holds_are_counted_and_the_rest_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr("classifier.report.data.MOST_WORKS", 10)
    gathered = gather(make_run(tmp_path, make_hub(30)))
    assert (len(gathered.results), gathered.page.coverage.listed) == (10, 30)
    assert MOST_WORKS >= 10_000


def test_a_thousand_works_take_less_than_one_and_a_half_megabytes(tmp_path):
    path = write_report(make_run(tmp_path, prose_hub(1000, around=35)))  # two passages of 95 words a work
    assert path.stat().st_size < 1_500_000


@pytest.mark.parametrize(
    ("dollars", "shown"), [(None, "at a price not known here"), (0.01234, "$0.0123"), (0.0, "$0.0000")]
)
def test_the_cost_is_money_where_the_price_is_known_and_said_to_be_unknown_elsewhere(dollars, shown):
    usage = {"requests": 3, "cached": 1, "prompt_tokens": 4000, "completion_tokens": 200, "dollars": dollars}
    assert _spent(usage) == f"3 requests, 1 answers from the store, 4,000 tokens in and 200 out, {shown}"
