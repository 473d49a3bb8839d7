"""When a node that keeps failing is left alone, and when it is tried again."""

from __future__ import annotations

from collections.abc import Callable

FAILURES = 3
FIRST_S = 5.0
MOST_S = 300.0


class Breaker:
    """Opens after FAILURES in a row, or at once when ``trip`` is called. When its time is over one call is let through;
    if that fails too, it stays open twice as long, up to MOST_S. ``monotonic`` in seconds.

    A part of each wait is taken from the clock's fraction of a second, so that keepers which lost the same node
    together do not come back together.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._failures = 0
        self._wait_s = FIRST_S
        self._until: float | None = None

    @property
    def open_for_s(self) -> float:
        """Seconds until the next trial; 0 when calls may pass."""
        return 0.0 if self._until is None else max(0.0, self._until - self._monotonic())

    @property
    def allows(self) -> bool:
        return self.open_for_s == 0.0

    def succeeded(self) -> None:
        self._failures, self._wait_s, self._until = 0, FIRST_S, None

    def failed(self) -> None:
        self._failures += 1
        if self._failures >= FAILURES:
            self.trip()

    def trip(self) -> None:
        now = self._monotonic()
        self._failures = FAILURES
        self._until = now + self._wait_s * (0.75 + 0.5 * (now % 1.0))
        self._wait_s = min(2 * self._wait_s, MOST_S)
