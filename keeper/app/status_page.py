"""The status page of the daemon: its own look at the journal, beside the one writer."""

from __future__ import annotations

import time

from keeper.domain.tx import InFlight
from keeper.journal.attempts import StoredAttempts
from keeper.journal.pause_store import paused_by_file
from keeper.journal.records import StoredRecords
from keeper.journal.store import Journal
from keeper.journal.switches import Switches
from keeper.journal.unfinished import unfinished_ids
from keeper.settings.schema import Settings
from keeper.views.pending import PendingTransaction
from keeper.web.reading import PENDING_SHOWN, TREND_RECORDS, JournalReading, RecordMemory

LONGEST_QUERY_S = 5.0
"""A server ends a longer query of the page, so that it holds no rows and no processor that the daemon needs."""


class PageJournal:
    """Each call opens the journal for reading, reads a bounded number of rows, and closes it. One call at a time.
    Raises what ``Journal.open_for_reading`` raises."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._memory = RecordMemory()

    def __call__(self) -> JournalReading:
        with Journal.open_for_reading(self._settings.journal_url, longest_query_s=LONGEST_QUERY_S) as journal:
            stored = StoredRecords(journal)
            records, trend, unread = self._memory.read(stored.newest_ids(TREND_RECORDS), stored.with_ids)
            return JournalReading(
                journal=journal.name,
                records=records,
                trend=trend,
                unread=unread,
                pending=_pending(journal),
                pauses=(
                    *Switches(journal, time.time).pauses(),
                    *paused_by_file(self._settings.pause_file),
                ),
            )


def _pending(journal: Journal) -> tuple[PendingTransaction, ...]:
    log = StoredAttempts(journal, time.time)
    return tuple(
        PendingTransaction(
            InFlight(
                intent.intent_id,
                log.status(intent.intent_id),
                epoch=intent.payload.epoch,
                since=log.created_at(intent.intent_id),
            ),
            intent.nonce,
            log.attempts(intent.intent_id),
        )
        for intent in map(log.intent, unfinished_ids(journal, PENDING_SHOWN))
    )
