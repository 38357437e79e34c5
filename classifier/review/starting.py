"""From what the command line says to a session that can be served."""

from __future__ import annotations

import getpass
from collections.abc import Mapping, Sequence
from pathlib import Path

from classifier.errors import InputError, SettingsError
from classifier.outputs import read_run
from classifier.review.consensus import consensus, to_adjudicate
from classifier.review.decisions import DecisionLog, Key
from classifier.review.queue import Opinion, QueueOrder, key_of, opinion, ordered
from classifier.review.run import ReviewedRun
from classifier.review.session import Session, Settings

LONGEST_NAME = 60


def annotator_name(given: str | None) -> str:
    """The name that decisions are recorded under: as given, else the user's. Raises ``SettingsError`` for a bad one."""
    try:
        name = (given if given is not None else getpass.getuser()).strip()
    except (OSError, KeyError) as error:  # no user name on this system
        raise SettingsError("give your name with --annotator") from error
    if not name or len(name) > LONGEST_NAME or not name.isprintable() or set(name) & set(";/"):
        raise SettingsError(
            f"--annotator {name[:LONGEST_NAME]!r}: give 1 to {LONGEST_NAME} printable characters, without ; and /"
        )
    return name


def start_session(
    run: ReviewedRun,
    log: DecisionLog,
    settings: Settings,
    order: QueueOrder,
    *,
    compare: Sequence[Path] = (),
    seed: int = 0,
) -> Session:
    """The session of one annotator. An adjudicator's queue holds the works whose annotators disagree.

    Raises ``SettingsError`` where the queue asked for needs a second opinion that is not there, ``InputError``
    where there is nothing to adjudicate.
    """
    if settings.adjudicate:
        queue = [key for key in to_adjudicate(consensus(log)) if key in run.results]
        if not queue:
            raise InputError("no two annotators disagree on a work", path=log.path, do="nothing to adjudicate")
    else:
        others = _other_opinions(log, settings.annotator, compare) if order is QueueOrder.DISAGREEMENT else []
        queue = ordered(list(run.results.values()), order, others=others, seed=seed)
    return Session(run, log, queue, settings)


def _other_opinions(log: DecisionLog, annotator: str, compare: Sequence[Path]) -> list[Mapping[Key, Opinion]]:
    people = [
        {key: (d.label.role, d.label.polarity) for key, d in decisions.items() if d.label}
        for name, decisions in log.labels().items()
        if name != annotator
    ]
    runs = [
        {key_of(r): found for r in read_run(path) if (found := opinion(r.prediction.label)) is not None}
        for path in compare
    ]
    return [*people, *runs]
