"""Decides when a failing node is no longer asked, and when it is tried again."""

from __future__ import annotations

from collections.abc import Callable

FAILURES = 3
FIRST_OPEN_S = 5.0
MAX_OPEN_S = 300.0


class CircuitBreaker:
    """Opens after FAILURES failures in a row, or at once by ``trip``. After its time one call may pass. If that call
    fails, the breaker stays open twice as long, up to MAX_OPEN_S. ``monotonic`` returns seconds.

    The clock's fraction of a second spreads the waits, so that keepers which lost the same node together do not return
    together.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._failures = 0
        self._wait_s = FIRST_OPEN_S
        self._until: float | None = None

    @property
    def open_for_s(self) -> float:
        """Seconds until the next trial; 0 when calls may pass."""
        return 0.0 if self._until is None else max(0.0, self._until - self._monotonic())

    @property
    def allows(self) -> bool:
        return self.open_for_s == 0.0

    def succeeded(self) -> None:
        self._failures, self._wait_s, self._until = 0, FIRST_OPEN_S, None

    def failed(self) -> None:
        self._failures += 1
        if self._failures >= FAILURES:
            self.trip()

    def trip(self) -> None:
        now = self._monotonic()
        self._failures = FAILURES
        self._until = now + self._wait_s * (0.75 + 0.5 * (now % 1.0))
        self._wait_s = min(2 * self._wait_s, MAX_OPEN_S)
