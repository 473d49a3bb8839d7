"""Places where a test may kill or freeze the process. Off unless KEEPER_FAILPOINT names one: then ``reach`` is a no-op.

KEEPER_FAILPOINT is a comma-separated list of ``name``, ``name:n`` (the n-th time it is reached) and
``name:n:freeze`` (SIGSTOP instead of SIGKILL). Call it as ``failpoints.reach(...)``: ``arm`` replaces the function.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from enum import StrEnum

from keeper.domain.errors import InvalidSetting

VARIABLE = "KEEPER_FAILPOINT"


class Failpoint(StrEnum):
    """In the order in which a cycle reaches them."""

    SETTLE_BEGINS = "settle_begins"
    SETTLE_EXPIRED = "settle_expired"
    SETTLE_RESIGNED = "settle_resigned"
    SETTLE_REBROADCAST = "settle_rebroadcast"
    SETTLE_MINED = "settle_mined"
    SETTLE_UNMINED = "settle_unmined"
    SETTLE_FINAL = "settle_final"
    SETTLE_CANCELLING = "settle_cancelling"
    SETTLE_DISPLACED = "settle_displaced"
    SETTLED = "settled"
    READ = "read"
    CONCLUDED = "concluded"
    SIMULATED = "simulated"
    INTENT_BEGINS = "intent_begins"
    INTENT_COMMITTED = "intent_committed"
    SUPERSESSION_COMMITTED = "supersession_committed"
    SIGNING_COMMITTED = "signing_committed"
    SIGNED = "signed"
    ATTEMPT_COMMITTED = "attempt_committed"
    BROADCAST = "broadcast"
    BROADCAST_COMMITTED = "broadcast_committed"
    BUMP_BEGINS = "bump_begins"
    BUMP_SIGNED = "bump_signed"
    BUMP_COMMITTED = "bump_committed"
    BUMP_BROADCAST = "bump_broadcast"
    RECEIPT_SEEN = "receipt_seen"
    MINED_COMMITTED = "mined_committed"
    UNKNOWN_COMMITTED = "unknown_committed"
    READ_BACK = "read_back"
    RECORD_BEGINS = "record_begins"
    RECORD_COMMITTED = "record_committed"


def _nothing(point: Failpoint) -> None:
    del point


reach: Callable[[Failpoint], None] = _nothing


def arm(wanted: str) -> None:
    """From now on the named points are deadly. Empty: all are off. Raises InvalidSetting for an unknown name."""
    global reach
    reach = _deadly(_parsed(wanted)) if wanted else _nothing


def _parsed(wanted: str) -> dict[Failpoint, tuple[int, signal.Signals]]:
    deadly = {}
    for entry in wanted.split(","):
        name, _, rest = entry.strip().partition(":")
        count, _, action = rest.partition(":")
        if name not in set(Failpoint) or not (count or "1").isdecimal() or action not in ("", "freeze"):
            raise InvalidSetting(
                f"{VARIABLE} = {wanted}: {entry.strip()!r} is not name, name:n or name:n:freeze",
                remedy="Unset it: it exists to kill the process in tests.",
            )
        deadly[Failpoint(name)] = (int(count or 1), signal.SIGSTOP if action else signal.SIGKILL)
    return deadly


def _deadly(points: dict[Failpoint, tuple[int, signal.Signals]]) -> Callable[[Failpoint], None]:
    reached = dict.fromkeys(points, 0)

    def reach_one(point: Failpoint) -> None:
        if point not in points:
            return
        reached[point] += 1
        count, action = points[point]
        if reached[point] == count:
            os.kill(os.getpid(), action)

    return reach_one


arm(os.environ.get(VARIABLE, ""))
