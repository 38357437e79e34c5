import io
import json
import sys
import tarfile
import time
import zipfile

import pytest

from benchmarks.pointers import converted_links
from classifier.errors import SourceError
from classifier.fulltext import latex_plain
from classifier.fulltext.archive import MAX_FILES, unpack
from classifier.fulltext.contexts import find_contexts
from classifier.fulltext.grobid import GrobidClient
from classifier.fulltext.latex import read_latex
from classifier.fulltext.reader import Unreadable, read_bytes, read_folder
from classifier.schema import CitedWork, WorkIds
from tests.paths import ROOT, SHARED
from tests.replay_server import ReplayServer, Reply

DATA = ROOT / "tests" / "data" / "fulltext"
FULLTEXT = SHARED / "fulltext"
samples = pytest.mark.skipif(not FULLTEXT.is_dir(), reason=f"no sample papers at {FULLTEXT}")
HUB = CitedWork(
    hub_id="h",
    title="Let's Verify Step by Step",
    authors=("Hunter Lightman", "Vineet Kosaraju"),
    year=2023,
    ids=WorkIds(arxiv_id="2305.20050"),
)

HTML = (DATA / "arxiv.html").read_bytes()


def test_arxiv_html():
    document = read_bytes(HTML, "a.html")
    found = find_contexts(document, HUB)
    assert (document.source, document.title) == ("latexml_html", "A Citing Paper")
    first, second, note = found.contexts
    assert first.text == "Process supervision (Uesato et al., 2022; [[Lightman et al., 2024]]) helps x^{2}."
    assert (first.before, first.section, first.shared) == ("Rewards matter.", "Related Work", 2)
    assert first.after == "However, [[Lightman et al. (2024)]] need labels."
    assert (first.cocited[0].title, first.cocited[0].level) == ("Solving math word problems", "sentence")
    assert (second.shared, second.cocited[0].level) == (1, "paragraph")
    assert note.text == "A note on [[[1]]] here."
    assert (first.match_method, first.match_confidence) == ("title", 0.98)
    assert first.offset < second.offset < note.offset


def test_a_real_conversion_by_latexml_and_its_source_give_the_same_passages():
    page = read_bytes((DATA / "latexml.html").read_bytes(), "latexml.html")
    source = read_bytes((DATA / "latexml.tex").read_bytes(), "latexml.tex")
    both = [find_contexts(document, HUB) for document in (page, source)]
    assert [found.pointers for found in both] == [10, 10]
    assert [c.section for c in both[0].contexts][-1] == "Numbers"
    assert [c.shared for c in both[0].contexts] == [1, 2, 1, 1, 1, 1, 1, 1]
    texts = [c.text for c in both[0].contexts]
    assert "However, [[Lightman et al. (2024)]] need labels, as [[Lightman et al. (2024, Section 3)]] say." in texts
    assert "PRM ([[Lightman et al., 2024]]) | 78" in texts
    assert "Model Score PRM [[[lightman]]] 78" in [c.text for c in both[1].contexts]
    links = {(kind, expected, read) for kind, _, expected, read in converted_links()}
    assert links == {("latexml_html", 13, 13), ("latex", 13, 13)}


JATS = (DATA / "jats.nxml").read_bytes()


def jats_hub(number):
    return CitedWork(
        hub_id="h",
        title=f"Title number {number} of the list",
        authors=(f"A Family{chr(64 + number)}",),
        year=2000 + number,
    )


def test_jats_ranges_lists_and_superscripts():
    document = read_bytes(JATS, "a.nxml")
    assert document.ids.pmcid == "PMC77"
    inside = find_contexts(document, jats_hub(3))
    assert [c.text for c in inside.contexts] == ["Known before [[[1-4]]] and [2,5]."]
    assert inside.contexts[0].shared == 4
    assert {c.title[13] for c in inside.contexts[0].cocited} == {"1", "2", "4", "5"}
    second = find_contexts(document, jats_hub(2))
    assert second.pointers == 3
    assert [c.text for c in second.contexts] == ["Known before [[[1-4]]] and [[[2,5]]].", "It fails.[[2]]"]
    assert second.contexts[1].after == "Next one."


def test_entities_are_not_resolved_and_nothing_is_fetched():
    text = " ".join(p.text for p in read_bytes(JATS, "a.nxml").paragraphs)
    assert "root:" not in text
    bomb = (
        b'<!DOCTYPE a [<!ENTITY x "xxxxxxxxxx">'
        + b"".join(
            b'<!ENTITY x%d "%s">' % (n, b"&x%s;" % (b"" if n == 1 else b"%d" % (n - 1)) * 10) for n in range(1, 12)
        )
        + b"]><article><body><p>&x11;</p></body></article>"
    )
    assert sum(len(p.text) for p in read_bytes(bomb, "bomb.xml").paragraphs) < 1000


TEX = (DATA / "main.tex").read_bytes()
BIB = (DATA / "refs.bib").read_bytes()


def test_latex_source():
    document = read_latex(
        {"main.tex": TEX, "sec/two.tex": rb"Two \cite{lightman2023lets}. Again.", "refs.bib": BIB}, "p"
    )
    found = find_contexts(document, HUB)
    assert (document.title, found.pointers, found.match.method) == ("A B paper", 3, "arxiv_id")
    assert [c.text for c in found.contexts] == [
        "Recent work [[[lightman2023lets, uesato2022]]] trains process models, e.g. with OurNet.",
        "However, [[[see lightman2023lets, p. 3]]] show $x_1^2$ that 80% of Gödel's labels fail.",
        "Two [[[lightman2023lets]]].",
    ]
    assert [c.shared for c in found.contexts] == [2, 1, 1]
    assert found.contexts[0].cocited[0].title == "Solving Math"


@pytest.mark.parametrize(
    "bbl",
    [
        rb"\begin{thebibliography}{1}\bibitem[{Lightman et~al.(2023)}]{k} H.~Lightman and V.~Kosaraju. "
        rb"\newblock Let's verify "
        rb"step by step. \newblock \emph{arXiv:2305.20050}, 2023. \bibitem{o} Other. \end{thebibliography}",
        rb"""\entry{k}{article}{}
  \name{author}{2}{}{%
    {{hash=a}{%
      family={Lightman},
      given={Hunter}}}%
  }
  \field{title}{Let's Verify Step by Step}
  \field{year}{2023}
\endentry""",
    ],
)
def test_latex_bibliographies(bbl):
    document = read_latex({"a.tex": rb"\begin{document}See \autocite{k}, and more.\end{document}", "a.bbl": bbl}, "p")
    (context,) = find_contexts(document, HUB).contexts
    assert context.text == "See [[[k]]], and more."


def test_a_latex_file_that_takes_too_long_is_left_out():
    slow = rb"\begin{document}" + b"\n\nText \\cite{k} here." * 20_000 + rb"\end{document}"
    start = time.monotonic()
    with pytest.raises(SourceError, match=r"reading took longer than 0\.05 s"):
        read_latex({"a.tex": slow}, "a.tex", time_limit=0.05)
    assert time.monotonic() - start < 5


@pytest.mark.parametrize(
    "text",
    [
        "{" * 50_000,
        "\\cite[" * 30_000,
        "\\input{a}" * 30_000,
        "\\\\" * 50_000 + "%",
        "$" * 50_001,
        "\\begin{" * 30_000,
        "\\section{" * 20_000,
        "\\newcommand{\\a}{" * 10_000,
    ],
)
def test_hostile_latex_ends(text):
    start = time.monotonic()
    read_latex({"a.tex": b"\\begin{document} \\cite{k} " + text.encode()}, "a.tex")
    assert time.monotonic() - start < 20


def test_a_sentence_that_hangs_the_converter_gets_the_cheap_one(monkeypatch):
    worker = latex_plain._Worker()
    assert worker.convert(r"\emph{a} G\"odel", limit=20) == "a Gödel"
    worker.stop()
    hanging = latex_plain._Worker(sys.executable, "-c", "import time; time.sleep(600)")
    assert hanging.convert(r"\emph{a}", limit=0.2) is None
    assert hanging._process is None, "the worker that took too long is gone"
    monkeypatch.setattr(latex_plain, "_WORKER", hanging)
    monkeypatch.setattr(latex_plain, "TIME_LIMIT", 0.2)
    assert latex_plain.plain(r"\emph{cheap} G\"odel 80\%") == "cheap Gödel 80%"


def packed(files, kind="gz"):
    stream = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(stream, "w") as archive:
            for name, data in files.items():
                archive.writestr(name, data)
    else:
        with tarfile.open(fileobj=stream, mode=f"w:{kind}") as archive:
            for name, data in files.items():
                info = tarfile.TarInfo(name)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
    return stream.getvalue()


@pytest.mark.parametrize("kind", ["gz", "zip", ""])
def test_archives_of_sources(kind):
    data = packed(
        {"main.tex": TEX, "sec/two.tex": b"x", "refs.bib": BIB, "._main.tex": b"\0junk", "fig.png": b"1" * 9}, kind
    )
    assert set(unpack(data, "a")) == {"main.tex", "sec/two.tex", "refs.bib"}
    assert find_contexts(read_bytes(data, "2401.00001.tar.gz"), HUB).pointers == 2


@pytest.mark.parametrize("name", ["../evil.tex", "/etc/evil.tex", "a/../../evil.tex", "C:/evil.tex", "..\\evil.tex"])
def test_paths_that_lead_out_are_refused(name):
    for kind in ("gz", "zip"):
        with pytest.raises(SourceError, match="leads out of the archive"):
            unpack(packed({name: b"x"}, kind), "a")


def test_links_floods_and_bombs_are_refused(monkeypatch):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        info = tarfile.TarInfo("a.tex")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(info)
    with pytest.raises(SourceError, match="is a link or device"):
        unpack(stream.getvalue(), "a")
    with pytest.raises(SourceError, match=f"more than {MAX_FILES} files"):
        unpack(packed({f"{n}.tex": b"" for n in range(MAX_FILES + 1)}), "a")
    monkeypatch.setattr("classifier.fulltext.archive.MAX_TOTAL", 100_000)
    with pytest.raises(SourceError, match="unpacks to more than"):
        unpack(packed({"a.tex": b"0" * 1_000_000}), "a")
    with pytest.raises(SourceError, match="cannot be unpacked"):
        unpack(packed({"a.tex": b"0" * 1000})[:60], "a")


def test_every_unreadable_file_is_a_row(tmp_path):
    files = {
        "a.html": HTML,
        "b.pdf": b"%PDF-1.7 ...",
        "c.json": b"{broken",
        "d.xml": b"<oops/>",
        "e.html": b"<html>404</html>",
        "f.tar.gz": b"\x1f\x8bjunk",
        "g.dat": b"\x00\x01",
        "h.json": b'{"title": "no body"}',
        "j.jsonl": b'{"x": 1}\n[1]\n',
        "k.json": b"[" * 100_000,
        "paper/main.tex": TEX,
        "paper/refs.bib": BIB,
    }
    for name, data in files.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
    (tmp_path / "out.tex").symlink_to("/etc/hostname")
    read = list(read_folder(tmp_path))
    reasons = {item.name: item.reason for item in read if isinstance(item, Unreadable)}
    assert {item.source for item in read if not isinstance(item, Unreadable)} == {"latexml_html", "latex"}
    assert set(reasons) == {
        "b.pdf",
        "c.json",
        "d.xml",
        "e.html",
        "f.tar.gz",
        "g.dat",
        "h.json",
        "j.jsonl:1",
        "j.jsonl:2",
        "k.json",
        "out.tex",
    }
    assert "GROBID" in reasons["b.pdf"]
    assert "--grobid URL" in reasons["b.pdf"]
    assert "leads out of the folder" in reasons["out.tex"]
    assert all("\n" not in reason for reason in reasons.values())


TEI = (DATA / "grobid.tei.xml").read_bytes()


def test_tei_without_targets_falls_back_to_the_printed_marker():
    found = find_contexts(read_bytes(TEI, "a.tei.xml"), HUB)
    assert [c.text for c in found.contexts] == [
        "As shown ([[Lightman et al., 2023]]).",
        "And [[Lightman et al. (2023)]] too.",
    ]
    assert {c.match_method for c in found.contexts} == {"title+marker_text"}
    assert found.contexts[0].match_confidence == 0.784


def test_a_marker_that_fits_two_entries_is_not_used_and_counted():
    entry = (
        b'<biblStruct xml:id="b1"><analytic><title>Another paper of the year</title><author><persName>'
        b'<surname>Lightman</surname></persName></author></analytic><monogr><imprint><date when="2023"/></imprint>'
        b"</monogr></biblStruct></listBibl>"
    )
    twin = TEI.replace(b"</listBibl>", entry)
    found = find_contexts(read_bytes(twin, "a.tei.xml"), HUB)
    assert (found.match.ref_ids, found.contexts, found.unclear) == (("b0",), (), 1)


def test_a_folder_of_latex_files_beside_each_other(tmp_path):
    (tmp_path / "one.tex").write_bytes(TEX.replace(rb"\input{sec/two}", rb"\input{part}"))
    (tmp_path / "part.tex").write_bytes(rb"Part \cite{lightman2023lets}.")
    (tmp_path / "refs.bib").write_bytes(BIB)
    (document,) = read_folder(tmp_path)
    assert find_contexts(document, HUB).pointers == 3


@pytest.mark.skipif(not (SHARED / "api").is_dir(), reason=f"no recorded answers at {SHARED / 'api'}")
def test_recorded_jats_of_europe_pmc():
    folder = SHARED / "api" / "europepmc"
    read = {
        name: read_bytes((folder / name).read_bytes(), name) for name in ("jats_europepmc.xml", "jats_with_body.xml")
    }
    assert read["jats_with_body.xml"].ids.pmcid == "PMC7029759"
    assert all(document.paragraphs for document in read.values())
    read_bytes((folder / "jats_no_body.xml").read_bytes(), "jats_no_body.xml")
    with pytest.raises(SourceError, match="not a JATS file"):
        read_bytes((folder / "not_jats.xml").read_bytes(), "not_jats.xml")


def test_pdf_through_a_grobid_server():
    with ReplayServer(lambda r: Reply(TEI) if "process" in r.path else Reply(b"true")) as server:
        grobid = GrobidClient(server.url)
        grobid.check()
        assert find_contexts(read_bytes(b"%PDF-1.4", "a.pdf", grobid), HUB).pointers == 2
        grobid.close()
    busy = ReplayServer(lambda _: Reply(b"", 503))
    with busy as server:
        grobid = GrobidClient(server.url)
        with pytest.raises(SourceError, match="HTTP 503; the server is busy"):
            grobid(b"%PDF-", "a.pdf")
        grobid.close()


@samples
@pytest.mark.parametrize(
    "row",
    json.loads((FULLTEXT / "hub_pointers.json").read_text()) if FULLTEXT.is_dir() else [],
    ids=lambda row: f"{row['file']}-{row['hub']}",
)
def test_samples_with_known_counts(row):
    from benchmarks.pointers import HUBS, linked_pointers, sample

    document = sample(FULLTEXT, row["file"])
    found = find_contexts(document, HUBS[row["hub"]])
    assert row["bib_id"] in found.match.ref_ids
    assert linked_pointers(document, found) == row["pointers"]
    assert found.pointers >= row["pointers"]
