"""Intents, signed attempts and receipts. Constraints of the database, not code, make doubles impossible."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import func, insert, select, update

from keeper.domain.tx import Attempt, Intent, IntentStatus, Payload, Receipt
from keeper.journal import schema
from keeper.journal.codec import decode, encode
from keeper.journal.store import Journal

TERMINAL = (IntentStatus.FINAL, IntentStatus.REVERTED, IntentStatus.EXPIRED)


class StoredAttempts:
    """The attempt log of the sender. Every method that writes returns after the row is on disk; ``now`` gives
    Unix seconds."""

    def __init__(self, journal: Journal, now: Callable[[], float]) -> None:
        self._journal = journal
        self._now = now

    def open_intent(self, chain_id: int, sender: str) -> Intent | None:
        """The one whose outcome is not final."""
        table = schema.intents
        query = select(table.c.intent_id, table.c.nonce, table.c.payload).where(
            table.c.chain_id == chain_id,
            table.c.sender == sender.lower(),
            table.c.status.not_in([status.value for status in TERMINAL]),
        )
        with self._journal.reading() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else Intent(row[0], row[1], decode(row[2].encode(), Payload))

    def status(self, intent_id: str) -> IntentStatus:
        with self._journal.reading() as connection:
            found = connection.execute(
                select(schema.intents.c.status).where(schema.intents.c.intent_id == intent_id)
            ).scalar_one()
        return IntentStatus(found)

    def created_at(self, intent_id: str) -> int:
        with self._journal.reading() as connection:
            return int(
                connection.execute(
                    select(schema.intents.c.created_at).where(schema.intents.c.intent_id == intent_id)
                ).scalar_one()
            )

    def create(self, intent: Intent) -> None:
        """Raises JournalUnwritable also when another intent of this key is open, or its nonce was used."""
        payload = intent.payload
        with self._journal.writing() as connection:
            connection.execute(
                insert(schema.intents).values(
                    intent_id=intent.intent_id,
                    chain_id=payload.chain_id,
                    sender=payload.sender.lower(),
                    nonce=intent.nonce,
                    payload=encode(payload, Payload).decode(),
                    status=IntentStatus.OPEN.value,
                    created_at=int(self._now()),
                )
            )

    def add_attempt(self, attempt: Attempt) -> None:
        with self._journal.writing() as connection:
            connection.execute(
                insert(schema.attempts).values(
                    tx_hash=attempt.tx_hash,
                    intent_id=attempt.intent_id,
                    raw=attempt.raw,
                    max_fee=str(attempt.max_fee_per_gas_wei),
                    tip=str(attempt.max_priority_fee_per_gas_wei),
                    created_at=int(self._now()),
                )
            )

    def mark_broadcast(self, tx_hash: str) -> None:
        with self._journal.writing() as connection:
            connection.execute(
                update(schema.attempts)
                .where(schema.attempts.c.tx_hash == tx_hash, schema.attempts.c.broadcast_at.is_(None))
                .values(broadcast_at=int(self._now()))
            )

    def attempts(self, intent_id: str) -> tuple[Attempt, ...]:
        table = schema.attempts
        query = (
            select(table.c.tx_hash, table.c.raw, table.c.max_fee, table.c.tip)
            .where(table.c.intent_id == intent_id)
            .order_by(table.c.number)
        )
        with self._journal.reading() as connection:
            return tuple(
                Attempt(intent_id, row[0], row[1], int(row[2]), int(row[3]))
                for row in connection.execute(query)
            )

    def move(self, intent_id: str, status: IntentStatus) -> None:
        with self._journal.writing() as connection:
            connection.execute(
                update(schema.intents)
                .where(schema.intents.c.intent_id == intent_id)
                .values(status=status.value)
            )
            connection.execute(
                insert(schema.transitions).values(
                    intent_id=intent_id, status=status.value, at=int(self._now())
                )
            )

    def add_receipt(self, receipt: Receipt) -> None:
        with self._journal.writing() as connection:
            known = connection.execute(
                select(schema.receipts.c.tx_hash).where(schema.receipts.c.tx_hash == receipt.tx_hash)
            ).scalar()
            if known is None:
                connection.execute(
                    insert(schema.receipts).values(
                        tx_hash=receipt.tx_hash,
                        block_number=receipt.block_number,
                        block_hash=receipt.block_hash,
                        succeeded=int(receipt.succeeded),
                        gas_used=receipt.gas_used,
                        gas_price=str(receipt.effective_gas_price_wei),
                    )
                )

    def highest_nonce(self, chain_id: int, sender: str) -> int | None:
        table = schema.intents
        query = select(func.max(table.c.nonce)).where(
            table.c.chain_id == chain_id,
            table.c.sender == sender.lower(),
            table.c.status != IntentStatus.EXPIRED.value,
        )
        with self._journal.reading() as connection:
            found: int | None = connection.execute(query).scalar()
        return found
