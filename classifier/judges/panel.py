"""Several judges in one run: every work is put to each of them, and what they disagree on goes to a person."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from classifier.errors import JudgeError
from classifier.evidence import Task
from classifier.judges.admission import Wait
from classifier.judges.base import Judge, JudgeCard, Member, Usage, waiting, with_claims
from classifier.judges.combined import VotingJudge
from classifier.judges.openai import OpenAIJudge
from classifier.schema import CitedWork, Prediction, Status

FIELDS = ("role", "polarity")
"""On what the judges are compared."""


class PanelJudge:
    """Implements :class:`classifier.judges.base.Judge` over two or more judges that all answer every work.

    The label is the first judge's; what the others said stands under ``others``. A judge that fails on a work fails
    there alone. One that cannot be asked any more (refused key, unknown model, server gone) fails on the works that
    are left, and the run goes on with the rest; the error is raised once all judges are out.
    """

    def __init__(self, judges: Sequence[Judge], names: Sequence[str]) -> None:
        self.judges, self.names = tuple(judges), tuple(names)
        self.batch_size = min(judge.batch_size for judge in judges)
        self._asks = [judge.card().endpoint is not None for judge in judges]
        self._out: dict[int, JudgeError] = {}
        self._known: dict[tuple[str, str], list[Prediction | None]] = {}

    def recall(self, tasks: Sequence[Task]) -> list[Prediction | None]:
        """Predictions for which no judge has to be asked; what single judges know is kept until the work is judged."""
        found: list[Prediction | None] = []
        for task, said in zip(tasks, zip(*(judge.recall(tasks) for judge in self.judges), strict=True), strict=True):
            known = [one for one in said if one is not None]
            complete = len(known) == len(said)
            found.append(self.compared(known) if complete else None)
            if known and not complete:
                self._known[_key(task)] = list(said)
        return found

    async def judge(self, tasks: Sequence[Task]) -> list[Prediction]:
        """What the first judge says of each task, with what the others said of it. Raises ``StoreError``."""
        nothing: list[Prediction | None] = [None] * len(self.judges)
        known = [self._known.pop(_key(task), nothing) for task in tasks]
        asked = (self._ask(i, tasks, [one[i] for one in known]) for i in range(len(self.judges)))
        answers = await asyncio.gather(*asked, return_exceptions=True)  # what is in flight is finished and stored
        said: list[list[Prediction]] = []
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
            said.append(answer)
        return [self.compared(each) for each in zip(*said, strict=True)]

    async def _ask(self, number: int, tasks: Sequence[Task], known: list[Prediction | None]) -> list[Prediction]:
        """All answers of one judge; only what it does not know yet is asked."""
        missing = [task for task, one in zip(tasks, known, strict=True) if one is None]
        asked = iter(await self._answers(number, missing) if missing else ())
        return [next(asked) if one is None else one for one in known]

    async def _answers(self, number: int, tasks: Sequence[Task]) -> list[Prediction]:
        if number not in self._out:
            try:
                return await self.judges[number].judge(tasks)
            except JudgeError as error:
                self._out[number] = error
                if len(self._out) == len(self.judges):
                    raise
        return [_failed(task, self.judges[number].card(), self._out[number]) for task in tasks]

    def compared(self, said: Sequence[Prediction]) -> Prediction:
        """The first prediction with the others, for review where the labels differ."""
        first, *others = said
        reason = disagreement(self.names, said)
        changes = {"others": tuple(others), "needs_review": first.needs_review or bool(reason)}
        return first.model_copy(update={**changes, "review_reason": reason})

    def with_claims(self, cited: CitedWork) -> CitedWork:
        """The hub as the first judge reads it: the labels of the run link to its claims."""
        return with_claims(self.judges[0], cited)

    def members(self) -> tuple[Member, ...]:
        """Each judge with its card and what it spent; one that dropped out says so in the notes of its card."""
        found = []
        for i, (name, judge) in enumerate(zip(self.names, self.judges, strict=True)):
            card = judge.card()
            if i in self._out:
                card = card.model_copy(update={"notes": (*card.notes, f"dropped out: {self._out[i]}")})
            found.append(Member(name, card, judge.usage()))
        return tuple(found)

    def usage(self) -> Usage:
        """What all judges spent together; ``dollars`` is ``None`` where one that sends requests has no known price."""
        spent = [judge.usage() for judge in self.judges]
        sums = {name: sum(getattr(one, name) for one in spent)
                for name, field in Usage.model_fields.items() if field.annotation is int}  # fmt: skip
        money = [one.dollars for one, asks in zip(spent, self._asks, strict=True) if asks]
        dollars = None if None in money or not money else sum(one for one in money if one is not None)
        return Usage(**sums, dollars=dollars, budget_spent=any(one.budget_spent for one in spent))

    def waiting(self) -> Wait | None:
        """The longest of what the judges wait for."""
        waits = [wait for judge in self.judges if (wait := waiting(judge)) is not None]
        return max(waits, key=lambda wait: wait.seconds, default=None)

    def card(self) -> JudgeCard:
        """The first judge's card: the labels of the run are its labels."""
        return self.members()[0].card

    async def aclose(self) -> None:
        """Release all of them."""
        await asyncio.gather(*(judge.aclose() for judge in self.judges))


def disagreement(names: Sequence[str], said: Sequence[Prediction]) -> str | None:
    """On what the judges that labelled the work disagree, in words; ``None`` where they agree or one alone labelled."""
    parts = []
    for field in FIELDS:
        given: dict[str, list[str]] = {}
        for name, one in zip(names, said, strict=True):
            if one.status is Status.LABELLED and one.label is not None:
                given.setdefault(str(getattr(one.label, field)), []).append(name)
        if len(given) > 1:
            parts.append(f"{field} " + ", ".join(f"{value} ({', '.join(by)})" for value, by in given.items()))
    return f"judges disagree: {'; '.join(parts)}" if parts else None


def pooled(judges: Sequence[Judge]) -> None:
    """Let all judges that send requests spend from one budget, and share the gate of one endpoint."""
    models = [found for judge in judges if (found := _model(judge)) is not None]
    for i, one in enumerate(models[1:], start=1):
        one.pool(models[0])
        for earlier in models[:i]:
            if earlier.settings.endpoint == one.settings.endpoint:
                one.asker.admission = earlier.asker.admission
                break


def _model(judge: object) -> OpenAIJudge | None:
    if isinstance(judge, VotingJudge):
        return judge.samples[0]
    inner = getattr(judge, "inner", None)
    return judge if isinstance(judge, OpenAIJudge) else _model(inner) if inner is not None else None


def _key(task: Task) -> tuple[str, str]:
    return task.pair.cited.hub_id, task.pair.citing.citing_id


def _failed(task: Task, card: JudgeCard, error: JudgeError) -> Prediction:
    return Prediction(
        hub_id=task.pair.cited.hub_id,
        citing_id=task.pair.citing.citing_id,
        status=Status.FAILED,
        evidence_source=task.source,
        needs_review=True,
        judge=card.judge,
        model=card.model,
        failure=f"{type(error).__name__}: {error}",
    )
