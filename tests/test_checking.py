"""Raw answers become labels only with words that are really in the text."""

import json
import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from classifier.answering import answer_schema, read_answer
from classifier.checking import check
from classifier.errors import AnswerInvalidError
from classifier.evidence import prepare, source_text
from classifier.locating import MIN_CHARACTERS, locate
from classifier.prompting import clean
from classifier.schema import (
    Basis,
    CitationContext,
    CitingWork,
    Claim,
    ClaimRelation,
    EvidenceSource,
    Pair,
    Polarity,
    Role,
)
from tests.hostile_server import answer_json
from tests.works import HUB, context_task


def evidence_of(task, quote, **changes):
    checked = check(task, answer_json(evidence=quote, **changes))
    if checked.label.evidence:
        e = checked.label.evidence
        assert e.text == source_text(task.pair.citing, e.source, e.context_index)[e.start : e.end]
    return checked


FOLDED = [
    ("the  step-wise\n verifier", "the step-wise verifier"),
    ("so-called “gold” labels", 'so-called "gold" labels'),
    ("Smith’s verifier", "Smith's verifier"),
    ("between 1990–2000 it held", "between 1990-2000 it held"),
    ("an eﬃcient ﬁt", "an efficient fit"),
    ("the naïve Hölder bound", "the naive Holder bound"),
    ("the na\u00efve bound", "the nai\u0308ve bound"),
    ("co\u00adoperation of verifiers", "cooperation of verifiers"),
    ("in\u200bvisible ink here", "invisible ink here"),
    ("uses cross- validation here", "uses cross-validation here"),
    ("uses cross-\nvalidation here", "uses crossvalidation here"),
    ("We follow [[Smith, 2020]] closely", "We follow Smith, 2020 closely"),
    ("We follow [[[12]]] closely", "We follow [12] closely"),
    ("We follow Smith closely", "WE FOLLOW SMITH CLOSELY"),
    ("We follow Smith closely", '"We follow Smith closely."'),
    ("A value a<b holds there", "a‹b holds there"),
    ("ｆｕｌｌｗｉｄｔｈ words", "fullwidth words"),
    ("x² is the measure", "x2 is the measure"),
]


@pytest.mark.parametrize(("text", "quote"), FOLDED)
def test_what_carries_no_meaning_is_forgiven(text, quote):
    text = f"Before it. {text} and after it."
    span = locate(quote, text)
    assert span is not None
    assert re.sub(r"\W|_", "", text[span.start : span.end]) != ""
    assert 11 <= span.start < span.end <= len(text) - len(" and after it.")


@pytest.mark.parametrize(
    ("text", "quote"),
    [
        ("We do not follow the verifier", "We do follow the verifier"),
        ("an effect of 0.5 was found", "an effect of 0.6 was found"),
        ("an effect of -0.5 was found", "an effect of 0.5 was found"),
        ("with p < 0.05 it differs", "with p > 0.05 it differs"),
        ("a smart verifier", "art verifier"),
        ("the verifiers fail", "the verifier"),
        ("the verifier is good", "the is verifier good"),
        ("some words", ""),
        ("some words", "…"),
        ("a b c", "a"),
    ],
)
def test_words_digits_signs_and_order_are_not_forgiven(text, quote):
    assert locate(quote, text) is None


def test_a_sign_inside_a_longer_quote_counts():
    assert locate("was -0.5", "it was 0.5") is None


def test_an_ellipsis_finds_the_longest_part():
    text = "We follow the verifier of [[hub]], which is robust, and we train it for longer than they did."
    span = locate("We follow the verifier … train it for longer than they did", text)
    assert text[span.start : span.end] == "train it for longer than they did"


def test_a_span_takes_both_halves_of_the_mark():
    text = "In contrast to [[Smith]] we see no effect."
    start, end = locate("Smith we see no effect", text)
    assert text[start:end] == "[[Smith]] we see no effect"


words = st.lists(st.text(alphabet="abcdefgh", min_size=1, max_size=7), min_size=3, max_size=12)
noise = st.lists(st.sampled_from(["", "\u200b", "\u00ad", "\u202e"]), min_size=12, max_size=12)


@given(words, words, words, noise, st.sampled_from([" ", "  ", "\n", "\u00a0", "\t"]))
def test_a_shown_run_of_words_is_found_where_it_stands(before, middle, after, dirt, blank):
    dirty = blank.join(w[:1] + d + w[1:] for w, d in zip(middle, dirt, strict=False))
    text = blank.join([*before, dirty, *after])
    assume(sum(map(len, middle)) >= MIN_CHARACTERS)
    quote = clean(dirty)
    span = locate(quote, text)
    assert span is not None
    assert clean(text[span.start : span.end]) == quote


@given(st.text(max_size=60), st.text(max_size=120))
def test_locating_never_fails_and_never_leaves_the_text(quote, text):
    span = locate(quote, text)
    if span:
        assert 0 <= span.start < span.end <= len(text)


@given(st.text(min_size=1, max_size=150), st.data())
def test_any_evidence_reported_is_in_the_source(text, data):
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    assume(text.strip())
    task = context_task(text)
    evidence_of(task, text[start:end].encode("utf-8", "replace").decode())


def test_the_passage_number_decides_between_two_places():
    contexts = (CitationContext(text="We follow [[hub]]."), CitationContext(text="Again: we follow [[hub]]."))
    task = prepare(Pair(HUB, CitingWork(citing_id="w", title="t", contexts=contexts)))
    assert evidence_of(task, "we follow [[hub]]", passage=2).label.evidence.context_index == 1
    assert evidence_of(task, "we follow [[hub]]", passage=1).label.evidence.context_index == 0
    assert evidence_of(task, "Again: we", passage=7).label.evidence.context_index == 1


def test_evidence_of_a_summary_names_its_source():
    task = prepare(Pair(HUB, CitingWork(citing_id="w", title="On steps", summary="It verifies steps.")))
    assert evidence_of(task, "verifies steps").label.evidence.source is EvidenceSource.SUMMARY
    assert evidence_of(task, "On steps").label.evidence.source is EvidenceSource.TITLE


def test_words_of_the_hub_are_no_evidence():
    checked = evidence_of(context_task("We follow [[hub]]."), "judges every step")
    assert checked.label.evidence is None
    assert "does not stand" in checked.problem


def test_only_what_was_shown_counts():
    task = context_task("[[hub]] is followed. " + "x " * 5000 + "These words were cut off.")
    assert evidence_of(task, "These words were cut off").problem
    assert evidence_of(task, "is followed").problem is None


def test_a_decision_without_words_is_held_back_and_silence_is_allowed_for_unclear():
    task = context_task("We follow [[hub]].")
    assert check(task, answer_json()).problem
    assert check(task, answer_json(polarity="supporting", basis="assessment")).problem
    unclear = check(task, answer_json(role="unclear", polarity="unclear"))
    assert unclear.problem is None
    assert unclear.label.role is Role.UNCLEAR


def test_small_contradictions_are_settled_by_the_guide_and_flagged():
    task = context_task("We follow [[hub]].")
    checked = check(task, answer_json(evidence="We follow", basis="assessment"))
    assert checked.label.basis is Basis.NONE
    assert checked.review
    others = ["background", "extends", "extends", "uses_method", "unclear"]
    checked = check(task, answer_json(role="extends", other_roles=others, evidence="We follow"))
    assert checked.label.other_roles == (Role.USES_METHOD,)


@pytest.mark.parametrize(
    ("changes", "review"),
    [({"confidence": 0.9}, False), ({"confidence": 0.3}, True),
     ({"confidence": 0.9, "polarity": "contrasting", "basis": "assessment"}, True)],
)  # fmt: skip
def test_a_doubtful_or_shared_stance_asks_for_review(changes, review):
    task = context_task("They [3, [[hub]], 8] follow it badly.", shared=3)
    assert check(task, answer_json(evidence="follow it badly", **changes)).review is review


def test_claims_are_linked_and_unknown_ones_refused():
    claim = Claim(claim_id="c1", text="x", start=0, end=1)
    task = context_task("We follow [[hub]].", hub=HUB.model_copy(update={"claims": (claim,)}))
    raw = answer_json(evidence="We follow", claims=[{"claim_id": "c1", "relation": "uses"}])
    (link,) = check(task, raw).label.claims
    assert (link.claim_id, link.relation) == ("c1", ClaimRelation.USES)
    with pytest.raises(AnswerInvalidError, match="unknown claim_id 'c2'; known: c1"):
        check(task, raw.replace("c1", "c2"))


def test_the_reason_names_the_field_what_was_given_and_what_is_allowed():
    with pytest.raises(AnswerInvalidError) as caught:
        read_answer(answer_json(role="critique", confidence=7))
    assert re.search(r"role: .*'background'.*got 'critique'.*confidence: .*less than or equal to 1", str(caught.value))
    assert "critique" in caught.value.raw


@given(st.text(max_size=300) | st.recursive(st.none() | st.booleans() | st.floats() | st.text(max_size=5),
       lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=4)).map(json.dumps))  # fmt: skip
def test_whatever_is_said_is_an_answer_or_a_typed_refusal(raw):
    try:
        answer = read_answer(raw)
    except AnswerInvalidError as error:
        assert str(error)
    else:
        assert answer.polarity in Polarity


def test_the_schema_is_strict_and_reasons_come_first():
    for with_claims in (False, True):
        schema = answer_schema(with_claims)
        fields = list(schema["properties"])
        assert fields[:2] == ["reasoning", "role"]
        assert schema["required"] == fields
        assert schema["additionalProperties"] is False
        assert ("claims" in fields) is with_claims
        text = json.dumps(schema)
        assert not re.search(r'"\$ref"|"default"|"minimum"|"maxLength"|"title"', text)
        assert "maxLength" in json.dumps(answer_schema(with_claims, bounded=True))
    assert schema["properties"]["role"]["enum"] == [role.value for role in Role]
