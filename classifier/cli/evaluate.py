"""``classify evaluate``: measure a run against gold labels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

Gold = Annotated[
    Path, typer.Option("--gold", help="Gold folder (gold.jsonl, annotations.jsonl), or a gold .jsonl or .csv file.")
]
Split = Annotated[str | None, typer.Option("--split", help="Only the gold rows of this split: dev or test.")]


def evaluate(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder that `classify run` wrote.", show_default=False)],
    gold: Gold,
    split: Split = None,
    baseline: Annotated[Path | None, typer.Option(help="Another run to compare with on the same pairs.")] = None,
    fuse: Annotated[
        Path | None, typer.Option(help="Run of the local judge: show local, this run and their fusion side by side.")
    ] = None,
    html: Annotated[bool, typer.Option("--html", help="Also write RUN/evaluation.html.")] = False,
    save: Annotated[
        bool, typer.Option("--save", help="Also write RUN/evaluation.json: `classify report` then corrects its shares.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print every number as JSON instead of text.")] = False,
    resamples: Annotated[int, typer.Option(min=100, help="Bootstrap resamples behind each interval.")] = 2000,
) -> None:
    """Measure RUN against gold labels: coverage first, then scores with intervals, agreement and confidence."""
    from classifier.evaluation import report_runs
    from classifier.evaluation.cascade import cascade_report
    from classifier.evaluation.compare import compare
    from classifier.evaluation.fusion import fused_run
    from classifier.evaluation.gold import read_gold
    from classifier.evaluation.measure import measure, side_by_side
    from classifier.evaluation.prevalence import hub_shares
    from classifier.evaluation.report import text
    from classifier.evaluation.report_html import html as page
    from classifier.evaluation.runs import read_run, runs_of_judges
    from classifier.outputs import write_json, write_text
    from classifier.report.shares import EVALUATION_NAME

    done, labels = read_run(run), read_gold(gold, split)
    found = measure(done, labels, split=split, resamples=resamples)
    shares = hub_shares(done, labels)
    other = read_run(baseline) if baseline else None
    compared = compare(done, other, labels, resamples=resamples) if other else ()
    saving = cascade_report(done, labels, other, resamples=resamples)
    runs = runs_of_judges(done)
    pairs = {item.key for item in labels.items}
    runs = {name: one for name, one in runs.items() if pairs & set(one.predictions)}
    first, *further = runs or [""]
    against = {name: compare(done, runs[name], labels, resamples=resamples) for name in further}
    if fuse:
        local = read_run(fuse)
        runs |= {f"local of {local.name}": local} if runs else {"local": local, "model": done}
        runs[report_runs.FUSED] = fused_run(local, done, labels)
    together = side_by_side(runs, labels, resamples=resamples)
    sections = (
        report_runs.share_lines(shares) if shares else [],
        report_runs.cascade_lines(saving) if saving else [],
        report_runs.comparison_lines(compared, str(baseline)) if compared else [],
        report_runs.side_lines(together) if together else [],
        *(report_runs.comparison_lines(found, name, first) for name, found in against.items()),
    )
    folder = run if run.is_dir() else run.parent
    if html:
        file = folder / "evaluation.html"
        tests = {str(baseline): compared} if compared else {}
        shown = page(found, shares=shares, compared=tests | against, together=together, saving=saving)
        write_text(file, shown)
        typer.echo(f"written: {file}", err=True)
    parts = {"shares": shares, "comparison": compared, "side_by_side": together}
    everything = found.model_dump(mode="json")
    everything |= {name: [one.model_dump(mode="json") for one in part] for name, part in parts.items()}
    everything["judges"] = {name: [one.model_dump(mode="json") for one in part] for name, part in against.items()}
    everything["cascade"] = saving.model_dump(mode="json") if saving else None
    if save:
        write_json(folder / EVALUATION_NAME, everything)
        typer.echo(f"written: {folder / EVALUATION_NAME}", err=True)
    if as_json:
        typer.echo(json.dumps(everything, indent=2, ensure_ascii=False))
    else:
        typer.echo(text(found, *sections), nl=False)
