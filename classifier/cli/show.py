"""``classify show``: one work of a run, from the text to the label."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from classifier.cli import options as opt
from classifier.cli.terminal import out, plain
from classifier.errors import InputError
from classifier.evidence import source_text
from classifier.outputs import Result, read_run
from classifier.schema import EvidenceSource
from classifier.settings import load_settings
from classifier.tracing import Trace, trace


def show(
    run: opt.Run,
    citing_id: Annotated[
        str, typer.Argument(metavar="CITING_ID", help="As in the column citing_id.", show_default=False)
    ],
    hub_id: Annotated[str | None, typer.Option("--hub", help="Where a run holds several hubs.")] = None,
) -> None:
    """Show the prompt, the raw answer, the label, and the evidence highlighted in its text."""
    from classifier.evaluation.judging import examples_of

    found = [
        result
        for result in read_run(run)
        if result.prediction.citing_id == citing_id and hub_id in (None, result.prediction.hub_id)
    ]
    settings = load_settings()
    if not found:
        raise InputError("no such citing work in this run", path=run, value=citing_id, do="see the column citing_id")
    examples, missing = examples_of(run)
    for result in found:
        _print(result, Trace(note=missing) if missing else trace(run, result, settings, examples))


def _print(result: Result, traced: Trace) -> None:
    prediction, work = result.prediction, result.citing
    out.print(Text(plain(work.title), style="bold"))
    out.print(f"{prediction.hub_id} <- {prediction.citing_id}", markup=False)
    for message in traced.messages:
        out.print(Text(f"--- prompt, {message.role}", style="dim"))
        out.print(Text(_plain_lines(message.content)))
    for number, raw in enumerate(traced.raw_answers, 1):
        out.print(Text(f"--- raw answer {number}", style="dim"))
        out.print(Text(_plain_lines(raw)))
    if traced.note:
        out.print(Text(traced.note, style="dim"))
    out.print(Text("--- label", style="dim"))
    label = prediction.label
    out.print(f"status      {prediction.status.value}{', needs review' if prediction.needs_review else ''}")
    if prediction.failure:
        out.print(Text(f"failure     {plain(prediction.failure)}"))
    if label:
        others = f" (also {', '.join(r.value for r in label.other_roles)})" if label.other_roles else ""
        out.print(f"role        {label.role.value}{others}")
        out.print(f"polarity    {label.polarity.value}, basis {label.basis.value}")
        out.print(f"confidence  {label.confidence:.3f}")
        out.print(Text(f"rationale   {plain(label.rationale)}"))
    if prediction.review_reason:
        out.print(Text(f"review      {plain(prediction.review_reason)}"))
    out.print(f"judge       {prediction.judge} {prediction.model} {prediction.prompt}".rstrip(), markup=False)
    for other in prediction.others or ():
        said = f"{other.label.role.value}, {other.label.polarity.value}" if other.label else other.failure or ""
        out.print(Text(f"also        {plain(said)} ({other.status.value} by {other.judge} {other.model})"))
    _print_texts(result)


def _print_texts(result: Result) -> None:
    label, work = result.prediction.label, result.citing
    evidence = label.evidence if label else None
    texts: list[tuple[str, EvidenceSource, int | None]] = [
        (f"passage {i + 1}, section {c.section or 'unknown'}", EvidenceSource.CONTEXT, i)
        for i, c in enumerate(work.contexts)
    ]
    texts += [(s.value, s, None) for s in (EvidenceSource.ABSTRACT, EvidenceSource.SUMMARY, EvidenceSource.TITLE)]
    for name, source, index in texts:
        text = source_text(work, source, index)
        if not text:
            continue
        out.print(Text(f"--- {name}", style="dim"))
        shown = Text(_plain_lines(text))
        if evidence and evidence.source is source and evidence.context_index == index:
            # On a terminal the evidence is highlighted; elsewhere it stands between ▶ and ◀.
            shown.stylize("bold black on yellow", evidence.start, evidence.end)
            if not out.is_terminal:
                marked = f"{text[: evidence.start]}▶{evidence.text}◀{text[evidence.end :]}"
                shown = Text(_plain_lines(marked))
        out.print(shown)


def _plain_lines(text: str) -> str:
    """Harmless for a terminal, line ends kept, and as long as before: offsets stay true."""
    return "".join(ch if ch == "\n" else plain(ch) for ch in text)
