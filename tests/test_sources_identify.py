import json

import pytest

from classifier.errors import InputError, SourceError
from classifier.identifiers import clean_ids, parse_identifier, same_surname, surname
from classifier.sources.cache import SourceCache
from classifier.sources.http import SourceClient
from classifier.sources.identify import Finder, merged
from classifier.sources.settings import SourceSettings
from tests.replay_server import ReplayServer, Reply


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("arXiv:2305.20050", "arxiv_id", "2305.20050"),
        ("2305.20050v2", "arxiv_id", "2305.20050"),
        ("https://arxiv.org/abs/2305.20050v1", "arxiv_id", "2305.20050"),
        ("https:/arxiv.org/pdf/2305.20050.pdf", "arxiv_id", "2305.20050"),
        ("hep-th/9901001", "arxiv_id", "hep-th/9901001"),
        ("10.48550/arXiv.2305.20050", "arxiv_id", "2305.20050"),
        ("https://doi.org/10.1038/S41586-020-2649-2", "doi", "10.1038/s41586-020-2649-2"),
        ("doi:10.1016/0021-9991(82)90058-4.", "doi", "10.1016/0021-9991(82)90058-4"),
        ("a" * 40, "s2_id", "a" * 40),
        ("CorpusID:12345", "s2_id", "CorpusID:12345"),
        ("https://www.semanticscholar.org/paper/Some-Title/" + "0" * 40, "s2_id", "0" * 40),
        ("https://openalex.org/w2741809807", "openalex_id", "W2741809807"),
        ("PMC1234567", "pmcid", "PMC1234567"),
        ("pmid: 123", "pmid", "123"),
        ("https://aclanthology.org/2020.acl-main.207/", "acl_id", "2020.acl-main.207"),
        ("Let's   Verify Step by Step", "title", "Let's Verify Step by Step"),
        ("2023 was a good year", "title", "2023 was a good year"),
    ],
)
def test_identifiers_in_any_usual_spelling(text, kind, value):
    assert parse_identifier(text) == (kind, value)


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        ("Laurens van der Maaten", "van der Maaten, L.", True),
        ("Laurens van der Maaten", "Maaten L", True),
        ("Jörg Müller", "Joerg Mueller", True),
        ("А. Н. Колмогоров", "Kolmogorov, A. N.", True),
        ("Pafnuty Chebyshev", "Tchebychev P", True),
        ("Kaiming He", "Yang He", True),
        ("Kaiming He", "Kaiming Hu", False),
        ("Li Wei", "Liu Wei", True),
        ("Smith J", "Smyth J", True),
        ("Chen X", "Cheng X", False),
        ("", "Chen", False),
    ],
)
def test_surnames(left, right, same):
    assert same_surname(surname(left), surname(right)) is same


def test_ids_are_cleaned():
    ids = clean_ids(
        {
            "doi": "https://doi.org/10.48550/arXiv.2305.20050v1",
            "pmcid": 12008803,
            "openalex_id": "https://openalex.org/w7",
        }
    )
    assert (ids.arxiv_id, ids.pmcid, ids.openalex_id) == ("2305.20050", "PMC12008803", "W7")


def paper(number, title="Deep Learning", authors=("Yann LeCun",), year=2015, **ids):
    return {
        "paperId": str(number) * 40,
        "title": title,
        "year": year,
        "authors": [{"name": a} for a in authors],
        "externalIds": ids or None,
        "citationCount": number,
    }


@pytest.fixture
def find(tmp_path):
    cache = SourceCache(tmp_path / "cache.sqlite")
    client = SourceClient(cache, timeout=5, tries=1)

    def run(text, found, *, openalex=(), status=200):
        def play(request):
            if request.path == "/works":
                return Reply(json.dumps({"meta": {}, "results": list(openalex)}).encode())
            if request.path.startswith("/works"):
                return Reply(b"", 404)
            body = {"data": found} if "/search" in request.path else found[0] if found else {"error": "x"}
            return Reply(json.dumps(body).encode(), status if found or "/search" in request.path else 404)

        with ReplayServer(play) as server:
            settings = SourceSettings(
                s2_url=server.url, openalex_url=server.url, s2_interval=0, arxiv_api_url=server.url, arxiv_interval=0
            )
            finder = Finder(client, settings, ("semantic_scholar", "openalex"), lambda _: None)
            return finder.find(text)

    yield run
    client.close()
    cache.close()


def test_a_title_that_one_work_carries_is_that_work(find):
    found = find("deep learning", [paper(1), paper(2, "Deep learning in neural networks", ("Jürgen Schmidhuber",))])
    assert merged(found).ids.s2_id == "1" * 40


def test_preprint_and_publication_are_one_work(find):
    found = find(
        "Deep Learning", [paper(1, year=2015, DOI="10.1038/nature14539"), paper(2, year=2014, ArXiv="1404.00001")]
    )
    assert found[0].work.ids.doi == "10.1038/nature14539"


def test_an_ambiguous_title_is_asked_back(find):
    with pytest.raises(InputError) as error:
        find(
            "Deep Learning",
            [paper(1, DOI="10.1038/nature14539"), paper(2, authors=("Ian Goodfellow", "A. C."), year=2016)],
        )
    lines = str(error.value).splitlines()
    assert lines[0].startswith("2 works carry this title; got 'Deep Learning'; give the identifier")
    assert lines[1] == "  10.1038/nature14539  Deep Learning (Yann LeCun, 2015, cited 1 times)"
    assert lines[2].endswith("Deep Learning (Ian Goodfellow et al., 2016, cited 2 times)")
    assert error.value.exit_code == 2


def test_a_title_that_nobody_carries_lists_the_nearest(find):
    with pytest.raises(InputError, match="no work carries exactly this title") as error:
        find("Deep Lerning", [paper(1)])
    assert "Deep Learning (Yann LeCun" in str(error.value)


def test_an_unknown_identifier_is_an_input_error(find):
    with pytest.raises(InputError, match="no source knows this work"):
        find("10.1000/nothing", [])


def test_when_no_source_answers_it_is_a_source_error(find):
    with pytest.raises(SourceError, match="no source could be asked"):
        find("CorpusID:5", [paper(1)], status=400)
