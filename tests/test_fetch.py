"""``classify fetch`` as a user runs it, against a server on loopback that speaks like the services."""

import csv
import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter

import pytest

from classifier.errors import InputError, SettingsError, SourceError
from classifier.fetching import FetchOptions, fetch, fetch_hub, is_identifier
from classifier.schema import Hub
from classifier.sources.settings import SourceSettings
from tests.paths import EXAMPLE, ROOT
from tests.replay_server import ReplayServer, Reply
from tests.test_fulltext_readers import BIB, HTML, TEX, packed

HUB_PAPER = {
    "paperId": "h" * 40,
    "title": "Let's Verify Step by Step",
    "year": 2023,
    "citationCount": 3,
    "abstract": None,
    "authors": [{"name": "Hunter Lightman"}],
    "externalIds": {"ArXiv": "2305.20050"},
}
SNIPPET = "Process supervision (Uesato et al., 2022; Lightman et al., 2024) helps x2."
CITING = [
    {
        "contexts": [SNIPPET],
        "isInfluential": True,
        "citingPaper": {
            "paperId": "1" * 40,
            "title": "A Citing Paper",
            "year": 2024,
            "authors": [{"name": "Ada A"}],
            "externalIds": {"ArXiv": "2401.00001"},
        },
    },
    {
        "contexts": [],
        "citingPaper": {
            "paperId": "2" * 40,
            "title": "From Source",
            "year": 2024,
            "externalIds": {"ArXiv": "2401.00002"},
        },
    },
    {
        "contexts": [],
        "citingPaper": {
            "paperId": "3" * 40,
            "title": "Only a PDF",
            "year": 2025,
            "externalIds": {"ArXiv": "2401.00003"},
        },
    },
]
ATOM = b"""<feed xmlns="http://www.w3.org/2005/Atom"><entry><id>http://arxiv.org/abs/2305.20050v1</id>
<title>Let's Verify Step by Step</title><summary>About process supervision.</summary>
<published>2023-05-31T00:00:00Z</published><author><name>Hunter Lightman</name></author></entry></feed>"""


def as_json(value, status=200):
    return Reply(json.dumps(value).encode(), status)


def services(request):
    """The few answers that make up a small world."""
    path = request.path
    table = {
        "/paper/ARXIV:2305.20050": lambda: as_json(HUB_PAPER),
        "/paper/ARXIV:2305.20050/citations": lambda: as_json({"offset": 0, "data": CITING}),
        "/api/query": lambda: Reply(ATOM),
        "/html/2401.00001": lambda: Reply(HTML),
        "/html/2401.00002": lambda: Reply(b"<html>No HTML</html>", 404),
        "/e-print/2401.00002": lambda: Reply(packed({"main.tex": TEX, "refs.bib": BIB})),
        "/e-print/2401.00003": lambda: Reply(b"%PDF-1.5"),
        "/works/doi:10.48550/arxiv.2305.20050": lambda: as_json(
            {
                "id": "https://openalex.org/W10",
                "title": "Let's verify step by step",
                "publication_year": 2023,
                "cited_by_count": 2,
            }
        ),
        "/works": lambda: as_json(
            {
                "meta": {"count": 2, "next_cursor": None},
                "results": [
                    {
                        "id": "https://openalex.org/W1",
                        "title": "A citing paper",
                        "publication_year": 2025,
                        "abstract_inverted_index": {"Hello": [0]},
                        "locations": [{"landing_page_url": "https://arxiv.org/abs/2401.00001"}],
                    },
                    {"id": "https://openalex.org/W4", "title": "Known to OpenAlex only", "publication_year": 2024},
                ],
            }
        ),
        "/index/v2/citations/doi:10.48550/arxiv.2305.20050": lambda: as_json([]),
    }
    return table[path]() if path in table else None


def table(path):
    return list(csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines()))


def environment(server, folder):
    names = ("S2_URL", "OPENALEX_URL", "OPENCITATIONS_URL", "EUROPEPMC_URL", "ARXIV_URL", "ARXIV_API_URL", "PITH_URL")
    return {f"CLASSIFIER_{name}": server.url for name in names} | {
        "CLASSIFIER_S2_INTERVAL": "0",
        "CLASSIFIER_ARXIV_INTERVAL": "0",
        "CLASSIFIER_SOURCE_TRIES": "1",
        "CLASSIFIER_SOURCE_CACHE": str(folder / "cache.sqlite"),
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "PYTHONPATH": str(ROOT),
        "PYTHONUTF8": "1",
    }


def run(*arguments, server, folder):
    return subprocess.run(
        [sys.executable, "-m", "classifier", *map(str, arguments)],
        cwd=folder,
        text=True,
        check=False,
        env=environment(server, folder),
        capture_output=True,
        timeout=180,
    )


def settings_for(server, folder):
    return SourceSettings(
        s2_url=server.url,
        openalex_url=server.url,
        opencitations_url=server.url,
        arxiv_url=server.url,
        arxiv_api_url=server.url,
        s2_interval=0,
        arxiv_interval=0,
        source_tries=1,
        europepmc_url=server.url,
        source_cache=str(folder / "cache.sqlite"),
    )


def test_an_arxiv_id_becomes_a_hub_with_passages(tmp_path):
    with ReplayServer(services) as server:
        done = run(
            "fetch",
            "arXiv:2305.20050",
            "--source",
            "semantic_scholar",
            "--source",
            "openalex",
            "--source",
            "arxiv",
            server=server,
            folder=tmp_path,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("hub.json: 4 citing works, 2 with a passage, 5 passages, ")
        asked = len(server.requests)
        again = run(
            "fetch",
            "arXiv:2305.20050",
            "--source",
            "semantic_scholar",
            "--source",
            "openalex",
            "--source",
            "arxiv",
            "--offline",
            "--out",
            "again.json",
            server=server,
            folder=tmp_path,
        )
        assert len(server.requests) == asked, "everything after it works offline"
        assert again.stdout.startswith("again.json: 4 citing works, 2 with a passage, 5 passages, 0 requests")
        twice = run(
            "fetch",
            "again.json",
            "--source",
            "semantic_scholar",
            "--source",
            "arxiv",
            "--offline",
            "--out",
            "b.json",
            server=server,
            folder=tmp_path,
        )
        assert twice.stdout.startswith("b.json: 4 citing works, 2 with a passage, 5 passages"), "nothing is added twice"
    hub = Hub.model_validate_json((tmp_path / "hub.json").read_bytes())
    assert (hub.cited.ids.arxiv_id, hub.cited.abstract, hub.announced) == (
        "2305.20050",
        "About process supervision.",
        3,
    )
    works = {work.title: work for work in hub.citing}
    first = works["A Citing Paper"]
    assert (first.abstract, first.influential, first.ids.openalex_id) == ("Hello", True, "W1")
    assert [c.source for c in first.contexts] == ["latexml_html+semantic_scholar", "latexml_html", "latexml_html"]
    assert [c.source for c in works["From Source"].contexts] == ["latex", "latex"]
    assert works["Known to OpenAlex only"].contexts == ()
    notes = " | ".join(f"{p.source}: {p.note}" for p in hub.provenance)
    assert "2401.00001: year: semantic_scholar says '2024', openalex says '2025'; the first is kept" in notes
    assert all(p.retrieved_at for p in hub.provenance if p.note and "the first is kept" not in p.note)
    rows = table(tmp_path / "hub.report.csv")
    assert [(row["item"], row["outcome"]) for row in rows] == [("2401.00003", "unreadable")]
    assert "only a PDF" in rows[0]["detail"]


def test_full_text_that_the_user_has(tmp_path):
    papers = tmp_path / "papers"
    papers.mkdir()
    (papers / "2401.00001v2.html").write_bytes(HTML)
    (papers / "unknown.html").write_bytes(HTML.replace(b"A Citing Paper", b"Not Listed Anywhere Yet"))
    (papers / "other.html").write_bytes(HTML.replace("Let’s verify step".encode(), b"Some other title"))
    (papers / "scan.pdf").write_bytes(b"%PDF-1.4")
    with ReplayServer(services) as server:
        result = fetch(
            "arXiv:2305.20050",
            FetchOptions(tmp_path / "h.json", ("semantic_scholar",), fulltext=papers),
            lambda _: None,
            settings_for(server, tmp_path),
        )
    hub = Hub.model_validate_json(result.hub.read_bytes())
    works = {work.title: work for work in hub.citing}
    assert len(works["A Citing Paper"].contexts) == 3
    assert len(works["Not Listed Anywhere Yet"].contexts) == 3
    assert {(row.item, row.outcome) for row in result.rows} == {("other.html", "not cited"), ("scan.pdf", "unreadable")}


def test_an_input_keeps_its_works_their_ids_and_their_order(tmp_path):
    title = "Let's Verify Step by Step"

    def play(request):
        if request.path in ("/paper/search", "/paper/search/match"):
            return as_json({"data": [HUB_PAPER]})
        if request.path == "/paper/ARXIV:2305.20050/citations":
            data = [{"contexts": [SNIPPET], "citingPaper": {"paperId": "9" * 40, "title": known, "year": 2026}}]
            return as_json({"offset": 0, "data": data})
        return services(request)

    from classifier.inputs import collect_hub, open_input

    before = collect_hub(open_input(EXAMPLE))
    known = before.citing[7].title
    with ReplayServer(play) as server:
        path = tmp_path / "out" / "hub.json"
        options = FetchOptions(path, ("semantic_scholar",))
        result = fetch(str(EXAMPLE), options, lambda _: None, settings_for(server, tmp_path))
    after = Hub.model_validate_json(path.read_bytes())
    assert after.cited.title == title
    assert [work.citing_id for work in after.citing] == [work.citing_id for work in before.citing]
    assert [len(work.contexts) for work in after.citing] == [int(n == 7) for n in range(50)]
    assert after.citing[7].contexts[0].text == SNIPPET.replace("Lightman et al., 2024", "[[Lightman et al., 2024]]")
    assert (after.announced, result.with_passage) == (93, 1)


def test_a_source_that_fails_is_a_row_and_the_others_go_on(tmp_path):
    def broken(request):
        return Reply(b"<html>", 500) if request.path == "/works" else services(request)

    with ReplayServer(broken) as server:
        done = run(
            "fetch",
            "2305.20050",
            "--source",
            "semantic_scholar",
            "--source",
            "openalex",
            server=server,
            folder=tmp_path,
        )
    assert done.returncode == 3
    assert done.stdout.startswith("hub.json: 3 citing works")
    (row,) = table(tmp_path / "hub.report.csv")
    assert (row["source"], row["item"], row["outcome"]) == ("openalex", "list of citing works", "failed")


def test_a_source_that_does_not_know_the_hub_is_no_failure(tmp_path):
    hub = {"paperId": "5" * 40, "title": "No identifiers elsewhere", "year": 2020, "citationCount": 1}

    def play(request):
        if request.path == f"/paper/{'5' * 40}":
            return as_json(hub)
        return as_json({"offset": 0, "data": CITING}) if request.path.endswith("/citations") else None

    with ReplayServer(play) as server:
        done = run("fetch", "5" * 40, server=server, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert [(row["source"], row["outcome"]) for row in table(tmp_path / "hub.report.csv")] == [
        ("openalex", "not covered"),
        ("opencitations", "not covered"),
    ]
    assert "note: 2 works on arXiv have no passage; `classify fetch hub.json --source arxiv" in done.stderr
    with ReplayServer(services) as server:
        done = run("fetch", "hub.json", "--source", "arxiv", server=server, folder=tmp_path)
    assert done.stdout.startswith("hub.json: 3 citing works, 1 with a passage"), "the hub has no authors to match by"


def test_an_input_whose_hub_is_ambiguous_is_asked_back(tmp_path):
    twice = [HUB_PAPER, HUB_PAPER | {"paperId": "8" * 40, "authors": [{"name": "Someone Else"}], "externalIds": None}]

    def play(request):
        return as_json({"data": twice}) if request.path.startswith("/paper/search") else None

    with ReplayServer(play) as server:
        done = run("fetch", EXAMPLE, "--source", "semantic_scholar", server=server, folder=tmp_path)
    assert done.returncode == 2
    assert "error: 2 works carry this title" in done.stderr
    assert "arXiv:2305.20050  Let's Verify Step by Step (Hunter Lightman, 2023, cited 3 times)" in done.stderr


def test_a_pith_hub_page(tmp_path):
    uuid = "6d05b790-04c5-4fd2-91b2-ba1dfdd5770f"
    record = {
        "work": HUB_PAPER | {"arxiv_id": "2305.20050", "cited_by_count": 93, "authors": ["Hunter Lightman"]},
        "citing_papers": [{"title": "One", "arxiv_id": "2401.00009", "headline": "Its summary."}],
    }

    def play(request):
        return as_json(record) if request.path == f"/citations/{uuid}.json" else None

    with ReplayServer(play) as server:
        address = f"https://pith.science/citations/{uuid}"
        done = run("fetch", address, "--source", "pith", server=server, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    hub = Hub.model_validate_json((tmp_path / "hub.json").read_bytes())
    assert (hub.announced, [(w.citing_id, w.summary) for w in hub.citing]) == (93, [("2401.00009", "Its summary.")])


def test_full_texts_on_disk_are_enough_without_any_service(tmp_path):
    hub = {"cited": {"hub_id": "h", "title": HUB_PAPER["title"], "year": 2023, "authors": ["Hunter Lightman"]}}
    (tmp_path / "h.json").write_text(json.dumps(hub | {"citing": []}), encoding="utf-8")
    papers = tmp_path / "papers"
    papers.mkdir()
    (papers / "a.html").write_bytes(HTML)
    with ReplayServer() as server:
        done = run(
            "fetch", "h.json", "--fulltext", papers, "--offline", "--out", "o.json", server=server, folder=tmp_path
        )
        assert server.requests == []
    assert done.stdout.startswith("o.json: 1 citing works, 1 with a passage, 3 passages, 0 requests"), done.stderr
    assert done.returncode == 3, "the lists that could not be asked are said"
    outcomes = {row["source"]: row["outcome"] for row in table(tmp_path / "o.report.csv")}
    assert outcomes["openalex"] == "failed", "not asked is not the same as not known"


def test_nothing_at_all_is_an_error(tmp_path):
    def broken(request):
        return Reply(b"", 500) if request.path.endswith("/citations") else services(request)

    with ReplayServer(broken) as server:
        done = run("fetch", "2305.20050", "--source", "semantic_scholar", server=server, folder=tmp_path)
    assert done.returncode == 1
    assert "error: no source gave a list of citing works:" in done.stderr
    assert not (tmp_path / "hub.json").exists()


def test_wrong_arguments_cost_no_request(tmp_path):
    with ReplayServer(services) as server:
        settings = settings_for(server, tmp_path)
        for what, options, error in [
            ("2305.20050", FetchOptions(tmp_path / "h", ("scopus",)), SettingsError),
            ("missing.json", FetchOptions(tmp_path / "h"), InputError),
            ("2305.20050", FetchOptions(tmp_path / "h", fulltext=tmp_path / "none"), InputError),
            ("2305.20050", FetchOptions(tmp_path / "h", grobid="http://127.0.0.1:9"), SettingsError),
            ("2305.20050", FetchOptions(tmp_path / "h", offline=True), SourceError),
        ]:
            with pytest.raises(error):
                fetch(what, options, lambda _: None, settings)
        assert server.requests == []


def test_run_fetches_an_identifier_first(tmp_path):
    with ReplayServer(services) as server:
        done = run("run", "arXiv:2305.20050", "--judge", "local", "--out", "out", server=server, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(table(tmp_path / "out" / "predictions.csv")) == 4


def test_what_counts_as_an_identifier(tmp_path):
    assert is_identifier("arXiv:2305.20050")
    assert is_identifier("https:/doi.org/10.1000/xyz")
    assert is_identifier("Let's Verify Step by Step")
    assert not is_identifier(str(EXAMPLE))
    assert not is_identifier("hub.json")
    assert not is_identifier("examples")


def test_fetch_hub_gives_the_path(tmp_path, monkeypatch):
    with ReplayServer(services) as server:
        for name, value in environment(server, tmp_path).items():
            monkeypatch.setenv(name, value)
        path = fetch_hub("2305.20050", FetchOptions(tmp_path / "h.json", ("semantic_scholar",)))
    assert len(Hub.model_validate_json(path.read_bytes()).citing) == 3


TOTAL = 10_500
ABSTRACT = {f"word{n}": [n] for n in range(180)}


def many(request):
    """10,500 citing works in both services, as heavy as real ones."""
    if request.path == "/paper/ARXIV:2305.20050/citations":
        offset, limit = int(request.query["offset"]), int(request.query["limit"])
        data = [
            {
                "contexts": [f"Work {n} follows (Lightman et al., 2023) closely. " + "It says more words. " * 12] * 2,
                "citingPaper": {
                    "paperId": f"{n:040d}",
                    "title": f"Citing work number {n} of many",
                    "year": 2024,
                    "abstract": " ".join(ABSTRACT),
                    "externalIds": {"ArXiv": f"2401.{n:05d}"},
                },
            }
            for n in range(offset, min(offset + limit, TOTAL))
        ]
        return as_json({"offset": offset, "data": data} | ({"next": offset + limit} if offset + limit < TOTAL else {}))
    if request.path == "/works":
        start = 0 if request.query["cursor"] == "*" else int(request.query["cursor"])
        results = [
            {
                "id": f"https://openalex.org/W{n + 100}",
                "title": f"Citing work number {n} of many",
                "publication_year": 2024,
                "abstract_inverted_index": ABSTRACT,
                "locations": [{"landing_page_url": f"https://arxiv.org/abs/2401.{n:05d}"}],
            }
            for n in range(start, min(start + 100, TOTAL))
        ]
        return as_json(
            {"meta": {"count": TOTAL, "next_cursor": str(start + 100) if results else None}, "results": results}
        )
    return services(request)


MEASURED = """
import resource, sys
from classifier.cli import main
try:
    main(sys.argv[1:])
finally:
    print("peak_kib", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_ten_thousand_works_killed_and_resumed_in_bounded_memory(tmp_path):
    seen, reached = [], threading.Event()

    def watched(request):
        seen.append(request)
        if len(seen) == 60:
            reached.set()
        return many(request)

    def start(*more):
        command = [
            sys.executable,
            "-c",
            MEASURED,
            "fetch",
            "2305.20050",
            "--source",
            "semantic_scholar",
            "--source",
            "openalex",
            *more,
        ]
        return subprocess.Popen(
            command,
            cwd=tmp_path,
            env=environment(server, tmp_path),
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    with ReplayServer(watched) as server:
        first = start()
        assert reached.wait(120)
        first.send_signal(signal.SIGKILL)
        first.communicate()
        assert first.returncode == -signal.SIGKILL
        assert not (tmp_path / "hub.json").exists(), "a half-written hub is never left"
        second = start()
        output, errors = second.communicate(timeout=300)
        assert second.returncode == 0, errors
        small = start("--limit", "500", "--out", "small.json")
        small_output, _ = small.communicate(timeout=120)
    count = Counter((r.path, tuple(sorted(r.query.items()))) for r in seen)
    repeated = [request for request, times in count.items() if times > 1]
    assert len(repeated) <= 1, "only the request in flight when it was killed may be asked again"
    assert len(seen) == len(count) + len(repeated)
    assert "the list stops at 9,999 citing works" in errors
    hub = Hub.model_validate_json((tmp_path / "hub.json").read_bytes())
    assert len(hub.citing) == TOTAL
    assert sum(len(work.contexts) == 1 for work in hub.citing) == 9999, "a repeated snippet is one passage"
    assert any("stops at 9,999" in (p.note or "") for p in hub.provenance)
    peak, small_peak = (int(text.rpartition("peak_kib ")[2]) for text in (output, small_output))
    size = (tmp_path / "hub.json").stat().st_size // 1024
    assert size > 15_000
    assert peak - small_peak < size // 2, (
        f"memory grows with the hub: {small_peak} KiB for 500 works, {peak} KiB for 10,500"
    )
