import json
import re

import pytest

from classifier.errors import InputError
from classifier.fetching import FetchOptions, fetch
from classifier.inputs import open_input
from classifier.inputs.bibliography_files import read_list, write_list
from classifier.schema import CitingWork, Hub, WorkIds
from tests.paths import SHARED
from tests.replay_server import ReplayServer
from tests.test_fetch import as_json, services, settings_for

WORKS = [
    CitingWork(
        citing_id="2401.00001",
        title="Über {curly} 100% & more",
        authors=("Müller, Jörg", "van der Maaten, L."),
        year=2024,
        venue="Journal of X",
        abstract="About.",
        ids=WorkIds(arxiv_id="2401.00001", doi="10.1000/x"),
    ),
    CitingWork(citing_id="no-ids", title="A title: with colon", authors=("Ada Lovelace",)),
]


@pytest.mark.parametrize("name", ["works.json", "works.bib", "works.ris"])
def test_what_is_written_is_read_back(tmp_path, name):
    path = tmp_path / name
    assert write_list(WORKS, path) == 2
    first, second = read_list(path)
    assert (first.year, first.venue, first.ids.doi, first.ids.arxiv_id) == (
        2024,
        "Journal of X",
        "10.1000/x",
        "2401.00001",
    )
    assert first.authors[0] == "Müller, Jörg"
    assert first.title.replace("{", "").replace("}", "") == "Über curly 100% & more"
    assert (second.title, second.year) == ("A title: with colon", None)


def test_ris_holds_nothing_but_tagged_lines(tmp_path):
    write_list(WORKS, tmp_path / "w.ris")
    lines = (tmp_path / "w.ris").read_text(encoding="utf-8").splitlines()
    assert all(re.match(r"[A-Z][A-Z0-9]  - ", line) for line in lines if line)


def test_bibtex_as_people_write_it(tmp_path):
    path = tmp_path / "a.bib"
    path.write_text(
        '@string{nips = "NeurIPS"}\n@comment{x}\n@inproceedings{a, title = {{Let\'s} Verify {S}tep},\n'
        'author = "G{\\"o}del, Kurt and O\'Neil, A and others", year = 2023, booktitle = {ICLR},\n'
        "eprint={2305.20050}, archivePrefix={arXiv}}\n"
        "@article{broken, title = {no end\n@misc{b, title={Second}, doi={https://doi.org/10.1000/B}}\n",
        encoding="utf-8",
    )
    works = list(read_list(path))
    assert [work.title for work in works] == ["Let's Verify Step", "Second"]
    assert works[0].authors == ("Gödel, Kurt", "O'Neil, A")
    assert (works[0].ids.arxiv_id, works[1].ids.doi, works[0].venue) == ("2305.20050", "10.1000/b", "ICLR")


def test_csl_names_and_dates(tmp_path):
    path = tmp_path / "a.json"
    items = [
        {
            "id": "x",
            "type": "book",
            "title": "T",
            "author": [{"literal": "A Group"}, {"family": "Beethoven", "given": "L", "non-dropping-particle": "van"}],
            "issued": {"date-parts": [["2001", 5]]},
            "DOI": "10.1000/Z",
            "note": "arXiv:2305.20050",
        },
        {"title": None, "issued": {}},
    ]
    path.write_text(json.dumps(items), encoding="utf-8")
    first, second = read_list(path)
    assert first.authors == ("A Group", "van Beethoven, L")
    assert (first.year, first.ids.arxiv_id) == (2001, "2305.20050")
    assert second.title == ""


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("a.json", "{}", "not CSL-JSON"),
        ("a.json", "[", "not valid JSON"),
        ("a.bib", "no entries here", "no BibTeX entry"),
        ("a.csv", "title,year\nx,1", "no columns citing and cited"),
        ("a.csv", "oci,citing,cited\n1,nothing,10.1000/a", "no identifier in this row"),
        ("a.docx", "", "not a list of works"),
    ],
)
def test_bad_lists_get_one_line(tmp_path, name, text, says):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=says) as error:
        list(read_list(path))
    assert name in str(error.value)


@pytest.mark.parametrize(
    ("name", "text"), [("a.bib", "@misc{a,}"), ("a.ris", ""), ("a.csl.json", "[]"), ("a.csv", "oci,citing,cited\n")]
)
def test_a_list_is_no_hub_and_says_what_to_do(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=f"classify fetch HUB --list {name}"):
        open_input(path).check()


def test_an_entry_with_neither_title_nor_identifier_is_a_row_and_costs_no_request(tmp_path):
    path = tmp_path / "w.bib"
    path.write_text("@misc{a, author={X}}\n@misc{b, title={Known}}\n", encoding="utf-8")
    with ReplayServer(services) as server:
        result = fetch("2305.20050", FetchOptions(tmp_path / "h.json", ("semantic_scholar",), (path,)), lambda _: None,
                       settings_for(server, tmp_path))  # fmt: skip
        assert not any("/meta/" in request.path for request in server.requests)
    assert [(row.source, row.item) for row in result.rows] == [("list:w.bib", "1 entries")]
    assert "Known" in {work.title for work in Hub.model_validate_json(result.hub.read_bytes()).citing}


@pytest.mark.skipif(not (SHARED / "interchange").is_dir(), reason="no CSL schema")
def test_csl_names_are_those_of_the_schema(tmp_path):
    path = tmp_path / "w.json"
    write_list(WORKS, path)
    known = set(json.loads((SHARED / "interchange" / "csl-data.json").read_text())["items"]["properties"])
    for item in json.loads(path.read_text(encoding="utf-8")):
        assert set(item) <= known
        assert {"id", "type"} <= set(item)


def test_opencitations_csv_joins_the_list_with_titles_from_meta(tmp_path):
    path = tmp_path / "oc.csv"
    path.write_text("oci,citing,cited,creation\n1,omid:br/1 doi:10.1000/oc,doi:10.1000/h,2024-03\n")

    def play(request):
        if request.path == "/meta/v1/metadata/doi:10.1000/oc":
            return as_json([{"id": "doi:10.1000/oc omid:br/1", "title": "From Meta", "pub_date": "2024"}])
        return services(request)

    with ReplayServer(play) as server:
        result = fetch(
            "2305.20050",
            FetchOptions(tmp_path / "h.json", ("semantic_scholar",), (path,)),
            lambda _: None,
            settings_for(server, tmp_path),
        )
    hub = Hub.model_validate_json(result.hub.read_bytes())
    assert hub.citing[0].title == "From Meta"
    assert len(hub.citing) == 4
