import pytest

from classifier.claims import MIN_SIMILARITY, claims_of, extract_claims, link_claims, relations
from classifier.errors import InputError
from classifier.inputs import open_input
from classifier.outputs import Result, read_run
from classifier.schema import (
    Basis,
    CitationContext,
    CitedWork,
    CitingWork,
    Claim,
    ClaimLink,
    ClaimRelation,
    Label,
    Polarity,
    Prediction,
    Role,
    Status,
)
from tests.paths import EXAMPLE
from tests.sample_hub import ABSTRACT, CITED, make_hub, make_run


def work(text, **label):
    return Result(
        Prediction(hub_id="h", citing_id="a", status=Status.LABELLED, judge="j", model="m", label=Label(**label)),
        CitingWork(citing_id="a", title="T", contexts=(CitationContext(text=text),)),
    )


def test_claims_are_copied_from_the_text_word_for_word():
    found = extract_claims(CITED)
    assert [claim.text.split()[0] for claim in found] == ["We", "Our", "We", "We"]
    assert all(ABSTRACT[claim.start : claim.end] == claim.text for claim in found)
    assert [claim.claim_id for claim in found] == ["c1", "c2", "c3", "c4"]


def test_the_example_hub_yields_its_four_claims_and_no_background():
    texts = [claim.text for claim in extract_claims(open_input(EXAMPLE).hub.cited)]
    assert [text[:30] for text in texts] == [
        "We conduct our own investigati", "Our process-supervised model s", "Additionally, we show that act",
        "To support related research, w",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("title", "abstract", "expected"),
    [
        ("Stretching reduces falls in old age", "", ["Stretching reduces falls in old age"]),
        ("Does stretching reduce falls?", "", []),
        ("Falls", "METHODS: 80 people. RESULTS: Falls fell by 20%.", ["RESULTS: Falls fell by 20%."]),
        (
            "Falls",
            "Half of them fall. Eighty people were randomised, 50% to stretching. Falls were lower by 20% than before. "
            "It is often said that 90% dance. The trial tested whether stretching reduces falls. Gait did not change.",
            ["Falls were lower by 20% than before.", "Gait did not change."],
        ),
        ("Falls", "In old age 30% fall each year.", []),
        ("Falls", "Experiments on three tasks demonstrate large gains.", None),
        ("Falls", "Previous work has shown that people fall.", []),
        ("", "", []),
    ],
)
def test_what_counts_as_a_claim(title, abstract, expected):
    found = [claim.text for claim in extract_claims(CitedWork(hub_id="h", title=title, abstract=abstract))]
    assert found == ([abstract] if expected is None else expected)


def test_claims_of_the_record_stand_before_those_found():
    mine = Claim(claim_id="mine", text="stepwise feedback", start=ABSTRACT.index("stepwise feedback"), end=0)
    mine = mine.model_copy(update={"end": mine.start + len(mine.text)})
    assert claims_of(CITED.model_copy(update={"claims": (mine,)})) == (mine,)


def test_a_claim_that_is_not_in_the_text_is_refused():
    forged = Claim(claim_id="c9", text="everything is solved", start=0, end=20)
    with pytest.raises(InputError, match=r"claim c9 .* 0:20 of the abstract"):
        claims_of(CITED.model_copy(update={"claims": (forged,)}))


@pytest.mark.parametrize(
    ("role", "polarity", "basis", "expected"),
    [
        (Role.COMPARES, Polarity.SUPPORTING, Basis.EVIDENCE, ["supports"]),
        (Role.COMPARES, Polarity.CONTRASTING, Basis.EVIDENCE, ["contests"]),
        (Role.BACKGROUND, Polarity.SUPPORTING, Basis.ASSESSMENT, []),
        (Role.COMPARES, Polarity.CONTRASTING, Basis.ASSESSMENT, []),
        (Role.EXTENDS, Polarity.MIXED, Basis.EVIDENCE, ["qualifies", "extends"]),
        (Role.USES_DATA, Polarity.NEUTRAL, Basis.NONE, ["uses"]),
        (Role.BACKGROUND, Polarity.NEUTRAL, Basis.NONE, []),
    ],
)
def test_praise_is_not_support_and_each_label_has_its_relation(role, polarity, basis, expected):
    assert list(relations(Label(role=role, polarity=polarity, basis=basis))) == expected


def test_a_work_goes_to_the_claim_whose_words_its_passage_shares():
    claims = extract_claims(CITED)
    contests = work(
        "Contrary to [[X]], active selection of passages did not halve labelling effort.",
        role=Role.COMPARES, polarity=Polarity.CONTRASTING, basis=Basis.EVIDENCE,
    )  # fmt: skip
    (use,) = link_claims(claims, [contests])
    assert (use.claim_id, use.relation, use.by) == ("c3", ClaimRelation.CONTESTS, "words")
    assert use.similarity >= MIN_SIMILARITY


def test_words_that_fit_no_claim_link_to_none():
    text = "We reproduce the effect of [[X]] in whales."
    result = work(text, role=Role.COMPARES, polarity=Polarity.SUPPORTING, basis=Basis.EVIDENCE)
    assert link_claims(extract_claims(CITED), [result]) == ()


def test_the_judges_links_stand_and_unknown_claims_are_dropped():
    result = work(
        "Contrary to [[X]], active selection of passages did not halve labelling effort.",
        role=Role.COMPARES, polarity=Polarity.CONTRASTING, basis=Basis.EVIDENCE,
        claims=(ClaimLink(claim_id="c1", relation="qualifies"), ClaimLink(claim_id="zz", relation="uses")),
    )  # fmt: skip
    (use,) = link_claims(extract_claims(CITED), [result])
    assert (use.claim_id, use.relation, use.by, use.similarity) == ("c1", ClaimRelation.QUALIFIES, "judge", None)


def test_only_labelled_works_are_linked(tmp_path):
    results = list(read_run(make_run(tmp_path, make_hub(80))))
    held_back = {r.prediction.citing_id for r in results if r.prediction.status is not Status.LABELLED}
    uses = link_claims(extract_claims(CITED), results)
    assert held_back
    assert uses
    assert not held_back & {use.citing_id for use in uses}
