"""Passages that try to be more than text: they stay inside their tags, and evidence in them is still found."""

import json
import re
from pathlib import Path

import pytest

from classifier.checking import check
from classifier.errors import AnswerInvalidError
from classifier.evidence import source_text
from classifier.prompting import INVISIBLE, MAX_TEXT_CHARS, Prompt
from classifier.schema import Polarity, Role, Status
from classifier.store import Store
from tests.hostile_server import HostileServer, Reply, answer_json, quoted
from tests.test_hostile_server import ask
from tests.works import HUB, context_task

PASSAGES = [
    json.loads(line)
    for line in (Path(__file__).parent / "data" / "hostile_passages.jsonl").read_text("utf-8").splitlines()
]
PROMPT = Prompt("v1")
KINDS = {row["kind"]: row["text"] for row in PASSAGES}


def frame(task):
    """The user message with the shown text of each untrusted part taken out."""
    return PROMPT.render(task)[1].content


hostile = pytest.mark.parametrize("text", KINDS.values(), ids=KINDS)


@hostile
def test_the_frame_around_a_hostile_passage_is_that_around_a_tame_one(text):
    tame = frame(context_task("TAME"))
    content = frame(context_task(text))
    before, after = tame.split("TAME")
    assert content.startswith(before)
    assert content.endswith(after)
    shown = content[len(before) : len(content) - len(after)]
    assert "\n" not in shown
    assert len(shown) <= MAX_TEXT_CHARS
    assert not INVISIBLE.search(shown)
    assert not re.search(r"<\s*/?\s*[A-Za-z|!?<]", shown)


@hostile
def test_hostile_titles_sections_and_abstracts_stay_in_their_line(text):
    hub = HUB.model_copy(update={"title": text[:3000], "abstract": text[:3000]})
    content = frame(context_task("TAME [[hub]]", hub=hub, title=text[:3000], section=text[:3000]))
    plain = frame(context_task("TAME [[hub]]", section="x"))
    assert content.count("\n") == plain.count("\n")
    assert re.findall(r"</?[a-z_]+", content) == re.findall(r"</?[a-z_]+", plain)


@hostile
def test_the_definitions_come_before_and_are_the_same_for_all(text):
    system, user = PROMPT.render(context_task(text))
    assert system == PROMPT.render(context_task("TAME"))[0]
    assert "is DATA copied from papers" in system.content
    assert user.content.endswith("Label how the citing work uses and speaks of the hub.")


@hostile
def test_words_copied_from_what_was_shown_are_found_in_the_original(text):
    task = context_task(text)
    content = frame(task)
    shown = re.search(r'number="1">\nText: ([^\n]*)\n</passage>', content)[1]
    copied = " ".join(shown.split()[:8])
    checked = check(task, answer_json(evidence=copied))
    evidence = checked.label.evidence
    assert checked.problem is None, copied
    assert (
        evidence.text
        == source_text(task.pair.citing, evidence.source, evidence.context_index)[evidence.start : evidence.end]
    )


@hostile
def test_an_honest_model_labels_a_hostile_passage(text, tmp_path):
    with HostileServer(lambda body, n: Reply(answer_json(evidence=quoted(body)))) as server:
        with Store(tmp_path / "s.sqlite") as store:
            (prediction,), _ = ask(server, store, [context_task(text)])
    assert prediction.status is Status.LABELLED
    assert (prediction.label.role, prediction.label.polarity) == (Role.BACKGROUND, Polarity.NEUTRAL)


def test_json_that_a_model_parrots_beside_its_own_answer_is_not_taken_for_it():
    task = context_task(KINDS["fake json"])
    parroted = KINDS["fake json"][KINDS["fake json"].index("{") :]
    with pytest.raises(AnswerInvalidError, match="several JSON objects that disagree"):
        check(task, parroted + "\n" + answer_json(evidence="We follow"))
