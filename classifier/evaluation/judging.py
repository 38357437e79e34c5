"""Judges around a judge: with calibrated confidence, or fused with the local one. Both fit the pipeline's seam."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from classifier.errors import InputError, SettingsError
from classifier.evaluation.calibration import Calibration, apply_calibration, read_calibration
from classifier.evaluation.examples import NearestExamples, read_examples
from classifier.evaluation.fusion import Fusion, fuse, read_fusion
from classifier.evidence import Task
from classifier.judges.admission import Wait
from classifier.judges.base import Judge, JudgeCard, Usage, waiting, with_claims
from classifier.judges.selection import open_judge
from classifier.schema import CitedWork, Prediction, Status
from classifier.settings import Settings, choose_judge

FUSED = "fused"
"""The judge's name in predictions that two judges made together."""


class Help(NamedTuple):
    """What a judge is given beside its prompt: files made from gold, each ``None`` where there is none."""

    examples: Path | None = None
    shots: int = 9
    calibration: Path | None = None
    fuse: Path | None = None
    samples: int = 1
    cascade: bool = False
    cascade_below: float | None = None


class Helped(NamedTuple):
    """A judge with its help; ``options`` is what the manifest says of the help: paths, hash of the examples."""

    judge: Judge
    options: dict[str, object]


def open_helped(settings: Settings, given: Help, *, offline: bool = False) -> Helped:
    """The judge of the settings with what it is given. Bad files and settings are errors before anything is sent."""
    rule = None if given.fuse is None else read_fusion(given.fuse)
    calibration = None if given.calibration is None else read_calibration(given.calibration)
    nearest = None if given.examples is None else read_examples(given.examples, given.shots)
    options: dict[str, object] = {
        name: str(path) for name in ("calibration", "fuse") if (path := getattr(given, name)) is not None
    }
    if nearest is not None:
        options["examples"] = {"path": str(given.examples), "shots": given.shots, "sha256": nearest.sha256}
    judge = open_judge(settings, offline=offline, examples=nearest)
    if given.samples > 1 or given.cascade:
        judge = _combined(judge, settings, given)
    if rule is not None:
        judge = FusedJudge(open_judge(settings.model_copy(update={"judge": "local", "model": None})), judge, rule)
    return Helped(judge if calibration is None else CalibratedJudge(judge, calibration), options)


def open_panel(asked: Sequence[Settings], given: Help, *, offline: bool = False) -> Helped:
    """The judges of all settings as one; a single one as :func:`open_helped` gives it.

    Examples and samples are for the language models among them, a calibration for the first judge. Raises
    ``SettingsError`` for ``--cascade`` and ``--fuse``, which choose between judges.
    """
    if len(asked) == 1:
        return open_helped(asked[0], given, offline=offline)
    if given.cascade or given.fuse is not None:
        name = "--cascade" if given.cascade else "--fuse"
        raise SettingsError(
            f"{name} makes one answer of the local judge and a model; with several --judge each answers every work: "
            "leave one of the two out"
        )
    from classifier.judges.panel import PanelJudge, pooled

    judges: list[Judge] = []
    options: dict[str, object] = {}
    for number, settings in enumerate(asked):
        help_ = given if number == 0 else given._replace(calibration=None)
        if choose_judge(settings)[0] == "local":
            help_ = help_._replace(examples=None, samples=1)
        helped = open_helped(settings, help_, offline=offline)
        judges.append(helped.judge)
        options |= helped.options
    pooled(judges)
    return Helped(PanelJudge(judges, _names(judges)), options)


def _names(judges: Sequence[Judge]) -> list[str]:
    """``local`` or the model's name; with its address where two endpoints have a model of that name."""
    cards = [judge.card() for judge in judges]
    names = [card.judge if card.endpoint is None else card.model for card in cards]
    return [
        f"{name}@{card.endpoint}" if card.endpoint and names.count(name) > 1 else name
        for name, card in zip(names, cards, strict=True)
    ]


def _combined(judge: Judge, settings: Settings, given: Help) -> Judge:
    """The judge sampled several times, or asked only for what the local judge is unsure of, or both."""
    from classifier.judges.combined import CascadeJudge, sampled
    from classifier.judges.openai import OpenAIJudge

    if not isinstance(judge, OpenAIJudge):
        raise SettingsError("--samples and --cascade need a language model: give --judge openai with --model")
    combined: Judge = sampled(judge, given.samples) if given.samples > 1 else judge
    if given.cascade:
        local = open_judge(settings.model_copy(update={"judge": "local", "model": None}))
        return CascadeJudge(local, combined, given.cascade_below)
    return combined


def examples_of(run: Path) -> tuple[NearestExamples | None, str]:
    """The examples that a run was given, and why they cannot be had; both empty for a run without any."""
    try:
        asked = json.loads((run / "run.json").read_text(encoding="utf-8"))["options"].get("examples")
    except (OSError, ValueError, KeyError, AttributeError):
        return None, ""
    if not asked:
        return None, ""
    try:
        found = read_examples(Path(asked["path"]), asked["shots"])
    except InputError as error:
        return None, f"the examples of this run cannot be read: {error}"
    if found.sha256 != asked["sha256"]:
        return None, f"the examples in {asked['path']} are no longer those of this run"
    return found, ""


class CalibratedJudge:
    """The judge's answers with calibrated confidence, held back where the calibration's threshold says so."""

    def __init__(self, judge: Judge, calibration: Calibration) -> None:
        card = judge.card()
        if card.judge != calibration.judge or (card.judge != FUSED and card.model != calibration.model):
            raise SettingsError(
                f"the calibration was fitted for {calibration.judge} {calibration.model}, this run asks {card.judge} "
                f"{card.model}; fit one with `classify calibrate`"
            )
        tokens = bool(card.parameters.get("logprobs")) and "samples" not in card.parameters
        if card.judge != FUSED and tokens is not calibration.logprobs:
            raise SettingsError(
                f"the calibration was fitted on answers with{'' if calibration.logprobs else 'out'} token "
                f"probabilities: {'give' if calibration.logprobs else 'leave out'} --logprobs"
            )
        self.inner, self.calibration = judge, calibration
        self.batch_size = judge.batch_size

    def recall(self, tasks: Sequence[Task]) -> list[Prediction | None]:
        """What the judge recalls, calibrated."""
        return [None if one is None else self._calibrated(one) for one in self.inner.recall(tasks)]

    async def judge(self, tasks: Sequence[Task]) -> list[Prediction]:
        """What the judge answers, calibrated."""
        return [self._calibrated(one) for one in await self.inner.judge(tasks)]

    def _calibrated(self, one: Prediction) -> Prediction:
        """The prediction calibrated; where one of two fused judges failed, the other's answer cannot be.

        It stays as it is, or is held back where labels are to keep an error level.
        """
        if self.calibration.judge != FUSED or one.judge == FUSED or one.status is not Status.LABELLED:
            return apply_calibration(one, self.calibration)
        if self.calibration.abstention is None:
            return one
        reason = f"only judge {one.judge} answered, and the calibration is for both"
        return one.model_copy(update={"status": Status.ABSTAINED, "failure": reason})

    def usage(self) -> Usage:
        """What the judge spent."""
        return self.inner.usage()

    def waiting(self) -> Wait | None:
        """What the judge waits for."""
        return waiting(self.inner)

    def card(self) -> JudgeCard:
        """The judge's card with the calibration as a parameter."""
        card = self.inner.card()
        extra = {"calibration": self.calibration.model_dump(mode="json")}
        return card.model_copy(update={"parameters": {**card.parameters, **extra}})

    def with_claims(self, cited: CitedWork) -> CitedWork:
        """The hub as the judge reads it."""
        return with_claims(self.inner, cited)

    async def aclose(self) -> None:
        """Release the judge."""
        await self.inner.aclose()


class FusedJudge:
    """The local judge and a language model, fused by a rule fitted on gold."""

    def __init__(self, local: Judge, model: Judge, rule: Fusion) -> None:
        cards = (local.card().model, model.card().model)
        if cards != (rule.local_model, rule.model):
            raise SettingsError(
                f"the fusion was fitted for {rule.local_model} with {rule.model}, this run has {cards[0]} with "
                f"{cards[1]}; fit one with `classify calibrate --fuse`"
            )
        self.local, self.model, self.rule = local, model, rule
        self.batch_size = model.batch_size

    def recall(self, tasks: Sequence[Task]) -> list[Prediction | None]:
        """Nothing: the language model's stored answers are used when it is asked."""
        return [None] * len(tasks)

    async def judge(self, tasks: Sequence[Task]) -> list[Prediction]:
        """Both judges' answers, fused one by one."""
        both = await asyncio.gather(self.local.judge(tasks), self.model.judge(tasks))
        return [fuse(local, model, self.rule) for local, model in zip(*both, strict=True)]

    def usage(self) -> Usage:
        """What the language model spent; the local judge spends nothing."""
        return self.model.usage()

    def waiting(self) -> Wait | None:
        """What the language model waits for."""
        return waiting(self.model)

    def card(self) -> JudgeCard:
        """The language model's card under the name ``fused``, with the local model and the rule."""
        card = self.model.card()
        extra = {"local": self.local.card().model_dump(mode="json"), "fusion": self.rule.model_dump(mode="json")}
        return card.model_copy(update={"judge": FUSED, "parameters": {**card.parameters, **extra}})

    def with_claims(self, cited: CitedWork) -> CitedWork:
        """The hub as the language model reads it."""
        return with_claims(self.model, cited)

    async def aclose(self) -> None:
        """Release both."""
        await self.local.aclose()
        await self.model.aclose()
