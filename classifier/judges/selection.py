"""Opens the judge that the settings ask for. The heavy imports of the judge that is not used are never paid."""

from __future__ import annotations

from typing import TYPE_CHECKING

from classifier.errors import SettingsError
from classifier.judges.base import Judge
from classifier.settings import Settings, choose_judge

if TYPE_CHECKING:
    from classifier.judges.dialogue import Examples
    from classifier.judges.openai import OpenAIJudge
    from classifier.store import Store

OPENAI_URL = "https://api.openai.com/v1"


def open_judge(settings: Settings, *, offline: bool = False, examples: Examples | None = None) -> Judge:
    """The judge, ready to be asked; sends nothing yet. Raises ``SettingsError`` or ``StoreError``.

    ``examples`` gives the labelled examples to show beside a task; the embedded judge reads none.
    """
    name, _ = choose_judge(settings)
    if name == "local":
        if examples is not None:
            raise SettingsError("--examples is for judge openai: the embedded judge reads no examples")
        from classifier.judges.local.judge import LocalJudge

        return LocalJudge(settings.local_model)
    from classifier.store import Store

    return open_openai(settings, Store(settings.store), offline=offline, examples=examples)


def open_openai(
    settings: Settings, store: Store, *, offline: bool = False, examples: Examples | None = None
) -> OpenAIJudge:
    """The judge behind an OpenAI-compatible endpoint, over an open store. Raises ``SettingsError``."""
    if settings.model is None:
        raise SettingsError("judge openai needs a model: give --model NAME (or CLASSIFIER_MODEL)")
    from classifier.judges.dialogue import OpenAISettings, by_file
    from classifier.judges.openai import OpenAIJudge
    from classifier.prices import find_price, needs_price

    endpoint = settings.base_url or OPENAI_URL
    price = find_price(settings.model, endpoint, settings.prices)
    if settings.max_cost is not None and price is None:
        raise needs_price(settings.model, endpoint)
    asked = OpenAISettings(
        base_url=endpoint,
        model=settings.model,
        api_key=settings.api_key,
        prompt=settings.prompt,
        temperature=settings.temperature,
        seed=settings.seed,
        max_tokens=settings.max_tokens,
        timeout=settings.timeout,
        concurrency=settings.concurrency,
        claims=settings.claims,
        logprobs=settings.logprobs,
        offline=offline or by_file(endpoint),
        rpm=settings.rpm,
        tpm=settings.tpm,
        price=price,
        max_cost=settings.max_cost,
    )
    return OpenAIJudge.open(asked, store, examples=examples)
