"""``classify fetch``: an identifier, a title or an input file to ``hub.json`` with passages."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from classifier.cli.terminal import out, say
from classifier.errors import EXIT_PARTIAL
from classifier.fetching import DEFAULT_SOURCES, SOURCES, FetchOptions
from classifier.fetching import fetch as fetch_hub


def fetch(
    what: Annotated[
        str,
        typer.Argument(
            metavar="ID|INPUT",
            show_default=False,
            help="arXiv id, DOI, Semantic Scholar or OpenAlex id, title, or any input file, which is then enriched.",
        ),
    ],
    source: Annotated[
        list[str] | None,
        typer.Option(
            "--source",
            help=f"Where to look; give it once for each. {', '.join(SOURCES)}. "
            f"Default: {', '.join(DEFAULT_SOURCES)}. arxiv and europepmc also fetch full text.",
            show_default=False,
        ),
    ] = None,
    lists: Annotated[
        list[Path] | None,
        typer.Option("--list", metavar="FILE", help="Works to add: CSL-JSON, .bib, .ris or OpenCitations .csv."),
    ] = None,
    fulltext: Annotated[
        Path | None,
        typer.Option(
            "--fulltext",
            metavar="DIR",
            help="Folder of full texts: HTML, LaTeX, JATS, TEI, S2ORC, unarXive, PDF.",
        ),
    ] = None,
    grobid: Annotated[
        str | None, typer.Option("--grobid", metavar="URL", help="Running GROBID server, for PDF.")
    ] = None,
    target: Annotated[Path, typer.Option("--out", help="The hub.json to write.")] = Path("hub.json"),
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Only the first N works of each source.")] = None,
    max_age: Annotated[
        float, typer.Option("--max-age", min=0, help="Days for which an answer in the cache counts; 0 asks anew.")
    ] = 30.0,
    offline: Annotated[
        bool, typer.Option("--offline", help="The cache and --fulltext only; never touch the network.")
    ] = False,
) -> None:
    """Get the works that cite a paper, and the passages in which they do, into hub.json."""
    options = FetchOptions(
        target,
        tuple(source) if source else DEFAULT_SOURCES,
        tuple(lists or ()),
        fulltext,
        grobid,
        limit,
        None if offline else max_age,
        offline,
    )
    result = fetch_hub(what, options, say)
    out.print(
        f"{result.hub}: {result.works} citing works, {result.with_passage} with a passage, "
        f"{result.passages} passages, {result.requests} requests",
        markup=False,
    )
    if result.rows:
        say(f"{len(result.rows)} things did not work or could not be told: {result.report}")
    if any(row.outcome == "failed" for row in result.rows):
        raise typer.Exit(EXIT_PARTIAL)
