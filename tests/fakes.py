"""A judge at the seam that the design names: answers from a rule, asks nobody."""

import asyncio

from classifier.evidence import source_text
from classifier.judges.base import JudgeCard, Usage
from classifier.schema import Evidence, EvidenceSource, Label, Polarity, Prediction, Role, Status


class RuleJudge:
    """Labels everything background; ``fails`` names works that fail, ``delays`` seconds by citing_id."""

    def __init__(self, *, batch_size=1, fails=(), delays=None, known=(), error=None):
        self.batch_size, self.fails, self.delays = batch_size, set(fails), delays or {}
        self.known, self.error = set(known), error
        self.asked, self.in_flight, self.most_in_flight, self.closed = [], 0, 0, False

    def recall(self, tasks):
        return [self._prediction(t) if t.pair.citing.citing_id in self.known else None for t in tasks]

    async def judge(self, tasks):
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        await asyncio.sleep(max(self.delays.get(t.pair.citing.citing_id, 0) for t in tasks))
        self.in_flight -= 1
        self.asked += [t.pair.citing.citing_id for t in tasks]
        if self.error and self.error[0] in self.asked:
            raise self.error[1]
        return [self._prediction(t) for t in tasks]

    def _prediction(self, task):
        work = task.pair.citing
        base = {"hub_id": task.pair.cited.hub_id, "citing_id": work.citing_id, "judge": "fake", "model": "rule",
                "evidence_source": task.source}  # fmt: skip
        if work.citing_id in self.fails:
            return Prediction(status=Status.FAILED, failure="it was told to fail", **base)
        evidence = None
        if task.source is not EvidenceSource.NONE:
            passage = task.passages[0]
            text = source_text(work, passage.source, passage.context_index)
            evidence = Evidence(
                text=text, source=passage.source, start=0, end=len(text), context_index=passage.context_index
            )
        label = Label(
            role=Role.BACKGROUND, polarity=Polarity.NEUTRAL, evidence=evidence, confidence=0.5, rationale="rule"
        )
        return Prediction(status=Status.LABELLED, label=label, **base)

    def usage(self):
        return Usage(requests=len(self.asked))

    def card(self):
        return JudgeCard(judge="fake", model="rule")

    async def aclose(self):
        self.closed = True
