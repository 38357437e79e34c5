"""``classify plan``: what a run would do."""

from __future__ import annotations

import typer

from classifier.cli import options as opt
from classifier.cli.terminal import out, say
from classifier.inputs import open_input
from classifier.judges.selection import open_judge
from classifier.planning import plan as count
from classifier.prompting import Prompt
from classifier.settings import choose_judge, load_settings


def plan(
    source: opt.Input,
    judge: opt.Judge = None,
    model: opt.Model = None,
    base_url: opt.BaseUrl = None,
    limit: opt.Limit = None,
    prompt: opt.Prompt = None,
    skip_bad_rows: opt.SkipBadRows = False,
) -> None:
    """Count what a run over INPUT would send, and show the first prompt; sends nothing."""
    settings = load_settings(judge=judge, model=model, base_url=base_url, prompt=prompt)
    name, why = choose_judge(settings)
    say(f"judge: {name} ({why})")
    opened = open_input(source, skip_bad_rows=skip_bad_rows)
    works = opened.check()
    for warning in opened.warnings:
        say(f"note: {warning}")
    decider = open_judge(settings, offline=True)
    rendered = Prompt(settings.prompt) if name == "openai" else None
    pairs = (pair for pair, _ in zip(opened.pairs(), range(limit or works), strict=False))
    planned = count(pairs, decider, rendered)
    announced = f"{opened.announced} announced, " if opened.announced is not None else ""
    out.print(f"works: {announced}{planned.works} to label, {planned.with_passage} with a passage, "
              f"{planned.without_text} without any text")  # fmt: skip
    if rendered is None:
        out.print("requests: 0 (the embedded judge runs on this machine)")
        raise typer.Exit
    out.print(f"answers in the store: {planned.recalled}")
    out.print(f"requests: {planned.requests} (without retries)")
    out.print(f"tokens, estimated from characters: about {planned.prompt_tokens} in, {planned.completion_tokens} out")
    for message in planned.first:
        out.print(f"--- first prompt, {message.role}", markup=False)
        out.print(message.content, markup=False)
