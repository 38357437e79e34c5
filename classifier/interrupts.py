"""Ctrl-C without loss: the first one stops asking and finishes what is in flight, the second breaks off."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType


class StopOnSignal:
    """Within its block SIGINT and SIGTERM make ``stop()`` true; a second signal raises ``KeyboardInterrupt``."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say, self._stopped = say, False
        self._before: dict[signal.Signals, signal._HANDLER] = {}

    def __call__(self) -> bool:
        """Whether a signal came."""
        return self._stopped

    def __enter__(self) -> StopOnSignal:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self._stopped:
            raise KeyboardInterrupt
        self._stopped = True
        self._say("stopping: what is in flight is finished and stored; press Ctrl-C again to break off")
