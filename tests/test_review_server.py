"""The review server over real HTTP on loopback: what it lets in and what it refuses."""

import html
import http.client
import threading
from urllib.parse import urlencode

import pytest
import uvicorn

from classifier.errors import SettingsError
from classifier.evidence import source_text
from classifier.review.decisions import DecisionLog
from classifier.review.guide import read_guide
from classifier.review.run import open_run
from classifier.review.server import MOST_BYTES, build_app, listen, new_token
from classifier.review.session import Session, Settings
from classifier.review.texts import evidence_at, shown_texts, visible
from classifier.schema import Basis, Polarity, Role
from tests.reviewing import DISAGREE, write_run

TOKEN = "t0ken"  # noqa: S105 - of the test's own server
FORM = {"role": "background", "polarity": "neutral", "action": "save", "evidence_source": "context",
        "evidence_passage": "0", "evidence_start": "0", "evidence_end": "15",
        "evidence_text": "In earlier work"}  # fmt: skip


@pytest.fixture
def served(tmp_path):
    run = open_run(write_run(tmp_path))
    session = Session(run, DecisionLog(tmp_path), list(run.results), Settings("ada"))
    socket = listen(0)
    server = uvicorn.Server(uvicorn.Config(build_app(session, TOKEN), http="h11", ws="none", lifespan="off",
                                           log_level="error"))  # fmt: skip
    thread = threading.Thread(target=server.run, kwargs={"sockets": [socket]})
    thread.start()
    port = socket.getsockname()[1]

    def ask(method, path, body=None, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        sent = urlencode(body, doseq=True) if isinstance(body, dict) else body
        if sent is not None:
            headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
        connection.request(method, path, sent, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer, text

    ask.port, ask.session, ask.address = port, session, socket.getsockname()[0]
    yield ask
    server.should_exit = True
    thread.join(10)
    socket.close()


def test_it_listens_on_loopback_only_and_every_token_is_new(served):
    assert served.address == "127.0.0.1"
    assert len({new_token() for _ in range(50)}) == 50
    assert len(new_token()) == 32
    with pytest.raises(SettingsError, match=f"--port {served.port} cannot be used"):
        listen(served.port)


@pytest.mark.parametrize(
    "path",
    ["/", "/work/1", "/t0ke/work/1", "/assets/review.css", "/t0ken/assets/../server.py", "/t0ken/assets/server.py",
     "/t0ken/work/0", "/t0ken/work/99"],
)  # fmt: skip
def test_nothing_is_there_without_the_token_or_outside_the_pages(served, path):
    assert served("GET", path)[0].status == 404


def test_a_name_that_points_here_is_refused(served):
    for host in ("evil.example", "evil.example:80", "127.0.0.1.evil.example", "169.254.169.254"):
        answer, text = served("GET", f"/{TOKEN}/work/1", Host=host)
        assert answer.status == 400
        assert "Okafor" not in text
    assert served("GET", f"/{TOKEN}/work/1", Host=f"localhost:{served.port}")[0].status == 200


def test_requests_from_other_pages_change_nothing(served):
    for headers in ({"Origin": "http://evil.example"}, {"Origin": "null"}, {"Sec_Fetch_Site": "cross-site"},
                    {"Origin": "http://127.0.0.1:1"}):  # fmt: skip
        assert served("POST", f"/{TOKEN}/work/1", FORM, **headers)[0].status == 403
    assert served("POST", f"/{TOKEN}/work/1", "x" * (MOST_BYTES + 1))[0].status == 413
    assert served("GET", f"/{TOKEN}/undo")[0].status == 405
    assert list(served.session.log.standing()) == []
    own = f"http://127.0.0.1:{served.port}"
    assert served("POST", f"/{TOKEN}/work/1", FORM, Origin=own, Sec_Fetch_Site="same-origin")[0].status == 303
    assert len(list(served.session.log.standing())) == 1


def test_every_answer_carries_the_headers(served):
    for path in (f"/{TOKEN}/work/1", f"/{TOKEN}/assets/review.js", "/nowhere"):
        headers = served("GET", path)[0].headers
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"


def test_a_decision_is_recorded_with_what_was_shown(served):
    served("GET", f"/{TOKEN}/work/1")
    answer, _ = served(
        "POST", f"/{TOKEN}/work/1", FORM | {"note": "R18\r\nline", "other_roles": ["extends", "unclear"]}
    )
    assert answer.headers["Location"] == f"/{TOKEN}/work/2"
    (decision,) = served.session.log.standing()
    assert decision.label.note == "R18\nline"
    assert decision.label.other_roles == (Role.EXTENDS,)
    assert decision.label.evidence.text == "In earlier work"
    assert not decision.shown.blind
    assert decision.shown.machine.polarity is Polarity.NEUTRAL
    assert decision.shown.seconds is not None
    assert len(decision.shown.text_sha256) == 64


def test_what_the_judges_disagree_on_is_shown_as_text(served):
    pages = [served("GET", f"/{TOKEN}/work/{number}")[1] for number in range(1, len(served.session.queue) + 1)]
    assert sum("To be looked at" in page for page in pages) == 1
    assert sum(html.escape(DISAGREE) in page for page in pages) == 1


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"role": "praise"}, "Choose a role"),
        ({"polarity": ""}, "Choose a polarity"),
        ({"polarity": "supporting"}, "Choose a basis"),
        ({"polarity": "supporting", "basis": "none"}, "rests on something"),
        ({"evidence_end": "9999"}, "outside the text"),
        ({"evidence_end": "14"}, "do not stand there"),
        ({"evidence_start": "-3"}, "outside the text"),
        ({"evidence_passage": "7"}, "names no text"),
        ({"evidence_source": "none"}, "outside the text"),
        ({"evidence_source": "/etc/passwd"}, "names no text"),
        ({"evidence_start": "", "evidence_end": "", "evidence_text": ""}, "Select the words"),
        ({"note": "x" * 5001}, "Shorten the note"),
    ],
)
def test_a_form_that_is_no_label_is_shown_again_with_the_reason(served, change, problem):
    answer, text = served("POST", f"/{TOKEN}/work/1", FORM | change)
    assert answer.status == 422
    assert problem in text
    assert list(served.session.log.standing()) == []


def test_a_log_that_cannot_be_written_loses_no_input(served):
    served.session.log.path.rename(served.session.log.path.with_name("gone"))
    served.session.log.path.mkdir()
    answer, text = served("POST", f"/{TOKEN}/work/1", FORM | {"note": "typed with care"})
    assert answer.status == 422
    assert "Nothing was saved" in text
    assert "typed with care" in text
    answer, text = served("POST", f"/{TOKEN}/undo", "")
    assert answer.status == 500
    assert text.startswith("error: ")
    assert "the review log cannot be used" in text


def test_stance_without_basis_radio_is_kept_for_neutral(served):
    served("POST", f"/{TOKEN}/work/1", FORM | {"basis": "evidence"})
    (decision,) = served.session.log.standing()
    assert decision.label.basis is Basis.NONE


def test_texts_are_shown_character_for_character():
    text = "a\u202eb\x00c\r\nd \ud800 😀 [[x]]"
    assert len(visible(text)) == len(text)
    assert visible(text) == "a�b�c \nd ? 😀 [[x]]"


def test_segments_join_to_the_text_and_evidence_reads_back(tmp_path):
    run = open_run(write_run(tmp_path))
    for result in run.results.values():
        label = result.prediction.label
        for shown in shown_texts(result.citing, label.evidence if label else None, None):
            whole = source_text(result.citing, shown.source, shown.context_index)
            joined = "".join(segment.text for segment in shown.segments)
            assert joined == visible(whole)
            index = "" if shown.context_index is None else str(shown.context_index)
            # As a form sends it: every line end is CR LF.
            sent = joined.replace("\n", "\r\n")
            found = evidence_at(result.citing, shown.source, index, "0", str(len(whole)), sent)
            assert found.text == whole


def test_the_guide_gives_a_meaning_for_every_label():
    guide = read_guide()
    assert list(guide.meanings["role"]) == list(Role)
    assert list(guide.meanings["polarity"]) == list(Polarity)
    assert list(guide.meanings["basis"]) == list(Basis)
    assert guide.version == "1.1"
    assert guide.card[0].startswith("You label how ONE citing work")
    assert sum(line[:2].strip(".").isdigit() for line in guide.card) == 10
