"""What the status page takes from the journal, and the memory that keeps each read of it short."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from keeper.domain.pause_state import Pause
from keeper.domain.record import DecisionRecord
from keeper.views.pending import PendingTransaction
from keeper.views.trend import TrendPoint, trend_point

SHOWN_RECORDS = 20
"""Decisions on the page."""
TREND_RECORDS = 1_000
"""Cycles in the lines over time."""
DECODED_AT_ONCE = 40
"""Records that one read decodes for the lines. A read after a start therefore costs no more than a later one, and the
lines grow towards the past with each read."""
PENDING_SHOWN = 10

ReadRecords = Callable[[Sequence[str]], Sequence[DecisionRecord]]


@dataclass(frozen=True, slots=True)
class JournalReading:
    """``records`` are the newest first, ``trend`` the oldest first. ``unread`` counts the older cycles that a later
    read adds to the lines."""

    journal: str
    records: tuple[DecisionRecord, ...]
    trend: tuple[TrendPoint, ...]
    unread: int
    pending: tuple[PendingTransaction, ...]
    pauses: tuple[Pause, ...]


class RecordMemory:
    """Records never change, so each is decoded once: the newest are kept whole, of the others only their points."""

    def __init__(self) -> None:
        self._records: dict[str, DecisionRecord] = {}
        self._points: dict[str, TrendPoint] = {}

    def read(
        self, newest_ids: Sequence[str], records_of: ReadRecords
    ) -> tuple[tuple[DecisionRecord, ...], tuple[TrendPoint, ...], int]:
        """The shown records, the points and how many points are missing still. ``newest_ids`` are the newest first."""
        shown = newest_ids[:SHOWN_RECORDS]
        self._add(records_of([it for it in shown if it not in self._records]))
        missing = [it for it in newest_ids if it not in self._points]
        for record in records_of(missing[:DECODED_AT_ONCE]):
            self._points[record.record_id] = trend_point(record)
        self._records = {it: self._records[it] for it in shown if it in self._records}
        self._points = {it: self._points[it] for it in newest_ids if it in self._points}
        points = sorted(self._points.values(), key=lambda point: point.at)
        return tuple(self._records.values()), tuple(points), max(0, len(missing) - DECODED_AT_ONCE)

    def _add(self, records: Sequence[DecisionRecord]) -> None:
        for record in records:
            self._records[record.record_id] = record
            self._points[record.record_id] = trend_point(record)
