"""``run.json``: what is needed to repeat a run and to trust its counts. Never holds a key."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from classifier import __version__
from classifier.judges.base import JudgeCard, Member, Usage

PACKAGES = ("openai", "pydantic", "tenacity", "pandas", "numpy", "pyarrow", "jinja2")


def build_manifest(
    *,
    source: dict[str, object],
    options: Mapping[str, object],
    card: JudgeCard,
    usage: Usage,
    counts: dict[str, int],
    started: datetime,
    warnings: Sequence[str] = (),
    members: Sequence[Member] = (),
) -> dict[str, object]:
    """The manifest as JSON; times are UTC, ``seconds`` is wall-clock time. ``judges``: where there are several."""
    finished = datetime.now(UTC)
    judges = [{"name": m.name, **m.card.model_dump(mode="json"), "usage": m.usage.model_dump(mode="json")}
              for m in members]  # fmt: skip
    return {
        "program": {"name": "citation-polarity-classifier", "version": __version__, "git": git_revision()},
        "input": source,
        "options": dict(options),
        "judge": card.model_dump(mode="json"),
        **({"judges": judges} if judges else {}),
        "counts": counts,
        "usage": usage.model_dump(mode="json"),
        "warnings": list(warnings),
        "started": started.isoformat(timespec="seconds"),
        "finished": finished.isoformat(timespec="seconds"),
        "seconds": round((finished - started).total_seconds(), 3),
        "environment": {
            "python": platform.python_version(),
            "system": f"{platform.system()} {platform.machine()}",
            "packages": {name: _version(name) for name in PACKAGES},
        },
    }


def git_revision() -> dict[str, object] | None:
    """Commit and dirty flag where the program runs from a checkout, else ``None``."""
    root = Path(__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return None
    try:
        commit = _git(root, "rev-parse", "HEAD")
        return {"commit": commit, "dirty": bool(_git(root, "status", "--porcelain", "--untracked-files=no"))}
    except (OSError, subprocess.SubprocessError):
        return None


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(  # noqa: S603 - fixed arguments, no input
        ["git", "-C", str(root), *arguments],  # noqa: S607 - whichever git the user has
        capture_output=True, text=True, timeout=10, check=True,
    )  # fmt: skip
    return done.stdout.strip()


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
