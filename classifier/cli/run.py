"""``classify run``: label a hub."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from classifier.cli import options as opt
from classifier.cli.progress import Reporter
from classifier.cli.terminal import out, print_judges, print_tallies, say
from classifier.errors import EXIT_INTERRUPTED, EXIT_PARTIAL
from classifier.fetching import FetchOptions, fetch_hub, is_identifier
from classifier.inputs import open_input
from classifier.interrupts import StopOnSignal
from classifier.judges.base import HasMembers, Judge, waiting
from classifier.naming import slug
from classifier.run_columns import extra_columns
from classifier.running import RunOptions, RunResult, run_source, spent_in_batches
from classifier.settings import choose_judge, load_settings, settings_of_judges

if TYPE_CHECKING:
    from classifier.evaluation.panel import PanelAgreement

MOST_REPORTED = 2000
"""Runs up to this size write their page at once: some seconds at the most."""


def run(
    source: opt.Input,
    folder: Annotated[
        Path | None, typer.Option("--out", help="Folder for the results. Default: outputs/<hub>.", show_default=False)
    ] = None,
    judge: opt.Judges = None,
    model: opt.Model = None,
    base_url: opt.BaseUrl = None,
    local_model: opt.LocalModel = None,
    limit: opt.Limit = None,
    concurrency: Annotated[int | None, typer.Option("--concurrency", min=1, help="Requests in flight at most.")] = None,
    offline: opt.Offline = False,
    prompt: opt.Prompt = None,
    skip_bad_rows: opt.SkipBadRows = False,
    no_claims: opt.NoClaims = False,
    logprobs: opt.Logprobs = False,
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
    from classifier.evaluation.judging import Help, open_panel

    settings = load_settings(
        model=model, base_url=base_url, concurrency=concurrency, prompt=prompt, max_cost=max_cost,
        prices=prices, rpm=rpm, tpm=tpm, local_model=local_model, claims=not no_claims,
        logprobs=logprobs or None,
    )  # fmt: skip
    asked = settings_of_judges(settings, judge or ())
    names = print_judges(asked)
    if is_identifier(str(source)):
        target = (folder or Path("outputs") / slug(str(source))) / "hub.json"
        source = fetch_hub(str(source), FetchOptions(target, offline=offline), say)
    opened = open_input(source, skip_bad_rows=skip_bad_rows)
    for warning in opened.warnings:
        say(f"note: {warning}")
    decider, given = open_panel(
        asked, Help(examples, shots, calibration, fuse, samples, cascade, cascade_below), offline=offline
    )
    arguments = {"judge": names[0] if len(names) == 1 else names, "limit": limit,
                 "concurrency": settings.concurrency, "offline": offline, "prompt": settings.prompt,
                 "skip_bad_rows": skip_bad_rows, "max_cost": max_cost, "rpm": rpm, "tpm": tpm, "samples": samples,
                 "cascade": cascade, "cascade_below": cascade_below, **given}  # fmt: skip
    if any(choose_judge(one)[0] == "openai" for one in asked):
        arguments["claims"] = not no_claims
        if settings.logprobs:
            arguments["logprobs"] = True
    agreement = _agreement(decider)
    columns = extra_columns(len(asked) - 1, logprobs=settings.logprobs)
    with Reporter("labelling", lambda: waiting(decider)) as report, StopOnSignal(say) as stop:
        result = run_source(
            opened,
            decider,
            RunOptions(folder, limit, settings.concurrency, settings.prompt, arguments, columns, agreement),
            on_progress=report,
            stop=stop,
        )
    for row in opened.bad_rows:
        say(f"skipped: {row.error()}")
    print_tallies(result.tallies)
    for line in agreement.lines() if agreement else ():
        out.print(line, markup=False)
    for file in ("predictions.csv", "predictions.jsonl", "summary.json", "run.json"):
        out.print(str(result.folder / file), markup=False)
    _report(result)
    _end(result, agreement)


def _agreement(judge: Judge) -> PanelAgreement | None:
    """What counts the agreement of several judges; ``None`` for one."""
    if not isinstance(judge, HasMembers):
        return None
    from classifier.evaluation.panel import PanelAgreement

    return PanelAgreement([one.name for one in judge.members()])


def _end(result: RunResult, agreement: PanelAgreement | None) -> None:
    """What the run cost, and how it ended: a line on stderr and an exit code unless every work got its labels."""
    if result.usage.dollars is not None and result.usage.requests:
        out.print(f"spent: ${result.usage.dollars:.4f} in {result.usage.requests} requests")
    batches = spent_in_batches(result.folder)
    if batches and batches["dollars"] is not None:
        out.print(f"spent before, in batches: ${batches['dollars']:.4f} for {batches['answers']} answers")
    if result.usage.budget_spent:
        say("the budget of --max-cost is spent; what was answered is stored: run again with a higher one to go on")
        raise typer.Exit(EXIT_PARTIAL)
    if result.stopped:
        say("stopped early; what was answered is stored: run the same command again to go on")
        raise typer.Exit(EXIT_INTERRUPTED)
    if result.failed:
        say(f"finished with {result.failed} failed works; the column `failure` says why")
        raise typer.Exit(EXIT_PARTIAL)
    if agreement and agreement.failed:
        say("finished; " + ", ".join(f"judge {name} failed on {n} works" for name, n in agreement.failed.items()))
        raise typer.Exit(EXIT_PARTIAL)


def _report(result: RunResult) -> None:
    """The page of a run of ordinary size; a large one would hold up the end of the run for its sake."""
    if sum(result.tallies.total().values()) <= MOST_REPORTED:
        from classifier.report import write_report

        out.print(str(write_report(result.folder)), markup=False)
    else:
        say(f"more than {MOST_REPORTED} works: `classify report {result.folder}` writes the page")
