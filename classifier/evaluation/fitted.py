"""Reading back what a command fitted on gold and wrote as one JSON file."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from classifier.errors import InputError
from classifier.schema import Record

Fitted = TypeVar("Fitted", bound=Record)
"""What a command fits and writes as one JSON file."""


def read_fitted(path: Path, form: type[Fitted], name: str, command: str) -> Fitted:
    """What ``command`` fitted and wrote to ``path``; ``InputError`` for anything else."""
    try:
        return form.model_validate_json(path.read_bytes())
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", path=path) from error
    except ValidationError as error:
        what = error.errors()[0]["msg"]
        raise InputError(f"not a {name} file: {what}", path=path, do=f"write one: {command}") from error
