"""``classify plan``: what a run would do."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from classifier.cli import options as opt
from classifier.cli.terminal import out, print_judges, say
from classifier.estimating import Estimator, Range, cost, learn
from classifier.inputs import Source, open_input
from classifier.judges.selection import OPENAI_URL
from classifier.planning import CLAIMED, Plan
from classifier.planning import plan as count
from classifier.prices import find_price, needs_price
from classifier.settings import Settings, choose_judge, load_settings, settings_of_judges
from classifier.store import Store


def plan(
    source: opt.Input,
    judge: opt.Judges = None,
    model: opt.Model = None,
    base_url: opt.BaseUrl = None,
    limit: opt.Limit = None,
    prompt: opt.Prompt = None,
    skip_bad_rows: opt.SkipBadRows = False,
    no_claims: opt.NoClaims = False,
    prices: opt.Prices = None,
    examples: opt.Examples = None,
    shots: opt.Shots = 9,
) -> None:
    """Count what a run over INPUT would send, and show the first prompt; sends nothing."""
    settings = load_settings(model=model, base_url=base_url, prompt=prompt, prices=prices, claims=not no_claims)
    asked = settings_of_judges(settings, judge or ())
    names = print_judges(asked)
    opened = open_input(source, skip_bad_rows=skip_bad_rows)
    works = opened.check()
    for warning in opened.warnings:
        say(f"note: {warning}")
    total = _total(asked, names, opened, limit or works, _Shown(examples, shots))
    if total and len(asked) > 1:
        out.print(f"cost of all judges: about ${total.middle:.4f} (${total.low:.4f} to ${total.high:.4f})")


class _Shown(NamedTuple):
    """Which labelled examples stand in a prompt, and how many."""

    path: Path | None
    shots: int


def _total(asked: Sequence[Settings], names: Sequence[str], opened: Source, works: int, shown: _Shown) -> Range | None:
    """Print what each judge would send; the sum of their costs, ``None`` where a price is not known."""
    from classifier.evaluation.judging import Help, open_helped

    costs: list[Range | None] = []
    for number, (one, name) in enumerate(zip(asked, names, strict=True)):
        local = choose_judge(one)[0] == "local"
        given = Help() if local and len(asked) > 1 else Help(shown.path, shown.shots)
        planned = count(islice(opened.pairs(), works), open_helped(one, given, offline=True).judge, _estimator(one))
        if number == 0:
            announced = f"{opened.announced} announced, " if opened.announced is not None else ""
            out.print(f"works: {announced}{planned.works} to label, {planned.with_passage} with a passage, "
                      f"{planned.without_text} without any text")  # fmt: skip
        if len(asked) > 1:
            out.print(f"--- judge {name}", markup=False)
        if local:
            out.print("requests: 0 (the embedded judge runs on this machine)")
            costs.append(Range(0.0, 0.0, 0.0))
        else:
            costs.append(_print(planned, one))
    known = [cost for cost in costs if cost is not None]
    return Range(*map(sum, zip(*known, strict=True))) if len(known) == len(costs) else None


def _estimator(settings: Settings) -> Estimator:
    if choose_judge(settings)[0] == "local" or not settings.model:
        return Estimator()
    with Store(settings.store) as store:
        return learn(store, (settings.base_url or OPENAI_URL).rstrip("/"), settings.model)


def _print(planned: Plan, settings: Settings) -> Range | None:
    """What one model would be sent; its cost."""
    out.print(f"answers in the store: {planned.recalled}")
    out.print(f"requests: {planned.requests} (without retries)")
    if planned.claims_requests:
        out.print(f"and {planned.claims_requests} for the claims of hubs not asked yet (--no-claims: none)")
    out.print(f"tokens in: {_shown(planned.prompt_tokens)}; out: {_shown(planned.completion_tokens)}")
    out.print(f"  {planned.how}")
    if planned.claims_requests:
        out.print(f"  a hub's claims, not known yet, are taken to be {CLAIMED:.0%} of its abstract in every prompt")
    cost_ = _print_cost(planned, settings)
    for message in planned.first:
        out.print(f"--- first prompt, {message.role}", markup=False)
        out.print(message.content, markup=False)
    return cost_


def _shown(tokens: Range) -> str:
    return f"about {tokens.middle:,.0f} ({tokens.low:,.0f} to {tokens.high:,.0f})"


def _print_cost(planned: Plan, settings: Settings) -> Range | None:
    endpoint = settings.base_url or OPENAI_URL
    price = find_price(settings.model or "", endpoint, settings.prices)
    if price is None:
        out.print(f"cost: {needs_price(settings.model or '', endpoint)}", markup=False)
        return None
    for name, batch in (("cost", False), ("in the Batch API", True)):
        if batch and price.batch is None:
            continue
        dollars = cost(price, planned.prompt_tokens, planned.completion_tokens, batch=batch)
        out.print(f"{name}: about ${dollars.middle:.4f} (${dollars.low:.4f} to ${dollars.high:.4f})")
    out.print(f"  price of {price.model} as of {price.as_of}, {price.source}", markup=False)
    return cost(price, planned.prompt_tokens, planned.completion_tokens)
