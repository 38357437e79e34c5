"""Which names a long table had already, in some 8 bytes a name."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from hashlib import blake2b

_RECENT = 65_536
"""So many digests are kept in a set; that is 5 MiB. All before them lie sorted in one array."""


class Seen:
    """Names by their 64-bit digests: of a million names two share one with a probability of 3e-8 (n**2 / 2**65)."""

    def __init__(self) -> None:
        self._recent: set[int] = set()
        self._sorted = memoryview(array("Q"))

    def add(self, name: str) -> bool:
        """Whether the name is new."""
        digest = int.from_bytes(blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")
        if digest in self._recent:
            return False
        place = bisect_left(self._sorted, digest)
        if place < len(self._sorted) and self._sorted[place] == digest:
            return False
        self._recent.add(digest)
        if len(self._recent) == _RECENT:
            self._settle()
        return True

    def _settle(self) -> None:
        """Sort the recent ones into the array."""
        import numpy as np  # tables this long only

        recent = np.fromiter(self._recent, np.uint64, len(self._recent))
        merged = np.concatenate((np.asarray(self._sorted, np.uint64), recent))
        merged.sort(kind="stable")
        self._sorted = merged.data
        self._recent.clear()
