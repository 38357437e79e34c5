import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifier.errors import InputError
from classifier.inputs import open_input
from classifier.inputs.hub_page import _SECTIONS, read_hub_page
from classifier.tex import untex
from tests.paths import EXAMPLE, SHARED

PAGE = """hub
A Study of Things
{count} Pith papers cite this work. Polarity classification is still indexing.
abstract
We study things.
representative citing papers
{representative}
citing papers explorer
{entries}
"""


def entries(works):
    return "\n".join(f"-\n{title}\n{summary}" for title, summary in works)


def test_the_example_has_50_works_of_93_announced_and_23_representative():
    page = read_hub_page(EXAMPLE.read_text(encoding="utf-8"))
    hub = page.hub
    assert hub.cited.title == "Let's Verify Step by Step"
    assert hub.cited.hub_id == "lets-verify-step-by-step"
    assert hub.announced == 93
    assert len(hub.citing) == 50
    assert len({w.citing_id for w in hub.citing}) == 50
    assert sum(w.representative for w in hub.citing) == 23
    assert all(w.title and w.summary for w in hub.citing)
    assert hub.cited.abstract.startswith("In recent years, large language models")
    assert hub.cited.abstract.endswith("used to train our best reward model.")
    assert page.warnings == ("hub page: announces 93 citing papers and lists 50",)


def test_tex_in_the_example_title_becomes_a_letter():
    titles = [w.title for w in read_hub_page(EXAMPLE.read_text(encoding="utf-8")).hub.citing]
    assert "Hölder Policy Optimisation" in titles


def test_crlf_and_a_byte_order_mark_change_nothing(tmp_path):
    text = EXAMPLE.read_text(encoding="utf-8")
    path = tmp_path / "page.txt"
    path.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert open_input(path).hub == read_hub_page(text).hub


def test_a_stray_line_before_the_page_is_ignored():
    page = PAGE.format(count=1, representative="", entries=entries([("T", "S.")]))
    assert read_hub_page("Some stray sentence.\n" + page).hub == read_hub_page(page).hub


def test_a_repeated_entry_counts_once_and_is_said():
    page = read_hub_page(PAGE.format(count=1, representative="", entries=entries([("T", "S."), ("T", "S.")])))
    assert len(page.hub.citing) == 1
    assert any("repeats the entry of line 10" in warning for warning in page.warnings)


def test_stray_lines_after_an_entry_are_said():
    page = PAGE.format(count=3, representative="", entries=entries([("T", "S."), ("U", "S."), ("V", "S.")]))
    assert not any("stray" in warning for warning in read_hub_page(page).warnings)
    (said,) = [warning for warning in read_hub_page(page + "About us\n").warnings if "stray" in warning]
    assert "page:16: entry of 3 lines" in said


def test_two_works_of_one_title_stay_two():
    page = read_hub_page(PAGE.format(count=2, representative="", entries=entries([("T", "One."), ("T", "Two.")])))
    assert [w.citing_id for w in page.hub.citing] == ["t", "t-2"]


def test_an_entry_without_a_summary_is_kept_and_said():
    page = read_hub_page(PAGE.format(count=1, representative="", entries="-\nOnly a title"))
    assert page.hub.citing[0].summary == ""
    assert any("without a summary" in warning for warning in page.warnings)


def test_a_representative_line_without_an_entry_is_said():
    page = read_hub_page(PAGE.format(count=1, representative="Unknown work.", entries=entries([("T", "S.")])))
    assert not any(w.representative for w in page.hub.citing)
    assert any("Unknown work." in warning for warning in page.warnings)


def test_a_missing_abstract_is_said():
    page = PAGE.format(count=1, representative="", entries=entries([("T", "S.")])).replace(
        "abstract\nWe study things.\n", ""
    )
    assert any("no abstract" in warning for warning in read_hub_page(page).warnings)


def test_an_empty_explorer_has_nothing_to_label(tmp_path):
    path = tmp_path / "page.txt"
    path.write_text(PAGE.format(count=7, representative="", entries=""), encoding="utf-8")
    source = open_input(path)
    assert source.announced == 7
    with pytest.raises(InputError, match="lists no citing works; there is nothing to label"):
        source.check()


def test_a_missing_title_line_falls_back_to_the_line_before_the_count():
    page = "Another Hub\n1,204 papers cite this work.\nciting papers explorer\n-\nT\nS."
    hub = read_hub_page(page).hub
    assert (hub.cited.title, hub.announced, len(hub.citing)) == ("Another Hub", 1204, 1)


def test_two_pages_in_one_file_are_refused_with_the_line():
    page = PAGE.format(count=1, representative="", entries=entries([("T", "S.")]))
    with pytest.raises(InputError, match=r"two\.txt:14: a second hub page begins here") as caught:
        read_hub_page(page + page.replace("A Study", "Another Study"), "two.txt")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "hello", "hub\n", "hub\nOnly a title\n"])
def test_what_is_no_hub_page_gives_one_line(text):
    with pytest.raises(InputError) as caught:
        read_hub_page(text, "page.txt")
    assert "\n" not in str(caught.value)
    assert "page.txt" in str(caught.value)


WORDS = st.text(alphabet=string.ascii_letters + "áßøł,.:()'0123456789 ", min_size=3, max_size=60).map(
    lambda s: " ".join(s.split())
)
# A line that is a section name, letter for letter, cannot be told from one in a page saved as text.
LINE = WORDS.filter(lambda s: any(c.isalpha() for c in s) and s.casefold().rstrip(":") not in _SECTIONS)


@given(
    works=st.lists(
        st.tuples(LINE, LINE), min_size=1, max_size=8, unique_by=lambda w: (w[0].casefold(), w[1].casefold())
    ),
    announced=st.integers(0, 10**6),
    data=st.data(),
)
def test_a_generated_page_is_read_back(works, announced, data):
    flags = data.draw(st.lists(st.booleans(), min_size=len(works), max_size=len(works)))
    shown = "\n".join(summary for (_, summary), flag in zip(works, flags, strict=True) if flag)
    newline = data.draw(st.sampled_from(["\n", "\r\n"]))
    text = PAGE.format(count=announced, representative=shown, entries=entries(works)).replace("\n", newline)
    page = read_hub_page(text)
    kept = [(w.title, w.summary) for w in page.hub.citing]
    assert page.hub.announced == announced
    assert kept == [work for work in works if work in kept], "nothing invented, nothing reordered"
    dropped = len(works) - len(kept)
    assert dropped == sum("repeats the entry" in warning for warning in page.warnings)
    assert len({w.citing_id for w in page.hub.citing}) == len(kept)


@given(st.text(max_size=400))
def test_any_text_is_a_page_or_one_clear_line(text):
    problem = ""
    try:
        read_hub_page(text)
    except InputError as error:
        problem = str(error)
    assert len(problem.splitlines()) <= 1


@pytest.mark.parametrize(
    ("tex", "plain"),
    [
        (r"H\"older", "Hölder"),
        (r"H\"{o}lder", "Hölder"),
        (r"H{\"o}lder", "Hölder"),
        (r"Erd\H{o}s", "Erdős"),
        (r"na\"{\i}ve", "naïve"),
        (r"Ho\v{c}evar", "Hočevar"),
        (r"{\L}ukasiewicz", "Łukasiewicz"),
        (r"Stra{\ss}e", "Straße"),
        (r"Poincar\'e", "Poincaré"),
        (r"78\% of \$5 \& more", "78% of $5 & more"),
        (r"78% of $x$ and $\alpha$", r"78% of $x$ and $\alpha$"),
        (r"C:\users\chris", r"C:\users\chris"),
        (r"the \tau-leap and \rho", r"the \tau-leap and \rho"),
    ],
)
def test_tex_accents(tex, plain):
    assert untex(tex) == plain


def test_the_example_is_the_page_that_was_given():
    given_page = SHARED / "hub" / EXAMPLE.name
    if not given_page.is_file():
        pytest.skip("../shared is absent")
    assert EXAMPLE.read_bytes() == given_page.read_bytes()
