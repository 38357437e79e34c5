"""Options that several commands share, each declared once."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class JudgeName(StrEnum):
    """Who decides."""

    LOCAL = "local"
    OPENAI = "openai"


Input = Annotated[
    Path,
    typer.Argument(
        metavar="INPUT", help="Hub page (.txt), table (.csv .jsonl .parquet) or hub.json.", show_default=False
    ),
]
Run = Annotated[Path, typer.Argument(metavar="RUN", help="Folder that `classify run` wrote.", show_default=False)]
Judge = Annotated[
    JudgeName | None,
    typer.Option("--judge", help="Who decides. Default: openai where a key or base URL is configured, else local."),
]
Judges = Annotated[
    list[str] | None,
    typer.Option(
        "--judge",
        metavar="NAME",
        help="Who decides: local, openai, or a model by its name (MODEL@URL: at another endpoint). Given several "
        "times, all answer every work; the first one's labels are the run's. Default: as configured, else local.",
        show_default=False,
    ),
]
Model = Annotated[str | None, typer.Option("--model", help="Model to ask.")]
LocalModel = Annotated[
    Path | None, typer.Option("--local-model", help="Folder that `classify train` wrote, for the local judge.")
]
BaseUrl = Annotated[str | None, typer.Option("--base-url", help="OpenAI-compatible endpoint, up to /v1.")]
Prompt = Annotated[str | None, typer.Option("--prompt", help="Prompt version, a name in prompts/.")]
NoClaims = Annotated[
    bool, typer.Option("--no-claims", help="Do not ask for the hub's claims (one request a hub with an abstract).")
]
Logprobs = Annotated[
    bool,
    typer.Option("--logprobs", help="Ask for the probabilities of the answer's tokens: they become the confidence."),
]
Limit = Annotated[int | None, typer.Option("--limit", min=1, help="Only the first N citing works.")]
Offline = Annotated[bool, typer.Option("--offline", help="Answers from the store only; never touch the network.")]
SkipBadRows = Annotated[bool, typer.Option("--skip-bad-rows", help="Go on without the rows that cannot be read.")]
Prices = Annotated[
    Path | None,
    typer.Option("--prices", help="Price table of your own (form: classifier/prices.toml); comes before the built-in."),
]
MaxCost = Annotated[
    float | None, typer.Option("--max-cost", min=0, help="US dollars at which asking stops; needs a known price.")
]
Rpm = Annotated[float | None, typer.Option("--rpm", min=0.1, help="Requests a minute at most.")]
Tpm = Annotated[float | None, typer.Option("--tpm", min=1, help="Tokens a minute at most.")]
Samples = Annotated[
    int,
    typer.Option("--samples", min=1, max=32, help="Ask so many times and let the majority decide (self-consistency)."),
]
Cascade = Annotated[
    bool, typer.Option("--cascade", help="The local judge first, the model only for what it is unsure of.")
]
CascadeBelow = Annotated[
    float | None,
    typer.Option("--cascade-below", min=0, max=1, help="Unsure is a confidence below this; default: asks for review."),
]
Examples = Annotated[
    Path | None,
    typer.Option("--examples", help="Gold folder, JSONL or CSV: its nearest examples go into the prompt."),
]
Shots = Annotated[int, typer.Option("--shots", min=1, help="How many labelled examples a prompt shows.")]
