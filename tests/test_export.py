import csv
import io
import json
import re

import bibtexparser
import pytest
import rdflib
import rispy
from hypothesis import given
from hypothesis import strategies as st
from rdflib.compare import isomorphic

from classifier.errors import InputError
from classifier.export import cito, forms
from classifier.export.badge import COLOURS, badge
from classifier.export.bibtex import bibtex_entry
from classifier.export.label_studio import interface, tasks
from classifier.export.links import safe_url, work_url
from classifier.export.ris import ris
from classifier.export.writing import Format, write_export
from classifier.outputs import Result, read_run
from classifier.schema import (
    STANCES,
    Basis,
    CitationContext,
    CitingWork,
    Evidence,
    EvidenceSource,
    Label,
    Polarity,
    Prediction,
    Role,
    Status,
    WorkIds,
)
from tests.paths import SHARED
from tests.sample_hub import CITED, make_run

# rdflib's JSON-LD parser uses a class that rdflib itself deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated:DeprecationWarning")
CITO = rdflib.Namespace("http://purl.org/spar/cito/")
NASTY = 'A "B" \\ {C} $x_1$ & 5% #1 ^~ <i>é\u202e𝒳\n\tTY  - FAKE\n@misc{x, title={y}}\x7f'


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("sample"))


def nasty_result():
    evidence = Evidence(text=NASTY, source=EvidenceSource.CONTEXT, start=0, end=len(NASTY), context_index=0)
    label = Label(role=Role.EXTENDS, polarity=Polarity.MIXED, basis=Basis.EVIDENCE, evidence=evidence, rationale=NASTY)
    work = CitingWork(
        citing_id='x"><{}é ', title=NASTY, authors=("A and B Consortium", "Öz, K."), venue=NASTY,
        contexts=(CitationContext(text=NASTY),),
    )  # fmt: skip
    prediction = Prediction(
        hub_id="h", citing_id=work.citing_id, status=Status.LABELLED, label=label, judge="j", model="m"
    )
    return Result(prediction, work)


def graphs(results, facts=None):
    facts = facts or {"judge": "j", "model": "m", "ended": "2026-11-23T20:00:00+00:00"}
    written = "".join(forms.pieces(forms.json_ld_form(CITED, facts), results))
    turtle = "".join(forms.pieces(forms.turtle_form(CITED, facts), results))
    return rdflib.Graph().parse(data=written, format="json-ld"), rdflib.Graph().parse(data=turtle, format="turtle")


def test_json_ld_and_turtle_are_the_same_graph_with_one_citation_a_work(run):
    results = list(read_run(run))
    json_ld, turtle = graphs(results)
    assert isomorphic(json_ld, turtle)
    citations = list(turtle.subjects(rdflib.RDF.type, CITO.Citation))
    assert len(set(citations)) == len(citations) == len(results)
    hub = rdflib.URIRef("https://doi.org/10.5555/made.up.2019")
    for citation in citations:
        assert list(turtle.objects(citation, CITO.hasCitedEntity)) == [hub]
        assert len(list(turtle.objects(citation, CITO.hasCitingEntity))) == 1
        assert list(turtle.objects(citation, CITO.hasCitationCharacterization))


def test_a_hostile_text_stays_a_text_in_the_graph():
    json_ld, turtle = graphs([nasty_result()])
    assert isomorphic(json_ld, turtle)
    assert rdflib.Literal(NASTY) in set(turtle.objects())


@given(st.text(max_size=60))
def test_any_text_survives_turtle(text):
    work = CitingWork(citing_id="a", title=text)
    prediction = Prediction(hub_id="h", citing_id="a", status=Status.FAILED, failure="f", judge="j", model="m")
    json_ld, turtle = graphs([Result(prediction, work)])
    assert isomorphic(json_ld, turtle)
    assert text in {str(value) for value in turtle.objects(None, rdflib.DCTERMS.title)}


def test_every_label_has_a_characterisation_and_held_back_labels_have_none(run):
    for polarity in Polarity:
        for basis in (Basis.EVIDENCE, Basis.ASSESSMENT) if polarity in STANCES else (Basis.NONE,):
            for role in Role:
                found = cito.characterisations(Label(role=role, polarity=polarity, basis=basis))
                assert found
                assert ("cito:cites" in found) == (len(found) == 1 and role is Role.UNCLEAR and polarity not in STANCES)
    abstained = [r for r in read_run(run) if r.prediction.status is Status.ABSTAINED]
    assert abstained
    for result in abstained:
        facts = dict(cito.work_nodes(CITED, result))
        values = [value for name, value in facts[next(n for n in facts if "citation" in n.name)]]
        assert cito.Iri("cito:cites") in values


@pytest.mark.skipif(not (SHARED / "interchange" / "cito.ttl").is_file(), reason="no ontology in ../shared")
def test_every_property_used_is_defined_in_the_ontology():
    ontology = rdflib.Graph().parse(SHARED / "interchange" / "cito.ttl", format="turtle")
    for name in {*cito.ROLE_TERMS.values(), *cito.POLARITY_TERMS.values(), "cito:hasCitationCharacterization"}:
        address = rdflib.URIRef("http://purl.org/spar/cito/" + name.partition(":")[2])
        assert (address, rdflib.RDF.type, rdflib.OWL.ObjectProperty) in ontology, name


def test_bibtex_reads_back_with_every_work_and_its_label(run):
    results = list(read_run(run))
    library = bibtexparser.parse_string("".join(forms.pieces(forms.bibtex_form(CITED), results)))
    assert not library.failed_blocks
    assert [entry.key for entry in library.entries] == [r.prediction.citing_id for r in results]
    first = library.entries[0].fields_dict
    assert first["title"].value == f"{{{results[0].citing.title}}}"
    assert "polarity:" in first["keywords"].value


def test_a_hostile_title_makes_one_bibtex_entry():
    library = bibtexparser.parse_string(bibtex_entry(nasty_result()))
    assert len(library.blocks) == len(library.entries) == 1
    assert library.entries[0].fields_dict["author"].value == "{A and B Consortium} and Öz, K."
    assert library.entries[0].fields_dict["title"].value.count("{") == library.entries[0].fields_dict[
        "title"
    ].value.count("}")


def test_ris_reads_back_and_a_line_break_forges_no_field():
    (record,) = rispy.loads(ris([nasty_result()]))
    assert record["title"] == " ".join(NASTY.split())
    assert record["keywords"] == ["role:extends", "polarity:mixed", "basis:evidence"]
    assert record["authors"] == ["A and B Consortium", "Öz, K."]


def test_csv_pieces_are_the_runs_own_file(run):
    written = "".join(forms.pieces(forms.csv_form(CITED), read_run(run)))
    assert written.encode() == (run / "predictions.csv").read_bytes()
    assert len(list(csv.reader(io.StringIO(written)))) == 61


def test_label_studio_regions_are_the_evidence_in_characters():
    result = nasty_result()
    (task,) = tasks(CITED, [result])
    regions = [item for item in task["predictions"][0]["result"] if item["type"] == "labels"]
    value = regions[0]["value"]
    assert task["data"]["text"][value["start"] : value["end"]] == NASTY


def test_label_studio_offers_exactly_the_labels_of_the_schema(run):
    config = interface()
    for name, values in (("role", Role), ("polarity", Polarity), ("basis", Basis)):
        block = re.search(rf'<Choices name="{name}".*?</Choices>', config, re.S).group()
        assert re.findall(r'Choice value="(\w+)"', block) == [value.value for value in values]
    made = tasks(CITED, read_run(run))
    assert all(task["data"]["hub_abstract"] == CITED.abstract for task in made)
    assert ["predictions" in task for task in made] == [r.prediction.status is Status.LABELLED for r in read_run(run)]


def _luminance(colour):
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_the_badge_says_the_counts_in_colours_that_can_be_read(run):
    drawn = badge({"supporting": 8, "contrasting": 9, "mixed": 6}, 55, 60)
    assert [f">{text}<" in drawn for text in ("8 supporting", "9 contrasting", "6 mixed", "of 55/60 labelled")] == [
        True
    ] * 4
    assert all(1.05 / (_luminance(colour) + 0.05) >= 4.5 for colour in COLOURS.values())
    (path,) = write_export(run, Format.BADGE, run / "b.svg")
    labels = [r.prediction.label.polarity for r in read_run(run) if r.prediction.status is Status.LABELLED]
    assert f"{labels.count(Polarity.SUPPORTING)} supporting" in path.read_text()


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        ({"doi": "10.1/a b<c"}, "https://doi.org/10.1/a%20b%3Cc"),
        ({"arxiv_id": "2305.20050", "url": "https://x.org"}, "https://arxiv.org/abs/2305.20050"),
        ({"url": "https://x.org/a?b=1#c"}, "https://x.org/a?b=1#c"),
        ({"url": "javascript:alert(1)"}, None),
        ({"url": " JaVaScRiPt:alert(1)"}, None),
        ({"url": "java\nscript:alert(1)"}, None),
        ({"url": "data:text/html,x"}, None),
        ({"url": "https://good.org@evil.org/"}, None),
        ({"url": "//evil.org"}, None),
        ({"url": "http://[bad"}, None),
        ({}, None),
    ],
)
def test_only_addresses_of_the_web_become_links(ids, expected):
    assert work_url(WorkIds(**ids)) == expected


@given(st.text(max_size=50))
def test_no_text_becomes_another_scheme(text):
    for address in (safe_url(text), work_url(WorkIds(doi=text))):
        assert address is None or re.match(r"https?://[^\s\"<>]+\Z", address)


def test_every_format_is_written_twice_alike(run, tmp_path):
    for form in Format:
        first, second = (write_export(run, form, tmp_path / f"{n}-{form}")[0].read_bytes() for n in "ab")
        assert first == second != b""
    assert json.loads((tmp_path / "a-label-studio").read_text())


def test_a_folder_without_a_run_and_an_unknown_hub_are_said_in_one_line(run, tmp_path):
    with pytest.raises(InputError, match=r"summary.json: cannot be read"):
        write_export(tmp_path, Format.RIS)
    with pytest.raises(InputError, match="holds no such hub"):
        write_export(run, Format.RIS, hub_id="nobody")
    with pytest.raises(InputError, match="cannot be written"):
        write_export(run, Format.RIS, tmp_path / "no" / "folder.ris")
