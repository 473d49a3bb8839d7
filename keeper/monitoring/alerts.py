"""Which alerts an event gives: each news once, reminders of what lasts, its end, a limit an hour, a daily summary.

Pure: the caller keeps the memory, gives the time and sends what is returned.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from keeper.domain.record import DecisionRecord
from keeper.monitoring import alert_kinds as kinds
from keeper.monitoring.alert_kinds import Alert, Severity
from keeper.monitoring.conditions import HeldStates, events, states
from keeper.monitoring.events import CycleEnded, Event
from keeper.monitoring.summary import NO_DAY, Day, beginning, counted, summary
from keeper.views.drill import drill_line

REMIND_S = 6 * 3_600.0
"""A state that lasts is told again after this."""
CALM_S = {Severity.CRITICAL: 300.0, Severity.WARNING: 3_600.0, Severity.INFO: 3_600.0}
"""A state that begins again within this of its last message is the same news."""
MAX_PER_HOUR = 20
HOUR_S = 3_600.0
DAY_S = 86_400
FALL_POINTS = 0.05


@dataclass(frozen=True, slots=True)
class AlertMemory:
    """``active`` are the states that hold, by key, ``quiet`` the keys of those whose return was not told,
    ``announced_at`` when each key was last told (Unix seconds).

    ``sent_at`` are the times of the last hour's messages, ``held_back`` counts those that the limit stopped.
    ``highest_fall`` is the largest survivable fall since one was told, None before the first read. ``day`` is what
    the summary will say, ``summary_day`` the number of the day that was last summed up.
    """

    active: Mapping[str, Alert] = field(default_factory=dict)
    quiet: frozenset[str] = frozenset()
    announced_at: Mapping[str, float] = field(default_factory=dict)
    sent_at: tuple[float, ...] = ()
    held_back: int = 0
    highest_fall: float | None = None
    day: Day = NO_DAY
    summary_day: int | None = None


def alerts_after(
    memory: AlertMemory, event: Event, *, summary_hour: int
) -> tuple[AlertMemory, tuple[Alert, ...]]:
    """The memory after an event, and the alerts to send, the gravest first. ``summary_hour`` is in UTC."""
    memory, changes = _changes(memory, states(event), event.at)
    alerts = [*events(event), *changes]
    if isinstance(event, CycleEnded):
        memory, of_fall = _fall(memory, event.record)
        memory, of_day = _day(memory, event, summary_hour)
        alerts += [*of_fall, *of_day]
    return _limited(memory, alerts, event.at)


def _changes(memory: AlertMemory, holding: HeldStates, now: float) -> tuple[AlertMemory, list[Alert]]:
    """What began, what lasts and is due for a reminder, and what ended. The end of what was not told is not told."""
    present = {alert.key: alert for alert in holding.alerts}
    unknown = {key: it for key, it in memory.active.items() if it.kind not in holding.kinds}
    announced_at, quiet, changes = dict(memory.announced_at), set(memory.quiet), []
    for key, alert in present.items():
        lasts = key in memory.active and key not in quiet
        wait = REMIND_S if lasts else CALM_S[alert.kind.severity]
        if now - announced_at.get(key, -math.inf) >= wait:
            announced_at[key] = now
            quiet.discard(key)
            changes.append(alert)
        elif not lasts:
            quiet.add(key)
    active = {**unknown, **present}
    changes += [
        replace(alert, title=f"over: {alert.title}", body="It no longer holds.", over=True)
        for key, alert in memory.active.items()
        if key not in active and key not in quiet
    ]
    memory = replace(
        memory,
        active=active,
        quiet=frozenset(quiet & active.keys()),
        announced_at={key: at for key, at in announced_at.items() if key in active or now - at < REMIND_S},
    )
    return memory, changes


def _fall(memory: AlertMemory, record: DecisionRecord) -> tuple[AlertMemory, list[Alert]]:
    drill = record.inputs.drill if record.inputs is not None else None
    if drill is None or drill.survivable_fall is None:
        return memory, []
    fall = drill.survivable_fall
    highest = fall if memory.highest_fall is None else max(memory.highest_fall, fall)
    if highest - fall < FALL_POINTS:
        return replace(memory, highest_fall=highest), []
    title = f"one emergency call is enough up to a joint fall of {fall:.0%}, it was {highest:.0%}"
    body = f"Fire drill: {drill_line(drill)}.\n{record.summary}"
    return replace(memory, highest_fall=fall), [Alert(kinds.SMALLER_FALL, f"{fall:.2f}", title, body=body)]


def _day(memory: AlertMemory, event: CycleEnded, hour: int) -> tuple[AlertMemory, list[Alert]]:
    """The first cycle after ``hour`` of a day sums up the day before it. The first day begins without a summary."""
    day = int(event.at - hour * HOUR_S) // DAY_S
    so_far = counted(memory.day, event.record)
    if memory.summary_day is None:
        return replace(memory, day=so_far, summary_day=day), []
    if day <= memory.summary_day:
        return replace(memory, day=so_far), []
    alert = Alert(kinds.SUMMARY, str(day), "the last day", body=summary(so_far, event.record))
    return replace(memory, day=beginning(event.record), summary_day=day), [alert]


def _limited(
    memory: AlertMemory, alerts: Iterable[Alert], now: float
) -> tuple[AlertMemory, tuple[Alert, ...]]:
    """At most MAX_PER_HOUR, except what is critical. The next message says how many were held back."""
    order = (Severity.CRITICAL, Severity.WARNING, Severity.INFO)
    sent_at = [at for at in memory.sent_at if now - at < HOUR_S]
    held_back, passing = memory.held_back, []
    for alert in sorted(alerts, key=lambda alert: order.index(alert.kind.severity)):
        if len(sent_at) >= MAX_PER_HOUR and alert.kind.severity is not Severity.CRITICAL:
            held_back += 1
            continue
        if held_back:
            alert = replace(alert, body=f"{alert.body}\n({held_back} earlier messages were held back.)")
            held_back = 0
        sent_at.append(now)
        passing.append(alert)
    return replace(memory, sent_at=tuple(sent_at), held_back=held_back), tuple(passing)
