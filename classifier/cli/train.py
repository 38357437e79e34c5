"""``classify train``: make the files of the embedded judge."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from classifier.cli.terminal import out, say
from classifier.errors import SettingsError


def train(
    data: Annotated[
        list[Path], typer.Option("--data", help="JSONL file or folder of labelled passages; give it once for each.")
    ],
    folder: Annotated[Path, typer.Option("--out", help="Folder for the model files.")] = Path("model"),
    silver: Annotated[
        Path | None, typer.Option("--silver", help="Labels in our own scheme for passages of --data.")
    ] = None,
    written: Annotated[Path | None, typer.Option("--written", help="Passages with labels in our own scheme.")] = None,
    everything: Annotated[
        bool,
        typer.Option("--everything", help="Also use sets without a permissive licence; say so if you share the files."),
    ] = False,
    encoder: Annotated[
        Path | None,
        typer.Option(
            "--encoder", help="Folder of the small encoder; trained there first, in an hour or two, if empty."
        ),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the encoder; recorded in the manifest.")] = 0,
) -> None:
    """Train the embedded judge on --data and write its files, the same bytes for the same data and number of threads.

    It says so where no threshold makes three stances in four right (with an encoder: without any one silver set too):
    the model would assert none.
    """
    from classifier.judges.local.model import LocalModel

    extra = "train" if encoder is None else "train-encoder"
    try:
        from classifier.training.train import train as trained

        if encoder is not None and not (encoder / "held-out.npz").is_file():
            from classifier.training.encoder import make

            make(data, encoder, silver, written, everything, seed)
    except ModuleNotFoundError as error:
        raise SettingsError(
            f"training needs {error.name}: pip install 'citation-polarity-classifier[{extra}]'"
        ) from error
    report = trained(data, folder, seed, silver, written, everything, encoder_folder=encoder)
    for corpus, count in sorted(report.examples.items()):
        out.print(f"  {count:>7}  {corpus}", markup=False)
    out.print(
        f"{report.out}: {report.size} bytes; `classify run --judge local --local-model {report.out}` uses it",
        markup=False,
    )
    limits = LocalModel.load(report.out).settings["thresholds"]
    if all(limit > 1 for decision, limit in limits.items() if decision not in ("role", "neutral")):
        say("note: on sets left out no threshold makes three stances in four right, so this model asserts no stance")
