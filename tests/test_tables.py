import csv
import json

import pandas as pd
import pytest

from classifier.errors import InputError
from classifier.inputs import collect_hub, open_input, read_hub_json, seen
from classifier.schema import CitationContext
from tests.paths import EXAMPLE

HEADER = ["hub_title", "hub_abstract", "citing_id", "title", "year", "doi", "context", "section"]


def write_csv(path, rows, header=HEADER, delimiter=","):
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow(header)
        writer.writerows(rows)
    return path


def test_one_row_a_context_becomes_one_work_with_two_contexts(tmp_path):
    path = write_csv(
        tmp_path / "t.csv",
        [
            ["Hub", "About.", "a", "First", "2020", "https://doi.org/10.1/X", "We use [[it]].", "Methods"],
            ["", "", "a", "First", "2020", "", "It [[works]].", ""],
            ["", "", "b", "Second", "", "", "", ""],
        ],
    )
    source = open_input(path)
    assert source.check() == 2
    first, second = source.pairs()
    assert first.cited.abstract == second.cited.abstract == "About."
    assert [c.text for c in first.citing.contexts] == ["We use [[it]].", "It [[works]]."]
    assert [c.section for c in first.citing.contexts] == ["Methods", None]
    assert (first.citing.year, first.citing.ids.doi) == (2020, "10.1/x")
    assert second.citing.contexts == ()


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_other_delimiters(tmp_path, delimiter):
    path = write_csv(tmp_path / "t.csv", [["Hub", "", "a", "First", "", "", "", ""]], delimiter=delimiter)
    assert [p.citing.title for p in open_input(path).pairs()] == ["First"]


def test_every_bad_row_is_reported_with_its_place(tmp_path):
    path = write_csv(
        tmp_path / "t.csv",
        [
            ["Hub", "", "a", "First", "soon", "", "", ""],
            ["", "", "b", "", "2020", "", "", ""],
            ["", "", "c", "Good", "2020", "", "", ""],
            ["", "", "d", "Old", "12", "", "", ""],
        ],
    )
    with pytest.raises(InputError) as caught:
        open_input(path).check()
    message = str(caught.value)
    assert f"{path}:2: column year" in message
    assert "'soon'" in message
    assert f"{path}:3: column title" in message
    assert f"{path}:5: column year" in message
    assert f"{path}:4:" not in message, "the bad first row still says which hub the rows below are about"


def test_skipping_bad_rows_keeps_the_others(tmp_path):
    path = write_csv(
        tmp_path / "t.csv", [["Hub", "", "a", "A", "x", "", "", ""], ["Hub", "", "b", "B", "2001", "", "", ""]]
    )
    source = open_input(path, skip_bad_rows=True)
    assert source.check() == 1
    assert [row.column for row in source.bad_rows] == ["year"]


def test_rows_below_a_bad_row_are_never_given_to_another_hub(tmp_path):
    path = write_csv(
        tmp_path / "t.csv",
        [
            ["Hub A", "", "a", "A", "2001", "", "", ""],
            ["Hub B", "", "b", "B", "x", "", "", ""],
            ["", "", "c", "C", "2001", "", "", ""],
        ],
    )
    source = open_input(path, skip_bad_rows=True)
    assert [(pair.cited.title, pair.citing.citing_id) for pair in source.pairs()] == [("Hub A", "a"), ("Hub B", "c")]


def test_rows_below_an_unreadable_row_that_may_begin_a_hub_are_bad_rows_too(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_text(
        '{"hub_title": "A", "title": "a"}\n{"hub_title": "B", "title": \n{"title": "c"}\n'
        '{"hub_title": "A", "title": "d"}\n{"title": \n{"title": "e"}\n', encoding="utf-8",
    )  # fmt: skip
    source = open_input(path, skip_bad_rows=True)
    assert [(pair.cited.title, pair.citing.title) for pair in source.pairs()] == [("A", "a"), ("A", "d"), ("A", "e")]
    assert [(row.line, row.column) for row in source.bad_rows] == [(2, "(line)"), (3, "hub_title"), (5, "(line)")]


def test_a_row_with_a_comma_too_many_is_a_bad_row(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("hub_title,title,year\nH,A,2001\nH,B, in two parts,2001\nH,C,2001\nH,D\n", encoding="utf-8")
    source = open_input(path, skip_bad_rows=True)
    assert [pair.citing.title for pair in source.pairs()] == ["A", "C", "D"]
    assert [row.line for row in source.bad_rows] == [3]
    with pytest.raises(InputError, match=r"t\.csv:3: column \(row\): more cells than the header has columns"):
        open_input(path).check()


def test_a_quote_that_is_never_closed_names_the_row_where_it_opens(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text('hub_title,title\nH,A\nH,"B\nH,C\n', encoding="utf-8")
    with pytest.raises(InputError, match=r"t\.csv:3: broken CSV .*never closed"):
        open_input(path, skip_bad_rows=True).check()


def test_a_work_that_comes_back_later_is_a_bad_row(tmp_path):
    rows = [["Hub", "", i, "T", "", "", f"passage {n}", ""] for n, i in enumerate(["a", "b", "a"])]
    with pytest.raises(InputError, match="put the rows of one work together"):
        open_input(write_csv(tmp_path / "t.csv", rows)).check()


def test_a_table_without_titles_says_so(tmp_path):
    with pytest.raises(InputError, match="no column 'title'"):
        open_input(write_csv(tmp_path / "t.csv", [], header=["name", "year"])).check()


def test_a_table_in_another_encoding_says_so(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes("hub_title,title\nHub,Hölder\n".encode("latin-1"))
    with pytest.raises(InputError, match="not UTF-8"):
        open_input(path).check()


def test_jsonl_and_parquet_give_the_same_pairs(tmp_path):
    rows = [
        {
            "hub_id": "h",
            "hub_title": "Hub",
            "title": "A",
            "year": 2020,
            "contexts": [{"text": "[[x]]", "section": "Methods"}],
        },
        {
            "hub_id": "g",
            "hub_title": "Other hub",
            "title": "B",
            "year": None,
            "contexts": [{"text": "y", "section": None}],
        },
    ]
    jsonl = tmp_path / "t.jsonl"
    jsonl.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    parquet = tmp_path / "t.parquet"
    pd.DataFrame(rows).to_parquet(parquet)
    assert list(open_input(jsonl).pairs()) == list(open_input(parquet).pairs())
    assert [p.cited.hub_id for p in open_input(jsonl).pairs()] == ["h", "g"]


def test_a_broken_jsonl_line_is_a_bad_row(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_text('{"hub_title": "H", "title": "A"}\n{"title": \n[1]\n', encoding="utf-8")
    source = open_input(path)
    with pytest.raises(InputError, match="2 bad values"):
        source.check()
    assert [row.line for row in source.bad_rows] == [2, 3]


def test_a_file_that_is_no_parquet_says_so(tmp_path):
    path = tmp_path / "t.parquet"
    path.write_text("hello", encoding="utf-8")
    with pytest.raises(InputError, match="not a Parquet file"):
        open_input(path).check()


def test_contexts_may_be_plain_texts(tmp_path):
    path = write_csv(
        tmp_path / "t.csv", [["H", "T", '["one [[x]]", "two"]']], header=["hub_title", "title", "contexts"]
    )
    assert [c.text for c in next(open_input(path).pairs()).citing.contexts] == ["one [[x]]", "two"]


def test_hub_json_is_read_back_as_written(tmp_path):
    hub = collect_hub(open_input(EXAMPLE))
    path = tmp_path / "hub.json"
    path.write_text(hub.model_dump_json(exclude_defaults=True), encoding="utf-8")
    assert read_hub_json(path) == hub


def test_a_wrong_hub_json_names_the_field(tmp_path):
    path = tmp_path / "hub.json"
    path.write_text('{"cited": {"hub_id": "h", "title": "T"}, "citing": [{"citing_id": "a"}]}', encoding="utf-8")
    with pytest.raises(InputError, match=r"column citing\.0\.title"):
        read_hub_json(path)


def test_a_table_of_two_hubs_is_no_hub_json(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_text('{"hub_title": "A", "title": "x"}\n{"hub_title": "B", "title": "y"}', encoding="utf-8")
    with pytest.raises(InputError, match="several hubs"):
        collect_hub(open_input(path))


def test_the_passage_joins_its_sentences():
    assert CitationContext(text="b", before="a", after="c").passage == "a b c"
    assert CitationContext(text="b").passage == "b"


def test_a_repeat_is_found_however_far_above_it_the_first_stands(tmp_path, monkeypatch):
    monkeypatch.setattr(seen, "_RECENT", 16)  # where digests leave the set for the sorted array
    names = [f"w{i}" for i in range(100)]
    rows = [["Hub", "", name, "Title", "", "", "", ""] for name in [*names, "w0", "w40", "w99x", "w95"]]
    source = open_input(write_csv(tmp_path / "t.csv", rows), skip_bad_rows=True)
    assert source.check() == 101
    assert [row.value for row in source.bad_rows] == ["w0", "w40", "w95"]
    assert [row.line for row in source.bad_rows] == [102, 103, 105]
