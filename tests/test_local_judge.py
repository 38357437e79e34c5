"""The embedded judge: what it says, what it leaves open, and that its evidence stands in the text."""

from __future__ import annotations

import asyncio
import itertools
import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from classifier.errors import SettingsError
from classifier.evidence import prepare, source_text
from classifier.judges.local.answer import LocalAnswer, _decide, judge_many
from classifier.judges.local.cues import find_cues
from classifier.judges.local.features import Source, extract, section_kind, title_kinds
from classifier.judges.local.judge import LocalJudge
from classifier.judges.local.model import LocalModel
from classifier.judges.local.relation import CommonWords, own_terms, relate
from classifier.judges.local.stances import GATES, kind_of
from classifier.judges.local.tokens import CITATION, TARGET, scan, sentences
from classifier.schema import (
    STANCES,
    Basis,
    CitationContext,
    CitedWork,
    CitingWork,
    EvidenceSource,
    Pair,
    Polarity,
    Role,
    Status,
)

MODEL = LocalModel.load()
HUB = CitedWork(
    hub_id="h",
    title="Marking Essays Step by Step",
    abstract="We compare outcome marking with step marking. Step marking helps teachers. We release MARK9, a data set "
    "of marks for each step of an essay.",
)


def work(*contexts: CitationContext, title: str = "A work", summary: str = "", abstract: str = "") -> CitingWork:
    return CitingWork(citing_id="c", title=title, summary=summary, abstract=abstract, contexts=contexts)


def answer(text: str, before: str = "", after: str = "", section: str | None = None) -> LocalAnswer:
    context = CitationContext(text=text, before=before, after=after, section=section)
    return judge_many(MODEL, [(HUB, work(context))])[0]


def forms(text: str) -> str:
    return " ".join(t.form for t in scan(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("as shown by [[Smith et al. (2003)]] .", f"as shown by {TARGET} ."),
        ("as shown by [[[12, 13]]].", f"as shown by {TARGET} ."),
        ("as shown [12,[[13]]].", f"as shown {TARGET} ."),
        ("as shown (Jones 2001; [[CITATION]]; Brown and Lee 1999).", f"as shown {TARGET} ."),
        ("as shown in ( Jones , 2001 ) .", f"as shown in {CITATION} ."),
        ("Smith et al. [[3]] say", f"{TARGET} say"),
        ("grows as < formula > and <MATH>", "grow as <formula> and <formula>"),
    ],
)
def test_citation_styles_are_folded_into_one(text: str, expected: str) -> None:
    assert forms(text) == expected


def test_sentences_do_not_break_at_abbreviations() -> None:
    tokens = scan("We follow e.g. Smith, cf. Fig. 3. However, it fails.")
    starts = [tokens[a].form for a, _ in sentences(tokens)]
    assert starts == ["we", "however"]


@given(st.text(max_size=300))
@settings(max_examples=200, deadline=None)
def test_any_text_is_scanned_with_true_offsets(text: str) -> None:
    tokens = scan(text)
    assert all(0 <= t.start < t.end <= len(text) for t in tokens)
    assert all(a.end <= b.start for a, b in itertools.pairwise(tokens))
    assert [i for a, b in sentences(tokens) for i in range(a, b)] == list(range(len(tokens)))
    _, features = extract(Source(text))
    assert all(0 <= f.start <= f.end <= len(text) for f in features)


def test_cues_know_negation() -> None:
    names = {c.name for c in find_cues([t.form for t in scan("our results are not consistent with this")])}
    assert "not:agree" in names or "disagree" in names
    assert "agree" not in names


@pytest.mark.parametrize(
    ("polarity", "patterns", "kind"),
    [
        ("supporting", {"agrees"}, "supporting/evidence"),
        ("supporting", {"agrees", "praised"}, "supporting/evidence"),
        ("contrasting", {"outdone"}, "contrasting/assessment"),
        ("contrasting", {"agrees"}, None),
        ("supporting", {"praised"}, None),
        ("mixed", {"both"}, "mixed/assessment"),
    ],
)
def test_a_stance_needs_a_pattern_of_its_own(polarity: str, patterns: set[str], kind: str | None) -> None:
    assert kind_of(polarity, patterns) == kind


def test_own_finding_in_agreement_is_supporting_evidence() -> None:
    found = answer("Our results are in good agreement with those reported by [[Ames (2006)]].")
    assert (found.label.polarity, found.label.basis) == (Polarity.SUPPORTING, Basis.EVIDENCE)
    assert found.label.role is Role.COMPARES
    assert found.label.evidence is not None
    assert "agreement with" in found.label.evidence.text


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("These results contrast with those of [[Ames (2006)]].", {"contradicts"}),
        ("This differs from the results that were reported by [[4]].", {"contradicts"}),
        ("This is in agreement with earlier work [[4]].", {"agrees"}),
        ("This is inconsistent with the results of [[4]].", {"disagrees"}),
        ("Contrary to [[4]], we found no effect of light on growth.", {"contradicts"}),
        ("Contrary to our results, [[4]] found growth.", {"contradicts"}),
        ("We found rates lower than those reported by [[4]].", {"contradicts"}),
        ("Our findings concur with those of [[4]].", {"agrees"}),
        ("In contrast to [[4]], our approach works on raw observations.", set()),
        ("In contrast to [[4]], our model estimates the rate directly.", set()),
        ("Unlike [[4]], in this study we consider a broader data set.", set()),
        ("Contrary to popular belief, our data follow [[4]].", set()),
        ("Our results contrast with theory; we use the code of [[4]].", set()),
        ("Our results with concurrent programs follow [[4]].", set()),
        ("This approach is more efficient than exhaustive search [[4]].", set()),
        ("This variant differs from the wild type in the reported value [[4]].", set()),
        ("This hypothesis was confirmed in a large cohort [[4]].", set()),
        ("We note that conflicting results have been published [[4]].", set()),
        ("Unlike [[4]], we sampled adults.", set()),
        ("Light differs from shade in its spectrum [[4]].", set()),
        ("Growth is consistent with light [[4]].", set()),
    ],
)
def test_a_finding_just_told_is_set_beside_the_hub(text: str, told: set[str]) -> None:
    patterns = {f.name[2:] for f in extract(Source(text))[1] if f.name.startswith("g ")}
    assert patterns & frozenset().union(*GATES.values()) == told


@pytest.mark.skipif(MODEL.encoder is None, reason="the linear heads assert nothing that is only implied")
@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("limits", [{"told": 0.5, "implied": 0.8}, {"told": 0.8, "implied": 0.5}])
def test_told_and_implied_stances_have_thresholds_of_their_own(
    told: bool, limits: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(MODEL.settings, "thresholds", MODEL.settings["thresholds"] | limits)
    text = "These results contradict those of [[4]]." if told else "The lamps of [[4]] burn badly."
    scored = MODEL.score([Source(text)])[0]
    sure = scored._replace(probabilities=scored.probabilities | {"polarity": np.array([0.2, 0.1, 0.6, 0.1])})
    found = _decide(MODEL, prepare(Pair(HUB, work(CitationContext(text=text)))).passages[0], sure)
    clears = limits["told" if told else "implied"] < 0.6
    assert (found.polarity is Polarity.CONTRASTING) == clears
    assert (found.basis is not Basis.NONE) == clears


def test_a_stance_told_in_words_shows_the_words() -> None:
    text = "These findings are contrary to those of [[Ames (2006)]], who saw growth in the dark."
    found = answer(text)
    assert (found.label.polarity, found.label.basis) == (Polarity.CONTRASTING, Basis.EVIDENCE)
    assert found.label.evidence is not None
    shown = source_text(work(CitationContext(text=text)), found.label.evidence.source, 0)
    assert any("contrary" in shown[a:b] for a, b in found.cues)


@pytest.mark.parametrize(
    "text",
    [
        "A trial reported superior accuracy for the new test [[4]].",
        "The method of [[Hart 2001]] is widely used in hydrology.",
        "Migration has been studied with phone records [[18]].",
    ],
)
def test_reports_and_popularity_take_no_side(text: str) -> None:
    assert answer(text).label.polarity not in STANCES


def test_where_no_polarity_is_sure_enough_the_rationale_names_the_most_probable() -> None:
    found = [
        answer("We find growth of 4.1 % a year, where [[3]] had 4.0 %."),
        answer("Reanalysis of their own data removes the effect that [[Hart 2001]] built on."),
        answer("Our results are consistent with those of [[Hart 2001]]."),
    ]
    unclear = [one for one in found if one.label.polarity is Polarity.UNCLEAR]
    assert 0 < len(unclear) < len(found)
    for one in found:
        value, p = max(one.probabilities["polarity"].items(), key=lambda pair: pair[1])
        said = f"no polarity clears its threshold, most probable: {value} (p {p:.2f})"
        assert (said in one.label.rationale) == (one in unclear)


def test_of_several_passages_the_rationale_says_which_one_leans_most_to_a_polarity() -> None:
    texts = (
        "We find growth of 4.1 % a year, where [[3]] had 4.0 %.",
        "Reanalysis of their own data removes the effect that [[Hart 2001]] built on.",
    )
    alone = [answer(text).label.rationale.split("most probable: ")[1].split(")")[0] for text in texts]
    assert float(alone[0][-4:]) < float(alone[1][-4:])
    found = judge_many(MODEL, [(HUB, work(*(CitationContext(text=text) for text in texts)))])[0]
    assert f"most probable: {alone[1]}, passage 2)" in found.label.rationale


def test_a_work_is_neutral_only_where_no_passage_may_take_a_side() -> None:
    texts = (
        "Migration has been studied with phone records [[3]].",
        "We could not replicate the finding of [[Hart 2001]].",
    )
    neutral, withheld = (answer(text).label for text in texts)
    assert neutral.polarity is Polarity.NEUTRAL
    assert withheld.polarity is Polarity.UNCLEAR
    contexts = [CitationContext(text=text) for text in texts]
    for order, passage in ((contexts, 2), (contexts[::-1], 1)):
        found = judge_many(MODEL, [(HUB, work(*order))])[0]
        assert found.label.polarity is Polarity.UNCLEAR
        assert found.needs_review
        assert f"most probable: contrasting (p {withheld.rationale.split('(p ')[2][:4]}, passage {passage})" in (
            found.label.rationale
        )


def test_use_of_data_is_seen() -> None:
    found = answer("We use the MARK9 data set [[7]] to train our model.")
    assert found.label.role in (Role.USES_DATA, Role.USES_METHOD)


def test_a_stance_has_a_basis_and_everything_unsure_is_for_review() -> None:
    found = answer("It [[3]].")
    assert (found.label.polarity in STANCES) == (found.label.basis is not Basis.NONE)
    if Polarity.UNCLEAR is found.label.polarity or Role.UNCLEAR is found.label.role:
        assert found.needs_review


@given(
    st.text(max_size=120),
    st.text(max_size=120).map(lambda s: s + " [[X]] " + s[::-1]),
    st.text(max_size=120),
)
@settings(max_examples=100, deadline=None)
def test_evidence_is_verbatim_whatever_the_text(before: str, text: str, after: str) -> None:
    citing = work(CitationContext(text=text, before=before, after=after))
    found = judge_many(MODEL, [(HUB, citing)])[0]
    evidence = found.label.evidence
    assert evidence is not None
    assert source_text(citing, evidence.source, evidence.context_index)[evidence.start : evidence.end] == evidence.text
    assert all(evidence.start <= a < b <= evidence.end for a, b in found.cues)


def test_contributions_add_up_to_the_difference_of_scores() -> None:
    scored = MODEL.score([Source("We outperform the parser of [[9]] by far .", "Results")])[0]
    p = scored.probabilities["role"]
    values = MODEL.heads["role"]
    one, other = values.index("compares"), values.index("background")
    share = MODEL.settings["blend"]["role"] if MODEL.encoder else 1.0
    bias = share * float(MODEL.bias[one] - MODEL.bias[other]) / MODEL.settings["temperature"]["role"]
    total = sum(amount for _, amount in MODEL.contributions(scored, "role", "compares", "background"))
    assert total + bias == pytest.approx(math.log(p[one] / p[other]), abs=1e-3)


def test_several_passages_any_role_wins_over_background() -> None:
    pair = (
        HUB,
        work(
            CitationContext(text="Marking has been studied for decades [[1]]."),
            CitationContext(text="We used the data set of [[1]] for training.", section="Methods"),
        ),
    )
    found = judge_many(MODEL, [pair])[0]
    assert found.label.evidence is not None
    assert found.label.evidence.context_index == 1
    assert found.label.role is not Role.BACKGROUND


def test_the_same_input_gives_the_same_answer_in_any_order() -> None:
    citing = [work(CitationContext(text=f"Unlike [[{i}]], we sampled adults.")) for i in range(5)]
    pairs = [(HUB, c) for c in citing]
    assert judge_many(MODEL, pairs) == list(reversed(judge_many(MODEL, pairs[::-1])))


# without a passage


def test_own_terms_come_from_title_and_abstract() -> None:
    terms = {t.text: t.kind for t in own_terms(HUB.title, HUB.abstract, CommonWords())}
    assert terms["MARK9"] == "data"
    assert terms["step marking"] == "phrase"


@pytest.mark.parametrize(
    ("text", "role"),
    [
        ("We train a grader on MARK9 and find it slow.", "uses_data"),
        ("Uses step marking to tutor novice writers.", "uses_method"),
        ("A survey about step marking.", "background"),
        ("Corrosion of steel in sea water.", None),
    ],
)
def test_rules_of_relation(text: str, role: str | None) -> None:
    found = relate(HUB.title, HUB.abstract, text, CommonWords())
    assert (found.role if found else None) == role
    if found:
        assert text[found.start : found.end].lower() == found.term.lower()


def test_a_summary_shows_no_stance_and_is_for_review() -> None:
    found = judge_many(MODEL, [(HUB, work(summary="Trains on MARK9 with great success."))])[0]
    assert found.evidence_source is EvidenceSource.SUMMARY
    assert found.label.polarity is Polarity.UNCLEAR
    assert found.label.basis is Basis.NONE
    assert found.needs_review
    assert found.label.confidence <= 0.7


def test_a_work_without_text_is_abstained() -> None:
    judge = LocalJudge()
    task = prepare(Pair(HUB, CitingWork(citing_id="c", title=" ")))
    prediction = asyncio.run(judge.judge([task]))[0]
    assert prediction.status is Status.ABSTAINED
    assert prediction.failure


def test_the_judge_stamps_model_and_gives_probabilities() -> None:
    judge = LocalJudge()
    task = prepare(Pair(HUB, work(CitationContext(text="We use [[4]]."))))
    prediction = asyncio.run(judge.judge([task]))[0]
    assert prediction.judge == "local"
    assert prediction.model == judge.model_name == judge.card().model
    assert prediction.probabilities is not None
    for values in prediction.probabilities.values():
        assert sum(values.values()) == pytest.approx(1.0, abs=0.01)
    assert judge.usage().requests == 0


# the files


def test_a_broken_model_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no usable model"):
        LocalModel.load(tmp_path)


def test_a_model_of_another_format_is_refused(tmp_path: Path) -> None:
    shipped = Path(str(sys.modules[LocalModel.__module__].__file__)).parent / "model"
    for name in ("features.txt", "weights.npz", "model.json"):
        (tmp_path / name).write_bytes((shipped / name).read_bytes())
    described = json.loads((tmp_path / "model.json").read_text())
    (tmp_path / "model.json").write_text(json.dumps(described | {"format": 99}))
    with pytest.raises(SettingsError, match="format 99"):
        LocalModel.load(tmp_path)


def test_the_model_is_small_and_trained_on_permissive_sets_only() -> None:
    folder = Path(str(sys.modules[LocalModel.__module__].__file__)).parent / "model"
    assert sum(p.stat().st_size for p in folder.rglob("*")) < 40_000_000
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["everything"] is False
    assert "none stated" not in manifest["licences"].values()
    assert not any("NC" in licence for licence in manifest["licences"].values())


def test_judging_imports_nothing_heavy() -> None:
    code = (
        "import sys; from classifier.judges.local.model import LocalModel; LocalModel.load();"
        "print([m for m in ('sklearn', 'scipy', 'pandas', 'openai', 'pickle5', 'torch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("section", "kind"),
    [("3. Materials and Methods", "method"), ("RELATED WORK", "related"), (None, "none"), ("Acknowledgments", "other")],
)
def test_section_kinds(section: str | None, kind: str) -> None:
    assert section_kind(section) == kind


def test_title_kinds() -> None:
    assert title_kinds("FERN: A Benchmark of Leaves") == ["resource", "named"]
    assert title_kinds(None) == []


def test_what_a_stance_would_rest_on_is_told_where_none_is_asserted() -> None:
    if MODEL.encoder is None:
        pytest.skip("onnxruntime is missing: the linear heads have no basis head")
    own = CitationContext(
        text="Our mortality of 12 % is the same as that reported by [[Smith 2010]].", section="Results"
    )
    praise = CitationContext(text="The elegant algorithm of [[Smith 2010]] is remarkably fast.", section="Introduction")
    bases = [(judge_many(MODEL, [(HUB, work(c))])[0].probabilities or {})["basis"] for c in (own, praise)]
    assert all(sum(b.values()) == pytest.approx(1, abs=1e-3) for b in bases)
    assert bases[0]["evidence"] > 0.5 > bases[1]["evidence"]
