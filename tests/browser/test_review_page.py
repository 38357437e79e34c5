"""The review page in a real Chromium, against the real program: a process that is killed, restarted, and shared."""

import os
import re
import signal
from contextlib import contextmanager
from pathlib import Path

import pytest

from classifier.evidence import source_text
from classifier.outputs import read_run
from classifier.review.decisions import Action, DecisionLog
from classifier.schema import Basis, Polarity, Role
from tests.browser.chromium import chromium as start_chromium
from tests.browser.review_program import Program, reviewing
from tests.paths import ROOT
from tests.reviewing import snapshot, write_run

pytestmark = pytest.mark.browser
AXE = Path(os.environ.get("CLASSIFIER_AXE", ROOT / "node_modules" / "axe-core" / "axe.min.js"))


@pytest.fixture
def run(tmp_path):
    return write_run(tmp_path / "run")


@pytest.fixture(scope="module")
def chromium():
    with start_chromium() as started:
        yield started


@contextmanager
def page_of(chromium, url, **options):
    """A page that fails the test for any request that leaves the program, and any error in the page."""
    context = chromium.new_context(viewport={"width": 1440, "height": 900}, **options)
    page = context.new_page()
    strange, errors = [], []
    origin = re.match(r"http://127\.0\.0\.1:\d+/", url)[0]
    page.on("request", lambda request: request.url.startswith((origin, "data:,")) or strange.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: message.type == "error" and errors.append(message.text))
    page.goto(url)
    yield page
    context.close()
    assert strange == []
    assert [e for e in errors if "422" not in e] == []


def press(page, keys):
    for key in keys.split():
        if key in ("Enter", "s", "u"):
            with page.expect_navigation():
                page.keyboard.press(key)
        else:
            page.keyboard.press(key)


def labels(run, annotator="ada"):
    return {key[1]: d.label for key, d in DecisionLog(run).of(annotator).items() if d.action is Action.LABEL}


def test_ten_works_by_keyboard_with_a_kill_in_the_middle(run, chromium):
    before = snapshot(run)
    program = Program(run, "--annotator", "ada", "--queue", "random", "--seed", "3")
    with page_of(chromium, program.url) as page:
        for _ in range(5):
            press(page, "e 6 1 1 Enter")  # sentence of the mention, compares, supporting, evidence
        assert page.locator(".how-far strong").inner_text() == "5"
    program.stop(signal.SIGKILL)
    assert len(labels(run)) == 5

    with reviewing(run, "--annotator", "ada", "--queue", "random", "--seed", "3") as again:
        with page_of(chromium, again.url) as page:
            assert page.url.endswith("/work/6")
            for _ in range(5):
                press(page, "e 1 4 Enter")  # background, neutral
            assert "10 of 13 labelled" in page.locator(".how-far").inner_text()
            assert "left at your pace" in page.locator(".how-far").inner_text()
        code, output, _ = again.stop()
    assert code == 0
    assert output.strip().endswith("predictions.reviewed.csv")
    assert snapshot(run) == before
    given = labels(run)
    assert len(given) == 10
    assert {(one.role, one.polarity, one.basis) for one in given.values()} == {
        (Role.COMPARES, Polarity.SUPPORTING, Basis.EVIDENCE), (Role.BACKGROUND, Polarity.NEUTRAL, Basis.NONE),
    }  # fmt: skip
    works = {result.citing.citing_id: result.citing for result in read_run(run)}
    for citing_id, label in given.items():
        e = label.evidence
        assert source_text(works[citing_id], e.source, e.context_index)[e.start : e.end] == e.text
    rows = (run / "predictions.reviewed.csv").read_text(encoding="utf-8-sig").splitlines()
    assert sum(",reviewed,ada," in row for row in rows) == 10


def test_words_are_chosen_with_the_mouse_and_counted_in_characters(run, chromium):
    with reviewing(run, "--annotator", "ada") as program, page_of(chromium, program.url) as page:
        _open_work(page, "Work number 1")
        box = _box_of(page, "It is quick")
        page.mouse.move(box["left"] + 1, box["middle"])
        page.mouse.down()
        page.mouse.move(box["right"] - 1, box["middle"], steps=6)
        page.mouse.up()
        page.locator("#evidence-shown", has_text="It is quick").wait_for()
        page.locator("label.choice", has_text="uses_method").first.click()
        page.locator("label.choice", has_text="supporting").click()
        page.locator("label.choice", has_text="assessment").click()
        page.fill("#note", "quick is a word of worth, R20")
        with page.expect_navigation():
            page.keyboard.press("Control+Enter")
    label = labels(run)["2305.0150"]
    # An emoji stands before the words: the browser counts it as two, the log as one.
    assert (label.evidence.text, label.evidence.start) == ("It is quick", 74)
    assert (label.role, label.polarity, label.basis) == (Role.USES_METHOD, Polarity.SUPPORTING, Basis.ASSESSMENT)
    assert label.note == "quick is a word of worth, R20"


def test_take_over_skip_undo_and_the_way_back(run, chromium):
    with reviewing(run, "--annotator", "ada") as program, page_of(chromium, program.url) as page:
        _open_work(page, "Work number 4")
        place = page.url
        press(page, "a Enter")
        assert labels(run)["2305.0450"].polarity is Polarity.CONTRASTING
        press(page, "u")
        assert page.url == place
        assert "withdrawn" in page.locator(".notice").inner_text()
        assert labels(run) == {}
        press(page, "s")
        assert "1 skipped" in page.locator(".how-far").inner_text()
        page.goto(place)
        assert "skipped before" in page.locator("article .kicker").inner_text()
    actions = [d.action for d in DecisionLog(run)._by_seq.values()]
    assert actions == [Action.LABEL, Action.UNDO, Action.SKIP]


def test_a_form_that_is_no_label_says_why_and_keeps_what_was_typed(run, chromium):
    with reviewing(run, "--annotator", "ada") as program, page_of(chromium, program.url) as page:
        _open_work(page, "Work number 3")
        page.fill("#note", "half done")
        page.keyboard.press("Escape")
        press(page, "6 2 Enter")
        alert = page.locator("[role=alert]").inner_text()
        assert "Choose a basis" in alert
        assert "Select the words" in alert
        assert page.input_value("#note") == "half done"
        assert page.locator("input[name=role]:checked").get_attribute("value") == "compares"
    assert labels(run) == {}


def test_blind_hides_the_machine_from_the_source_and_says_so_in_the_log(run, chromium):
    with reviewing(run, "--annotator", "ada", "--blind") as program, page_of(chromium, program.url) as page:
        for number in range(1, 14):
            page.goto(f"{program.url}work/{number}")
            source = page.content()
            assert "machine" not in source.replace("hidden machine", "")
            assert "rationale of" not in source
            assert "confidence" not in re.sub(r'<details class="rules".*?</details>', "", source, flags=re.S).lower()
            assert "server said no" not in source
            assert not page.locator("mark.machine, .take").count()
        page.goto(f"{program.url}work/1")
        _open_work(page, "Work number 0")
        press(page, "e 1 4 Enter")
    (decision,) = DecisionLog(run).of("ada").values()
    assert decision.shown.blind
    assert decision.shown.machine.rationale == "rationale of the machine 0"


def test_two_annotators_at_once_and_an_adjudicator_who_sees_no_names(run, chromium):
    with (
        reviewing(run, "--annotator", "adaXX", "--queue", "random") as one,
        reviewing(run, "--annotator", "bobXX", "--queue", "random") as two,
        page_of(chromium, one.url) as first,
        page_of(chromium, two.url) as second,
    ):
        for _ in range(6):
            press(first, "e 1 4 Enter")
            assert "adaXX" not in second.content()
            press(second, "e 1 4 Enter")
        press(first, "e 6 1 1 Enter")
        press(second, "e 6 2 1 Enter")
        assert first.url.rsplit("/", 1)[1] == second.url.rsplit("/", 1)[1] == "8"
        first.locator("summary", has_text="Agreement so far").click()
        text = first.locator(".agreement table").inner_text()
        assert re.search(r"the other annotator\s+role\s+5\s+100 % \(", text)  # in steps of five
        assert "bobXX" not in first.content()
    assert len(labels(run, "adaXX")) == len(labels(run, "bobXX")) == 7

    with reviewing(run, "--annotator", "cleo", "--adjudicate") as program, page_of(chromium, program.url) as page:
        source = page.content()
        assert "adaXX" not in source
        assert "bobXX" not in source
        assert "machine" not in source
        assert page.locator(".proposal").count() == 2
        assert "of 1 labelled" in page.locator(".how-far").inner_text()
        press(page, "a Enter")
        assert "Say why" in page.locator("[role=alert]").inner_text()
        page.fill("#note", "R22")
        with page.expect_navigation():
            page.keyboard.press("Control+Enter")
        assert page.url.endswith("/done")
        _, _, errors = program.stop()
        assert "Traceback" not in errors
    log = DecisionLog(run)
    (decision,) = log.adjudications().values()
    assert decision.annotator == "cleo"
    assert len(decision.shown.answers) == 2
    assert ",adjudicated," in (run / "predictions.reviewed.csv").read_text(encoding="utf-8-sig")


def test_hostile_text_changes_nothing(run, chromium):
    with reviewing(run, "--annotator", "ada") as program, page_of(chromium, program.url) as page:
        _open_work(page, "owned")
        assert page.evaluate("window.owned") is None
        assert "review" in page.title()
        assert page.locator(".citing img, .citing script, .citing style").count() == 0
        assert page.locator("a[href^='javascript']").count() == 0
        text = page.locator(".citing .text").first.inner_text()
        assert "{{ 7*7 }}" in text
        assert "\u202e" not in page.content()
        press(page, "e 1 4 Enter")
    assert "\u202e" in labels(run)["hostile"].evidence.text


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_control_has_a_name_and_text_stands_out(run, chromium, scheme):
    with (
        reviewing(run, "--annotator", "ada") as program,
        page_of(chromium, program.url, color_scheme=scheme) as page,
    ):
        _open_work(page, "Work number 2")
        press(page, "a")
        nameless = page.evaluate(
            "[...document.querySelectorAll('input:not([type=hidden]),textarea,button,progress')]"
            ".filter(e => !(e.labels?.length || e.ariaLabel || e.textContent.trim())).map(e => e.outerHTML)"
        )
        assert nameless == []
        assert _low_contrast(page) == []
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip-link"
        page.keyboard.press("?")
        assert page.locator("#rules").get_attribute("open") is not None


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (390, "light"), (320, "dark")])
def test_axe_finds_no_serious_violation_and_nothing_is_cut_off(run, chromium, width, scheme):
    if not AXE.is_file():
        pytest.skip("no axe-core here: npm install --no-save axe-core, or set CLASSIFIER_AXE")
    with reviewing(run, "--annotator", "ada") as program:
        # axe is put in through the debugger, past the page's policy, which would rightly refuse it.
        context = chromium.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, bypass_csp=True, reduced_motion="reduce"
        )
        page = context.new_page()
        page.goto(program.url)
        _open_work(page, "Work number 2")
        for keys in ("a", "x Enter"):  # filled in; then sent without evidence, with the reasons shown
            press(page, keys)
            page.locator("details").evaluate_all("all => all.forEach(one => one.open = !one.matches('.agreement'))")
            page.evaluate(AXE.read_text("utf-8"))
            found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
            serious = [
                (v["id"], [n["html"][:120] for n in v["nodes"][:3]])
                for v in found
                if v["impact"] in ("serious", "critical")
            ]
            assert serious == []
            assert page.evaluate("document.documentElement.scrollWidth") <= width
        context.close()


def _open_work(page, title):
    """Walk through the queue with the arrow key to the work with this title."""
    while title not in page.locator("#citing-title").inner_text():
        with page.expect_navigation():
            page.keyboard.press("ArrowRight")


def _box_of(page, words):
    return page.evaluate(
        """(words) => {
            const walker = document.createTreeWalker(document.querySelector(".text"), NodeFilter.SHOW_TEXT);
            for (let node = walker.nextNode(); node; node = walker.nextNode()) {
                const at = node.data.indexOf(words);
                if (at < 0) continue;
                const range = document.createRange();
                range.setStart(node, at);
                range.setEnd(node, at + words.length);
                const box = range.getBoundingClientRect();
                return { left: box.left, right: box.right, middle: (box.top + box.bottom) / 2 };
            }
            return null;
        }""",
        words,
    )


def _low_contrast(page):
    """Visible texts under 4.5:1 (WCAG 2.2, 1.4.3), disabled controls left out as the standard does."""
    return page.evaluate(
        """() => {
            const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
            const rgb = (colour) => {
                canvas.clearRect(0, 0, 1, 1);
                canvas.fillStyle = colour;
                canvas.fillRect(0, 0, 1, 1);
                return [...canvas.getImageData(0, 0, 1, 1).data];
            };
            const light = (c) => {
                const linear = (v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
                const [r, g, b] = c.map((v) => linear(v / 255));
                return 0.2126 * r + 0.7152 * g + 0.0722 * b;
            };
            const ground = (element) => {
                for (let e = element; e; e = e.parentElement) {
                    const colour = rgb(getComputedStyle(e).backgroundColor);
                    if (colour[3] === 255) return colour.slice(0, 3);
                }
                return rgb("canvas").slice(0, 3);
            };
            const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
            const low = [];
            for (let node = walker.nextNode(); node; node = walker.nextNode()) {
                const e = node.parentElement;
                if (!node.data.trim() || !e.checkVisibility() || e.closest(".unneeded")) continue;
                const ink = light(rgb(getComputedStyle(e).color).slice(0, 3));
                const [a, b] = [ink, light(ground(e))].sort((x, y) => y - x);
                const ratio = (a + 0.05) / (b + 0.05);
                if (ratio < 4.5) low.push(`${node.data.trim().slice(0, 40)} ${ratio.toFixed(2)}`);
            }
            return low;
        }"""
    )
