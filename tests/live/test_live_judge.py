"""The judge on a real model server, now: the protocol holds, and a second run needs no server."""

import asyncio

import pytest

from classifier.judges.openai import OpenAIJudge, OpenAISettings
from classifier.store import Store
from tests.model_server import MODEL
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
