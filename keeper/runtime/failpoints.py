"""Places where a test can kill or freeze the process. ``reach`` does nothing unless KEEPER_FAILPOINT names the place.

KEEPER_FAILPOINT is a comma-separated list of ``name``, ``name:n`` (the n-th time that it is reached) and
``name:n:freeze`` (SIGSTOP instead of SIGKILL). Call ``failpoints.reach(...)`` with the module's name, because ``arm``
replaces the function.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from enum import StrEnum

from keeper.domain.chains import DEVELOPMENT_CHAIN_ID
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
    SEND_BEGINS = "send_begins"
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


def arm_from_environment(chain_id: int) -> None:
    """Arms the points that KEEPER_FAILPOINT names. Raises InvalidSetting on any chain but a development chain."""
    points = os.environ.get(VARIABLE, "")
    if not points:
        return
    if chain_id != DEVELOPMENT_CHAIN_ID:
        raise InvalidSetting(
            f"{VARIABLE} = {points}: accepted on chain id {DEVELOPMENT_CHAIN_ID} only, not on {chain_id}",
            remedy=f"Unset {VARIABLE}. It kills the process in tests of crash safety.",
        )
    arm(points)


def arm(points: str) -> None:
    """Arms the named points and disarms all others. Raises InvalidSetting for an unknown name."""
    global reach
    reach = _lethal(_parsed(points)) if points else _nothing


def _parsed(points: str) -> dict[Failpoint, tuple[int, signal.Signals]]:
    parsed = {}
    for entry in points.split(","):
        name, _, rest = entry.strip().partition(":")
        count, _, action = rest.partition(":")
        if name not in set(Failpoint) or not (count or "1").isdecimal() or action not in ("", "freeze"):
            raise InvalidSetting(
                f"{VARIABLE} = {points}: {entry.strip()!r} is not name, name:n or name:n:freeze",
                remedy=f"Unset {VARIABLE}. It kills the process in tests of crash safety.",
            )
        parsed[Failpoint(name)] = (int(count or 1), signal.SIGSTOP if action else signal.SIGKILL)
    return parsed


def _lethal(points: dict[Failpoint, tuple[int, signal.Signals]]) -> Callable[[Failpoint], None]:
    reached = dict.fromkeys(points, 0)

    def count_and_kill(point: Failpoint) -> None:
        if point not in points:
            return
        reached[point] += 1
        count, action = points[point]
        if reached[point] == count:
            os.kill(os.getpid(), action)

    return count_and_kill
