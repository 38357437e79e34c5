"""``classify batch submit|status|collect|cancel``: OpenAI's Batch API."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from classifier.cli import options as opt
from classifier.cli.terminal import out, say
from classifier.errors import EXIT_PARTIAL, SettingsError
from classifier.inputs import open_input
from classifier.running import default_folder
from classifier.settings import Settings, load_settings
from classifier.store import Store

if TYPE_CHECKING:  # openai takes a second to import: only the commands that need it do
    from classifier.batch.api import BatchClient, BatchRun
    from classifier.judges.openai import OpenAIJudge
    from classifier.prices import Price

MostTokens = Annotated[
    int | None, typer.Option("--max-enqueued-tokens", min=1, help="Tokens that may wait on the server at once.")
]


def submit(
    source: Annotated[
        Path,
        typer.Argument(metavar="INPUT|RUN", help="An input to begin with, or a run to go on with.", show_default=False),
    ],
    folder: Annotated[
        Path | None, typer.Option("--out", help="Run folder. Default: outputs/<hub>.", show_default=False)
    ] = None,
    model: opt.Model = None,
    base_url: opt.BaseUrl = None,
    limit: opt.Limit = None,
    prompt: opt.Prompt = None,
    logprobs: opt.Logprobs = False,
    most_tokens: MostTokens = None,
) -> None:
    """Send what the store cannot answer as batches; again on RUN it goes on where it stopped."""
    from classifier.batch.api import BatchRun
    from classifier.judges.selection import open_openai

    if source.is_dir():
        run = BatchRun.open(source)
    else:
        opened = open_input(source)
        opened.check()
        given = {"model": model, "base_url": base_url, "prompt": prompt, "limit": limit}
        if logprobs:  # batches from before there was this option have none in their settings
            given["logprobs"] = True
        target = folder or default_folder(opened)
        run = BatchRun.open(target) if (target / "batch.json").exists() else BatchRun.create(target, source, given)
        if run.state.settings != given or run.state.input != str(source):
            raise SettingsError(f"{target}: holds batches of another input or other settings; give another --out")
    settings = _settings(run)
    client = _client(settings)
    if not run.busy:
        opened = open_input(Path(run.state.input))
        total = opened.check()
        with Store(settings.store) as store:
            judge = open_openai(settings, store, offline=True)
            _assume(judge)
            note_logprobs(judge)
            pairs = islice(opened.pairs(), run.state.settings["limit"] or total)
            if not run.write(pairs, judge, opened.sha256()):
                out.print("nothing to ask: `classify run` with the same options needs no request")
                return
    run.refresh(client)
    started = run.submit(client, most_tokens)
    waiting = sum(part.step in ("written", "uploaded") for part in run.state.parts)
    _print(run)
    say(f"{started} batches started, {waiting} wait for room in the queue; then: classify batch collect {run.folder}")


def status(folder: opt.Run) -> None:
    """Show how far the batches of RUN are."""
    from classifier.batch.api import BatchRun

    run = BatchRun.open(folder)
    run.refresh(_client(_settings(run)))
    _print(run)


def collect(folder: opt.Run, prices: opt.Prices = None) -> None:
    """Store the answers of the batches of RUN that ended; partial ones too. Exit code 3 while something is open."""
    from classifier.batch.api import BatchRun
    from classifier.judges.selection import OPENAI_URL
    from classifier.prices import find_price

    run = BatchRun.open(folder)
    settings = _settings(run)
    client = _client(settings)
    run.refresh(client)
    price = find_price(settings.model or "", settings.base_url or OPENAI_URL, prices or settings.prices)
    with Store(settings.store) as store:
        for part, imported in run.collect(client, store, price):
            counts = sum((found.counts for found in imported), start=type(imported[0].counts)()) if imported else {}
            shown = ", ".join(f"{count} {what}" for what, count in sorted(counts.items()) if count)
            out.print(f"{part.file}: {part.status}; {shown or part.problem or 'no answers'}", markup=False)
            for problem in [p for found in imported for p in found.problems][:3]:
                say(f"  line {problem.line}: {problem.what}")
    _print(run)
    _print_spent(run, price)
    if run.busy:
        say(f"not all batches ended; later: classify batch collect {run.folder}")
        raise typer.Exit(EXIT_PARTIAL)
    say(f"what is still open: classify batch submit {run.folder}; the tables: classify run {run.state.input}")


def cancel(folder: opt.Run) -> None:
    """Stop the batches of RUN; what was answered until then stays and can be collected."""
    from classifier.batch.api import BatchRun

    run = BatchRun.open(folder)
    client = _client(_settings(run))
    run.refresh(client)
    asked = run.cancel(client)
    _print(run)
    say(f"{asked} batches are being cancelled; then: classify batch collect {run.folder}")


def _settings(run: BatchRun) -> Settings:
    known = {name: value for name, value in run.state.settings.items() if name != "limit"}
    return load_settings(judge="openai", **known)


def _client(settings: Settings) -> BatchClient:
    from classifier.batch.api import BatchClient
    from classifier.judges.selection import OPENAI_URL

    if settings.api_key is None and settings.base_url is None:
        raise SettingsError("the Batch API needs OPENAI_API_KEY in the environment")
    key = settings.api_key.get_secret_value() if settings.api_key else None
    return BatchClient(settings.base_url or OPENAI_URL, key)


def _assume(judge: OpenAIJudge) -> None:
    """Where the endpoint was not probed online, take it that it holds a schema, as OpenAI's own does."""
    from classifier.judges.request import Rung

    if judge.interviewer.capabilities is None:
        judge.assume(Rung.JSON_SCHEMA)


def note_logprobs(judge: OpenAIJudge) -> None:
    """Say what is not known of token probabilities, or that the endpoint gives none."""
    known = judge.interviewer.capabilities
    if not judge.settings.logprobs or known is None or known.logprobs:
        return
    if known.logprobs is False:
        say("note: this endpoint gives no token probabilities (asked before): the requests are without --logprobs")
    else:
        say(
            "note: nobody asked this endpoint yet whether it gives token probabilities; where it refuses them every "
            "request fails. `classify run INPUT --limit 1 --logprobs` finds out; without --logprobs give another --out"
        )


def _print(run: BatchRun) -> None:
    for part in run.state.parts:
        state = part.status if part.step == "created" else part.step
        done = f", {part.completed} done, {part.failed} failed" if part.batch_id else ""
        problem = f" ({part.problem})" if part.problem else ""
        out.print(f"{part.file}: {part.requests} requests, {state}{done}{problem}", markup=False)


def _print_spent(run: BatchRun, price: Price | None) -> None:
    spent = run.state.spent
    if spent is None:
        return
    unknown = f"; {spent.unpriced} answers came without their number of tokens" if spent.unpriced else ""
    read = f"{spent.answers} answers, tokens in {spent.tokens.prompt:,}, out {spent.tokens.completion:,}{unknown}"
    if spent.dollars is None:
        out.print(f"spent: not known, no price for {run.state.settings.get('model')} ({read}); see --prices")
        return
    share = f"{price.batch:g} of the price" if price and price.batch else "the full price: no batch price is known"
    out.print(f"spent: ${spent.dollars:.4f} in all batches of this run ({read}; {share})")
