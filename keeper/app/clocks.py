"""The system's clock, and one whose waits an order can end."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Event


class SystemClock:
    """cycle.ports.Clock and tx.ports.Timer. A wait ends early on a signal that raises."""

    def __init__(self) -> None:
        self._never = Event()

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    def wait(self, seconds: float) -> None:
        self._never.wait(seconds)


class PreemptibleClock(SystemClock):
    """A clock whose waits a person's order can end (keeper.app.desk)."""

    def __init__(self, wait: Callable[[float], None]) -> None:
        super().__init__()
        self._wait_for = wait

    def wait(self, seconds: float) -> None:
        self._wait_for(seconds)
