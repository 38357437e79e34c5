"""Reading one hub of a run folder: the cited work, its citing works, the manifest."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from classifier.errors import InputError
from classifier.outputs import Result, read_run
from classifier.schema import CitedWork


class HubRun(NamedTuple):
    """One hub of a finished run; ``manifest`` is ``run.json``, ``coverage`` the hub's part of ``summary.json``.

    ``claims_by`` is ``judge`` where the hub's claims are those that the judge found, and not the input's.
    """

    folder: Path
    cited: CitedWork
    coverage: dict[str, int | None]
    manifest: dict[str, Any]
    complete: bool
    other_hubs: int
    claims_by: str | None = None

    def results(self) -> Iterator[Result]:
        """The works of this hub in the order of the run."""
        return (result for result in read_run(self.folder) if result.prediction.hub_id == self.cited.hub_id)


def open_run(folder: Path, hub_id: str | None = None) -> HubRun:
    """The hub ``hub_id`` of a run, or its first. Raises ``InputError`` where the folder holds no finished run of it."""
    summary, manifest = _json(folder / "summary.json"), _json(folder / "run.json")
    try:
        hubs = summary["hubs"]
        entry = next((hub for hub in hubs if hub_id in (None, hub["hub"]["hub_id"])), None)
        if entry is None:
            raise InputError(
                "holds no such hub" if hubs else "holds no hub", path=folder, value=hub_id, do="see summary.json"
            )
        cited = CitedWork.model_validate(entry["hub"])
        complete = bool(summary.get("complete", True))
        return HubRun(folder, cited, entry["coverage"], manifest, complete, len(hubs) - 1, entry.get("claims_by"))
    except (KeyError, TypeError, ValidationError) as error:
        raise InputError("is not the summary of a run", path=folder / "summary.json") from error


def run_facts(manifest: dict[str, Any]) -> dict[str, str]:
    """What exports say of the run: ``judge``, ``model``, ``prompt`` (name and digest), ``ended`` (UTC)."""
    judge = manifest["judge"]
    prompts = judge.get("prompts")
    shown = [f"{n} (sha256 {str(d)[:12]})" for n, d in sorted(prompts.items())] if isinstance(prompts, dict) else []
    return {
        "judge": str(judge["judge"]),
        "model": str(judge["model"]),
        "prompt": ", ".join(shown),
        "ended": str(manifest["finished"]),
    }


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError("cannot be read", path=path, do="give the folder of a run that finished") from error
    if not isinstance(value, dict):
        raise InputError("is not a JSON object", path=path)
    return value
