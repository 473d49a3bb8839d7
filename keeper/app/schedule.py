"""When the daemon's cycles are due, as the operator writes it."""

from __future__ import annotations

from datetime import UTC

from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from keeper.domain.errors import BadInput

UNITS = {"s": "seconds", "min": "minutes", "m": "minutes", "h": "hours", "d": "days"}
SHORTEST_INTERVAL_S = 5


def trigger_from(every: str) -> BaseTrigger:
    """ "30s", "15min", "1h", or five cron fields in UTC. Raises BadInput."""
    text = every.strip()
    count = text.rstrip("abcdefghijklmnopqrstuvwxyz")
    unit = UNITS.get(text[len(count) :])
    if unit is not None and count.strip().isdecimal() and int(count) > 0:
        trigger = IntervalTrigger(timezone=UTC, **{unit: int(count)})
        if trigger.interval.total_seconds() < SHORTEST_INTERVAL_S:
            raise BadInput(
                f"--every {every}: shorter than {SHORTEST_INTERVAL_S} s",
                remedy="A cycle reads the chain once: use an interval of a block or more.",
            )
        return trigger
    try:
        return CronTrigger.from_crontab(text, timezone=UTC)
    except ValueError:
        raise BadInput(
            f"--every {every}: neither an interval nor a cron expression",
            remedy="Write an interval such as 30s, 15min or 1h, or five cron fields in UTC: '5 * * * *'.",
        ) from None
