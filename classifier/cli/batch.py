"""``classify batch``: requests and answers in files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from classifier.cli import batch_api
from classifier.cli import options as opt
from classifier.cli.terminal import out, say
from classifier.errors import EXIT_PARTIAL, InputError
from classifier.settings import load_settings

app = typer.Typer(
    help="Ask in files: export requests and import answers, or use OpenAI's Batch API.", no_args_is_help=True
)
Form = Annotated[str, typer.Option(help="How the answer's form is asked for: json_schema, json_object or text.")]


@app.command("export")
def export_requests(
    source: opt.Input,
    target: Annotated[Path, typer.Argument(metavar="OUT", help="The JSONL to write.")] = Path("requests.jsonl"),
    model: opt.Model = None,
    base_url: Annotated[
        str | None,
        typer.Option(
            "--base-url", help="Endpoint the answers are for, or file:NAME for answers that only come in files."
        ),
    ] = None,
    limit: opt.Limit = None,
    prompt: opt.Prompt = None,
    skip_bad_rows: opt.SkipBadRows = False,
    form: Form = "json_schema",
    logprobs: opt.Logprobs = False,
    examples: opt.Examples = None,
    shots: opt.Shots = 9,
) -> None:
    """Write the requests that INPUT still needs as JSONL in the Batch API's form; sends nothing.

    After an import, export again: answers that could not be used are asked again with the reason.
    """
    from collections import Counter
    from itertools import islice

    from classifier.batch.files import RequestManifest, manifest_path, open_requests, write_requests
    from classifier.errors import SettingsError
    from classifier.evaluation.examples import read_examples
    from classifier.inputs import open_input
    from classifier.judges.dialogue import by_file
    from classifier.judges.request import Rung
    from classifier.judges.selection import open_openai
    from classifier.outputs import write_json
    from classifier.store import Store

    if form not in list(Rung):
        raise SettingsError(f"--form: got {form!r}, wanted {', '.join(Rung)}")
    settings = load_settings(judge="openai", model=model, base_url=base_url, prompt=prompt, logprobs=logprobs or None)
    opened = open_input(source, skip_bad_rows=skip_bad_rows)
    total = opened.check()
    nearest = None if examples is None else read_examples(examples, shots)
    with Store(settings.store) as store:
        judge = open_openai(settings, store, offline=True, examples=nearest)
        judge.assume(Rung(form))
        if not by_file(judge.settings.endpoint):
            batch_api.note_logprobs(judge)
        counts: Counter[str] = Counter()
        pairs = islice(opened.pairs(), limit or total)
        try:
            parts = write_requests(open_requests(pairs, judge, counts), target)
            if parts:
                manifest = RequestManifest(
                    endpoint=judge.settings.endpoint, model=judge.settings.model, prompt=settings.prompt,
                    input=str(source), input_sha256=opened.sha256(), works=counts["works"],
                    answered=counts["answered"], parts=parts,
                )  # fmt: skip
                write_json(manifest_path(target), manifest.model_dump(mode="json"))
        except OSError as error:
            raise InputError(f"cannot be written: {error.strerror}", path=target) from error
    say(f"{counts['works']} works, {counts['answered']} of them answered by the store")
    for part in parts:
        out.print(f"{target.with_name(part.file)}: {part.requests} requests, {part.bytes} bytes", markup=False)
    if not parts:
        out.print("nothing to ask: `classify run` with the same options needs no request")


@app.command("import")
def import_answers(
    requests: Annotated[
        Path, typer.Argument(metavar="REQUESTS", help="The JSONL of `batch export`.", show_default=False)
    ],
    responses: Annotated[
        list[Path],
        typer.Argument(
            metavar="RESPONSES...",
            show_default=False,
            help='JSONL of answers: lines of the Batch API, or {"custom_id", "content", "model"}.',
        ),
    ],
    by: Annotated[
        str | None, typer.Option("--by", help="Who answered, for the provenance; default: as the lines say.")
    ] = None,
) -> None:
    """Store the answers of a response JSONL, whoever gave them; exit code 3 where requests stay without an answer."""
    from classifier.batch.files import import_responses
    from classifier.store import Store

    still_open = 0
    with Store(load_settings().store) as store:
        for file in responses:
            found = import_responses(requests, file, store, answered_by=by)
            for problem in found.problems:
                say(f"{file}:{problem.line}: {problem.what}")
            shown = ", ".join(f"{count} {what}" for what, count in sorted(found.counts.items()) if count)
            out.print(
                f"{file}: {found.requests} requests; {shown or 'no lines'}; {found.open} without an answer",
                markup=False,
            )
            still_open = found.open
    say("`classify batch export` again asks what is still open; `classify run --offline` makes the tables")
    if still_open:
        raise typer.Exit(EXIT_PARTIAL)


app.command("submit")(batch_api.submit)
app.command("status")(batch_api.status)
app.command("collect")(batch_api.collect)
app.command("cancel")(batch_api.cancel)
