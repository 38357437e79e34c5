"""The claims of a hub, asked of the model once: copied from title and abstract, checked like evidence.

The question goes through the same store, keys and gate as any other. Where it cannot be answered the hub has no
claims for this run and its works are labelled all the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import Literal, NamedTuple

from classifier.answering import claims_schema_text, read_claims
from classifier.errors import AnswerError, JudgeUnavailableError
from classifier.evidence import Task
from classifier.judges.asking import Asker
from classifier.judges.dialogue import MAX_ECHO, Interviewer
from classifier.judges.request import ChatRequest, request_key
from classifier.locating import locate
from classifier.prompting import MAX_TEXT_CHARS, Message
from classifier.schema import CitedWork, Claim
from classifier.store import RawAnswer

MAX_CLAIMS = 8
"""More than this is a copied abstract, not a list of claims: the rest is left out."""


class Checked(NamedTuple):
    """Claims that stand in the text, in its order with ids ``c1`` on; ``problem`` where an answer holds others."""

    claims: tuple[Claim, ...]
    problem: str | None


def check_claims(cited: CitedWork, raw: str) -> Checked:
    """The claims of an answer that stand word for word in abstract or title (see :mod:`classifier.locating`).

    Raises ``AnswerInvalidError`` where the answer is no list of claims. Invariant: ``claim.text ==
    source[claim.start:claim.end]``; no claim lies inside another.
    """
    found: dict[tuple[str, int, int], None] = {}
    strange: list[str] = []
    for quote in read_claims(raw):
        span = _span(cited, quote)
        if span is None:
            strange.append(quote)
        elif not any(span[0] == s and first <= span[1] and span[2] <= last for s, first, last in found):
            found[span] = None
    ordered = sorted(found, key=lambda span: (span[0] != "title", span[1], span[2]))[:MAX_CLAIMS]
    claims = tuple(_claim(cited, number, *span) for number, span in enumerate(ordered, 1))
    problem = f"the claim {strange[0][:120]!r} does not stand in title or abstract" if strange else None
    return Checked(claims, problem)


def _span(cited: CitedWork, quote: str) -> tuple[str, int, int] | None:
    for source, text in (("abstract", cited.abstract[:MAX_TEXT_CHARS]), ("title", cited.title)):
        span = locate(quote, text)
        if span is not None:
            return source, span.start, span.end
    return None


def _claim(cited: CitedWork, number: int, source: str, start: int, end: int) -> Claim:
    named: Literal["title", "abstract"] = "title" if source == "title" else "abstract"
    text = cited.title if named == "title" else cited.abstract
    return Claim(claim_id=f"c{number}", text=text[start:end], source=named, start=start, end=end)


class ClaimsAsker:
    """Hubs with their claims; each hub is asked about at most once a run, and never where the store knows."""

    def __init__(self, interviewer: Interviewer, asker: Asker) -> None:
        self.interviewer, self.asker = interviewer, asker
        self.notes: list[str] = []
        self._known: dict[tuple[str, str, str], CitedWork] = {}
        self._asking: dict[tuple[str, str, str], asyncio.Lock] = {}

    def stored(self, cited: CitedWork) -> CitedWork | None:
        """The hub with its claims as far as nothing has to be asked for it; ``None`` where it has."""
        if cited.claims or not cited.abstract.strip() or not self.interviewer.prompt.claims_sha256:
            return cited
        key = cited.hub_id, cited.title, cited.abstract
        if key not in self._known and self.interviewer.capabilities is not None:
            dialogue = self._dialogue(cited)
            try:
                request = next(dialogue)
                while (answer := self.asker.stored(request, request_key(request))) is not None:
                    request = dialogue.send(answer)
            except StopIteration as end:
                self._keep(key, cited, end.value)
        return self._known.get(key)

    async def ask(self, cited: CitedWork) -> CitedWork:
        """The hub with its claims, asked for where they are not known. Endpoint and answer errors leave it as it is."""
        known = self.stored(cited)
        if known is not None:
            return known
        key = cited.hub_id, cited.title, cited.abstract
        async with self._asking.setdefault(key, asyncio.Lock()):
            if key not in self._known:
                self._keep(key, cited, await self._answered(cited))
        return self._known[key]

    def complete(self, task: Task) -> Task:
        """The task with the claims of its hub, as far as they are known."""
        known = self.stored(task.pair.cited)
        return task if known is None or known is task.pair.cited else with_hub(task, known)

    async def _answered(self, cited: CitedWork) -> Checked:
        dialogue = self._dialogue(cited)
        try:
            request = next(dialogue)
            while (answer := await self.asker.answer(request)) is not None:
                request = dialogue.send(answer)
        except StopIteration as end:
            checked: Checked = end.value
            return checked
        except JudgeUnavailableError as error:
            return Checked((), str(error))
        return Checked((), None)

    def _dialogue(self, cited: CitedWork) -> Generator[ChatRequest, RawAnswer, Checked]:
        """One question, and one more with the reason where the answer cannot be used or holds words of its own."""
        known = self.interviewer.capabilities
        schema = claims_schema_text(bool(known and known.bounded))
        limit = self.interviewer.settings.max_tokens
        messages = self.interviewer.prompt.render_claims(cited)
        best = Checked((), None)
        for _ in range(2):
            raw = yield self.interviewer.request(None, messages, limit)._replace(schema=schema)
            try:
                checked = check_claims(cited, raw.content)
            except AnswerError as error:
                checked = Checked((), str(error))
            best = max(best, checked, key=lambda one: len(one.claims))
            if checked.problem is None:
                return checked
            best = best._replace(problem=checked.problem)
            said = (raw.content or raw.refusal or "").strip()[:MAX_ECHO] or "(no answer)"
            messages = (*messages, Message("assistant", said), Message("user", _AGAIN.format(checked.problem)))
        return best

    def _keep(self, key: tuple[str, str, str], cited: CitedWork, checked: Checked) -> None:
        if checked.problem:
            kept = f"{len(checked.claims)} kept" if checked.claims else "none kept"
            self.notes.append(f"claims of hub {cited.hub_id}: {kept}: {checked.problem}")
        self._known[key] = cited.model_copy(update={"claims": checked.claims}) if checked.claims else cited


def with_hub(task: Task, cited: CitedWork) -> Task:
    """The same task under another record of its hub."""
    return task._replace(pair=task.pair._replace(cited=cited))


_AGAIN = (
    "That answer cannot be used: {}. Answer again with the one JSON object only, every claim copied character by "
    "character, in one piece, from the title or the abstract."
)
