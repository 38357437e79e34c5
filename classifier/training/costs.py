"""What a passage costs: size of the files, milliseconds, and the memory that a process of its own needs."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from classifier.judges.local.features import Source, read
from classifier.judges.local.model import SHIPPED, LocalModel
from classifier.training.matrices import Table

_ALONE = """
import json, sys
from classifier.judges.local.features import Source
from classifier.judges.local.model import LocalModel
model = LocalModel.load(encoder=json.loads(sys.argv[1]))
for line in sys.stdin:
    model.score([Source(*json.loads(line))])
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])
"""
"""A process that holds nothing but the judge: the memory of this one is mostly training data."""


def costs(table: Table, count: int = 2000) -> dict[str, dict[str, float]]:
    """`mb` of files, `ms` of processor time a passage on one thread and `mib` of memory, over about `count` passages.

    Of the shipped model and of its two parts; the candidates that train on less or see less cost what linear heads do.
    Passages are of all sets. The encoder alone has no `mib`, and nothing has where there is no `/proc`.
    """
    sources = [e.source for e in table.examples[:: max(1, len(table.examples) // count)]]
    passages = [read(s.text, s.focus) for s in sources]
    model, alone = LocalModel.load(), LocalModel.load(encoder=False)
    parts: dict[str, Callable[[int], object]] = {
        "shipped": lambda i: model.score([sources[i]]),
        "linear heads": lambda i: alone.score([sources[i]]),
    }
    encoder = model.encoder
    if encoder is not None:
        parts["encoder alone"] = lambda i: encoder.read(sources[i], passages[i])
    heavy = sum(path.stat().st_size for path in (SHIPPED / "encoder").glob("*"))
    light = sum(path.stat().st_size for path in SHIPPED.glob("*") if path.is_file())
    size = {"shipped": heavy + light, "linear heads": light, "encoder alone": heavy}
    found: dict[str, dict[str, float]] = {}
    for name, judge in parts.items():
        for i in range(min(100, len(sources))):
            judge(i)
        start = time.process_time()
        for i in range(len(sources)):
            judge(i)
        spent = (time.process_time() - start) / len(sources)
        found[name] = {"ms": round(1000 * spent, 2), "mb": round(size[name] / 1e6, 1)}
    if Path("/proc/self/status").exists():
        for name in ("shipped", "linear heads"):
            found[name]["mib"] = peak(sources, encoder=name == "shipped")
    return found


def peak(sources: Sequence[Source], encoder: bool) -> int:
    """The most memory in MiB that a process with the judge alone held resident while it scored `sources` (Linux).

    Raises `CalledProcessError` where that process fails; what it says stands on stderr.
    """
    lines = "".join(json.dumps(source) + "\n" for source in sources)
    command = [sys.executable, "-c", _ALONE, json.dumps(encoder)]
    said = subprocess.run(command, input=lines, stdout=subprocess.PIPE, text=True, check=True).stdout  # noqa: S603
    return math.ceil(int(said) / 1024)
