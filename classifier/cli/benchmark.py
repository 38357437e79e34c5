"""``classify benchmark``: score a judge on public data sets."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from classifier.cli import options as opt
from classifier.cli.terminal import out, say
from classifier.errors import EXIT_INTERRUPTED, InputError
from classifier.interrupts import StopOnSignal
from classifier.settings import choose_judge, load_settings


def benchmark(
    name: Annotated[str | None, typer.Argument(help="Data set: scicite, acl-arc, act, multicite, ...")] = None,
    data: Annotated[
        Path | None, typer.Option(help="Its file, as published or normalised, or the folder of it.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every data set found in the folder of --data.")] = False,
    judge: opt.Judge = None,
    model: opt.Model = None,
    base_url: opt.BaseUrl = None,
    prompt: opt.Prompt = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Only N rows of each, drawn by the hash of their id.")
    ] = None,
    concurrency: Annotated[int | None, typer.Option(min=1, help="Requests in flight at most.")] = None,
    offline: opt.Offline = False,
    examples: opt.Examples = None,
    shots: opt.Shots = 9,
    results: Annotated[Path, typer.Option(help="Folder for the figures, one JSON a task and judge.")] = Path(
        "eval/results"
    ),
    page: Annotated[Path | None, typer.Option(help="Markdown page whose benchmark table is renewed.")] = None,
) -> None:
    """Score a judge on public citation data sets, through the same pipeline as `classify run`."""
    from classifier.evaluation.benchmarks import harness, pages, schemes
    from classifier.evaluation.judging import Help, open_helped
    from classifier.evaluation.markers import replace_between

    if (name is None) != everything:
        raise InputError("give the name of a data set, or --all", do=f"known: {', '.join(schemes.datasets())}")
    settings = load_settings(judge=judge, model=model, base_url=base_url, concurrency=concurrency, prompt=prompt)
    chosen = list(schemes.datasets().values()) if everything else [schemes.dataset(name or "")]
    if data is None:
        raise InputError("no --data", do="; ".join(f"{one.title}: {one.where}" for one in chosen))
    say(f"judge: {choose_judge(settings)[0]}")
    decider, given = open_helped(settings, Help(examples, shots), offline=offline)
    with StopOnSignal(say) as stop:
        plan = harness.Plan(chosen, data, limit, settings.concurrency, everything, shots if given else 0)
        found = asyncio.run(harness.run(plan, decider, say=say, stop=stop))
    for one in found:
        pages.write_result(one, results)
    if found:
        out.print(pages.table(found), markup=False, highlight=False, soft_wrap=True)
    if page and found:
        replace_between(page, "benchmarks", pages.table(pages.read_results(results)))
        say(f"written: {page}")
    if stop():
        raise typer.Exit(EXIT_INTERRUPTED)
