"""One run: pairs through a judge into a folder. What ``classify run`` does once its settings are resolved."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import aclosing, contextmanager
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

from classifier.errors import InputError
from classifier.hub_view import HubTallies
from classifier.inputs import Source
from classifier.judges.base import HasMembers, Judge, Usage, with_claims
from classifier.manifest import build_manifest
from classifier.outputs import RunWriter, write_json
from classifier.pipeline import Answered, predict
from classifier.run_columns import Extra
from classifier.schema import Prediction, Status


class Agreement(Protocol):
    """Counts how far several judges agree; lives with the evaluation, which this module may not import."""

    def add(self, prediction: Prediction) -> None:
        """Count one work."""
        ...

    def summary(self) -> list[dict[str, object]]:
        """Agreement of each pair of judges, as JSON."""
        ...


class RunOptions(NamedTuple):
    """What of the command line shapes a run, beside input and judge."""

    out: Path | None = None
    limit: int | None = None
    concurrency: int = 16
    prompt: str = ""
    arguments: Mapping[str, object] = MappingProxyType({})
    columns: tuple[Extra, ...] = ()
    agreement: Agreement | None = None


class Progress(NamedTuple):
    """Told after every work: how far the run is and what was spent."""

    done: int
    total: int
    answered: Answered
    usage: Callable[[], Usage]


class RunResult(NamedTuple):
    """Where a run was written and what it counted; ``stopped`` where the user broke it off."""

    folder: Path
    tallies: HubTallies
    usage: Usage
    stopped: bool

    @property
    def failed(self) -> int:
        """How many works got no label."""
        return self.tallies.total()[Status.FAILED]


def run_source(
    source: Source,
    judge: Judge,
    options: RunOptions,
    *,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    stop: Callable[[], bool] = lambda: False,
) -> RunResult:
    """Label ``source`` and write the run folder. Raises ``InputError`` before the first request for bad input."""
    with _rare_collections():
        count = source.check()
        total = count if options.limit is None else min(count, options.limit)
        return asyncio.run(_run(source, judge, options, total, on_progress, stop))


@contextmanager
def _rare_collections() -> Iterator[None]:
    """Let Python look for reference cycles seldom: works make none, and looking cost a third of a rerun's time."""
    before = gc.get_threshold()
    gc.set_threshold(100_000, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)


async def _run(
    source: Source,
    judge: Judge,
    options: RunOptions,
    total: int,
    on_progress: Callable[[Progress], None],
    stop: Callable[[], bool],
) -> RunResult:
    started = datetime.now(UTC)
    tallies = HubTallies(source.announced, source.listed)
    folder = options.out or default_folder(source)
    done = 0
    try:
        with RunWriter(folder, options.columns) as writer:
            async with aclosing(
                predict(
                    islice(source.pairs(), total),
                    judge,
                    concurrency=options.concurrency,
                    stop=lambda: stop() or judge.usage().budget_spent,
                )
            ) as answers:
                async for answered in answers:
                    pair = answered.task.pair
                    writer.write(pair, answered.prediction)
                    tallies.add(pair, answered.prediction)
                    if options.agreement:
                        options.agreement.add(answered.prediction)
                    done += 1
                    on_progress(Progress(done, total, answered, judge.usage))
    finally:
        await judge.aclose()
    stopped = done < total
    for tally in tallies:
        tally.read_claims(with_claims(judge, tally.cited))
    summary: dict[str, object] = {"complete": not stopped, "hubs": [tally.summary() for tally in tallies]}
    if options.agreement:
        summary["agreement"] = options.agreement.summary()
    write_json(folder / "summary.json", summary)
    batches = spent_in_batches(folder)
    write_json(
        folder / "run.json",
        ({"batches": batches} if batches else {})
        | build_manifest(
            source={"path": source.path.name, "sha256": source.sha256(), "works": total},
            options=options.arguments,
            card=judge.card(),
            usage=judge.usage(),
            counts={status.value: tallies.total()[status] for status in Status} | {"works": done},
            started=started,
            members=judge.members() if isinstance(judge, HasMembers) else (),
            warnings=(*source.warnings, *(str(row.error()) for row in source.bad_rows)),
        ),
    )
    return RunResult(folder, tallies, judge.usage(), stopped)


def spent_in_batches(folder: Path) -> dict[str, Any] | None:
    """What the batches of this folder cost (``classify batch collect``), whose answers a run takes for nothing."""
    try:
        found = json.loads((folder / "batch.json").read_bytes())["spent_in_all"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if isinstance(found, dict) else None


def default_folder(source: Source) -> Path:
    """``outputs/<hub-slug>``; for a table with several hubs ``outputs/<file name>``. The source was checked."""
    if source.first_hub is None:
        raise InputError("lists no citing works", path=source.path)
    return Path("outputs") / (source.path.stem if source.several_hubs else source.first_hub)
