"""The command line: one module a command, no logic; errors become one line and a documented exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import typer

from classifier import __version__
from classifier.cli import (
    agreement,
    batch,
    benchmark,
    cache,
    calibrate,
    convert,
    evaluate,
    export,
    fetch,
    gold,
    perturbations,
    plan,
    report,
    review,
    run,
    show,
    train,
)
from classifier.errors import EXIT_FAILED, EXIT_INTERRUPTED, ClassifierError

app = typer.Typer(
    name="classify",
    help="Label what citing works use a hub paper for (role) and how they speak of it (polarity).",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def _root(version: bool = typer.Option(False, "--version", help="Print the version and exit.")) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit


app.command("run")(run.run)
app.command("plan")(plan.plan)
app.command("show")(show.show)
app.command("report")(report.report)
app.command("export")(export.export)
app.command("convert")(convert.convert)
app.command("fetch")(fetch.fetch)
app.command("evaluate")(evaluate.evaluate)
app.command("agreement")(agreement.agreement)
app.command("calibrate")(calibrate.calibrate)
app.command("train")(train.train)
app.command("benchmark")(benchmark.benchmark)
app.command("review")(review.review)
app.add_typer(gold.app, name="gold")
app.command("perturbations")(perturbations.perturbations)
app.add_typer(cache.app, name="cache")
app.add_typer(batch.app, name="batch")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the program and exit: 0 done, 1 failed, 2 usage or input, 3 finished with failures, 130 interrupted."""
    sys.exit(_run(arguments))


def _run(arguments: Sequence[str] | None) -> int:
    try:
        app(args=None if arguments is None else list(arguments))
    except SystemExit as done:
        # Typer shows usage errors itself, with exit code 2, and turns Ctrl-C into 130.
        return done.code if isinstance(done.code, int) else EXIT_FAILED
    except ClassifierError as error:
        for line in str(error).splitlines() or [type(error).__name__]:
            print(f"error: {line}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("interrupted; what was answered is stored: run the same command again to go on", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader of our output went away, as `head` does; nothing more can be said to it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED
    return 0
