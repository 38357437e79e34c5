"""Shares with intervals, and corrected shares where an evaluation left some beside the run."""

from __future__ import annotations

import json
import math
from pathlib import Path
from statistics import NormalDist

from classifier.errors import InputError
from classifier.schema import Record

LEVEL = 0.95
EVALUATION_NAME = "evaluation.json"


class Interval(Record):
    """A share with its 95 % interval, 0 to 1."""

    value: float
    low: float
    high: float


class Corrected(Record):
    """Shares corrected for the judge's errors, by field and value; ``method`` says in a sentence how."""

    method: str
    shares: dict[str, dict[str, Interval]]


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


def read_corrected(run: Path, hub_id: str) -> Corrected | None:
    """The corrected shares of a hub from ``evaluation.json``, what ``classify evaluate --save`` writes for this run.

    ``None`` where there is no such file, or too little gold of this hub in it. Raises ``InputError`` for another form.
    """
    path = run / EVALUATION_NAME
    if not path.is_file():
        return None
    try:
        found = [one for one in json.loads(path.read_text(encoding="utf-8"))["shares"] if one["hub_id"] == hub_id]
        shares = {
            one["field"]: {
                share["value"]: Interval.model_validate(share["corrected"])
                for share in one["shares"]
                if share["corrected"]["value"] is not None
            }
            for one in found
        }
        counts = [f"{one['field']} with gold labels of {one['sample']} of {one['works']} works" for one in found]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError("is not what `classify evaluate --save` writes", path=path, do="write it anew") from error
    if not found:
        return None
    return Corrected(
        method="shares of all listed works, corrected for the judge's errors by the difference estimator: "
        f"{'; '.join(counts)}. This holds where those works were drawn at random.",
        shares=shares,
    )
