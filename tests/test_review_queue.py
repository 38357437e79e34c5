import pytest

from classifier.errors import InputError, SettingsError
from classifier.outputs import read_run
from classifier.review.decisions import DecisionLog
from classifier.review.progress import progress
from classifier.review.queue import QueueOrder, ordered, vote_entropy
from classifier.review.run import open_run
from classifier.review.session import Session, Settings
from classifier.review.starting import annotator_name, start_session
from tests.reviewing import HUB, write_run
from tests.test_review_decisions import CONTRASTING, NEUTRAL, decision


@pytest.fixture
def run(tmp_path):
    return open_run(write_run(tmp_path / "run"))


def ids(queue):
    return [key[1] for key in queue]


def test_uncertain_puts_what_has_no_label_first_then_the_least_confident(run):
    queue = ids(ordered(list(run.results.values()), QueueOrder.UNCERTAIN))
    assert queue[:3] == ["failed-one", "summary-only", "hostile"]
    assert queue[3:] == [f"2305.{n:02d}50" for n in range(10)]


def test_random_is_the_same_for_everybody_with_one_seed_and_independent_of_the_runs_order(run):
    results = list(run.results.values())
    once = ordered(results, QueueOrder.RANDOM, seed=4)
    assert once == ordered(results[::-1], QueueOrder.RANDOM, seed=4)
    assert once != ordered(results, QueueOrder.RANDOM, seed=5)
    assert sorted(once) == sorted(run.results)


def test_influential_first(run):
    assert ids(ordered(list(run.results.values()), QueueOrder.INFLUENTIAL))[0] == "2305.0550"


def test_disagreement_ranks_by_vote_entropy_and_needs_a_second_opinion(run):
    results = list(run.results.values())
    with pytest.raises(SettingsError, match="--compare"):
        ordered(results, QueueOrder.DISAGREEMENT)
    others = [
        {(HUB.hub_id, "2305.0750"): ("compares", "contrasting"), (HUB.hub_id, "2305.0050"): ("background", "neutral")}
    ]
    assert ids(ordered(results, QueueOrder.DISAGREEMENT, others=others))[0] == "2305.0750"
    assert vote_entropy([("a", "b"), ("a", "c")]) == 1.0
    assert vote_entropy([("a", "b")] * 3) == vote_entropy([]) == 0.0


def test_another_run_is_a_second_opinion(run, tmp_path):
    log = DecisionLog(run.folder)
    with pytest.raises(SettingsError):
        start_session(run, log, Settings("ada"), QueueOrder.DISAGREEMENT)
    session = start_session(run, log, Settings("ada"), QueueOrder.DISAGREEMENT, compare=[run.folder])
    assert len(session.queue) == 13


def test_time_left_is_the_median_pace_times_what_is_left(run):
    now = [0.0]
    session = Session(run, DecisionLog(run.folder), list(run.results), Settings("ada"), clock=lambda: now[0])
    assert session.progress().seconds_left is None
    for key, seconds in zip(session.queue, (10, 20, 5000, 12), strict=False):
        session.opened(key)
        now[0] += seconds
        session.save(key, NEUTRAL)
    told = session.progress()
    # The 5000 s were a break; they are not recorded as a pace.
    assert told.seconds_left == 12 * (13 - 4)
    assert (told.labelled, told.skipped, told.left) == (4, 0, 9)
    session.skip(session.queue[6])
    assert session.progress().skipped == 1
    assert session.next_after(5) == 6
    assert session.next_after(6) == 8


def test_agreement_with_a_hidden_machine_moves_in_steps_of_five(run):
    log = DecisionLog(run.folder)
    seen, blind = (Session(run, log, list(run.results), Settings("ada", blind=b)) for b in (False, True))
    for number, key in enumerate(list(run.results)[:7]):
        seen.save(key, NEUTRAL if number else CONTRASTING)
    assert [one.n for one in seen.agreement()] == [7]
    assert [one.n for one in blind.agreement()] == [5]
    # By hand: works 0 to 6 are neutral but 2, 3 and 4; the annotator said neutral but for work 0: 1, 5, 6 agree.
    assert seen.agreement()[0].fields["polarity"].accuracy.value == pytest.approx(3 / 7)


def test_progress_counts_only_this_queue(run):
    log = DecisionLog(run.folder)
    log.append([decision(citing_id="2305.0050"), decision(citing_id="2305.0150")])
    queue = [(HUB.hub_id, "2305.0050"), (HUB.hub_id, "2305.0950")]
    assert progress(queue, log.of("ada"))[:3] == (2, 1, 0)


@pytest.mark.parametrize("name", ["", "  ", "x" * 61, "a\nb", "a;b", "a/b", "\u202eada"])
def test_a_name_that_cannot_stand_in_the_files_is_refused(name):
    with pytest.raises(SettingsError, match="--annotator"):
        annotator_name(name)


def test_nothing_to_adjudicate_is_said(run):
    with pytest.raises(InputError, match="nothing to adjudicate"):
        start_session(run, DecisionLog(run.folder), Settings("ada", adjudicate=True), QueueOrder.UNCERTAIN)


def test_a_folder_without_a_run_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="classify run"):
        open_run(tmp_path / "nowhere")
    run = write_run(tmp_path / "run")
    (run / "summary.json").write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match="not a run's summary"):
        open_run(run)
    assert len(list(read_run(run))) == 13


def test_an_adjudication_can_be_undone_and_a_changed_run_leaves_old_decisions_out(run):
    log = DecisionLog(run.folder)
    log.append([decision(citing_id="2305.0050"), decision("bob", "2305.0050", CONTRASTING)])
    log.append([decision(citing_id="gone"), decision("bob", "gone", CONTRASTING)])
    session = start_session(run, log, Settings("ada", adjudicate=True), QueueOrder.UNCERTAIN)
    assert ids(session.queue) == ["2305.0050"]
    (key,) = session.queue
    assert len(session.answers(key)) == 2
    saved = session.save(key, CONTRASTING.model_copy(update={"note": "R22"}))
    assert saved.shown.adjudicating
    assert saved.shown.guide == "1.1"
    assert session.next_after(1) is None
    assert session.undo() == key
    assert log.adjudications() == {}
    # The adjudicator's own label as an annotator stands: the two are kept apart.
    assert log.of("ada")[key].label == NEUTRAL
    assert session.undo() is None
