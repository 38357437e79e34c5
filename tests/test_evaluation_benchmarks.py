"""Public benchmarks: both forms of the files, mapping tables, forced choice, and the command itself."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from classifier.cli import app
from classifier.errors import InputError
from classifier.evaluation.benchmarks import harness, pages, scoring
from classifier.evaluation.benchmarks.readers import read_rows
from classifier.evaluation.benchmarks.schemes import Task, dataset, datasets
from classifier.schema import Basis, Label, Polarity, Prediction, Role, Status

ROOT = Path(__file__).parent.parent
SHARED = Path(os.environ.get("CLASSIFIER_SHARED", ROOT.parent / "shared")) / "bench"


def task(name: str) -> Task:
    return next(one for data in datasets().values() for one in data.task if one.name == name)


def predicted(
    role: Role = Role.BACKGROUND,
    polarity: Polarity = Polarity.NEUTRAL,
    basis: Basis = Basis.NONE,
    probabilities: dict[str, dict[str, float]] | None = None,
    others: tuple[Role, ...] = (),
) -> Prediction:
    label = Label(role=role, other_roles=others, polarity=polarity, basis=basis)
    return Prediction(hub_id="d", citing_id="1", status=Status.LABELLED, label=label, judge="fake", model="m",
                      probabilities=probabilities)  # fmt: skip


@pytest.mark.parametrize("one", [task for data in datasets().values() for task in data.task], ids=lambda one: one.name)
def test_every_value_of_ours_has_a_class(one: Task) -> None:
    if one.name == "scicite-polarity":  # two classes of rows that do take a side
        assert one.answer(predicted(polarity=Polarity.NEUTRAL)) is None
        return
    values = list(Role) if one.head == "role" else list(Polarity)
    for value in values:
        for basis in (Basis.EVIDENCE, Basis.ASSESSMENT):
            assert one.ours.get(str(value)) or one.ours[f"{value}/{basis}"]


def test_no_native_label_means_two_classes() -> None:
    for data in datasets().values():
        for one in data.task:
            labels = [label for native in one.gold.values() for label in native]
            assert len(labels) == len(set(labels)), one.name


def test_basis_keeps_the_two_traditions_apart() -> None:
    praise = predicted(polarity=Polarity.SUPPORTING, basis=Basis.ASSESSMENT)
    confirmation = predicted(polarity=Polarity.SUPPORTING, basis=Basis.EVIDENCE)
    assert (task("clinical").answer(praise), task("clinical").answer(confirmation)) == ("neutral", "positive")
    assert (task("athar").answer(praise), task("athar").answer(confirmation)) == ("positive", "positive")


def test_probabilities_are_added_up_by_class() -> None:
    shares = {"background": 0.4, "uses_method": 0.3, "uses_data": 0.25, "compares": 0.05}
    unsure = predicted(role=Role.UNCLEAR, probabilities={"role": shares})
    assert task("scicite").answer(unsure) == "method"  # 0.55 against 0.4
    assert task("jurgens-fine").answer(unsure) == "background"
    stance = {"polarity": {"neutral": 0.45, "supporting": 0.55}, "basis": {"evidence": 0.7, "assessment": 0.3}}
    one = predicted(polarity=Polarity.SUPPORTING, basis=Basis.EVIDENCE, probabilities=stance)
    assert task("athar").answer(one) == "positive"
    assert task("clinical").answer(one) == "neutral"  # 0.45 + 0.55 * 0.3 = 0.615


def test_failed_and_abstained_are_no_answer() -> None:
    failed = Prediction(hub_id="d", citing_id="1", status=Status.FAILED, failure="x", judge="f", model="m")
    assert task("scicite").answer(failed) is None
    assert task("multicite").answers(failed) == ()
    several = predicted(role=Role.EXTENDS, others=(Role.COMPARES, Role.USES_DATA))
    assert task("multicite").answers(several) == ("extends", "compares", "uses")


def write(path: Path, *rows: dict[str, object]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_scicite_as_published(tmp_path: Path) -> None:
    text = "Our values agree with those of Holm (2001) closely."
    start = text.index("Holm")
    file = write(
        tmp_path / "dev.jsonl",
        {"string": text, "label": "result", "label2": "supportive", "sectionName": "Discussion",
         "citeStart": start, "citeEnd": start + 11, "id": "a>b", "citingPaperId": "a", "citedPaperId": "b"},
        {"string": "As in [3].", "label": "method", "label2": "cant_determine", "citeStart": float("nan"), "id": "c>d"},
    )  # fmt: skip
    first, second = read_rows(file, "scicite")
    assert first.pair.citing.contexts[0].text == "Our values agree with those of [[Holm (2001)]] closely."
    assert (first.native, first.polarity, first.citing) == (("result",), ("supportive",), "a")
    assert first.pair.citing.contexts[0].section == "Discussion"
    assert (second.native, second.polarity, second.pair.citing.contexts[0].text) == (("method",), (), "As in [3].")


def test_acl_arc_as_published(tmp_path: Path) -> None:
    file = write(
        tmp_path / "train.jsonl",
        {"text": "We use the tagger of Lund (1999).", "cleaned_cite_text": "We use the tagger of @@CITATION.",
         "extended_context": "Text is split first. We use the tagger of @@CITATION. It is fast.", "intent": "Uses",
         "citation_id": "P00-1_2", "section_title": "Data", "citing_paper_title": "A", "cited_paper_title": "B"},
    )  # fmt: skip
    (row,) = read_rows(file, "acl-arc")
    context = row.pair.citing.contexts[0]
    assert context.passage == "Text is split first. We use the tagger of [[CITATION]]. It is fast."
    assert context.before == "Text is split first."
    assert row.pair.cited.title == "B"
    assert task("acl-arc").gold_classes(row.native) == ("uses",)


def test_act_athar_multicite_and_focal_as_published(tmp_path: Path) -> None:
    act = tmp_path / "SDP_train.csv"
    act.write_text(
        "unique_id,core_id,citing_title,citing_author,cited_title,cited_author,citation_context,"
        'citation_class_label,citation_influence_label\nCC1,7,T1,X,T2,Y,"Unlike #AUTHOR_TAG, we sort.",1,0\n',
        encoding="utf-8",
    )
    (row,) = read_rows(act, "act")
    assert row.pair.citing.contexts[0].text == "Unlike [[CITATION]], we sort."
    assert task("act").gold_classes(row.native) == ("compares",)

    athar = tmp_path / "citation_sentiment_corpus.txt"
    athar.write_text("# Source\tTarget\tSentiment\tText\nA00-1\tP99-2\tn\tIt fails on (Lee 1999).\n", encoding="utf-8")
    (row,) = read_rows(athar, "athar")
    assert (task("athar").gold_classes(row.native), row.citing) == (("negative",), "A00-1")

    paper = {
        "x": [{"sent_id": "p-0", "text": "Hello."}, {"sent_id": "p-1", "text": 'As <span class="c">[4]</span> did.'}],
        "y": {
            "@SIM@": {"gold_contexts": [["p-1"]], "cite_sentences": ["p-1"]},
            "@USE@": {"gold_contexts": [["p-0", "p-1"]], "cite_sentences": ["p-1"]},
        },
    }
    full = tmp_path / "full.json"
    full.write_text(json.dumps({"p": paper}), encoding="utf-8")
    (row,) = read_rows(full, "multicite")
    assert row.pair.citing.contexts[0].text == "As [[[4]]] did."
    assert task("multicite").gold_classes(row.native) == ("uses", "compares")

    focal = write(
        tmp_path / "train.jsonl",
        {"Identifier": "x", "Paragraph": "Seen by Kay (1999) twice.", "Citation Text": ["Kay (1999)"],
         "Citation Start End": [[8, 18]], "Functions Text": ["Seen"], "Functions Label": ["Background"],
         "Functions Start End": [[0, 4]]},
    )  # fmt: skip
    (row,) = read_rows(focal, "focal")
    assert row.pair.citing.contexts[0].text == "Seen by [[Kay (1999)]] twice."
    assert row.native == ("Background",)


def test_rows_that_are_neither_form_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"x\.jsonl:1: not a row of a known form"):
        list(read_rows(write(tmp_path / "x.jsonl", {"words": 1}), "scicite"))
    (tmp_path / "a.txt").write_text("one\ttwo\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"a\.txt:1: not four cells"):
        list(read_rows(tmp_path / "a.txt", "athar"))
    (tmp_path / "a.csv").write_text("x,y\n1,2\n", encoding="utf-8")
    with pytest.raises(InputError, match="citation_class_label"):
        list(read_rows(tmp_path / "a.csv", "act"))


def scicite_file(folder: Path) -> Path:
    texts = {
        "background": "Many have described the sleep of bees [[CITATION]] in field number {}.",
        "method": "Samples were prepared using the protocol of [[CITATION]] in batch {}.",
        "result": "Our result in trial {} is consistent with the findings of [[CITATION]].",
    }
    rows = [
        {"id": f"{label}{i}>x_{i}", "dataset": "scicite", "split": "dev", "text": text.format(i), "label": label}
        for label, text in texts.items()
        for i in range(8)
    ]
    return write(folder / "scicite_dev.jsonl", *rows)


def test_the_command_runs_the_real_judge_and_renews_the_table(tmp_path: Path) -> None:
    scicite_file(tmp_path)
    readme = tmp_path / "README.md"
    readme.write_text("# Top\n<!-- begin benchmarks -->\nold\n<!-- end benchmarks -->\nrest\n", encoding="utf-8")
    arguments = ["benchmark", "--all", "--data", str(tmp_path), "--judge", "local", "--results",
                 str(tmp_path / "results"), "--page", str(readme)]  # fmt: skip
    ran = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert ran.exit_code == 0
    (result,) = pages.read_results(tmp_path / "results")
    assert (result.task, result.rows, result.labelled, result.trained_on) == ("scicite", 24, 24, "other rows")
    assert result.matrix is not None
    assert np.array(result.matrix).sum() == 24
    assert result.macro_f1.value is not None
    assert "left out: " in ran.stderr
    assert "Athar" in ran.stderr
    shown = readme.read_text(encoding="utf-8")
    assert "| scicite | role | 24 dev | local | other rows |" in shown
    assert shown.startswith("# Top\n")
    assert shown.endswith("rest\n")
    assert "\nold\n" not in shown
    before = shown
    CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert readme.read_text(encoding="utf-8") == before


def test_absent_data_says_where_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"scicite_dev\.jsonl; get it from https://github.com/allenai/scicite"):
        harness.find_file(dataset("scicite"), tmp_path)
    runner = CliRunner()
    for arguments, message in (
        (["benchmark", "athar", "--judge", "local"], "citation_sentiment_corpus.txt"),
        (["benchmark", "nothing", "--data", str(tmp_path), "--judge", "local"], "unknown benchmark"),
        (["benchmark", "--judge", "local"], "or --all"),
    ):
        ran = runner.invoke(app, arguments)
        assert isinstance(ran.exception, InputError)
        assert message in str(ran.exception)


def test_a_sample_is_the_same_for_everyone(tmp_path: Path) -> None:
    rows = list(read_rows(scicite_file(tmp_path), "scicite"))
    chosen = [row.pair.citing.citing_id for row in harness.sample(rows, 5)]
    assert chosen == [row.pair.citing.citing_id for row in harness.sample(rows[::-1], 5)]
    assert harness.sample(rows, None) == rows


def test_scores_of_several_labels_a_row_by_hand(tmp_path: Path) -> None:
    file = write(
        tmp_path / "multicite_dev.jsonl",
        *({"id": f"p{i}", "dataset": "multicite", "split": "dev", "text": f"t{i} [[CITATION]]", "labels": labels}
          for i, labels in enumerate([["uses", "similarities"], ["background"], ["background"], ["uses"]])),
    )  # fmt: skip
    rows = list(read_rows(file, "multicite"))
    roles = [(Role.USES_DATA, ()), (Role.BACKGROUND, ()), (Role.USES_METHOD, ()), (Role.BACKGROUND, (Role.EXTENDS,))]
    measured = [
        scoring.Measured(row, predicted(role=role, others=others))
        for row, (role, others) in zip(rows, roles, strict=True)
    ]
    data = dataset("multicite")
    found = scoring.score(data, data.task[0], measured, file, sampled=False, resamples=100)
    assert found is not None
    f1 = {one.label: one.f1.value for one in found.classes}
    # uses: 1 right of 2 said and 2 gold; background the same; compares missed; extends made up
    assert f1 == {"background": 0.5, "motivation": None, "uses": 0.5, "extends": 0, "compares": 0, "future_work": None}
    assert found.macro_f1.value == pytest.approx(0.25)
    assert found.accuracy.value == 0.5


def test_precision_at_base_rate_by_hand() -> None:
    # recall 0.5 of positives, 1 % of neutral and no negative called positive: 0.0175 / (0.0175 + 0.00958)
    table = np.array([[50.0, 50, 0, 0], [10, 990, 0, 0], [0, 50, 50, 0]])
    found = scoring._at_base_rate(task("athar"), table)
    assert found["positive"] == pytest.approx(0.0175 / (0.0175 + 0.958 * 0.01), abs=1e-4)
    assert found["negative"] == 1.0
    assert scoring._at_base_rate(task("scicite"), np.eye(3, 4)) == {}


@pytest.mark.skipif(not SHARED.is_dir(), reason="no ../shared/bench: the public data sets are not at hand")
@pytest.mark.parametrize("name", list(datasets()))
def test_real_files_are_read_whole(name: str) -> None:
    data = dataset(name)
    file = harness.find_file(data, SHARED)
    rows = list(read_rows(file, name))
    assert len(rows) == file.read_bytes().count(b"\n")
    assert len({row.pair.citing.citing_id for row in rows}) == len(rows)
    for one in data.task:
        scored = sum(
            bool(one.gold_classes(row.polarity if one.gold_field == "polarity" else row.native)) for row in rows
        )
        assert scored > 0.95 * len(rows) or one.name == "scicite-polarity"
