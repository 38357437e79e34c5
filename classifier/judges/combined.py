"""Judges made of judges: one model asked several times, and the local judge with a model for what it is unsure of."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence

from classifier.evidence import Task
from classifier.judges.admission import Wait
from classifier.judges.base import PASSED_ON, Judge, JudgeCard, Usage, waiting, with_claims
from classifier.judges.openai import OpenAIJudge
from classifier.schema import CitedWork, EvidenceSource, Prediction, Status

SAMPLING_TEMPERATURE = 0.7
"""At temperature 0 all samples would say the same; this one is that of Wang et al. 2023, "Self-consistency improves
chain of thought reasoning" (arXiv:2203.11171, section 3.1)."""


class VotingJudge:
    """One model asked ``len(samples)`` times; the answer is the label (role, polarity, basis) that most samples gave.

    Of labels with equally many votes the one of the earliest sample counts. ``probabilities`` are the shares of all
    votes by head; ``confidence`` is the share that gave the same role and polarity, raw, to be calibrated. Each sample
    has its number in the key and a seed of its own, so that more samples later ask only for the new ones.
    """

    batch_size = 1

    def __init__(self, samples: Sequence[OpenAIJudge]) -> None:
        self.samples = tuple(samples)
        first = self.samples[0]
        for other in self.samples[1:]:
            other.share(first)

    def recall(self, tasks: Sequence[Task]) -> list[Prediction | None]:
        """Predictions of which every sample is in the store."""
        votes = zip(*(judge.recall(tasks) for judge in self.samples), strict=True)
        results: list[Prediction | None] = []
        for sampled in votes:
            known = [vote for vote in sampled if vote is not None]
            results.append(elect(known) if len(known) == len(self.samples) else None)
        return results

    async def judge(self, tasks: Sequence[Task]) -> list[Prediction]:
        """All samples of all tasks, asked together."""
        first = self.samples[0]
        if first.unprobed and not first.settings.offline and any(task.passages for task in tasks):
            await first.find_out()
        for other in self.samples[1:]:
            other.interviewer.capabilities = first.interviewer.capabilities
        sampled = await asyncio.gather(*(judge.judge(tasks) for judge in self.samples))
        return [elect(votes) for votes in zip(*sampled, strict=True)]

    def with_claims(self, cited: CitedWork) -> CitedWork:
        """The hub as every sample reads it."""
        return self.samples[0].with_claims(cited)

    def usage(self) -> Usage:
        """What all samples spent; they share one gate and one budget."""
        return self.samples[0].usage()

    def waiting(self) -> Wait | None:
        """What all requests wait for."""
        return self.samples[0].waiting()

    def card(self) -> JudgeCard:
        """The model's card with the number of samples."""
        card = self.samples[0].card()
        return card.model_copy(update={"parameters": {**card.parameters, "samples": len(self.samples)}})

    async def aclose(self) -> None:
        """Close the connections that all samples share."""
        await self.samples[0].aclose()


def elect(votes: Sequence[Prediction]) -> Prediction:
    """The prediction that most votes give, with the shares of all votes as probabilities."""
    labelled = [vote for vote in votes if vote.status is Status.LABELLED and vote.label]
    if not labelled or votes[0].evidence_source is EvidenceSource.NONE:
        return votes[0]
    whole = Counter((v.label.role, v.label.polarity, v.label.basis) for v in labelled if v.label)
    winner = whole.most_common(1)[0][0]
    chosen = next(v for v in labelled if v.label and (v.label.role, v.label.polarity, v.label.basis) == winner)
    assert chosen.label is not None  # noqa: S101 (narrows the type; `labelled` holds no other)
    heads: dict[str, dict[str, float]] = {}
    for head in ("role", "polarity", "basis"):
        counts = Counter(str(getattr(v.label, head)) for v in labelled)
        heads[head] = {value: count / len(labelled) for value, count in sorted(counts.items())}
    same = sum(v.label is not None and (v.label.role, v.label.polarity) == winner[:2] for v in labelled)
    share = same / len(votes)
    return chosen.model_copy(
        update={
            "label": chosen.label.model_copy(update={"confidence": share}),
            "probabilities": heads,
            "needs_review": chosen.needs_review or 2 * same <= len(votes),
        }
    )


class CascadeJudge:
    """The local judge first; a language model only for what it is unsure of.

    Unsure: the local judge abstained, asks for a review, or is less confident than ``below``. Where the model gives no
    label the local one stands, for review, and ``review_reason`` says so.
    """

    def __init__(self, local: Judge, model: Judge, below: float | None = None) -> None:
        self.local, self.model, self.below = local, model, below
        self.batch_size = model.batch_size
        self.kept = self.passed_on = 0

    def recall(self, tasks: Sequence[Task]) -> list[Prediction | None]:
        """Nothing: the local judge answers at once, and the model's stored answers are used when it is asked."""
        return [None] * len(tasks)

    async def judge(self, tasks: Sequence[Task]) -> list[Prediction]:
        """Local answers, those that are unsure replaced by the model's."""
        answers = await self.local.judge(tasks)
        unsure = [i for i, answer in enumerate(answers) if self._unsure(answer) and tasks[i].passages]
        self.kept += len(tasks) - len(unsure)
        self.passed_on += len(unsure)
        if unsure:
            asked = await self.model.judge([tasks[i] for i in unsure])
            for i, answer in zip(unsure, asked, strict=True):
                if answer.label is not None or answers[i].label is None:
                    answers[i] = answer
                else:
                    mark = {"needs_review": True, "review_reason": PASSED_ON}
                    answers[i] = answers[i].model_copy(update=mark)
        return answers

    def with_claims(self, cited: CitedWork) -> CitedWork:
        """The hub as the language model reads it."""
        return with_claims(self.model, cited)

    def _unsure(self, answer: Prediction) -> bool:
        if answer.status is not Status.LABELLED or answer.label is None:
            return True
        return answer.needs_review if self.below is None else answer.label.confidence < self.below

    def usage(self) -> Usage:
        """What the language model spent."""
        return self.model.usage()

    def waiting(self) -> Wait | None:
        """What the language model waits for."""
        return waiting(self.model)

    def card(self) -> JudgeCard:
        """The language model's card under the name ``cascade``, with the local one and the works that each decided.

        ``saved`` is the share of works for which no language model was asked.
        """
        card = self.model.card()
        works = self.kept + self.passed_on
        cascade = {"below": self.below, "kept_local": self.kept, "passed_on": self.passed_on,
                   "saved": round(self.kept / works, 4) if works else None}  # fmt: skip
        extra = {"local": self.local.card().model_dump(mode="json"), "cascade": cascade}
        return card.model_copy(update={"judge": "cascade", "parameters": {**card.parameters, **extra}})

    async def aclose(self) -> None:
        """Release both."""
        await self.local.aclose()
        await self.model.aclose()


def sampled(judge: OpenAIJudge, count: int) -> VotingJudge:
    """The judge asked ``count`` times, with seeds that count up from its own."""
    heated = judge.settings.temperature or SAMPLING_TEMPERATURE
    seed = judge.settings.seed
    changes = ({"sample": i, "temperature": heated, "seed": None if seed is None else seed + i} for i in range(count))
    return VotingJudge([judge.resampled(**change) for change in changes])
