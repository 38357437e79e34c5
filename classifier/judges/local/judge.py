"""The embedded model behind the pipeline's seam: no key, no network, no store."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from classifier.evidence import Task
from classifier.judges.base import JudgeCard, Usage
from classifier.judges.local.answer import LocalAnswer, judge_task
from classifier.judges.local.model import LocalModel
from classifier.schema import EvidenceSource, Prediction, Status

NAME = "local"


class LocalJudge:
    """`classifier.judges.base.Judge` over a `LocalModel`. Everything is answered from memory."""

    batch_size = 64

    def __init__(self, path: Path | None = None) -> None:
        self.model = LocalModel.load(path)
        self.model_name = self.model.name

    def recall(self, tasks: Sequence[Task]) -> list[Prediction | None]:
        """Nothing: this judge keeps no answers, it gives them anew."""
        return [None] * len(tasks)

    async def judge(self, tasks: Sequence[Task]) -> list[Prediction]:
        """Predictions for all tasks, computed here and now."""
        return [self._predict(task) for task in tasks]

    def usage(self) -> Usage:
        """Nothing: no request is ever sent."""
        return Usage()

    def card(self) -> JudgeCard:
        """The model by its digest, with thresholds and temperatures."""
        settings = self.model.settings
        parameters: dict[str, object] = {k: settings[k] for k in ("temperature", "thresholds", "floor")}
        return JudgeCard(judge=NAME, model=self.model_name, parameters={**parameters, "sha256": self.model.digest})

    async def aclose(self) -> None:
        """Nothing to release."""

    def _predict(self, task: Task) -> Prediction:
        answer = judge_task(self.model, task)
        return _prediction(task, answer, self.model_name)


def _prediction(task: Task, answer: LocalAnswer, model: str) -> Prediction:
    """A work without any text is abstained; everything else is labelled, if need be as unclear."""
    empty = answer.evidence_source is EvidenceSource.NONE
    return Prediction(
        hub_id=task.pair.cited.hub_id,
        citing_id=task.pair.citing.citing_id,
        status=Status.ABSTAINED if empty else Status.LABELLED,
        label=answer.label,
        evidence_source=answer.evidence_source,
        needs_review=answer.needs_review,
        judge=NAME,
        model=model,
        failure="the citing work has no text at all" if empty else None,
        probabilities=answer.probabilities,
    )
