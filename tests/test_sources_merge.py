import pytest

from classifier.fulltext.overlap import merge_contexts
from classifier.schema import CitationContext, CitingWork, WorkIds
from classifier.sources.merge import Staging


@pytest.fixture
def staging(tmp_path):
    store = Staging(tmp_path / "works.sqlite")
    yield store
    store.close()


def work(title="A Study of Many Interesting Things", *, ids=None, authors=("Ada Lovelace",), year=2020, **more):
    return CitingWork(citing_id=title, title=title, authors=authors, year=year, ids=WorkIds(**(ids or {})), **more)


def test_arxiv_id_joins_before_title(staging):
    staging.add(work("Preprint title", ids={"arxiv_id": "2001.00001"}), "s2")
    staging.add(
        work("Journal title, changed", ids={"arxiv_id": "2001.00001", "doi": "10.1000/j"}, year=2021), "openalex"
    )
    assert len(staging) == 1
    (merged,) = staging.works()
    assert (merged.title, merged.ids.doi) == ("Preprint title", "10.1000/j")
    said = {(d.field, d.kept, d.other, d.kept_from, d.source) for d in staging.disagreements()}
    assert said == {
        ("title", "Preprint title", "Journal title, changed", "s2", "openalex"),
        ("year", "2020", "2021", "s2", "openalex"),
    }


def test_arxiv_doi_is_the_arxiv_id(staging):
    staging.add(work(ids={"doi": "10.48550/arxiv.2001.00001"}), "openalex")
    staging.add(work("Other name", ids={"arxiv_id": "2001.00001"}), "s2")
    assert len(staging) == 1


@pytest.mark.parametrize(
    ("other", "count"),
    [
        (work("a study of many  interesting things!"), 1),
        (work(year=2021), 1),
        (work(year=None, authors=()), 1),
        (work(year=2023), 2),
        (work(authors=("Alan Turing",)), 2),
        (work(ids={"arxiv_id": "2001.00002"}), 2),
    ],
)
def test_title_with_year_and_author(staging, other, count):
    staging.add(work(ids={"arxiv_id": "2001.00001"}), "a")
    staging.add(other, "b")
    assert len(staging) == count


def test_short_titles_without_authors_are_not_joined(staging):
    staging.add(work("Introduction", authors=(), year=None), "a")
    staging.add(work("Introduction", authors=(), year=None), "b")
    assert len(staging) == 2
    assert len({w.citing_id for w in staging.works()}) == 2, "ids stay unique"


def test_a_work_with_both_ids_joins_two_that_stood_apart(staging):
    staging.add(work("Name one", ids={"arxiv_id": "2001.00001"}), "a")
    staging.add(work("Name two", ids={"doi": "10.1000/x"}, abstract="About."), "b")
    staging.add(work("Name one", ids={"arxiv_id": "2001.00001", "doi": "10.1000/x"}), "c")
    (merged,) = staging.works()
    assert merged.abstract == "About."


def context(text, source="a", **more):
    return CitationContext(text=text, source=source, **more)


LONG = "We follow the process supervision approach of [[Lightman et al. (2023)]] to train our reward model."


def test_passages_of_one_place_are_one_and_name_both_sources():
    snippet = context(LONG.replace("[[", "").replace("]]", "") + " It", "semantic_scholar")
    full = context(LONG, "latex", offset=7, before="Before.", after="It works.", shared=1, section="Method")
    for merged in (merge_contexts((snippet,), (full,)), merge_contexts((full,), (snippet,))):
        (one,) = merged
        assert one.source == "latex+semantic_scholar"
        assert (one.text, one.before, one.section) == (LONG, "Before.", "Method")


def test_other_places_and_the_same_source_stay_apart():
    assert len(merge_contexts((context(LONG),), (context("We compare with Lightman et al. (2023).", "b"),))) == 2
    assert len(merge_contexts((), (context(LONG, offset=1), context(LONG, offset=99)))) == 2
    assert len(merge_contexts((context(LONG, offset=1),), (context(LONG, offset=1),))) == 1, "added twice, counted once"


def test_what_was_merged_before_is_not_added_again():
    snippet = context(LONG.replace("[[", "").replace("]]", "") + " It", "semantic_scholar")
    full = context(LONG, "latex", offset=7)
    merged = merge_contexts((full,), (snippet,))
    assert merge_contexts(merged, (snippet, full)) == merged
