"""The hash chain over all rows, and its verification.

An entry covers the rows that one transaction added. Its digest covers their content; its hash covers digest, number and
the previous entry's hash. A changed, removed or inserted row breaks the chain. A journal without its newest entries
still verifies; ``tx.recovery`` detects it, because the blockchain has more transactions.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import Table, func, insert, select

from keeper.domain.errors import JournalCorrupt
from keeper.journal import schema

if TYPE_CHECKING:
    from sqlalchemy import Connection

FIRST_HASH = "0" * 64
_AS_JSON = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)
"""Made once: a history has tens of thousands of rows."""
_REMEDY = "Somebody or something changed the journal. Keep it, and restore a backup."


class Entry:
    """The rows that one transaction adds. ``connection`` reads and updates inside it."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._rows: list[tuple[Table, dict[str, Any]]] = []

    def add(self, table: Table, row: Mapping[str, Any]) -> None:
        """A row without its ``entry``. Inserted when the transaction ends, tables in the schema's order."""
        filled = {column.name: None for column in table.columns if column.name != "entry"}
        self._rows.append((table, filled | dict(row)))

    def write(self, kind: str) -> None:
        """Inserts the rows and the entry that covers them. Does nothing without rows."""
        if not self._rows:
            return
        newest = select(schema.entries.c.number, schema.entries.c.hash).order_by(
            schema.entries.c.number.desc()
        )
        last = self.connection.execute(newest.limit(1)).one_or_none()
        number, previous = (1, FIRST_HASH) if last is None else (last[0] + 1, last[1])
        digest = digest_of(canonical(table, row) for table, row in self._rows)
        count = len(self._rows)
        self.connection.execute(
            insert(schema.entries).values(
                number=number,
                kind=kind,
                row_count=count,
                digest=digest,
                previous_hash=previous,
                hash=hash_of(previous, number, kind=kind, row_count=count, digest=digest),
            )
        )
        for table in schema.CHAINED:
            rows = [row | {"entry": number} for owner, row in self._rows if owner is table]
            if rows:
                self.connection.execute(insert(table), rows)


def canonical(table: Table, row: Mapping[str, Any]) -> str:
    """The row as canonical text: the table's name and its columns in order, without those that may change."""
    values = [value.hex() if isinstance(value := row[name], bytes) else value for name in _digested(table)]
    return _AS_JSON.encode([table.name, *values])


@cache
def _digested(table: Table) -> tuple[str, ...]:
    """The columns whose values a digest covers, in their order."""
    left_out = schema.NOT_IN_DIGEST.get(table.name, ("entry",))
    return tuple(column.name for column in table.columns if column.name not in left_out)


def digest_of(rows: Iterable[str]) -> str:
    """SHA-256 over the rows in the order of their texts."""
    return hashlib.sha256("\n".join(sorted(rows)).encode()).hexdigest()


def hash_of(previous: str, number: int, *, kind: str, row_count: int, digest: str) -> str:
    return hashlib.sha256(f"{previous} {number} {kind} {row_count} {digest}".encode()).hexdigest()


def verify(connection: Connection) -> int:
    """Number of entries. Raises JournalCorrupt, which names the first broken entry and the tables of its rows."""
    rows_by_entry = _rows_by_entry(connection)
    previous, count = FIRST_HASH, 0
    for number, kind, row_count, digest, stored_previous, stored in connection.execute(
        select(*schema.entries.columns).order_by(schema.entries.c.number)
    ):
        count += 1
        rows = rows_by_entry.pop(number, [])
        if number != count or stored_previous != previous:
            raise _corrupt(f"entry {count} is missing, or not as it was written")
        if len(rows) != row_count or digest_of(rows) != digest:
            tables = ", ".join(sorted({json.loads(row)[0] for row in rows})) or "none left"
            raise _corrupt(
                f"entry {number} ({kind}) has {len(rows)} of {row_count} rows, and they are not as they were written "
                f"(tables: {tables})"
            )
        if stored != hash_of(previous, number, kind=kind, row_count=row_count, digest=digest):
            raise _corrupt(f"entry {number} ({kind}) itself is not as it was written")
        previous = stored
    if rows_by_entry:
        raise _corrupt(f"{sum(map(len, rows_by_entry.values()))} row(s) belong to entries that do not exist")
    _verify_statuses(connection)
    return count


def _rows_by_entry(connection: Connection) -> dict[int, list[str]]:
    rows_by_entry: dict[int, list[str]] = {}
    for table in schema.CHAINED:
        names = [column.name for column in table.columns]
        for values in connection.execute(select(table)):
            row = dict(zip(names, values, strict=True))
            rows_by_entry.setdefault(row["entry"], []).append(canonical(table, row))
    return rows_by_entry


def _verify_statuses(connection: Connection) -> None:
    """``intents.status``, the only column that changes, must equal the last move."""
    last = (
        select(schema.moves.c.intent_id, func.max(schema.moves.c.step).label("step"))
        .group_by(schema.moves.c.intent_id)
        .subquery()
    )
    moved = select(schema.moves.c.intent_id, schema.moves.c.became).join(
        last, (schema.moves.c.intent_id == last.c.intent_id) & (schema.moves.c.step == last.c.step)
    )
    became = dict(_pairs(connection.execute(moved)))
    for intent_id, status in connection.execute(select(schema.intents.c.intent_id, schema.intents.c.status)):
        if became.get(intent_id) != status:
            raise _corrupt(f"intent {intent_id} is {status}, its last move says {became.get(intent_id)}")


def _pairs(rows: Iterable[Sequence[Any]]) -> Iterable[tuple[str, str]]:
    return ((row[0], row[1]) for row in rows)


def _corrupt(what: str) -> JournalCorrupt:
    return JournalCorrupt(what, remedy=_REMEDY)
