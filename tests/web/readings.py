"""What the page reads from a journal, without a journal."""

from __future__ import annotations

from typing import Any

from keeper.domain.record import DecisionRecord
from keeper.domain.tx import InFlight, IntentStatus
from keeper.views.pending import PendingTransaction
from keeper.views.trend import trend_point
from keeper.web.reading import JournalReading
from tests.factories import NOW
from tests.journal.rows import an_attempt


def a_reading(*records: DecisionRecord, **changes: Any) -> JournalReading:
    """``records`` are the newest first."""
    fields: dict[str, Any] = {
        "journal": "/var/lib/keeper/keeper.db",
        "records": records,
        "trend": tuple(trend_point(record) for record in reversed(records)),
        "unread": 0,
        "pending": (),
        "pauses": (),
    }
    return JournalReading(**fields | changes)


def a_pending_transaction() -> PendingTransaction:
    return PendingTransaction(
        InFlight("intent-1", IntentStatus.SENT, 7, NOW - 700), 12, (an_attempt("intent-1", 0xFEED),)
    )
