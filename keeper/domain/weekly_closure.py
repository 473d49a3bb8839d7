"""When the market of an asset is closed every week."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

WEEK_S = 7 * 86_400
FIRST_MONDAY = 4 * 86_400
"""The Unix epoch was a Thursday."""


@dataclass(frozen=True, slots=True)
class WeeklyClosure:
    """Closed from ``closes`` to ``opens``, seconds after Monday 00:00 by a wall clock.

    ``shifts`` are that clock's distances from UTC, each with the Unix second from which it holds: (begin, seconds),
    ascending. They are values and no name of a time zone, so that a replay on another machine judges the same hours.
    Holidays and daily pauses are not in it.
    """

    closes: int
    opens: int
    shifts: tuple[tuple[int, int], ...]

    def is_open(self, at: int) -> bool:
        """At a Unix second. The second at which the market opens is open, the one at which it closes is not."""
        return self.open_seconds(at, at + 1) > 0

    def open_seconds(self, since: int, until: int) -> int:
        """Of the time from ``since`` to ``until``, Unix seconds, the part in which the market was open."""
        closed = sum(min(end, until) - max(start, since) for start, end in self.between(since, until))
        return until - since - closed

    def between(self, since: int, until: int) -> Iterator[tuple[int, int]]:
        """Begin and end of every closure that overlaps the time from ``since`` to ``until``, Unix seconds."""
        length = (self.opens - self.closes) % WEEK_S
        week = (since - FIRST_MONDAY) // WEEK_S - 2
        while True:
            begin = FIRST_MONDAY + week * WEEK_S + self.closes
            start, end = self._utc(begin), self._utc(begin + length)
            if start >= until:
                return
            if end > since:
                yield start, end
            week += 1

    def _utc(self, local: int) -> int:
        """Of a second by the wall clock."""
        return local - self._shift(local - self._shift(local))

    def _shift(self, at: int) -> int:
        place = bisect_right(self.shifts, at, key=lambda shift: shift[0]) - 1
        return self.shifts[max(0, place)][1]
