"""The annotated sets themselves: complete, consistent, verbatim, and described as they are."""

import hashlib
import json
from collections import Counter

import pytest

from classifier.evaluation.card import measured
from classifier.evaluation.gold import FIELDS, read_gold
from classifier.inputs import open_input
from classifier.locating import locate
from classifier.schema import MENTION
from classifier.training import silver_agreement
from tests.paths import EXAMPLE, ROOT

GOLD = ROOT / "eval" / "gold"
PERTURBATIONS = ROOT / "eval" / "perturbations"
SETS = [GOLD / "contexts", GOLD / EXAMPLE.stem]


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("folder", SETS, ids=lambda f: f.name)
def test_every_item_has_three_annotations_and_a_label(folder):
    gold = read_gold(folder)
    counts = Counter(one.key for one in gold.annotations)
    assert set(counts) == {item.key for item in gold.items}
    assert set(counts.values()) == {3}
    assert len({one.annotator for one in gold.annotations}) == 3
    assert all(one.annotator.startswith("language-model:") for one in gold.annotations), "no person is claimed"


@pytest.mark.parametrize("folder", SETS, ids=lambda f: f.name)
def test_gold_is_what_the_annotators_agreed_on_or_was_adjudicated(folder):
    gold = read_gold(folder)
    given = {}
    for one in gold.annotations:
        given.setdefault(one.key, set()).add((one.role, one.polarity, one.basis))
    for item in gold.items:
        assert item.adjudicated == (len(given[item.key]) > 1)
        if not item.adjudicated:
            assert given[item.key] == {(item.role, item.polarity, item.basis)}


def test_the_contexts_cover_fields_hubs_and_cells():
    items = lines(GOLD / "contexts" / "items.jsonl")
    assert len(items) == 312
    assert len({i["field"] for i in items}) == 12
    assert len({i["hub_id"] for i in items}) == 24
    split_of = {}
    for item in items:
        assert split_of.setdefault(item["hub_id"], item["split"]) == item["split"], "the split is by hub"
        assert MENTION.search(item["contexts"][0]["text"])
    gold = read_gold(GOLD / "contexts")
    for split in ("dev", "test"):
        chosen = [i for i in gold.items if i.split == split]
        for field, values in FIELDS.items():
            assert {str(getattr(i, field)) for i in chosen} == set(values), f"{split} lacks a {field}"


def test_gold_evidence_stands_in_the_passage():
    passages = {
        (p.cited.hub_id, p.citing.citing_id): p.citing.contexts[0].passage
        for p in open_input(GOLD / "contexts" / "items.jsonl").pairs()
    }
    for item in read_gold(GOLD / "contexts").items:
        if item.evidence:
            assert locate(item.evidence, passages[item.key]) is not None, item.key


def test_the_example_gold_names_the_50_listed_works():
    works = {p.citing.citing_id for p in open_input(EXAMPLE).pairs()}
    assert {item.citing_id for item in read_gold(GOLD / EXAMPLE.stem).items} == works


@pytest.mark.parametrize("folder", SETS, ids=lambda f: f.name)
def test_the_card_shows_what_is_measured(folder):
    page = (folder / "README.md").read_text(encoding="utf-8")
    shown = page.partition("<!-- begin measured -->")[2].partition("<!-- end measured -->")[0].strip()
    assert shown == measured(read_gold(folder)), f"renew it with `classify agreement {folder} --write`"


@pytest.mark.parametrize("folder", [*SETS, PERTURBATIONS], ids=lambda f: f.name)
def test_croissant_describes_the_files_as_they_are(folder):
    described = json.loads((folder / "croissant.json").read_text(encoding="utf-8"))
    files = {d["name"]: d["sha256"] for d in described["distribution"]}
    assert files == {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.glob("*.jsonl")}
    for records in described["recordSet"]:
        rows = lines(folder / f"{records['name']}.jsonl")
        assert {field["name"] for field in records["field"]} == {key for row in rows for key in row}
        assert all(field["description"] for field in records["field"])


def test_silver_holds_labels_and_no_text():
    rows = lines(ROOT / "eval" / "silver" / "labels.jsonl")
    assert len(rows) > 3000
    allowed = {"dataset", "id", "role", "other_roles", "polarity", "basis", "confidence", "annotator", "second"}
    assert all(set(row) - {"drawn"} == allowed for row in rows)
    assert {row["drawn"] for row in rows if "drawn" in row} == {"hard"}
    assert all(row["annotator"].startswith("language-model:") for row in rows)
    first = Counter((row["dataset"], row["id"]) for row in rows if not row["second"])
    assert max(first.values()) == 1


def test_the_silver_card_says_what_its_files_hold():
    silver = ROOT / "eval" / "silver"
    page = (silver / "README.md").read_text(encoding="utf-8")
    shown = page.partition("<!-- begin measured -->")[2].partition("<!-- end measured -->")[0].strip()
    assert shown == silver_agreement.measured(silver), "renew it with `python -m classifier.training.silver_agreement`"
    card = " ".join(page.split())
    twice, again = (silver_agreement.pairs_of(silver / name) for name in silver_agreement.FILES)
    others = sum(one["annotator"] != two["annotator"] for one, two in twice)
    share = len(twice) / sum(not row["second"] for row in lines(silver / "labels.jsonl"))
    assert f"{len(twice)} passages ({100 * share:.0f} in 100) were labelled a second time, {others} of them by" in card
    assert f"another session, {len(twice) - others} by the same" in card
    assert f"so its {len(again)} passages were labelled again" in card
    assert (
        f"last {sum(two['annotator'] == silver_agreement.AT_RANDOM for _, two in twice)} were drawn at random" in card
    )
    rows = lines(silver / silver_agreement.SAMPLE)
    sample = [row for row in rows if not row["second"]]
    assert all(row["drawn"] == "sample" and row["annotator"].startswith("language-model:") for row in rows)
    stances = sum(row["polarity"] in ("supporting", "contrasting", "mixed") for row in sample)
    assert f"holds {len(sample):,} more labels" in card
    assert f"{stances} of them are stances" in card
