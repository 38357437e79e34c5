"""From a run folder to a file in one of the formats."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path

from classifier.errors import InputError
from classifier.export import forms, label_studio
from classifier.export.badge import badge
from classifier.export.ris import ris
from classifier.runs import HubRun, open_run, run_facts
from classifier.schema import Status


class Format(StrEnum):
    """What ``classify export`` writes."""

    CITO = "cito"
    CITO_TURTLE = "cito-turtle"
    RIS = "ris"
    BIBTEX = "bibtex"
    LABEL_STUDIO = "label-studio"
    BADGE = "badge"


_SUFFIXES = {
    Format.CITO: ".jsonld", Format.CITO_TURTLE: ".ttl", Format.RIS: ".ris", Format.BIBTEX: ".bib",
    Format.LABEL_STUDIO: ".label-studio.json", Format.BADGE: ".badge.svg",
}  # fmt: skip


def write_export(run: Path, form: Format, out: Path | None = None, *, hub_id: str | None = None) -> tuple[Path, ...]:
    """Write one hub of a run (its first, unless named) and return the files.

    ``out`` defaults to a file in the run folder named after the hub. For Label Studio the labelling interface is
    written beside the tasks. Raises ``InputError`` for a folder without a finished run or a target that cannot be
    written.
    """
    hub = open_run(run, hub_id)
    target = out or run / f"{hub.cited.hub_id}{_SUFFIXES[form]}"
    written = [_write(target, _content(hub, form))]
    if form is Format.LABEL_STUDIO:
        written.append(_write(target.with_name(label_studio.CONFIG_NAME), [label_studio.interface()]))
    return tuple(written)


def _content(hub: HubRun, form: Format) -> Iterator[str]:
    cited, facts = hub.cited, run_facts(hub.manifest)
    if form is Format.CITO:
        return forms.pieces(forms.json_ld_form(cited, facts), hub.results())
    if form is Format.CITO_TURTLE:
        return forms.pieces(forms.turtle_form(cited, facts), hub.results())
    if form is Format.BIBTEX:
        return forms.pieces(forms.bibtex_form(cited), hub.results())
    if form is Format.RIS:
        return iter([ris(hub.results())])
    if form is Format.LABEL_STUDIO:
        tasks = label_studio.tasks(cited, hub.results())
        return iter([json.dumps(tasks, indent=1, ensure_ascii=False) + "\n"])
    return iter([_badge(hub)])


def _badge(hub: HubRun) -> str:
    listed, polarity = 0, Counter[str]()
    for prediction, _ in hub.results():
        listed += 1
        if prediction.status is Status.LABELLED and prediction.label is not None:
            polarity[prediction.label.polarity.value] += 1
    return badge(polarity, polarity.total(), listed)


def _write(target: Path, parts: Iterable[str]) -> Path:
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        with partial.open("w", encoding="utf-8", newline="") as file:
            file.writelines(parts)
        partial.replace(target)
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror}", path=target, do="give another --out") from error
    finally:
        partial.unlink(missing_ok=True)
    return target
