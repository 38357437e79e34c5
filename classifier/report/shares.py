"""Shares with intervals, and corrected shares where an evaluation left some beside the run."""

from __future__ import annotations

import math
from pathlib import Path
from statistics import NormalDist

from pydantic import Field, ValidationError

from classifier.errors import InputError
from classifier.schema import Record

LEVEL = 0.95
CORRECTED_NAME = "corrected.json"


class Interval(Record):
    """A share with its 95 % interval, 0 to 1."""

    value: float
    low: float
    high: float


class Corrected(Record):
    """``corrected.json``: shares corrected for the judge's errors, by label value; ``method`` is one sentence."""

    method: str
    role: dict[str, Interval] = Field(default_factory=dict)
    polarity: dict[str, Interval] = Field(default_factory=dict)


def wilson(count: int, total: int, level: float = LEVEL) -> Interval | None:
    """``count / total`` with Wilson's score interval (Wilson 1927; Brown, Cai and DasGupta 2001, equation 4).

    ``None`` for a total of zero.
    """
    if total == 0:
        return None
    z = NormalDist().inv_cdf(0.5 + level / 2)
    share = count / total
    centre = (share + z * z / (2 * total)) / (1 + z * z / total)
    half = z / (1 + z * z / total) * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    # At 0 and at all the bound is exact; the formula leaves a rounding error there.
    low = 0.0 if count == 0 else max(0.0, centre - half)
    high = 1.0 if count == total else min(1.0, centre + half)
    return Interval(value=share, low=low, high=high)


def read_corrected(run: Path) -> Corrected | None:
    """The corrected shares of a run, ``None`` where there are none. ``InputError`` for a file of another form."""
    path = run / CORRECTED_NAME
    if not path.is_file():
        return None
    try:
        return Corrected.model_validate_json(path.read_bytes())
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        raise InputError(problem["msg"], path=path, column=".".join(map(str, problem["loc"])) or None) from error
