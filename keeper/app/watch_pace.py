"""When the watch looks next: after its interval, and at once when a node tells a new block."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from keeper.settings.execution import SHORTEST_WATCH_S

LOOKS_FOR_A_HEAD = 5
"""A node may not have yet what another one tells, or what its own socket tells. It is asked so often."""
LOOKS_IN_VAIN = 15
"""After so many looks in a row for the heads of one socket, none of which saw the oldest that is in doubt, its heads
count as lies. After so many for heads as old as what was seen, as on a chain with several blocks a second, such heads
count as lies. Each look is a request."""


@dataclass(frozen=True, slots=True)
class _Head:
    timestamp: int
    looks_left: int


@dataclass(slots=True)
class _Socket:
    """What one socket has told. ``head`` is to be looked for, ``newest`` the greatest timestamp. ``doubted`` is that of
    the first head since a look confirmed all: where the nodes are always a little behind, the newest is never seen."""

    head: _Head | None = None
    newest: int = 0
    doubted: int | None = None
    in_vain: int = 0

    def look_for(self, timestamp: int) -> None:
        self.head = _Head(timestamp, LOOKS_FOR_A_HEAD)
        self.newest = max(self.newest, timestamp)
        if self.doubted is None:
            self.doubted = timestamp

    def looked_for(self, head: _Head | None, seen: int | None) -> None:
        """After a look. ``head`` is what was looked for of this socket. A look that saw no block proves nothing."""
        if seen is not None and self.doubted is not None:
            if seen >= self.doubted:
                self.in_vain, self.doubted = 0, self.newest if self.newest > seen else None
            elif head is not None:
                self.in_vain += 1
        if self.in_vain >= LOOKS_IN_VAIN:
            self.head = None
        elif head is not None and self.head is head:  # one that was told meanwhile has its own looks
            confirmed = seen is not None and seen >= head.timestamp
            left = 0 if confirmed else head.looks_left - 1
            self.head = _Head(head.timestamp, left) if left else None


class WatchPace:
    """Heads are hints. Whatever they say, there is a look after every ``every_s``, and at most one more in each
    ``SHORTEST_WATCH_S``. ``monotonic`` gives seconds.

    A socket whose heads no look confirms is not listened to. It costs the hints of the others nothing.
    """

    def __init__(self, every_s: float, monotonic: Callable[[], float]) -> None:
        self._every_s = every_s
        self._monotonic = monotonic
        self._changed = threading.Condition()
        self._sockets: dict[int, _Socket] = {}
        self._looked_at = monotonic()
        self._looked_for_head_at = -math.inf
        self._seen = 0
        self._as_old_at, self._as_old = 0, 0
        self._held = False
        self._ended = False

    def new_head(self, place: int, timestamp: int) -> bool:
        """A node has a new block, of Unix seconds; ``place`` is that of its socket. One that is older than what the
        last look saw says nothing. False where the socket's heads count as lies; the next one begins anew."""
        with self._changed:
            socket = self._sockets.setdefault(place, _Socket())
            if socket.in_vain >= LOOKS_IN_VAIN:
                del self._sockets[place]
                return False
            known = max(self._seen, socket.head.timestamp if socket.head is not None else 0)
            in_excess = timestamp == self._as_old_at and self._as_old >= LOOKS_IN_VAIN
            if timestamp >= known and not in_excess:
                socket.look_for(timestamp)
                self._changed.notify()
            return True

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
        asked_for = any(socket.head is not None for socket in self._sockets.values())
        return min(usual, self._looked_for_head_at + SHORTEST_WATCH_S) if asked_for else usual

    def look(self, look: Callable[[], int | None]) -> None:
        """Does the look that is due. It returns the timestamp of the block that it saw, None where it saw none."""
        with self._changed:
            heads = {place: socket.head for place, socket in self._sockets.items() if socket.head is not None}
            self._looked_at = self._monotonic()
            if heads:
                self._looked_for_head_at = self._looked_at
        seen = look()
        with self._changed:
            self._count_as_old(heads.values())
            if seen is not None:
                # Of the last look, not of the newest block: a node that lies has its own turn only.
                self._seen = seen
            for place, socket in self._sockets.items():
                socket.looked_for(heads.get(place), seen)

    def _count_as_old(self, heads: Iterable[_Head]) -> None:
        """Looks for a head as old as what the look before saw, which is of the same second."""
        if any(head.timestamp == self._seen for head in heads) and self._seen >= self._as_old_at:
            self._as_old = self._as_old + 1 if self._seen == self._as_old_at else 1
            self._as_old_at = self._seen

    def _set_held(self, *, held: bool) -> None:
        with self._changed:
            self._held = held
            self._changed.notify()
