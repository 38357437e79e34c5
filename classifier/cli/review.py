"""``classify review``: label by hand in the browser, or take in a spreadsheet or Label Studio's export."""

from __future__ import annotations

import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from classifier.cli import options as opt
from classifier.cli.terminal import out, say
from classifier.review.queue import QueueOrder

if TYPE_CHECKING:
    from classifier.review.session import Session


def review(
    run: opt.Run,
    annotator: Annotated[
        str | None, typer.Option("--annotator", help="Who labels. Default: your user name.", show_default=False)
    ] = None,
    blind: Annotated[bool, typer.Option("--blind", help="Hide the machine's label.")] = False,
    queue: Annotated[QueueOrder, typer.Option("--queue", help="Which works come first.")] = QueueOrder.UNCERTAIN,
    compare: Annotated[
        list[Path] | None,
        typer.Option("--compare", help="Another run of the same hub: a second opinion for --queue disagreement."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Of --queue random; the same for all who share a sample.")] = 0,
    adjudicate: Annotated[
        bool, typer.Option("--adjudicate", help="Decide where annotators disagree; their answers are shown unnamed.")
    ] = False,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port on 127.0.0.1; 0 takes a free one.")] = 0,
    open_page: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    file: Annotated[
        Path | None,
        typer.Option("--import", help="Take in an edited predictions.csv, or Label Studio's JSON; opens no page."),
    ] = None,
) -> None:
    """Go through the labels of RUN in the browser; decisions go to RUN/review.sqlite, the run stays as it is."""
    from classifier.review.decisions import DecisionLog
    from classifier.review.importing import import_csv
    from classifier.review.label_studio import import_label_studio
    from classifier.review.reviewed import write_reviewed
    from classifier.review.run import open_run
    from classifier.review.session import Settings
    from classifier.review.starting import annotator_name, start_session

    name, opened, log = annotator_name(annotator), open_run(run), DecisionLog(run)
    if file is not None:
        from_label_studio = file.suffix.lower() == ".json"
        if from_label_studio:
            done = import_label_studio(file, opened, log, name if annotator is not None else None)
        else:
            done = import_csv(file, opened, log, name)
        for remark in done.remarks:
            say(f"note: {remark}")
        out.print(f"{len(done.recorded)} labels recorded, {done.unchanged} works unchanged")
    else:
        settings = Settings(name, blind, adjudicate, "adjudication" if adjudicate else queue.value)
        session = start_session(opened, log, settings, queue, compare=compare or (), seed=seed)
        if blind and queue in (QueueOrder.UNCERTAIN, QueueOrder.DISAGREEMENT):
            say(f"note: --queue {queue.value} tells something of what the machine thought; --queue random does not")
        write_reviewed(opened, log)  # also after a kill: the log is whole, this file may be behind
        _serve(session, port, open_page)
    out.print(str(write_reviewed(opened, log)), markup=False)


def _serve(session: Session, port: int, open_page: bool) -> None:
    from classifier.review.server import HOST, build_app, listen, new_token, serve

    token, socket = new_token(), listen(port)
    url = f"http://{HOST}:{socket.getsockname()[1]}/{token}/"
    out.print(url, markup=False)
    say(f"reviewing as {session.settings.annotator}; keep the address to yourself; stop with Ctrl-C")
    if open_page:
        webbrowser.open(url)
    serve(build_app(session, token), socket)
