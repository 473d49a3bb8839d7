"""Rows are only added, every one of them chained by hash; the order of an intent's states is a constraint.

What the first journal holds is carried over row by row after its own chain was checked.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from alembic import op
from sqlalchemy import Connection, text

from keeper.domain.errors import JournalCorrupt
from keeper.journal import schema
from keeper.journal.chain import FIRST_HASH, Entry

revision = "0002"
down_revision = "0001"

OLD = ("rounds", "records", "intents", "attempts", "receipts", "transitions")
NEW = (
    "entries",
    "rounds",
    "records",
    "intents",
    "moves",
    "attempts",
    "broadcasts",
    "receipts",
    "adopted_nonces",
    "switches",
    "seals",
)
"""What this revision knows; later tables come with theirs."""
Rows = Mapping[str, Sequence[Mapping[str, Any]]]


def upgrade() -> None:
    connection = op.get_bind()
    rows = {name: _read(connection, name) for name in OLD}
    _require_whole(rows["records"])
    for name in reversed(OLD):
        op.drop_table(name)
    op.drop_table("schema")
    schema.metadata.create_all(connection, [schema.metadata.tables[name] for name in NEW])
    for kind, added in _carried_over(rows):
        entry = Entry(connection)
        for table, row in added:
            entry.add(schema.metadata.tables[table], row)
        entry.write(kind)


def _read(connection: Connection, name: str) -> Sequence[Mapping[str, Any]]:
    return [dict(row) for row in connection.execute(text(f"SELECT * FROM {name}")).mappings()]  # noqa: S608


def _require_whole(records: Sequence[Mapping[str, Any]]) -> None:
    previous = FIRST_HASH
    for place, row in enumerate(sorted(records, key=lambda row: row["number"]), start=1):
        try:
            body = zlib.decompress(row["body"])
        except zlib.error:
            body = b""
        expected = hashlib.sha256(previous.encode() + body).hexdigest()
        if (row["number"], row["previous_hash"], row["hash"]) != (place, previous, expected):
            raise JournalCorrupt(
                f"row {place} of the records is not as it was written; the journal was left as it is",
                remedy="Keep it, restore a backup, or start a new journal.",
            )
        previous = row["hash"]


def _carried_over(rows: Rows) -> Iterator[tuple[str, list[tuple[str, dict[str, Any]]]]]:
    if rows["rounds"]:
        yield "rounds", [("rounds", dict(row)) for row in rows["rounds"]]
    for row in sorted(rows["records"], key=lambda row: row["number"]):
        kept = {name: row[name] for name in ("record_id", "started_at", "outcome", "body")}
        yield "record", [("records", kept)]
    for intent in sorted(rows["intents"], key=lambda row: (row["created_at"], row["nonce"])):
        yield "intent", list(_of_intent(intent, rows))


def _of_intent(intent: Mapping[str, Any], rows: Rows) -> Iterator[tuple[str, dict[str, Any]]]:
    intent_id, at = intent["intent_id"], intent["created_at"]
    attempts = sorted(
        (row for row in rows["attempts"] if row["intent_id"] == intent_id), key=lambda row: row["number"]
    )
    path = _path(intent["status"], attempts)
    yield "intents", {**intent, "status": path[-1], "supersedes": None}
    for step, became in enumerate(path, start=1):
        before = {"step_before": step - 1, "was": path[step - 2]} if step > 1 else {}
        yield "moves", {"intent_id": intent_id, "step": step, "became": became, "at": at, **before}
    for place, row in enumerate(attempts, start=1):
        kept = {name: row[name] for name in ("tx_hash", "intent_id", "raw", "max_fee", "tip", "created_at")}
        yield "attempts", {**kept, "place": place, "kind": "CALL"}
        if row["broadcast_at"] is not None:
            yield "broadcasts", {"tx_hash": row["tx_hash"], "at": row["broadcast_at"]}
        for receipt in rows["receipts"]:
            if receipt["tx_hash"] == row["tx_hash"]:
                yield "receipts", {name: value for name, value in receipt.items() if name != "number"}


def _path(status: str, attempts: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """The states that lead to where the intent is; the first journal did not keep them all."""
    if not attempts:
        return ("OPEN", "EXPIRED") if status == "EXPIRED" else ("OPEN",)
    signed = ("OPEN", "SIGNING", "SIGNED")
    sent = (*signed, "SENT") if any(row["broadcast_at"] is not None for row in attempts) else signed
    return {
        "OPEN": sent,
        "UNKNOWN": (*sent, "UNKNOWN"),
        "MINED": (*sent, "MINED"),
        "FINAL": (*sent, "MINED", "FINAL"),
        "REVERTED": (*sent, "MINED", "REVERTED"),
    }[status]
