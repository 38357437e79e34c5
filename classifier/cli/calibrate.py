"""``classify calibrate``: make a judge's confidence mean what it says."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from classifier.cli.evaluate import Gold, Split


def calibrate(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder that `classify run` wrote.", show_default=False)],
    gold: Gold,
    out: Annotated[Path, typer.Option(help="File to write: for `classify run --calibration`, with --fuse for --fuse.")],
    split: Split = None,
    error_level: Annotated[
        float | None, typer.Option(help="Hold back labels so that errors stay at this level, such as 0.1.")
    ] = None,
    guarantee: Annotated[
        str, typer.Option(help="Errors among `answered` works, or wrong answers among `all`.")
    ] = "answered",
    field: Annotated[
        str, typer.Option(help="What must be right: label (role and polarity), role or polarity.")
    ] = "label",
    fuse: Annotated[
        Path | None, typer.Option(help="Run of the local judge: fit the rule that fuses it with RUN instead.")
    ] = None,
) -> None:
    """Fit RUN's confidence to gold (Platt, isotonic or temperature, whichever wins out of fold) and store it."""
    from classifier.evaluation.calibrating import fit_calibration
    from classifier.evaluation.fusion import fit_fusion
    from classifier.evaluation.gold import read_gold
    from classifier.evaluation.report_runs import calibration_text
    from classifier.evaluation.runs import read_run
    from classifier.outputs import write_text

    done, labels = read_run(run), read_gold(gold, split)
    if fuse:
        rule = fit_fusion(read_run(fuse), done, labels, split)
        write_text(out, rule.model_dump_json(indent=2) + "\n")
        typer.echo(f"fusion of {rule.local_model} with {rule.model}: {', '.join(rule.heads)}")
    else:
        found = fit_calibration(done, labels, split, error_level=error_level, guarantee=guarantee, field=field)
        write_text(out, found.model_dump_json(indent=2) + "\n")
        typer.echo(calibration_text(found), nl=False)
    typer.echo(f"written: {out}", err=True)
