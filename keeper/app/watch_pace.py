"""When the watch looks next: after its interval, and at once when a node tells a new block."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass

from keeper.settings.execution import SHORTEST_WATCH_S

LOOKS_FOR_A_HEAD = 5
"""A node may not have yet what another one tells, or what its own socket tells. It is asked so often."""
LOOKS_IN_VAIN = 15
"""After so many looks in a row that saw no told head, heads count as lies for ``DEAF_S``. After so many for heads as
old as what was seen, as on a chain with several blocks a second, such heads count as lies. Each look is a request."""
DEAF_S = 60.0


@dataclass(frozen=True, slots=True)
class _Head:
    timestamp: int
    looks_left: int


class WatchPace:
    """Heads are hints. Whatever they say, there is a look after every ``every_s``, and at most one more in each
    ``SHORTEST_WATCH_S``. Heads that no look confirms are not listened to for a time. ``monotonic`` gives seconds."""

    def __init__(self, every_s: float, monotonic: Callable[[], float]) -> None:
        self._every_s = every_s
        self._monotonic = monotonic
        self._changed = threading.Condition()
        self._head: _Head | None = None
        self._looked_at = monotonic()
        self._looked_for_head_at = -math.inf
        self._newest_seen = 0
        self._in_vain = 0
        self._as_old = 0
        self._deaf_until = -math.inf
        self._held = False
        self._ended = False

    def new_head(self, timestamp: int) -> None:
        """A node has a new block, of Unix seconds. One that is older than what a look saw says nothing."""
        with self._changed:
            known = self._newest_seen if self._head is None else max(self._newest_seen, self._head.timestamp)
            if self._monotonic() < self._deaf_until or (timestamp == known and self._as_old >= LOOKS_IN_VAIN):
                return
            if timestamp >= known:
                self._head = _Head(timestamp, LOOKS_FOR_A_HEAD)
                self._changed.notify()

    def hold(self) -> None:
        """No look is due until ``go_on``. A head that is told meanwhile is looked for afterwards."""
        self._set_held(held=True)

    def go_on(self) -> None:
        self._set_held(held=False)

    def end(self) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify()

    def wait(self) -> bool:
        """Until a look is due. False at the end."""
        with self._changed:
            while not self._ended:
                if self._held:
                    self._changed.wait()
                    continue
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
            if seen is not None and seen > self._newest_seen:
                self._newest_seen, self._as_old = seen, 0
            elif head is not None and head.timestamp == self._newest_seen:
                self._as_old += 1
            if head is not None:
                self._looked_for(head, confirmed=seen is not None and seen >= head.timestamp)

    def _set_held(self, *, held: bool) -> None:
        with self._changed:
            self._held = held
            self._changed.notify()

    def _looked_for(self, head: _Head, *, confirmed: bool) -> None:
        self._in_vain = 0 if confirmed else self._in_vain + 1
        if self._in_vain >= LOOKS_IN_VAIN:
            self._in_vain, self._head = 0, None
            self._deaf_until = self._monotonic() + DEAF_S
        elif (
            not confirmed and head.looks_left > 1 and self._head is None
        ):  # one that was told meanwhile has its own looks
            self._head = _Head(head.timestamp, head.looks_left - 1)
