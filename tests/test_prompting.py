"""Rendering is pure, complete, and cannot be broken out of."""

import hashlib
import re
import unicodedata

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from classifier.errors import SettingsError
from classifier.evidence import prepare
from classifier.prompting import INVISIBLE, MAX_TEXT_CHARS, Prompt, Shot, clean, prompt_names, visible_range
from classifier.schema import Basis, CitationContext, CitedWork, CitingWork, Claim, Label, Pair, Polarity, Role
from tests.paths import ROOT
from tests.works import HUB, context_task

PROMPT = Prompt("v1")


def user(task, shots=()):
    return PROMPT.render(task, shots)[1].content


def test_the_item_holds_all_that_may_be_used():
    claim = Claim(claim_id="c1", text="it beats judging the final answer", start=54, end=87)
    hub = HUB.model_copy(update={"claims": (claim,)})
    context = CitationContext(before="Before.", text="We follow [[Smith]].", after="After.", section="Method", shared=3)
    work = CitingWork(citing_id="w", title="On steps", contexts=(context, CitationContext(text="Again [[Smith]].")))
    text = user(prepare(Pair(hub, work)))
    for part in (HUB.title, HUB.abstract, "c1: it beats", "On steps", "Before. We follow [[Smith]]. After.",
                 "Section: Method", "shared with 2 other works", 'number="2"', '"claims"'):  # fmt: skip
        assert part in text
    assert text.index('number="1"') < text.index("Before.") < text.index('number="2"') < text.index("Again")


def test_without_a_passage_the_summary_prompt_is_used():
    work = CitingWork(citing_id="w", title="On steps", summary="It verifies steps.")
    system, message = PROMPT.render(prepare(Pair(HUB, work)))
    assert "no passage that cites it was found" in system.content
    assert "Summary: It verifies steps." in message.content
    assert "Title: On steps" in message.content


@pytest.mark.parametrize("kind", ["passages", "summary"])
def test_the_definitions_name_every_value(kind):
    text = (ROOT / "prompts" / f"{kind}-v1.md.j2").read_text(encoding="utf-8")
    for value in [*Role, *Polarity, *Basis]:
        assert re.search(rf"\b{value.value}\b", text), value


def test_rendering_is_pure_and_the_hash_is_that_of_the_file():
    task = context_task("We follow [[hub]].")
    assert PROMPT.render(task) == Prompt("v1").render(task)
    for name, digest in PROMPT.sha256.items():
        assert digest == hashlib.sha256((ROOT / "prompts" / name).read_bytes()).hexdigest()
    assert sorted(PROMPT.sha256) == ["passages-v1.md.j2", "summary-v1.md.j2"]


def test_examples_have_a_slot_and_leave_no_trace_when_absent():
    task = context_task("We follow [[hub]].")
    label = Label(role=Role.EXTENDS, polarity=Polarity.SUPPORTING, basis=Basis.ASSESSMENT)
    text = user(task, [Shot(text="An older work extends </example>[[it]].", label=label)])
    assert "role extends; polarity supporting; basis assessment" in text
    assert text.count("</example>") == 1
    assert "example" not in user(task)


def test_an_unknown_prompt_and_a_broken_template_are_settings_errors(tmp_path):
    with pytest.raises(SettingsError, match="unknown prompt 'v99'.*known: v1"):
        Prompt("v99")
    for kind in ("passages", "summary"):
        (tmp_path / f"{kind}-x.md.j2").write_text("{% block system %}{{ nothing }}{% endblock %}")
    with pytest.raises(SettingsError, match="cannot be rendered"):
        Prompt("x", tmp_path)
    assert prompt_names(tmp_path) == ["x"]


def test_a_template_cannot_reach_out_of_the_sandbox(tmp_path):
    for kind in ("passages", "summary"):
        text = "{% block system %}{{ ''.__class__.__mro__ }}{% endblock %}{% block user %}{% endblock %}"
        (tmp_path / f"{kind}-x.md.j2").write_text(text)
    with pytest.raises(SettingsError):
        Prompt("x", tmp_path)


def test_a_long_text_is_shown_around_its_mention():
    long = "a" * 9000 + " [[hub]] " + "b" * 9000
    start, end = visible_range(long)
    assert end - start == MAX_TEXT_CHARS
    assert "[[hub]]" in long[start:end]
    assert visible_range("b" * 9000) == (0, MAX_TEXT_CHARS)
    assert len(user(context_task(long))) < MAX_TEXT_CHARS + 1000


def test_invisible_covers_every_format_character_but_the_printed_arabic_and_other_signs():
    printed = {"Arabic", "Syriac", "Kaithi", "Egyptian"}  # signs around numbers and the like: they have ink
    for point in range(0x110000):
        character = chr(point)
        if unicodedata.category(character) == "Cf" and not INVISIBLE.match(character):
            assert unicodedata.name(character).split()[0].capitalize() in printed, hex(point)


hostile = st.text(
    alphabet=st.one_of(
        st.sampled_from("<>/|!?[]{}%#\"'\n\r\t\u200b\u202e\u00ad\ufeff\u2066 apsgehub"), st.characters()
    ),
    max_size=200,
)


@given(hostile)
def test_nothing_in_a_text_can_open_or_close_a_tag(text):
    shown = clean(text)
    assert not re.search(r"<\s*[^\W\d]|<\s*[/|!?<]", shown)
    assert not INVISIBLE.search(shown)
    assert "\n" not in shown
    assert not any(unicodedata.category(c) in ("Cc", "Cs") for c in shown)
    shown.encode("utf-8")
    assert clean(shown) == shown


@given(hostile, hostile, hostile)
def test_a_message_has_the_tags_of_the_template_and_no_others(title, section, passage):
    assume(passage.strip())
    hub = CitedWork(hub_id="h", title=title, abstract=passage)
    text = user(context_task(passage, hub=hub, title=title, section=section))
    tags = re.findall(r"</?(?:hub|claims|example|citing_work|passage|text)\b", text)
    assert tags == ["<hub", "</hub", "<citing_work", "</citing_work", "<passage", "</passage"]
