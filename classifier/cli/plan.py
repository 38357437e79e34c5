"""``classify plan``: what a run would do."""

from __future__ import annotations

import typer

from classifier.cli import options as opt
from classifier.cli.terminal import out, say
from classifier.estimating import Estimator, Range, cost, learn
from classifier.inputs import open_input
from classifier.judges.selection import OPENAI_URL, open_judge
from classifier.planning import Plan
from classifier.planning import plan as count
from classifier.prices import find_price, needs_price
from classifier.prompting import Prompt
from classifier.settings import Settings, choose_judge, load_settings
from classifier.store import Store


def plan(
    source: opt.Input,
    judge: opt.Judge = None,
    model: opt.Model = None,
    base_url: opt.BaseUrl = None,
    limit: opt.Limit = None,
    prompt: opt.Prompt = None,
    skip_bad_rows: opt.SkipBadRows = False,
    no_claims: opt.NoClaims = False,
    prices: opt.Prices = None,
) -> None:
    """Count what a run over INPUT would send, and show the first prompt; sends nothing."""
    settings = load_settings(
        judge=judge, model=model, base_url=base_url, prompt=prompt, prices=prices, claims=not no_claims
    )
    name, why = choose_judge(settings)
    say(f"judge: {name} ({why})")
    opened = open_input(source, skip_bad_rows=skip_bad_rows)
    works = opened.check()
    for warning in opened.warnings:
        say(f"note: {warning}")
    decider = open_judge(settings, offline=True)
    rendered = Prompt(settings.prompt) if name == "openai" else None
    pairs = (pair for pair, _ in zip(opened.pairs(), range(limit or works), strict=False))
    estimator = Estimator()
    if rendered is not None and settings.model:
        with Store(settings.store) as store:
            estimator = learn(store, (settings.base_url or OPENAI_URL).rstrip("/"), settings.model)
    planned = count(pairs, decider, rendered, estimator)
    announced = f"{opened.announced} announced, " if opened.announced is not None else ""
    out.print(f"works: {announced}{planned.works} to label, {planned.with_passage} with a passage, "
              f"{planned.without_text} without any text")  # fmt: skip
    if rendered is None:
        out.print("requests: 0 (the embedded judge runs on this machine)")
        raise typer.Exit
    out.print(f"answers in the store: {planned.recalled}")
    out.print(f"requests: {planned.requests} (without retries)")
    if not no_claims:
        out.print("and one request for the claims of each hub with an abstract not asked yet (--no-claims: none)")
    out.print(f"tokens in: {_shown(planned.prompt_tokens)}; out: {_shown(planned.completion_tokens)}")
    out.print(f"  {planned.how}")
    _print_cost(planned, settings)
    for message in planned.first:
        out.print(f"--- first prompt, {message.role}", markup=False)
        out.print(message.content, markup=False)


def _shown(tokens: Range) -> str:
    return f"about {tokens.middle:,.0f} ({tokens.low:,.0f} to {tokens.high:,.0f})"


def _print_cost(planned: Plan, settings: Settings) -> None:
    endpoint = settings.base_url or OPENAI_URL
    price = find_price(settings.model or "", endpoint, settings.prices)
    if price is None:
        out.print(f"cost: {needs_price(settings.model or '', endpoint)}", markup=False)
        return
    for name, batch in (("cost", False), ("in the Batch API", True)):
        if batch and price.batch is None:
            continue
        dollars = cost(price, planned.prompt_tokens, planned.completion_tokens, batch=batch)
        out.print(f"{name}: about ${dollars.middle:.4f} (${dollars.low:.4f} to ${dollars.high:.4f})")
    out.print(f"  price of {price.model} as of {price.as_of}, {price.source}", markup=False)
