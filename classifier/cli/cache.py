"""``classify cache``: the answer store."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from classifier.cli import options as opt
from classifier.cli.terminal import out, plain
from classifier.errors import InputError, SettingsError
from classifier.settings import Settings, load_settings

app = typer.Typer(help="Look into the store of answers, share it, shrink it.", no_args_is_help=True)
OnlyModel = Annotated[str | None, typer.Option("--model", help="Only answers of this model.")]


@app.command()
def stats() -> None:
    """Count answers, tokens and bytes in the store."""
    from classifier import store_tools
    from classifier.store import Store

    settings = load_settings()
    with Store(settings.store) as store:
        found = store_tools.stats(store)
        out.print(f"store: {store.path} ({found.size} bytes)", markup=False)
        out.print(f"answers: {found.answers}, {found.truncated} of them truncated")
        out.print(f"tokens: {found.prompt_tokens} in, {found.completion_tokens} out")
        if found.answers:
            out.print(f"answered between {found.oldest} and {found.newest}")
        for (endpoint, model), count in sorted(found.by_model.items()):
            out.print(f"  {count:>8}  {plain(model)} at {plain(endpoint)}", markup=False)


@app.command()
def explain(
    source: opt.Input,
    citing_id: Annotated[
        str | None, typer.Argument(metavar="[CITING_ID]", help="As in the column citing_id; default: the first work.")
    ] = None,
    model: opt.Model = None,
    base_url: opt.BaseUrl = None,
    prompt: opt.Prompt = None,
) -> None:
    """Say whether the store answers for a work of INPUT, and if not, which field differs from the nearest request."""
    from classifier.evidence import prepare
    from classifier.inputs import open_input
    from classifier.judges.selection import open_openai
    from classifier.store import Store
    from classifier.store_tools import explain as explained

    settings: Settings = load_settings(judge="openai", model=model, base_url=base_url, prompt=prompt, claims=True)
    pairs = open_input(source).pairs()
    pair = next((p for p in pairs if citing_id in (None, p.citing.citing_id)), None)
    if pair is None:
        raise InputError("no such citing work", path=source, value=citing_id)
    with Store(settings.store) as store:
        judge = open_openai(settings, store, offline=True)
        request = judge.first_request(prepare(pair))
        if request is None:
            out.print("the work has no text: nothing is ever asked")
            return
        found = explained(store, request, judge.highest_limit)
    out.print(f"{pair.citing.citing_id}: {found.reason}", markup=False)
    for difference in found.differences:
        out.print(f"  {difference.field}", markup=False)
        out.print(f"    stored: {plain(difference.stored)}", markup=False)
        out.print(f"    wanted: {plain(difference.wanted)}", markup=False)


@app.command("export")
def export_answers(
    target: Annotated[Path, typer.Argument(metavar="FILE", help="The JSONL to write.", show_default=False)],
    model: OnlyModel = None,
) -> None:
    """Write the answers as JSONL: with it a colleague reruns with no request."""
    from classifier.store import Store
    from classifier.store_tools import export_store

    try:
        with Store(load_settings().store) as store:
            count = export_store(store, target, model=model)
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror}", path=target) from error
    out.print(f"{target}: {count} answers", markup=False)


@app.command("import")
def import_answers(
    source: Annotated[Path, typer.Argument(metavar="FILE", help="JSONL of `cache export`.", show_default=False)],
) -> None:
    """Take the answers of an exported JSONL into the store; every line is checked before any is kept."""
    from classifier.store import Store
    from classifier.store_tools import import_store

    with Store(load_settings().store) as store:
        out.print(f"{import_store(store, source)} new answers")


@app.command()
def prune(
    before: Annotated[str | None, typer.Option("--before", help="Only older ones: an ISO date or time, UTC.")] = None,
    model: OnlyModel = None,
    truncated: Annotated[bool, typer.Option("--truncated", help="Only answers that were cut off.")] = False,
) -> None:
    """Delete the answers that meet every condition given; without a condition none."""
    from classifier.store import Store
    from classifier.store_tools import prune as pruned

    if before is None and model is None and not truncated:
        raise SettingsError("prune needs a condition: --before, --model or --truncated")
    with Store(load_settings().store) as store:
        out.print(f"{pruned(store, before=before, model=model, truncated=truncated)} answers deleted")
