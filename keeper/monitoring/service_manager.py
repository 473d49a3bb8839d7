"""Tells systemd that the daemon is ready, moves, and ends, so that it restarts one that hangs."""

from __future__ import annotations

from collections.abc import Callable

from keeper.monitoring.daemon_state import DaemonState, after, alive
from keeper.monitoring.events import (
    CycleEnded,
    CycleLost,
    Event,
    LeadLost,
    Reloaded,
    Reloading,
    ReloadRefused,
    StandsBy,
    Started,
    Stopped,
)

START_AGAIN_WITHIN_US = 120_000_000
"""A start that waits for its journal asks for this much more time with each attempt, in microseconds."""


class ServiceManager:
    """An observer. ``WATCHDOG=1`` goes out with each event at which the daemon is alive by the rule of ``/healthz``."""

    def __init__(self, tell: Callable[..., None]) -> None:
        self._tell = tell
        self._state = DaemonState()

    def __call__(self, event: Event) -> None:
        self._state = after(self._state, event)
        lines = list(_lines(event))
        if isinstance(event, CycleLost) and self._state.started is None:
            lines.append(f"EXTEND_TIMEOUT_USEC={START_AGAIN_WITHIN_US}")
        if alive(self._state, event.at).passed:
            lines.append("WATCHDOG=1")
        if lines:
            self._tell(*lines)


def _lines(event: Event) -> tuple[str, ...]:
    """What the event itself says. STATUS is the line that `systemctl status` shows."""
    match event:
        case Started(mode=mode, schedule=schedule):
            return ("READY=1", f"STATUS={mode.value}, {schedule}")
        case StandsBy(leader=leader, trouble=trouble):
            able = f"cannot take over: {trouble.splitlines()[0]}" if trouble else "could take over now"
            return ("READY=1", f"STATUS=stands by ({leader or 'nobody'} leads), {able}")
        case LeadLost(reason=reason):
            return (f"STATUS=leads no more: {reason}",)
        case CycleEnded(record=record):
            return (f"STATUS=the newest cycle {record.outcome.value}",)
        case CycleLost(failure=failure):
            return (f"STATUS=the newest cycle failed: {failure.name}",)
        case Reloading(monotonic_us=since):
            return ("RELOADING=1", f"MONOTONIC_USEC={since}")
        case Reloaded(changes=changes):
            return ("READY=1", f"STATUS=reloaded, {len(changes)} settings changed")
        case ReloadRefused(failure=failure):
            return ("READY=1", f"STATUS=reload refused: {failure.name}; the old settings stay in force")
        case Stopped():
            return ("STOPPING=1",)
        case _:
            return ()
