"""Every signed transaction of the journal, with its intent and its receipt. For tables and sums of what gas cost."""

from __future__ import annotations

from typing import Any

from keeper.domain.errors import JournalCorrupt
from keeper.domain.tx import Attempt, AttemptKind, IntentStatus, Receipt, SignedTransaction
from keeper.journal import schema
from keeper.journal.store import Journal
from keeper.journal.transaction_rows import intent_columns, intent_of, receipt_columns, receipt_of


class StoredTransactions:
    """Reads what ``StoredAttempts`` wrote."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def between(self, since: int, until: int) -> tuple[SignedTransaction, ...]:
        """Those whose intents were decided on in [since, until), Unix seconds of the chain, in the order of their
        signatures. Of several receipts for one hash the last counts. Raises JournalCorrupt."""
        intents, attempts, broadcasts = schema.intents, schema.attempts, schema.broadcasts
        query = (
            intent_columns()
            .add_columns(
                *(intents.c.status, attempts.c.tx_hash, attempts.c.raw, attempts.c.max_fee, attempts.c.tip),
                *(attempts.c.kind, attempts.c.place, attempts.c.created_at, broadcasts.c.at),
            )
            .join(attempts, attempts.c.intent_id == intents.c.intent_id)
            .outerjoin(broadcasts, broadcasts.c.tx_hash == attempts.c.tx_hash)
            .order_by(attempts.c.entry)
        )
        receipts = self._receipts()
        signed = (_transaction(row, receipts.get(row.tx_hash)) for row in self._journal.rows(query))
        return tuple(each for each in signed if since <= each.intent.payload.as_of < until)

    def _receipts(self) -> dict[str, Receipt]:
        rows = self._journal.rows(receipt_columns().order_by(schema.receipts.c.entry))
        return {receipt.tx_hash: receipt for receipt in map(receipt_of, rows)}


def _transaction(row: Any, receipt: Receipt | None) -> SignedTransaction:
    try:
        return SignedTransaction(
            intent=intent_of(row),
            status=IntentStatus(row.status),
            attempt=Attempt(
                intent_id=row.intent_id,
                tx_hash=row.tx_hash,
                raw=row.raw,
                max_fee_per_gas_wei=int(row.max_fee),
                max_priority_fee_per_gas_wei=int(row.tip),
                kind=AttemptKind(row.kind),
            ),
            place=row.place,
            signed_at=row.created_at,
            broadcast_at=row.at,
            receipt=receipt,
        )
    except (ValueError, KeyError, TypeError) as error:
        raise JournalCorrupt(
            f"transaction {row.tx_hash} cannot be read: {error}",
            remedy="`keeper journal verify` names the row that was changed.",
        ) from error
