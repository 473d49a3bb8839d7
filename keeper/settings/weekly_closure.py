"""The weekly closure of a market as it is written: ``Fri 17:00 to Sun 18:00 America/New_York``."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from keeper.domain.weekly_closure import WeeklyClosure

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MOMENT = rf"({'|'.join(DAYS)}) ([01]\d|2[0-3]):([0-5]\d)"
FORM = re.compile(rf"{MOMENT} to {MOMENT} (\S+)")
FIRST_YEAR, LAST_YEAR = 2010, 2040
"""Years whose changes of the clock are known. Before and after them the clock does not change."""


@lru_cache(maxsize=32)
def weekly_closure(text: str) -> WeeklyClosure:
    """Raises ValueError, whose text goes on after "is"."""
    match = FORM.fullmatch(text)
    if match is None:
        raise ValueError("not written as Fri 17:00 to Sun 18:00 America/New_York")
    *moments, name = match.groups()
    closes, opens = _seconds(*moments[:3]), _seconds(*moments[3:])
    if closes == opens:
        raise ValueError("a closure that ends when it begins")
    try:
        zone = ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"in no time zone of the IANA database: {name}") from None
    return WeeklyClosure(closes, opens, _shifts(zone))


def checked_closure(text: str) -> str:
    """The text, if it is a closure. Raises ValueError."""
    weekly_closure(text)
    return text


def _seconds(day: str, hour: str, minute: str) -> int:
    """After Monday 00:00."""
    return ((DAYS.index(day) * 24 + int(hour)) * 60 + int(minute)) * 60


def _shifts(zone: ZoneInfo) -> tuple[tuple[int, int], ...]:
    """The clock's distances from UTC, to the hour in which they begin."""
    day = datetime(FIRST_YEAR, 1, 1, tzinfo=UTC)
    shifts = [(int(day.timestamp()), _shift(day, zone))]
    while day.year <= LAST_YEAR:
        following = day + timedelta(days=1)
        if _shift(following, zone) != shifts[-1][1]:
            hour = next(
                at for hours in range(25) if _shift(at := day + timedelta(hours=hours), zone) != shifts[-1][1]
            )
            shifts.append((int(hour.timestamp()), _shift(hour, zone)))
        day = following
    return tuple(shifts)


def _shift(at: datetime, zone: ZoneInfo) -> int:
    offset = at.astimezone(zone).utcoffset()
    return 0 if offset is None else int(offset.total_seconds())
