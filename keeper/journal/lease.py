"""The lease of the one keeper that acts: for how long, and what it still allows. The session is in ``leased``.

The database measures the time. It ends a session that was silent for ``lease_s``, and the journal's lock is free with
it. The leader counts too, from the moment at which it asked the question that was answered last. The database heard it
later, so the leader's own count is always the shorter one, and it stops to send at three quarters of it.

So a leader knows without an answer when it must stop, and a standby needs no clock at all: it gets the lock, or not.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from keeper.domain.errors import InvalidSetting, LeaseLost
from keeper.domain.leadership import LeaseReading, Term

Clock = Callable[[], float]


class Hold(Enum):
    """HELD: the leader may send. SILENT: it sends nothing until the database answers. LOST: it leads no more."""

    HELD = auto()
    SILENT = auto()
    LOST = auto()


@dataclass(frozen=True, slots=True)
class LeaseTimes:
    """Seconds. The database ends the leader's session after ``lease_s`` of silence."""

    lease_s: float

    @property
    def beat_s(self) -> float:
        """How often an idle leader lets the database hear it."""
        return self.lease_s / 4

    @property
    def usable_s(self) -> float:
        """How long the leader sends without an answer. The rest is for what it has begun to send."""
        return self.lease_s * 3 / 4


def hold_after(silent_s: float, times: LeaseTimes, *, ended: bool) -> Hold:
    """What the lease allows ``silent_s`` seconds after the question that the database answered last. ``ended``: the
    session is known to be over, or given up."""
    if ended:
        return Hold.LOST
    return Hold.HELD if silent_s < times.usable_s else Hold.SILENT


def require_clock() -> None:
    """Raises InvalidSetting where the system has no clock for a lease."""
    if not hasattr(time, "CLOCK_BOOTTIME"):
        raise InvalidSetting(
            "--standby: this system has no CLOCK_BOOTTIME, a clock that goes on while the machine sleeps",
            remedy="Run it on Linux, or run one keeper without --standby.",
        )


def since_boot() -> float:
    """Seconds, with those that the machine slept."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Lease:
    """One term of this process. Its methods may be called from any thread; ``now`` gives seconds from any start."""

    def __init__(self, lease_s: float, now: Clock = since_boot) -> None:
        self.times = LeaseTimes(lease_s)
        self.now = now
        self.term: Term | None = None
        self._heard_at: float | None = None
        self._lost = ""
        self._tell: Callable[[], None] = lambda: None
        self._tell_back: Callable[[], None] = lambda: None
        self._lock = threading.Lock()

    @property
    def reading(self) -> LeaseReading:
        return LeaseReading(self._hold() is Hold.HELD, self._silent_s())

    @property
    def lost(self) -> str:
        """Why it is over; empty while it is not."""
        return self._lost

    def begin(self, term: Term) -> None:
        """This keeper leads."""
        self.term = term

    def heard(self, asked_at: float) -> None:
        """The database answered what was asked at ``asked_at``."""
        was = self._hold()
        self._heard_at = asked_at
        if self.term is not None and was is Hold.SILENT and self._hold() is Hold.HELD:
            self._tell_back()

    def lose(self, why: str) -> LeaseLost:
        """Ends it for good, and tells who asked to be told. Returns the error to raise."""
        with self._lock:
            first, self._lost = not self._lost, self._lost or why
        if first:
            self._tell()
        return self._error(self._lost)

    def when_lost(self, tell: Callable[[], None]) -> None:
        """``tell`` is called once, at once if it is lost already."""
        with self._lock:
            self._tell = tell
            lost = bool(self._lost)
        if lost:
            tell()

    def when_back(self, tell: Callable[[], None]) -> None:
        """``tell`` is called each time that the database answers again after too long a silence."""
        self._tell_back = tell

    def require(self) -> None:
        """Raises LeaseLost where nothing may be sent."""
        self.require_term()
        if self._hold() is not Hold.HELD:
            raise self._error("the journal's database has not answered for too long")

    def require_term(self) -> None:
        """Raises LeaseLost where it is over."""
        if self._lost:
            raise self._error(self._lost)

    def _hold(self) -> Hold:
        silent_s = self._silent_s()
        return hold_after(math.inf if silent_s is None else silent_s, self.times, ended=bool(self._lost))

    def _silent_s(self) -> float | None:
        """None before the term has begun."""
        return None if self.term is None or self._heard_at is None else self.now() - self._heard_at

    @staticmethod
    def _error(why: str) -> LeaseLost:
        return LeaseLost(
            f"this keeper does not lead now: {why}",
            remedy="Nothing is sent from here. Another keeper takes over what is in the journal; this one stands by.",
        )
