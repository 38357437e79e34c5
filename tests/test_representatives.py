from classifier.outputs import Result, read_run
from classifier.representatives import SIZE, representative_works
from classifier.schema import CitingWork, Label, Polarity, Prediction, Role, Status
from tests.sample_hub import make_hub, make_run


def work(name, title, role=Role.BACKGROUND, polarity=Polarity.NEUTRAL, confidence=0.8, status=Status.LABELLED):
    label = Label(role=role, polarity=polarity, confidence=confidence)
    failure = None if status is Status.LABELLED else "why"
    prediction = Prediction(
        hub_id="h", citing_id=name, status=status, label=label, judge="j", model="m", failure=failure
    )
    return Result(prediction, CitingWork(citing_id=name, title=title))


def test_every_role_and_polarity_present_is_covered(tmp_path):
    results = list(read_run(make_run(tmp_path, make_hub(120))))
    labels = {r.prediction.citing_id: r.prediction.label for r in results if r.prediction.status is Status.LABELLED}
    chosen = [labels[one.citing_id] for one in representative_works(results)]
    assert {label.role for label in chosen} == {label.role for label in labels.values()}
    assert {label.polarity for label in chosen} == {label.polarity for label in labels.values()}


def test_the_order_of_the_input_does_not_matter(tmp_path):
    results = list(read_run(make_run(tmp_path)))
    expected = representative_works(results)
    results.reverse()
    assert representative_works(results) == expected


def test_more_than_the_size_only_where_coverage_needs_them():
    same = [work(f"w{i:02}", f"Words number {i}") for i in range(30)]
    assert len(representative_works(same)) == SIZE
    roles = [work(f"r{i}", "Words", role) for i, role in enumerate(Role)]
    assert len(representative_works(roles, size=2)) == len(Role)


def test_repeats_are_passed_over_for_works_about_something_else():
    copies = [work(f"a{i}", "reward models for mathematics", confidence=0.9) for i in range(6)]
    odd = [work("z1", "whale songs at night", confidence=0.7), work("z2", "garden soil moisture", confidence=0.7)]
    assert {one.citing_id for one in representative_works([*copies, *odd], size=3)} == {"a0", "z1", "z2"}


def test_of_two_alike_the_surer_comes_first():
    pair = [work("a", "reward models", confidence=0.4), work("b", "reward models", confidence=0.9)]
    assert representative_works(pair, size=1)[0].citing_id == "b"


def test_what_was_held_back_stands_for_nothing():
    assert representative_works([work("a", "x", status=Status.ABSTAINED)]) == ()
    assert representative_works([]) == ()
