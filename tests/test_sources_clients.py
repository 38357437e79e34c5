"""The real clients against recorded answers (skipped without ../shared) and against small written ones."""

import json

import pytest

from classifier.errors import SourceError
from classifier.identifiers import Identifier
from classifier.schema import CitedWork, WorkIds
from classifier.sources import arxiv, europepmc, openalex, opencitations, pith, semantic_scholar
from classifier.sources.cache import SourceCache
from classifier.sources.http import SourceClient, TemporaryError
from classifier.sources.settings import SourceSettings
from tests.paths import SHARED
from tests.replay_server import ReplayServer, Reply, cassette, fixed

API = SHARED / "api"
recorded = pytest.mark.skipif(not API.is_dir(), reason=f"no recorded answers at {API}")
HUB = CitedWork(
    hub_id="h",
    title="Let's Verify Step by Step",
    authors=("Hunter Lightman",),
    year=2023,
    ids=WorkIds(arxiv_id="2305.20050", openalex_id="W1", doi="10.1000/hub", pmid="7"),
)


@pytest.fixture
def client(tmp_path):
    cache = SourceCache(tmp_path / "cache.sqlite")
    http = SourceClient(cache, timeout=5, tries=1)
    yield http
    http.close()
    cache.close()


def settings_for(server):
    return SourceSettings(
        s2_url=f"{server.url}/graph/v1",
        openalex_url=server.url,
        opencitations_url=server.url,
        europepmc_url=server.url,
        arxiv_url=server.url,
        arxiv_api_url=server.url,
        pith_url=server.url,
        s2_interval=0,
        arxiv_interval=0,
    )


def as_json(value, status=200):
    return Reply(json.dumps(value).encode(), status)


# --- Semantic Scholar


@recorded
def test_s2_reads_nineteen_recorded_pages(client):
    hub = CitedWork(hub_id="h", title="t", ids=WorkIds(s2_id="CorpusID:14514057"))
    play = cassette(API / "semantic_scholar" / "test_get_paper_citations.yaml", match=("offset",))
    with ReplayServer(play) as server:
        pages = list(semantic_scholar.citing(client, semantic_scholar.host(settings_for(server)), hub))
    works = [work for page in pages for work in page.works]
    assert len(pages) == 19
    assert [r.query["offset"] for r in server.requests] == [str(n) for n in range(0, 1900, 100)]
    assert (len(works), len({work.ids.s2_id for work in works})) == (1881, 1874), "the service repeats seven works"
    assert (
        works[0].title
        == "We’ve got you covered! The effect of public health insurance on rural entrepreneurship in China"
    )


@recorded
def test_s2_recorded_contexts_become_passages(client):
    item = json.loads((API / "semantic_scholar" / "Citation.json").read_text())
    with ReplayServer(lambda _: as_json({"offset": 0, "data": [item]})) as server:
        (page,) = semantic_scholar.citing(client, semantic_scholar.host(settings_for(server)), HUB)
    (work,) = page.works
    assert work.ids.doi == "10.1109/lra.2022.3229266"
    assert work.influential is True
    assert len(work.contexts) == 4
    assert work.contexts[0].source == "semantic_scholar"
    assert "[[" not in work.contexts[0].text, "a number alone does not say whose it is"


@recorded
@pytest.mark.parametrize("name", ["test_not_found.yaml", "test_bad_query_parameters.yaml"])
def test_s2_recorded_errors(client, name):
    with ReplayServer(cassette(API / "semantic_scholar" / name)) as server:
        host = semantic_scholar.host(settings_for(server))
        if name.startswith("test_not"):
            assert semantic_scholar.find(client, host, Identifier("s2_id", "0")) is None
        else:
            with pytest.raises(SourceError, match=r'HTTP 400 \("Unrecognized or unsupported fields'):
                semantic_scholar.find(client, host, Identifier("s2_id", "10.1093/mind/lix.236.433"))


@recorded
def test_s2_recorded_searches(client):
    folder = API / "semantic_scholar"
    with ReplayServer(
        cassette(folder / "test_search_paper_match_title.yaml"), cassette(folder / "test_empty_paginated_results.yaml")
    ) as server:
        host = semantic_scholar.host(settings_for(server))
        (found,) = semantic_scholar.match(client, host, "mining association rules between")
        assert found.work.title.startswith("Mining association rules between sets")
        assert semantic_scholar.search(client, host, "n0 r3sult") == [], "an answer without data is empty"
    with ReplayServer(cassette(folder / "test_s2_title_search_empty_data.yaml")) as server:
        assert semantic_scholar.match(client, semantic_scholar.host(settings_for(server)), "empty results") == []
    with ReplayServer(cassette(folder / "test_bad_dois.yaml")) as server:
        assert semantic_scholar.match(client, semantic_scholar.host(settings_for(server)), "abs12032jsdafn") == []


def test_s2_says_that_it_stops_at_9999(client):
    def pages(request):
        offset, limit = int(request.query["offset"]), int(request.query["limit"])
        assert offset + limit < 10_000
        data = [{"citingPaper": {"paperId": f"p{n}", "title": f"T{n}"}} for n in range(offset, offset + limit)]
        return as_json({"offset": offset, "next": offset + limit, "data": data})

    with ReplayServer(pages) as server:
        read = list(semantic_scholar.citing(client, semantic_scholar.host(settings_for(server)), HUB))
    assert sum(len(page.works) for page in read) == 9999
    assert "stops at 9,999" in read[-1].notes[0]


def test_s2_null_sub_objects_and_empty_contexts(client):
    data = [
        {"citingPaper": None},
        None,
        {
            "contexts": None,
            "intents": [],
            "citingPaper": {
                "paperId": "p",
                "title": "T",
                "authors": None,
                "externalIds": None,
                "abstract": None,
                "year": None,
            },
        },
        {
            "contexts": ["", None, " a  b "],
            "citingPaper": {"paperId": "q", "title": "U", "authors": [None, {"name": None}]},
        },
    ]
    with ReplayServer(lambda _: as_json({"offset": 0, "data": data})) as server:
        (page,) = semantic_scholar.citing(client, semantic_scholar.host(settings_for(server)), HUB)
    assert [work.title for work in page.works] == ["T", "U"]
    assert [c.text for c in page.works[1].contexts] == ["a b"]
    assert page.notes == ("2 entries name no citing paper and are left out",)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"total": 3}, "changed schema: offset: Field required"),
        ({"offset": 0, "data": {"a": 1}}, "changed schema: data"),
        (
            {"offset": 0, "data": [{"citingPaper": {"title": "T", "year": "MMXX"}}]},
            "changed schema: data.0.citingPaper.year",
        ),
        ({"offset": 0, "data": [], "next": 0}, "next is 0, not beyond offset 0"),
        ([1], "changed schema"),
    ],
)
def test_s2_changed_schema_is_one_line(client, body, says):
    with ReplayServer(lambda _: as_json(body)) as server, pytest.raises(SourceError) as error:
        list(semantic_scholar.citing(client, semantic_scholar.host(settings_for(server)), HUB))
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_s2_asks_for_smaller_pages_where_an_answer_is_too_large(client):
    def pages(request):
        if int(request.query["limit"]) > 125:
            return as_json({"error": "Response would exceed maximum size. Please use a smaller limit"}, 400)
        return as_json({"offset": 0, "data": []})

    with ReplayServer(pages) as server:
        list(semantic_scholar.citing(client, semantic_scholar.host(settings_for(server)), HUB))
    assert [r.query["limit"] for r in server.requests] == ["500", "250", "125"]


def test_s2_marks_author_and_year_only_where_they_stand_once():
    mark = semantic_scholar.mark_names
    assert mark("PRMs (Lightman et al., 2024) help.", HUB) == "PRMs ([[Lightman et al., 2024]]) help."
    assert mark("As Lightman et al. (2023) show.", HUB) == "As [[Lightman et al. (2023)]] show."
    assert mark("Lightman et al. 2023 and Lightman et al. 2023", HUB) == "Lightman et al. 2023 and Lightman et al. 2023"
    assert mark("(Radford et al., 2018; . While", HUB) == "(Radford et al., 2018; . While"
    assert mark("Lightman et al. (2019)", HUB) == "Lightman et al. (2019)"


# --- OpenAlex


def openalex_page(numbers, cursor):
    results = [
        {
            "id": f"https://openalex.org/W{n}",
            "title": f"Title {n}",
            "publication_year": 2024,
            "abstract_inverted_index": {"world": [1], "hello": [0, 2]},
            "locations": [{"landing_page_url": f"http://arxiv.org/abs/2401.{n:05d}"}],
        }
        for n in numbers
    ]
    return as_json({"meta": {"count": 3, "next_cursor": cursor}, "results": results})


def test_openalex_pages_by_cursor_and_rebuilds_abstracts(client):
    def pages(request):
        assert request.query["per_page"] == "100"
        assert request.query["filter"] == "cites:W1"
        return {"*": openalex_page([5, 6], "c2"), "c2": openalex_page([7], "c3"), "c3": openalex_page([], None)}[
            request.query["cursor"]
        ]

    with ReplayServer(pages) as server:
        read = list(openalex.citing(client, openalex.host(settings_for(server)), HUB))
    works = [work for page in read for work in page.works]
    assert [work.ids.arxiv_id for work in works] == ["2401.00005", "2401.00006", "2401.00007"]
    assert works[0].abstract == "hello world hello"
    assert read[0].announced == 3


@recorded
def test_openalex_recorded_search_and_single_work(client):
    list_body = (API / "openalex" / "decoded_openalex_test_title_search_paper_attributes2_3.json").read_bytes()
    body = json.loads(list_body)
    body = body.get("body", body)
    work = json.loads((API / "openalex" / "openalex_work.json").read_text())
    with ReplayServer(fixed("/works", as_json(body)), lambda _: as_json(work)) as server:
        host = openalex.host(settings_for(server))
        found = openalex.search(client, host, "Augmenting large language models with chemistry tools")
        assert found[0].work.title == "Augmenting large language models with chemistry tools"
        assert found[0].work.authors
        assert len(found[0].work.abstract.split()) > 50
        assert (
            server.requests[0].query["filter"] == "title.search:Augmenting large language models with chemistry tools"
        )
        single = openalex.find(client, host, Identifier("doi", "10.7717/peerj.4375"))
    assert single is not None
    assert single.work.ids.doi == "10.7717/peerj.4375"
    assert single.work.ids.openalex_id == "W2741809807"


@recorded
def test_openalex_recorded_404_is_html_and_means_unknown(client):
    play = cassette(API / "openalex" / "test_does_openalex_work[not-in-openalex].yaml")

    def by_documented_alias(request):
        return play(request._replace(path=request.path.replace("/works/doi:", "/works/https://doi.org/")))

    with ReplayServer(by_documented_alias) as server:
        host = openalex.host(settings_for(server))
        assert openalex.find(client, host, Identifier("doi", "10.1046/j.1365-2699.2003.00795")) is None


def test_openalex_cursor_without_key_says_what_to_do(client):
    with (
        ReplayServer(lambda _: as_json({"error": "Unauthorized", "message": "API key required"}, 401)) as server,
        pytest.raises(SourceError, match=r"HTTP 401.*needs a key.*docs/fetching\.md"),
    ):
        list(openalex.citing(client, openalex.host(settings_for(server)), HUB))


# --- OpenCitations


@recorded
def test_opencitations_recorded_list(client):
    play = cassette(API / "opencitations" / "oc_coci_cites.yml")

    def as_v1(request):
        if request.path.startswith("/index/v2/citations/doi:"):
            return play(request._replace(path="/index/coci/api/v1/citations/" + request.path.partition("doi:")[2]))
        return as_json(
            [
                {
                    "id": "doi:10.1145/3197026.3197050",
                    "title": "A title",
                    "author": "Doe, Jane [orcid:1]; Roe, R",
                    "pub_date": "2018-05",
                    "venue": "JCDL [issn:1]",
                }
            ]
        )

    hub = CitedWork(hub_id="h", title="t", ids=WorkIds(doi="10.1108/jd-12-2013-0166"))
    with ReplayServer(as_v1) as server:
        pages = list(opencitations.citing(client, opencitations.host(settings_for(server)), hub))
    (work,) = [work for page in pages for work in page.works]
    assert (work.title, work.authors, work.year, work.venue) == ("A title", ("Doe, Jane", "Roe, R"), 2018, "JCDL")
    assert any("without a title" in note for page in pages for note in page.notes)


def test_opencitations_v2_ids_and_known_works_cost_no_request(client):
    rows = [
        {
            "oci": "1",
            "citing": "omid:br/1 doi:10.1000/a pmid:5 openalex:W9",
            "cited": "doi:10.1000/hub",
            "creation": "2020-01",
        },
        {"oci": "2", "citing": "omid:br/2", "cited": "doi:10.1000/hub"},
    ]
    with ReplayServer(lambda _: as_json(rows)) as server:
        host = opencitations.host(settings_for(server))
        pages = list(opencitations.citing(client, host, HUB, lambda ids: ids.doi == "10.1000/a"))
    assert [r.path for r in server.requests] == ["/index/v2/citations/doi:10.1000/hub"]
    assert pages[0].works[0].ids == WorkIds(doi="10.1000/a", pmid="5", openalex_id="W9")
    assert pages[0].notes == ("1 rows repeat a work or name no usable id",)


# --- Europe PMC, arXiv, pith


def test_europepmc_pages_and_404_full_text(client):
    def play(request):
        if request.path.endswith("/fullTextXML"):
            return Reply(b"", 404)
        rows = [
            {"id": str(n), "source": "MED", "title": f"T {n}.", "authorString": "Doe J, Roe R.", "pubYear": 2020}
            for n in ([1, 2] if request.query["page"] == "1" else [3])
        ]
        return as_json({"hitCount": 3, "citationList": {"citation": rows}})

    with ReplayServer(play) as server:
        host = europepmc.host(settings_for(server))
        pages = list(europepmc.citing(client, host, HUB))
        assert europepmc.full_text(client, host, "PMC1") is None
    works = [work for page in pages for work in page.works]
    assert (works[0].citing_id, works[0].title) == ("pmid:1", "T 1")
    assert works[0].authors == ("Doe J", "Roe R")
    assert len(works) == 3


@recorded
def test_arxiv_recorded_feeds(client):
    folder = API / "arxiv"
    stored = json.loads((folder / "id_1605.08386_s0_m100_199195aa31ad.json").read_text())
    with ReplayServer(lambda r: Reply(stored["body"].encode())) as server:
        found = arxiv.find(client, arxiv.api_host(settings_for(server)), "1605.08386")
    assert found is not None
    assert found.work.title == "Heat-bath random walks with Markov bases"
    assert found.work.authors == ("Caprice Stanley", "Tobias Windisch")
    assert (found.work.year, found.work.ids.arxiv_id) == (2016, "1605.08386")
    bodies = {
        name: (folder / name).read_bytes() for name in ("arxiv_empty.xml", "arxiv_error.xml", "arxiv_rate_limited.txt")
    }
    with ReplayServer(lambda r: Reply(bodies[r.query["id_list"]])) as server:
        host = arxiv.api_host(settings_for(server))
        assert arxiv.find(client, host, "arxiv_empty.xml") is None
        with pytest.raises(SourceError, match="start must be an integer"):
            arxiv.find(client, host, "arxiv_error.xml")
        with pytest.raises(TemporaryError, match="one request in three seconds"):
            arxiv.find(client, host, "arxiv_rate_limited.txt")


def test_arxiv_html_that_is_an_error_page_is_no_html(client):
    with ReplayServer(fixed("/html/1", Reply(b"<html>No HTML for '1'</html>"))) as server:
        host = arxiv.host(settings_for(server))
        assert arxiv.html(client, host, "1") is None
        assert arxiv.source(client, host, "1") is None


def test_pith_is_read_as_far_as_it_is_known(client):
    uuid = "6d05b790-04c5-4fd2-91b2-ba1dfdd5770f"
    record = {
        "work": {"id": uuid, "title": "Let's Verify", "arxiv_id": "2305.20050", "cited_by_count": 93, "year": 2023},
        "hub": {"state": {"tier": "super_hub"}},
        "citing": [{"title": "A", "arxiv_id": "2401.00001"}, {"display_title": "B", "authors": [{"name": "X"}]}],
        "cocited": [{"title": "no"}] * 5,
    }
    with ReplayServer(fixed(f"/citations/{uuid}.json", as_json(record))) as server:
        found, page = pith.fetch(client, pith.host(settings_for(server)), uuid)
    assert found.work.ids.arxiv_id == "2305.20050"
    assert [work.title for work in page.works] == ["A", "B"]
    assert page.announced == 93
    assert "undocumented" in page.notes[0]
    with pytest.raises(SourceError, match="changed schema: no work with a title"):
        pith.read({"items": []}, "here")
