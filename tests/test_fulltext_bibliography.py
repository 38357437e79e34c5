import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.pointers import HARD, hard_row, reference_scores
from classifier.fulltext.bibliography import find_hub, match_entry
from classifier.fulltext.document import Reference
from classifier.fulltext.sentences import mask, sentences
from classifier.schema import CitedWork, WorkIds

DL = CitedWork(
    hub_id="h",
    title="Deep Learning",
    authors=("Yann LeCun", "Yoshua Bengio", "Geoffrey Hinton"),
    year=2015,
    ids=WorkIds(doi="10.1038/nature14539"),
)


def ref(ref_id, title="", authors=(), year=None, raw="", **ids):
    return Reference(ref_id, title, authors, year, WorkIds(**ids), raw)


def test_same_title_twice_the_authors_decide():
    match = find_hub(
        [ref("book", "Deep Learning", ("Ian Goodfellow",), 2016), ref("paper", "Deep learning", ("LeCun, Y.",), 2015)],
        DL,
    )
    assert (match.ref_ids, match.ambiguous) == (("paper",), ())


def test_same_title_twice_without_authors_is_ambiguous():
    match = find_hub([ref("a", "Deep Learning", (), 2016), ref("b", "Deep learning", (), 2015)], DL)
    assert (match.ref_ids, match.ambiguous) == ((), ("a", "b"))


def test_preprint_and_journal_entry_are_both_the_hub():
    entries = [
        ref("a", "Deep learning", ("Y. LeCun",), 2014),
        ref("b", raw="LeCun et al., Nature 2015", doi="10.1038/nature14539"),
    ]
    match = find_hub(entries, DL)
    assert (match.ref_ids, match.method, match.confidence) == (("a", "b"), "doi", 1.0)


def test_two_entries_of_one_author_and_year_without_titles_are_ambiguous():
    entries = [ref(str(n), raw=f"Y. LeCun et al., Nature {n} (2015).", year=2015) for n in (1, 2)]
    assert find_hub(entries, DL).ambiguous == ("1", "2")
    assert find_hub(entries[:1], DL).method == "author_year"


def test_a_title_that_was_parsed_wrongly_is_found_in_the_printed_entry():
    raw = "Y. LeCun, Y. Bengio, and G. Hinton, “Deep learning,” in Nature, vol. 521, 2015."
    assert find_hub([ref("a", "in Nature, vol. 521", ("Y. LeCun",), 2015, raw)], DL).ref_ids == ("a",)
    other = "I. Goodfellow, Y. Bengio, and A. Courville, “Deep learning,” MIT Press, 2016."
    assert find_hub([ref("a", "MIT Press", ("I. Goodfellow",), 2016, other)], DL).ref_ids == ()


def test_an_empty_bibliography_has_no_hub():
    assert find_hub([], DL) == ((), None, 0.0, ())


def test_hard_references_are_a_real_table():
    rows = [json.loads(line) for line in HARD.read_text(encoding="utf-8").splitlines()]
    assert len(rows) >= 100
    assert {row["split"] for row in rows} == {"design", "held_out"}
    assert 0.3 < sum(row["same"] for row in rows) / len(rows) < 0.7


@pytest.mark.parametrize("split", ["design", "held_out"])
def test_precision_and_recall_do_not_fall(split):
    scores = reference_scores(split)
    assert scores.precision >= 0.95, scores.wrong
    assert scores.recall >= 0.85, scores.missed


@pytest.mark.parametrize("line", HARD.read_text(encoding="utf-8").splitlines())
def test_no_confident_match_is_wrong(line):
    row = json.loads(line)
    cited, entry = hard_row(row)
    match = match_entry(entry, cited)
    if match and match.confidence >= 0.9:
        assert row["same"], match


@given(
    st.text(alphabet="abcXYZ .,;()[]–-1234567890éü\n", max_size=200),
    st.lists(st.tuples(st.integers(0, 199), st.integers(1, 20)), max_size=4),
)
def test_masking_keeps_positions_and_sentences_lie_inside(text, starts):
    spans, last = [], 0
    for start, length in sorted(starts):
        if last <= start and start + length <= len(text):
            spans.append((start, start + length))
            last = start + length
    assert len(mask(text, spans)) == len(text)
    found = sentences(text, spans)
    assert all(0 <= a < b <= len(text) for a, b in found)
    assert all(x[1] <= y[0] for x, y in pairwise(found))
    assert not any(a < edge < b for a, b in spans for s in found for edge in s if text[a:b].strip() == text[a:b])
