"""Decision records: one row per cycle, and one row per swap that it executed."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Column, select

from keeper.domain.errors import JournalCorrupt, JournalTooOld, RecordNotFound
from keeper.domain.record import DecisionRecord
from keeper.journal import fills, schema
from keeper.journal.codec import decode, encode
from keeper.journal.store import Journal
from keeper.journal.versions import START_ANEW

_READ_AT_ONCE = 50


class StoredRecords:
    """``ports.Records`` on the journal."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def append(self, record: DecisionRecord) -> None:
        """Raises JournalUnwritable."""
        with self._journal.appending("record") as entry:
            entry.add(
                schema.records,
                {
                    "record_id": record.record_id,
                    "started_at": record.started_at,
                    "outcome": record.outcome.value,
                    "body": zlib.compress(encode(record, DecisionRecord)),
                },
            )
            for row in fills.rows(record):
                entry.add(schema.fills, row)

    def latest(self, limit: int, before: str | None = None) -> tuple[DecisionRecord, ...]:
        """The newest first; with ``before`` those that are older than the record of this id. Raises RecordNotFound."""
        table = schema.records
        query = select(table.c.body).order_by(table.c.entry.desc()).limit(limit)
        if before is not None:
            (entry,) = self._only(before, table.c.entry)
            query = query.where(table.c.entry < entry)
        return tuple(_record(body) for (body,) in self._journal.rows(query))

    def newest_ids(self, limit: int) -> tuple[str, ...]:
        """The newest first. No record is read."""
        table = schema.records
        query = select(table.c.record_id).order_by(table.c.entry.desc()).limit(limit)
        return tuple(record_id for (record_id,) in self._journal.rows(query))

    def with_ids(self, record_ids: Sequence[str]) -> tuple[DecisionRecord, ...]:
        """Those of these records that are there, in no order."""
        table = schema.records
        query = select(table.c.body).where(table.c.record_id.in_(record_ids))
        return tuple(_record(body) for (body,) in self._journal.rows(query))

    def between(self, since: float, until: float) -> Iterator[DecisionRecord]:
        """The records of cycles that began in [since, until), Unix seconds, oldest first, a few at a time."""
        table = schema.records
        query = (
            select(table.c.body)
            .where(table.c.started_at >= since, table.c.started_at < until)
            .order_by(table.c.entry)
            .execution_options(yield_per=_READ_AT_ONCE)
        )
        with self._journal.reading() as connection:
            for body in connection.execute(query).scalars():
                yield _record(body)

    def traded(self, since: int, until: int) -> Iterator[DecisionRecord]:
        """The records whose executed swaps were decided on in [since, until), Unix seconds, oldest first."""
        table, swaps = schema.records, schema.fills
        chosen = select(swaps.c.record_id).where(swaps.c.at >= since, swaps.c.at < until)
        query = (
            select(table.c.body)
            .where(table.c.record_id.in_(chosen))
            .order_by(table.c.entry)
            .execution_options(yield_per=_READ_AT_ONCE)
        )
        with self._journal.reading() as connection:
            for body in connection.execute(query).scalars():
                yield _record(body)

    def last_informed(self) -> DecisionRecord | None:
        """ports.Records. Skips cycles that failed before they had inputs, however many there are: what the keeper
        remembers must survive a long outage of the nodes."""
        table = schema.records
        query = select(table.c.body).order_by(table.c.entry.desc()).execution_options(yield_per=_READ_AT_ONCE)
        with self._journal.reading() as connection:
            return next(
                (
                    record
                    for body in connection.execute(query).scalars()
                    if (record := _record(body)).inputs is not None
                ),
                None,
            )

    def record(self, record_id: str) -> DecisionRecord:
        """By its id or the beginning of it. Raises RecordNotFound if none or several match."""
        (body,) = self._only(record_id, schema.records.c.body)
        return _record(body)

    def _only(self, record_id: str, column: Column[Any]) -> Sequence[Any]:
        """The column's value in the one record whose id begins like this. Raises RecordNotFound."""
        begins = schema.records.c.record_id.startswith(record_id, autoescape=True)
        rows: Sequence[Sequence[Any]] = self._journal.rows(select(column).where(begins).limit(2))
        if len(rows) != 1:
            raise RecordNotFound(
                f"record {record_id}: {'no record matches' if not rows else 'several records match'}",
                remedy="`keeper journal list` shows the records; give more of the id.",
            )
        return rows[0]


def _record(body: bytes) -> DecisionRecord:
    try:
        return decode(_unpacked(body), DecisionRecord)
    except KeyError as error:
        raise JournalTooOld(
            f"a record has no {error}",
            remedy="`keeper journal verify` tells whether somebody changed it. If not, an earlier development version "
            f"wrote it. {START_ANEW}",
        ) from error
    except (ValueError, TypeError) as error:
        raise JournalCorrupt(
            f"a record cannot be read: {error}",
            remedy="`keeper journal verify` names the row that was changed.",
        ) from error


def _unpacked(body: bytes) -> bytes:
    try:
        return zlib.decompress(body)
    except zlib.error:
        return b""
