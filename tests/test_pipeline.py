import asyncio
from contextlib import aclosing

import pytest

from classifier.errors import JudgeRejectedError
from classifier.evidence import MAX_PASSAGES, prepare
from classifier.pipeline import CHUNK, predict
from classifier.schema import CitationContext, CitedWork, CitingWork, EvidenceSource, Pair
from tests.fakes import RuleJudge

HUB = CitedWork(hub_id="h", title="Hub")


def pairs(count):
    return [Pair(HUB, CitingWork(citing_id=str(i), title=f"Work {i}")) for i in range(count)]


def collect(works, judge, **options):
    async def run():
        return [answered async for answered in predict(works, judge, **options)]

    return asyncio.run(run())


def test_predictions_come_in_the_order_of_the_input():
    judge = RuleJudge(delays={"0": 0.05, "3": 0.02})
    assert [a.prediction.citing_id for a in collect(pairs(20), judge, concurrency=4)] == [str(i) for i in range(20)]
    assert judge.asked[0] != "0", "later works are answered while the first is still waited for"


def test_no_more_batches_in_flight_than_allowed():
    judge = RuleJudge(delays={str(i): 0.002 for i in range(60)})
    collect(pairs(60), judge, concurrency=5)
    assert judge.most_in_flight == 5


def test_batches_have_the_size_that_the_judge_likes():
    judge = RuleJudge(batch_size=7)
    assert len(collect(pairs(CHUNK + 10), judge, concurrency=2)) == CHUNK + 10
    assert len(judge.asked) == CHUNK + 10


def test_recalled_works_are_not_asked():
    judge = RuleJudge(known={"1", "2"}, batch_size=3)
    answered = collect(pairs(5), judge, concurrency=2)
    assert [a.recalled for a in answered] == [False, True, True, False, False]
    assert sorted(judge.asked) == ["0", "3", "4"]


def test_reading_does_not_run_ahead_without_bound():
    taken = 0

    def endless():
        nonlocal taken
        while True:
            taken += 1
            yield Pair(HUB, CitingWork(citing_id=str(taken), title="x"))

    async def run():
        async with aclosing(predict(endless(), RuleJudge(), concurrency=4)) as answers:
            async for _ in answers:
                return

    asyncio.run(run())
    assert taken <= 2 * CHUNK + 8


def test_a_rejected_request_stops_the_run_after_what_is_in_flight():
    judge = RuleJudge(error=("3", JudgeRejectedError("401")), delays={"4": 0.05, "5": 0.05})
    with pytest.raises(JudgeRejectedError):
        collect(pairs(100), judge, concurrency=6)
    assert "5" in judge.asked, "the answer in flight came back before the run stopped"
    assert len(judge.asked) < 20


def test_stop_asks_nothing_new_and_gives_what_is_there():
    judge = RuleJudge()
    answered = collect(pairs(1000), judge, concurrency=3, stop=lambda: len(judge.asked) >= 10)
    ids = [a.prediction.citing_id for a in answered]
    assert ids == [str(i) for i in range(len(ids))]
    assert 10 <= len(ids) <= 16


def test_passages_come_before_everything_else_and_least_shared_ones_first():
    contexts = tuple(CitationContext(text=f"c{i} [[x]]", shared=5 if i % 2 else None) for i in range(12))
    task = prepare(Pair(HUB, CitingWork(citing_id="a", title="T", summary="S", contexts=contexts)))
    assert task.source is EvidenceSource.CONTEXT
    assert len(task.passages) == MAX_PASSAGES
    assert task.left_out == 4
    assert [p.context_index for p in task.passages] == sorted(p.context_index for p in task.passages)
    assert {0, 2, 4, 6, 8, 10} <= {p.context_index for p in task.passages}


def test_without_a_passage_abstract_comes_before_summary_and_title():
    task = prepare(Pair(HUB, CitingWork(citing_id="a", title="T", summary="S", abstract="A")))
    assert [p.source.value for p in task.passages] == ["abstract", "summary", "title"]
    assert task.source is EvidenceSource.ABSTRACT
