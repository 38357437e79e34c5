"""The judge on a real model server, now: the protocol holds, and a second run needs no server."""

import asyncio
import json

import pytest

from classifier.judges.openai import OpenAIJudge, OpenAISettings
from classifier.schema import Status
from classifier.store import Store
from tests.model_server import MODEL
from tests.test_cli import classify, rows
from tests.works import context_task

pytestmark = pytest.mark.live


def test_a_task_is_judged_live_and_recalled_offline(model_server, tmp_path):
    tasks = [context_task("We follow the step-wise verifier of [[Smith et al.]] and find it robust.")]
    settings = OpenAISettings(base_url=model_server, model=MODEL, max_tokens=300, timeout=600.0, tries=1)

    async def run(settings, store):
        judge = OpenAIJudge.open(settings, store)
        try:
            return await judge.judge(tasks), judge.usage(), judge.card()
        finally:
            await judge.aclose()

    with Store(tmp_path / "answers.sqlite") as store:
        first, used, card = asyncio.run(run(settings, store))
        again, usedless, _ = asyncio.run(run(settings.model_copy(update={"offline": True}), store))
    assert card.parameters["structured_output"] == "json_schema"
    assert used.requests >= 2
    assert again == first
    assert usedless.requests == 0


def test_the_server_gives_token_probabilities_and_they_are_recalled_offline(model_server, tmp_path):
    """The probe decides whether it does; where it does, the values of the label are found among its tokens."""
    work = [context_task("We follow the step-wise verifier of [[Smith et al.]] and find it robust.")]
    settings = OpenAISettings(
        base_url=model_server, model=MODEL, max_tokens=300, timeout=600.0, tries=1, logprobs=True
    )  # fmt: skip

    async def run(settings, store):
        judge = OpenAIJudge.open(settings, store)
        try:
            return await judge.judge(work), judge.card()
        finally:
            await judge.aclose()

    with Store(tmp_path / "answers.sqlite") as store:
        (found,), card = asyncio.run(run(settings, store))
        (again,), _ = asyncio.run(run(settings.model_copy(update={"offline": True}), store))
        tokens = [row.answer.logprobs for row in store.rows()]
    assert "logprobs: given" in card.notes
    assert all(tokens), "every answer came with its tokens"
    assert again == found
    if found.label is not None:
        assert set(found.logprobs) == {"role", "polarity"}
        assert all(value <= 0 for value in found.logprobs.values())


def test_the_whole_command_against_a_live_server(model_server, tmp_path):
    """Two works: one with a passage, one with a summary only. What they are labelled is not the point."""
    table = tmp_path / "t.jsonl"
    works = [
        {"hub_title": "A step-wise verifier", "title": "Robust steps",
         "contexts": ["We follow the step-wise verifier of [[Smith et al.]] and find it robust."]},
        {"title": "Steps", "summary": "A survey of verifiers that judge every step."},
    ]  # fmt: skip
    table.write_text("".join(json.dumps(work) + "\n" for work in works), encoding="utf-8")
    env = {"CLASSIFIER_STORE": str(tmp_path / "answers.sqlite"), "CLASSIFIER_MAX_TOKENS": "300",
           "CLASSIFIER_TIMEOUT": "600"}  # fmt: skip
    arguments = ("run", table, "--judge", "openai", "--base-url", model_server, "--model", MODEL, "--concurrency", 1)
    first = classify(*arguments, "--out", tmp_path / "a", cwd=tmp_path, env=env, timeout=900)
    assert first.returncode in (0, 3), first.stderr
    manifest = json.loads((tmp_path / "a" / "run.json").read_text(encoding="utf-8"))
    assert manifest["judge"]["parameters"]["structured_output"] == "json_schema"
    assert manifest["judge"]["model_served"] == MODEL
    assert manifest["usage"]["requests"] >= 3, "the probe and both works"
    assert len(rows(tmp_path / "a")) == 2
    assert {row["status"] for row in rows(tmp_path / "a")} <= set(Status)
    again = classify(*arguments, "--offline", "--out", tmp_path / "b", cwd=tmp_path, env=env)
    assert again.returncode == first.returncode
    for name in ("predictions.csv", "predictions.jsonl"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert json.loads((tmp_path / "b" / "run.json").read_text(encoding="utf-8"))["usage"]["requests"] == 0
