"""The status page's look at a journal: bounded, beside the writer, and never writing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import select, text

from keeper.app.status_page import PageJournal
from keeper.domain.errors import JournalCorrupt, JournalMissing, JournalUnreadable
from keeper.domain.record import DecisionRecord
from keeper.domain.tx import Intent, IntentStatus
from keeper.journal.attempts import StoredAttempts
from keeper.journal.records import StoredRecords
from keeper.journal.store import Journal
from keeper.journal.switches import Switches
from keeper.settings.schema import Settings
from keeper.web.reading import DECODED_AT_ONCE, SHOWN_RECORDS, RecordMemory
from tests.databases import fresh_database
from tests.factories import NOW
from tests.journal.rows import PAYLOAD, a_record, an_attempt
from tests.monitoring.reported import a_quiet_record


def looking_at(file: Path) -> PageJournal:
    return PageJournal(Settings(journal_url=f"sqlite:///{file}", pause_file=file.with_name("keeper.pause")))


def test_the_page_reads_records_pauses_and_pending_transactions_beside_the_writer(tmp_path: Path) -> None:
    file = tmp_path / "keeper.db"
    with Journal.open(f"sqlite:///{file}") as journal:
        for place in range(3):
            record = replace(a_quiet_record(), record_id=f"{place}", started_at=float(NOW + place))
            StoredRecords(journal).append(record)
        Switches(journal, lambda: float(NOW)).pause("operator", "3am")
        log = StoredAttempts(journal, lambda: float(NOW))
        log.create(Intent("i1", 12, PAYLOAD))
        log.move("i1", IntentStatus.SIGNING)
        log.add_attempt(an_attempt("i1", 1))
        file.with_name("keeper.pause").write_text("by file")
        before = file.read_bytes()
        reading = looking_at(file)()
        assert file.read_bytes() == before
        StoredRecords(journal).append(replace(a_quiet_record(), record_id="later", started_at=float(NOW + 9)))
    assert [record.record_id for record in reading.records] == ["2", "1", "0"]
    assert [point.at for point in reading.trend] == [NOW, NOW + 1, NOW + 2]
    assert [pause.reason for pause in reading.pauses] == ["3am", "by file"]
    (pending,) = reading.pending
    assert (pending.intent.status, pending.nonce) == (IntentStatus.SIGNED, 12)


def test_a_journal_that_is_not_there_or_broken_is_an_error_with_a_name(tmp_path: Path) -> None:
    with pytest.raises(JournalMissing):
        looking_at(tmp_path / "keeper.db")()
    (tmp_path / "keeper.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(JournalCorrupt):
        looking_at(tmp_path / "keeper.db")()


class Rows:
    """The records of a journal; ``decoded`` are the ids that were asked for."""

    def __init__(self, count: int) -> None:
        self.ids = [f"{place}" for place in reversed(range(count))]
        self.decoded: list[str] = []

    def __call__(self, ids: Sequence[str]) -> list[DecisionRecord]:
        self.decoded += ids
        return [replace(a_record(it), started_at=float(it)) for it in ids]


def test_one_read_decodes_few_records_and_none_twice() -> None:
    rows, memory = Rows(100), RecordMemory()
    missing = []
    while True:
        before = len(rows.decoded)
        shown, points, unread = memory.read(rows.ids, rows)
        assert len(rows.decoded) - before <= SHOWN_RECORDS + DECODED_AT_ONCE
        assert len(shown) == SHOWN_RECORDS
        missing.append(unread)
        if not unread:
            break
    assert missing == [40, 0]
    assert sorted(rows.decoded) == sorted(rows.ids)
    assert [point.at for point in points] == [float(it) for it in range(100)]


def test_what_is_no_longer_among_the_newest_is_forgotten() -> None:
    rows, memory = Rows(30), RecordMemory()
    memory.read(rows.ids, rows)
    rows.ids = [f"{place}" for place in range(60, 30, -1)]
    shown, points, _ = memory.read(rows.ids, rows)
    assert [record.record_id for record in shown] == rows.ids[:SHOWN_RECORDS]
    assert {point.record_id for point in points} == set(rows.ids)


def test_a_query_of_the_page_that_takes_too_long_is_ended_by_the_server(
    postgres_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keeper.app.status_page.LONGEST_QUERY_S", 0.1)
    address = fresh_database(postgres_server)
    page = PageJournal(Settings(journal_url=address))
    with Journal.open(address) as journal:
        StoredRecords(journal).append(replace(a_quiet_record(), record_id="first", started_at=float(NOW)))
        with psycopg.connect(address) as somebody, somebody.transaction():
            somebody.execute("LOCK TABLE records IN ACCESS EXCLUSIVE MODE")
            with pytest.raises(JournalUnreadable, match="has ended a query that took too long"):
                page()
        assert [record.record_id for record in page().records] == ["first"]
        (timeout,) = journal.rows(select(text("current_setting('statement_timeout')")))
        assert timeout == ("0",), "the daemon's own sessions wait as before"
