"""When the watch looks next: after its interval, and at once when a node tells a new block."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass

from keeper.settings.execution import SHORTEST_WATCH_S

LOOKS_FOR_A_HEAD = 5
"""A node may not have yet what another one tells, or what its own socket tells. It is asked so often."""


@dataclass(frozen=True, slots=True)
class _Head:
    timestamp: int
    looks_left: int


class WatchPace:
    """Heads are hints. Whatever they say, there is a look after every ``every_s``, and at most one more in each
    ``SHORTEST_WATCH_S``. ``monotonic`` gives seconds."""

    def __init__(self, every_s: float, monotonic: Callable[[], float]) -> None:
        self._every_s = every_s
        self._monotonic = monotonic
        self._changed = threading.Condition()
        self._head: _Head | None = None
        self._looked_at = monotonic()
        self._looked_for_head_at = -math.inf
        self._ended = False

    def new_head(self, timestamp: int) -> None:
        """A node has a new block, of Unix seconds."""
        with self._changed:
            self._head = _Head(timestamp, LOOKS_FOR_A_HEAD)
            self._changed.notify()

    def end(self) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify()

    def wait(self) -> bool:
        """Until a look is due. False at the end."""
        with self._changed:
            while not self._ended:
                left_s = self.due_at - self._monotonic()
                if left_s <= 0.0 or not self._changed.wait(left_s):
                    break
            return not self._ended

    @property
    def due_at(self) -> float:
        """Of the next look, in monotonic seconds."""
        usual = self._looked_at + self._every_s
        return usual if self._head is None else min(usual, self._looked_for_head_at + SHORTEST_WATCH_S)

    def look(self, look: Callable[[], int | None]) -> None:
        """Does the look that is due. It returns the timestamp of the block that it saw, None where it saw none."""
        with self._changed:
            head, self._head = self._head, None
            self._looked_at = self._monotonic()
            if head is not None:
                self._looked_for_head_at = self._looked_at
        seen = look()
        with self._changed:
            # One that was told meanwhile is newer.
            missed = head is not None and (seen is None or seen < head.timestamp)
            if head is not None and missed and head.looks_left > 1 and self._head is None:
                self._head = _Head(head.timestamp, head.looks_left - 1)
