"""``classify run``: label a hub."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from classifier.cli import options as opt
from classifier.cli.progress import Reporter
from classifier.cli.terminal import out, print_tallies, say
from classifier.errors import EXIT_INTERRUPTED, EXIT_PARTIAL
from classifier.fetching import FetchOptions, fetch_hub, is_identifier
from classifier.inputs import open_input
from classifier.interrupts import StopOnSignal
from classifier.naming import slug
from classifier.running import RunOptions, RunResult, run_source
from classifier.settings import choose_judge, load_settings

MOST_REPORTED = 2000
"""Runs up to this size write their page at once: some seconds at the most."""


def run(
    source: opt.Input,
    folder: Annotated[
        Path | None, typer.Option("--out", help="Folder for the results. Default: outputs/<hub>.", show_default=False)
    ] = None,
    judge: opt.Judge = None,
    model: opt.Model = None,
    base_url: opt.BaseUrl = None,
    local_model: opt.LocalModel = None,
    limit: opt.Limit = None,
    concurrency: Annotated[int | None, typer.Option("--concurrency", min=1, help="Requests in flight at most.")] = None,
    offline: opt.Offline = False,
    prompt: opt.Prompt = None,
    skip_bad_rows: opt.SkipBadRows = False,
    no_claims: opt.NoClaims = False,
    samples: opt.Samples = 1,
    cascade: opt.Cascade = False,
    cascade_below: opt.CascadeBelow = None,
    max_cost: opt.MaxCost = None,
    prices: opt.Prices = None,
    rpm: opt.Rpm = None,
    tpm: opt.Tpm = None,
    examples: opt.Examples = None,
    shots: opt.Shots = 9,
    calibration: Annotated[Path | None, typer.Option(help="File of `classify calibrate`: mends confidence.")] = None,
    fuse: Annotated[Path | None, typer.Option(help="File of `classify calibrate --fuse`: fuses local.")] = None,
) -> None:
    """Label every citing work of INPUT and write CSV, JSONL, summary and manifest."""
    from classifier.evaluation.judging import Help, open_helped

    settings = load_settings(
        judge=judge, model=model, base_url=base_url, concurrency=concurrency, prompt=prompt, max_cost=max_cost,
        prices=prices, rpm=rpm, tpm=tpm, local_model=local_model, claims=not no_claims,
    )  # fmt: skip
    name, why = choose_judge(settings)
    say(f"judge: {name} ({why})")
    if is_identifier(str(source)):
        target = (folder or Path("outputs") / slug(str(source))) / "hub.json"
        source = fetch_hub(str(source), FetchOptions(target, offline=offline), say)
    opened = open_input(source, skip_bad_rows=skip_bad_rows)
    for warning in opened.warnings:
        say(f"note: {warning}")
    decider, given = open_helped(
        settings, Help(examples, shots, calibration, fuse, samples, cascade, cascade_below), offline=offline
    )
    arguments = {"judge": name, "limit": limit, "concurrency": settings.concurrency, "offline": offline,
                 "prompt": settings.prompt, "skip_bad_rows": skip_bad_rows, "max_cost": max_cost, "rpm": rpm,
                 "tpm": tpm, "samples": samples, "cascade": cascade, "cascade_below": cascade_below,
                 **given}  # fmt: skip
    if name == "openai":
        arguments["claims"] = not no_claims
    with Reporter("labelling", getattr(decider, "waiting", None)) as report, StopOnSignal(say) as stop:
        result = run_source(
            opened,
            decider,
            RunOptions(folder, limit, settings.concurrency, settings.prompt, arguments),
            on_progress=report,
            stop=stop,
        )
    for row in opened.bad_rows:
        say(f"skipped: {row.error()}")
    print_tallies(result.tallies)
    for file in ("predictions.csv", "predictions.jsonl", "summary.json", "run.json"):
        out.print(str(result.folder / file), markup=False)
    _report(result)
    if result.usage.dollars is not None and result.usage.requests:
        out.print(f"spent: ${result.usage.dollars:.4f} in {result.usage.requests} requests")
    if result.usage.budget_spent:
        say("the budget of --max-cost is spent; what was answered is stored: run again with a higher one to go on")
        raise typer.Exit(EXIT_PARTIAL)
    if result.stopped:
        say("stopped early; what was answered is stored: run the same command again to go on")
        raise typer.Exit(EXIT_INTERRUPTED)
    if result.failed:
        say(f"finished with {result.failed} failed works; the column `failure` says why")
        raise typer.Exit(EXIT_PARTIAL)


def _report(result: RunResult) -> None:
    """The page of a run of ordinary size; a large one would hold up the end of the run for its sake."""
    if sum(result.tallies.total().values()) <= MOST_REPORTED:
        from classifier.report import write_report

        out.print(str(write_report(result.folder)), markup=False)
    else:
        say(f"more than {MOST_REPORTED} works: `classify report {result.folder}` writes the page")
