"""The report page in a real browser: what a reader can do, and what a hostile hub cannot."""

import json
import os
from pathlib import Path

import pytest

from classifier.export.writing import Format, write_export
from classifier.outputs import read_run
from classifier.report import write_report
from classifier.schema import Status
from tests.browser.chromium import Watched, chromium, until
from tests.paths import ROOT
from tests.sample_hub import make_hub, make_run
from tests.test_report import make_hostile_run

pytestmark = pytest.mark.browser
AXE = Path(os.environ.get("CLASSIFIER_AXE", ROOT / "node_modules" / "axe-core" / "axe.min.js"))


@pytest.fixture(scope="module")
def browser():
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("sample"), make_hub(90))


@pytest.fixture(scope="module")
def file(run):
    return write_report(run)


@pytest.fixture
def watched(browser):
    made = Watched(browser)
    yield made
    made.context.close()
    assert not made.problems
    assert not made.foreign_requests()


def count(page):
    return page.inner_text("#count")


def titles(page):
    return page.locator("#works tbody .open").all_inner_texts()


def choose(page, name, value):
    page.select_option(f"#filters [name={name}]", value)


def test_every_section_stands_and_has_content(watched, file):
    page = watched.open(file)
    headings = page.locator("main h2").all_inner_texts()
    assert headings == [
        "What the numbers mean, and what they do not", "Citation-role summary", "Citation-polarity summary",
        "Claims ledger", "Co-cited works", "Representative citing works", "Citing works", "Downloads",
    ]  # fmt: skip
    for section, inside in (
        ("roles", "svg .bar"), ("polarity", "svg .bar"), ("claims", "li .evidence"), ("cocited", "tbody tr"),
        ("representative", "li .title"), ("explorer", "#works tbody tr"), ("downloads", "button"),
    ):  # fmt: skip
        assert page.locator(f"#{section} {inside}").count() > 0, section


@pytest.mark.parametrize("field", ["role", "polarity", "basis", "evidence_source", "year", "status"])
def test_each_filter_shows_what_the_run_says(watched, file, run, field):
    results = list(read_run(run))

    def value(result):
        label = result.prediction.label
        if field in ("role", "polarity", "basis"):
            return getattr(label, field).value if label else None
        if field == "year":
            return str(result.citing.year) if result.citing.year else "unknown"
        return str(getattr(result.prediction, field))

    page = watched.open(file)
    name = "source" if field == "evidence_source" else field
    values = sorted({value(result) for result in results} - {None})
    assert len(values) > 1
    for wanted in values:
        choose(page, name, wanted)
        further = [
            r for r in results if field == "role" and r.prediction.label and wanted in r.prediction.label.other_roles
        ]
        expected = len([r for r in results if value(r) == wanted]) + len(further)
        until(page, f"document.getElementById('count').textContent.startsWith('{expected} of 90')")
        assert f"{name}={wanted}" in page.url


def test_filters_live_in_the_fragment_and_come_back_from_it(watched, file):
    page = watched.open(file)
    page.fill("#filters [name=q]", "legal reading")
    choose(page, "polarity", "supporting")
    until(page, "location.hash.includes('q=legal+reading')")
    narrowed, address = titles(page), page.url
    assert 0 < len(narrowed) < 10
    assert all("legal reading" in title for title in narrowed)
    again = watched.open(file, "#" + address.partition("#")[2])
    assert titles(again) == narrowed
    assert again.input_value("#filters [name=q]") == "legal reading"
    assert again.input_value("#filters [name=polarity]") == "supporting"
    again.click("#filters [type=reset]")
    until(again, "document.getElementById('count').textContent === '90 of 90 works'")
    assert "#" not in again.url


def test_a_count_in_a_summary_leads_to_its_works(watched, file):
    page = watched.open(file)
    row = page.locator("#polarity tbody tr", has_text="contrasting").first
    number = row.locator("td").first.inner_text()
    row.locator("a").click()
    until(page, "location.hash === '#polarity=contrasting'")
    # The summary counts labelled works; the explorer shows abstained ones too until the status is chosen.
    choose(page, "status", "labelled")
    until(page, f"document.getElementById('count').textContent.startsWith('{number} of')")
    assert page.locator("#explorer h2").is_visible()


def test_sorting_by_mouse_and_its_place_in_the_fragment(watched, file):
    page = watched.open(file)
    page.click("#works thead th:has-text('Year')")
    until(page, "location.hash === '#sort=year.asc'")
    page.click("#works thead th:has-text('Year')")
    until(page, "location.hash === '#sort=year.desc'")
    years = [int(text or 0) for text in page.locator("#works tbody tr td:nth-child(6)").all_inner_texts()]
    assert years == sorted(years, reverse=True)
    assert titles(watched.open(file, "#sort=year.desc"))[:5] == titles(page)[:5]


def test_the_keyboard_is_enough(watched, file):
    page = watched.open(file)
    page.focus("#filters [name=q]")
    page.keyboard.type("w00004")
    until(page, "document.getElementById('count').textContent.startsWith('1 of')")
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.classList.contains('open')"):
            break
    assert page.evaluate("document.activeElement.classList.contains('open')")
    page.keyboard.press("Enter")
    page.wait_for_selector("td.details mark")
    assert page.get_attribute("#works .open", "aria-expanded") == "true"
    page.keyboard.press("Enter")
    page.wait_for_selector("td.details", state="detached")
    page.focus("#works thead th:has-text('Role') [role=button], #works thead th:has-text('Role')[tabindex]")
    page.keyboard.press("Enter")
    until(page, "location.hash.includes('sort=role')")


def test_an_entry_opens_on_its_passages_with_the_evidence_marked(watched, file, run):
    result = next(
        r for r in read_run(run) if r.prediction.label and r.prediction.label.evidence and len(r.citing.contexts) == 2
    )
    page = watched.open(file, f"#work={result.citing.citing_id}")
    page.wait_for_selector("td.details mark")
    assert "".join(page.locator("td.details mark").all_inner_texts()) == result.prediction.label.evidence.text
    assert page.locator("td.details .passage").nth(1).inner_text() == result.citing.contexts[1].passage
    shown = page.inner_text("td.details")
    for words in (result.prediction.label.rationale, "sentences-1", f"{result.prediction.label.confidence:.3f}"):
        assert words in shown
    assert page.locator("#works tbody a").first.get_attribute("href").startswith("https://")


def test_an_emoji_before_the_evidence_does_not_shift_it(watched, tmp_path):
    hub = make_hub(5)
    work = hub.citing[1]
    moved = work.contexts[0].model_copy(update={"before": "𝒳 🙂🙂 first."})
    hub = hub.model_copy(update={"citing": (work.model_copy(update={"contexts": (moved,)}),)})
    page = watched.open(write_report(make_run(tmp_path, hub)), "#work=w00001")
    page.wait_for_selector("td.details mark")
    assert "".join(page.locator("td.details mark").all_inner_texts()) == moved.text


def test_downloads_are_the_bytes_of_run_and_export(watched, file, run):
    page = watched.open(file)
    expected = {"CSV": run / "predictions.csv"}
    for name, form in (("BibTeX", Format.BIBTEX), ("CiTO JSON-LD", Format.CITO), ("CiTO Turtle", Format.CITO_TURTLE)):
        expected[name] = write_export(run, form)[0]
    for name, original in expected.items():
        with page.expect_download() as started:
            page.click(f"#downloads button:text-is('{name}')")
        assert Path(started.value.path()).read_bytes() == original.read_bytes(), name
    with page.expect_download() as started:
        page.click("#downloads button:text-is('JSON')")
    whole = json.loads(Path(started.value.path()).read_text("utf-8"))
    lines = [json.loads(line) for line in (run / "predictions.jsonl").read_text("utf-8").splitlines()]
    assert whole["works"] == lines
    assert whole["run"] == json.loads((run / "run.json").read_text())


def test_a_claim_leads_to_its_works(watched, file):
    page = watched.open(file)
    page.locator("#claims a[href^='#claim=']").first.click()
    until(page, "location.hash.startsWith('#claim=')")
    found = int(count(page).split()[0])
    tags = page.locator("#claims > .claims > li .key").first.inner_text()
    assert 0 < found < 90
    assert any(ch.isdigit() for ch in tags)


def test_needs_review_and_the_hub_pages_own_choice(watched, file, run):
    results = list(read_run(run))
    page = watched.open(file, "#review=1")
    assert count(page) == f"{sum(r.prediction.needs_review for r in results)} of 90 works"
    page = watched.open(file, "#representative=2")
    assert count(page) == f"{sum(r.citing.representative for r in results)} of 90 works"


def test_abstained_and_failed_works_say_why(watched, file, run):
    for status in (Status.ABSTAINED, Status.FAILED):
        result = next(r for r in read_run(run) if r.prediction.status is status)
        page = watched.open(file, f"#work={result.citing.citing_id}")
        page.wait_for_selector("td.details")
        assert result.prediction.failure in page.inner_text("td.details")
        if result.prediction.review_reason:
            assert result.prediction.review_reason in page.inner_text("td.details")


@pytest.mark.parametrize(
    "fragment", ["#work=nobody", "#role=%22%3E%3Cscript%3E", "#sort=zz.desc", "#year=abc&q=%", "#claims"]
)
def test_a_strange_fragment_harms_nothing(watched, file, fragment):
    page = watched.open(file, fragment)
    assert "of 90 works" in count(page)


def test_a_hostile_hub_changes_nothing(watched, tmp_path):
    page = watched.open(write_report(make_hostile_run(tmp_path)))
    for button in page.locator("#works .open").all():
        button.click()
    page.wait_for_selector("td.details >> nth=1")
    page.fill("#filters [name=q]", "<script>")
    page.wait_for_timeout(300)
    assert page.locator("img, iframe, object, [onerror]").count() == 0
    assert page.locator("script").count() == 4
    assert all(
        href.startswith(("#", "https://"))
        for href in page.eval_on_selector_all("a", "all => all.map(a => a.getAttribute('href'))")
    )
    assert "\u202e" not in page.inner_text("body")
    assert page.title().startswith("</script>")


def test_the_policy_is_in_force(browser, file):
    made = Watched(browser)
    page = made.open(file)
    page.evaluate(
        "document.body.insertAdjacentHTML('beforeend', '<img src=https://example.org/x onerror=window.ran=1>')"
    )
    page.evaluate(
        "const s = document.createElement('script'); s.textContent = 'window.ran = 1'; document.body.append(s)"
    )
    page.wait_for_timeout(200)
    assert page.evaluate("window.ran") is None
    assert sum("Content Security Policy" in problem for problem in made.problems) >= 2
    made.context.close()


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (390, "light"), (320, "dark")])
def test_axe_finds_no_serious_violation_and_nothing_is_cut_off(browser, file, width, scheme):
    if not AXE.is_file():
        pytest.skip("no axe-core here: npm install --no-save axe-core, or set CLASSIFIER_AXE")
    # axe is put in through the debugger, past the page's policy, which would rightly refuse it.
    made = Watched(browser, viewport={"width": width, "height": 900}, color_scheme=scheme, bypass_csp=True)
    page = made.open(file, "#work=w00004")
    page.wait_for_selector("td.details")
    page.evaluate(AXE.read_text("utf-8"))
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    serious = [
        (v["id"], [n["html"][:120] for n in v["nodes"][:3]]) for v in found if v["impact"] in ("serious", "critical")
    ]
    assert serious == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert not made.problems
    made.context.close()


def test_print_shows_the_numbers_without_the_controls_dark_on_white(watched, file):
    page = watched.open(file)
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(31, 35, 40)"
    assert not page.is_visible("#filters")
    assert not page.is_visible("nav")
    assert page.is_visible("#roles table")
    assert page.is_visible("#works")


def test_paper_holds_every_work_that_fits_the_filters(watched, file):
    page = watched.open(file)
    rows = page.locator("#works > tbody > tr")
    on_screen = rows.count()
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    said = page.inner_text("#printed")
    assert f"{rows.count()} works are printed, of {rows.count()} that fit the filters" in said
    assert rows.count() > on_screen
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert (rows.count(), page.inner_text("#printed")) == (on_screen, "")


def test_without_scripts_everything_but_explorer_and_downloads_is_there(browser, file):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(file.as_uri())
    assert page.is_visible("noscript p.note")
    assert page.locator("#claims .evidence").count() > 0
    context.close()
