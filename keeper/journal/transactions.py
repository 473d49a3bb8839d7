"""Every signed transaction of the journal, with its intent and its receipt. For tables and sums of what gas cost."""

from __future__ import annotations

from typing import Any

from keeper.domain.errors import JournalCorrupt
from keeper.domain.tx import SETTLED, Attempt, AttemptKind, IntentStatus, Receipt, SignedTransaction
from keeper.journal import schema
from keeper.journal.store import Journal
from keeper.journal.transaction_rows import intent_columns, intent_of, receipt_columns, receipt_of

_MINED = [status.value for status in (IntentStatus.MINED, *SETTLED)]


class StoredTransactions:
    """Reads what ``StoredAttempts`` wrote."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def between(self, since: int, until: int) -> tuple[SignedTransaction, ...]:
        """Those whose intents were decided on in [since, until), Unix seconds of the chain, in the order of their
        signatures. A receipt that a reorganisation removed is none: one transaction of a nonce is mined, that of the
        last receipt, and none of an intent that is not mined any more. Raises JournalCorrupt."""
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
        """By hash."""
        intents = schema.intents
        query = (
            receipt_columns()
            .add_columns(intents.c.chain_id, intents.c.sender, intents.c.nonce)
            .join(intents, intents.c.intent_id == schema.attempts.c.intent_id)
            .where(intents.c.status.in_(_MINED))
            .order_by(schema.receipts.c.entry)
        )
        by_nonce = {
            (row.chain_id, row.sender, row.nonce): receipt_of(row) for row in self._journal.rows(query)
        }
        return {receipt.tx_hash: receipt for receipt in by_nonce.values()}


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
