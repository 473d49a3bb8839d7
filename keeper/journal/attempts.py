"""Intents, signed attempts and receipts. Constraints of the database prevent double rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from sqlalchemy import func, select, update

from keeper.domain.errors import JournalUnwritable
from keeper.domain.pause_state import DailyUsage
from keeper.domain.tx import (
    GIVEN_UP,
    SETTLED,
    UNFINISHED,
    Attempt,
    AttemptKind,
    Intent,
    IntentStatus,
    NonceWatermark,
    Payload,
    Receipt,
)
from keeper.journal import schema
from keeper.journal.codec import encode
from keeper.journal.hash_chain import Entry
from keeper.journal.store import Journal
from keeper.journal.transaction_rows import (
    intent_columns,
    intent_of,
    receipt_columns,
    receipt_of,
    receipt_row,
)

if TYPE_CHECKING:
    from sqlalchemy import Connection

COUNTS_AS_SOLD = (*UNFINISHED, IntentStatus.FINAL)
_GIVEN_UP = [status.value for status in GIVEN_UP]


class StoredAttempts:
    """``tx.ports.AttemptLog``. Every method that writes returns after the row is on disk; ``now`` gives Unix
    seconds."""

    def __init__(self, journal: Journal, now: Callable[[], float]) -> None:
        self._journal = journal
        self._now = now

    # -------------------------------------------------------------------- reading

    def unfinished(self, chain_id: int, sender: str) -> tuple[Intent, ...]:
        table = schema.intents
        query = (
            intent_columns()
            .where(
                table.c.chain_id == chain_id,
                table.c.sender == sender.lower(),
                table.c.status.in_([status.value for status in UNFINISHED]),
            )
            .order_by(table.c.nonce, table.c.entry)
        )
        return tuple(map(intent_of, self._journal.rows(query)))

    def intent(self, intent_id: str) -> Intent:
        (row,) = self._journal.rows(intent_columns().where(schema.intents.c.intent_id == intent_id))
        return intent_of(row)

    def status(self, intent_id: str) -> IntentStatus:
        with self._journal.reading() as connection:
            return _status(connection, intent_id)

    def created_at(self, intent_id: str) -> int:
        query = select(schema.intents.c.created_at).where(schema.intents.c.intent_id == intent_id)
        return int(self._journal.rows(query)[0][0])

    def attempts(self, intent_id: str) -> tuple[Attempt, ...]:
        table = schema.attempts
        query = (
            select(table.c.tx_hash, table.c.raw, table.c.max_fee, table.c.tip, table.c.kind)
            .where(table.c.intent_id == intent_id)
            .order_by(table.c.place)
        )
        return tuple(
            Attempt(
                intent_id=intent_id,
                tx_hash=row[0],
                raw=row[1],
                max_fee_per_gas_wei=int(row[2]),
                max_priority_fee_per_gas_wei=int(row[3]),
                kind=AttemptKind(row[4]),
            )
            for row in self._journal.rows(query)
        )

    def receipts(self, intent_id: str) -> tuple[Receipt, ...]:
        query = receipt_columns().where(schema.attempts.c.intent_id == intent_id)
        return tuple(map(receipt_of, self._journal.rows(query.order_by(schema.receipts.c.entry))))

    def watermark(self, chain_id: int, sender: str) -> NonceWatermark:
        intents, moves, adopted = schema.intents, schema.moves, schema.adopted_nonces
        signed = (
            select(func.max(intents.c.nonce))
            .join(moves, moves.c.intent_id == intents.c.intent_id)
            .where(
                intents.c.chain_id == chain_id,
                intents.c.sender == sender.lower(),
                moves.c.became == IntentStatus.SIGNING.value,
                intents.c.status.not_in(_GIVEN_UP),
            )
        )
        taken_over = (
            select(adopted.c.nonce, adopted.c.at)
            .where(adopted.c.chain_id == chain_id, adopted.c.sender == sender.lower())
            .order_by(adopted.c.number.desc())
            .limit(1)
        )
        with self._journal.reading() as connection:
            highest = connection.execute(signed).scalar()
            last = connection.execute(taken_over).one_or_none()
        return NonceWatermark(
            signed=None if highest is None else highest + 1,
            adopted=None if last is None else last[0],
            adopted_s=0 if last is None else abs(self._at() - last[1]),  # a clock may be set back
        )

    def has_signed(self, chain_id: int, sender: str, nonce: int) -> bool:
        intents, moves = schema.intents, schema.moves
        query = (
            select(intents.c.intent_id)
            .join(moves, moves.c.intent_id == intents.c.intent_id)
            .where(
                intents.c.chain_id == chain_id,
                intents.c.sender == sender.lower(),
                intents.c.nonce == nonce,
                moves.c.became == IntentStatus.SIGNING.value,
                intents.c.status.not_in(_GIVEN_UP),
            )
        )
        return bool(self._journal.rows(query))

    def given_up(self, chain_id: int, sender: str) -> tuple[Intent, ...]:
        intents, attempts = schema.intents, schema.attempts
        signed = select(attempts.c.intent_id).where(attempts.c.intent_id == intents.c.intent_id).exists()
        query = (
            intent_columns()
            .where(
                intents.c.chain_id == chain_id,
                intents.c.sender == sender.lower(),
                intents.c.status.in_(_GIVEN_UP),
                signed,
            )
            .order_by(intents.c.entry)
        )
        return tuple(map(intent_of, self._journal.rows(query)))

    def latest_final(self, chain_id: int, sender: str) -> tuple[Intent, Receipt] | None:
        table = schema.intents
        query = (
            intent_columns()
            .where(
                table.c.chain_id == chain_id,
                table.c.sender == sender.lower(),
                table.c.status.in_([status.value for status in SETTLED]),
            )
            .order_by(table.c.nonce.desc())
            .limit(1)
        )
        rows = self._journal.rows(query)
        if not rows:
            return None
        intent = intent_of(rows[0])
        receipts = self.receipts(intent.intent_id)
        return (intent, receipts[-1]) if receipts else None

    def spent(self, chain_id: int, sender: str, since: int) -> DailyUsage:
        """What was decided on after ``since`` (the chain's time, Unix seconds) has used up. What is in flight counts as
        sold. Of several receipts for one hash the last counts."""
        loss, turnover, gas, failures = 0.0, 0.0, 0, 0
        for intent, status in self._decided_after(chain_id, sender, since):
            if status in COUNTS_AS_SOLD:
                turnover += intent.payload.turnover
            latest = {receipt.tx_hash: receipt for receipt in self.receipts(intent.intent_id)}
            for receipt in latest.values():
                gas += receipt.cost_wei
                failures += not receipt.succeeded and not intent.payload.open_to_all
                if receipt.nav_before and receipt.nav_after is not None:
                    loss += max(0.0, 1.0 - receipt.nav_after / receipt.nav_before)
        return DailyUsage(loss=loss, turnover=turnover, gas_wei=gas, failures=failures)

    # -------------------------------------------------------------------- writing

    def create(self, intent: Intent) -> None:
        payload = intent.payload
        with self._journal.appending("intent") as entry:
            if intent.supersedes is not None:
                self._add_move(entry, intent.supersedes, IntentStatus.SUPERSEDED)
            entry.add(
                schema.intents,
                {
                    "intent_id": intent.intent_id,
                    "chain_id": payload.chain_id,
                    "sender": payload.sender.lower(),
                    "nonce": intent.nonce,
                    "payload": encode(payload, Payload).decode(),
                    "supersedes": intent.supersedes,
                    "created_at": self._at(),
                    "status": IntentStatus.OPEN.value,
                },
            )
            entry.add(
                schema.moves,
                {
                    "intent_id": intent.intent_id,
                    "step": 1,
                    "became": IntentStatus.OPEN.value,
                    "at": self._at(),
                },
            )

    def move(self, intent_id: str, to: IntentStatus) -> None:
        with self._journal.appending("move") as entry:
            self._add_move(entry, intent_id, to)

    def add_attempt(self, attempt: Attempt) -> None:
        with self._journal.appending("attempt") as entry:
            count = select(func.count()).where(schema.attempts.c.intent_id == attempt.intent_id)
            entry.add(
                schema.attempts,
                {
                    "tx_hash": attempt.tx_hash,
                    "intent_id": attempt.intent_id,
                    "place": entry.connection.execute(count).scalar_one() + 1,
                    "kind": attempt.kind.value,
                    "raw": attempt.raw,
                    "max_fee": str(attempt.max_fee_per_gas_wei),
                    "tip": str(attempt.max_priority_fee_per_gas_wei),
                    "created_at": self._at(),
                },
            )
            if _status(entry.connection, attempt.intent_id) is IntentStatus.SIGNING:
                self._add_move(entry, attempt.intent_id, IntentStatus.SIGNED)

    def mark_broadcast(self, tx_hash: str) -> None:
        with self._journal.appending("broadcast") as entry:
            known = select(schema.broadcasts.c.tx_hash).where(schema.broadcasts.c.tx_hash == tx_hash)
            if entry.connection.execute(known).scalar() is None:
                entry.add(schema.broadcasts, {"tx_hash": tx_hash, "at": self._at()})
            owner = select(schema.attempts.c.intent_id).where(schema.attempts.c.tx_hash == tx_hash)
            intent_id = entry.connection.execute(owner).scalar_one()
            if _status(entry.connection, intent_id) is IntentStatus.SIGNED:
                self._add_move(entry, intent_id, IntentStatus.SENT)

    def add_receipt(self, receipt: Receipt) -> None:
        with self._journal.appending("receipt") as entry:
            known = select(schema.receipts.c.tx_hash).where(
                schema.receipts.c.tx_hash == receipt.tx_hash,
                schema.receipts.c.block_hash == receipt.block_hash,
            )
            if entry.connection.execute(known).scalar() is None:
                entry.add(schema.receipts, receipt_row(receipt))
            was = _status(entry.connection, receipt.intent_id)
            if was is IntentStatus.SUPERSEDED:
                self._displace_successors(entry, receipt.intent_id)
            if was is not IntentStatus.MINED:
                self._add_move(entry, receipt.intent_id, IntentStatus.MINED)

    def adopt_nonce(self, chain_id: int, sender: str, nonce: int) -> None:
        table = schema.adopted_nonces
        with self._journal.appending("nonce") as entry:
            last = entry.connection.execute(select(func.max(table.c.number))).scalar() or 0
            entry.add(
                table,
                {
                    "number": last + 1,
                    "chain_id": chain_id,
                    "sender": sender.lower(),
                    "nonce": nonce,
                    "at": self._at(),
                },
            )

    # -------------------------------------------------------------------- helpers

    def _at(self) -> int:
        return int(self._now())

    def _add_move(self, entry: Entry, intent_id: str, to: IntentStatus) -> None:
        """Adds an intent's next move. The database checks that it is an allowed one."""
        table = schema.moves
        last = entry.connection.execute(
            select(table.c.step, table.c.became)
            .where(table.c.intent_id == intent_id)
            .order_by(table.c.step.desc())
            .limit(1)
        ).one()
        entry.add(
            table,
            {
                "intent_id": intent_id,
                "step": last[0] + 1,
                "step_before": last[0],
                "was": last[1],
                "became": to.value,
                "at": self._at(),
            },
        )
        changed = entry.connection.execute(
            update(schema.intents)
            .where(schema.intents.c.intent_id == intent_id, schema.intents.c.status == last[1])
            .values(status=to.value)
        )
        if changed.rowcount != 1:
            raise JournalUnwritable(
                f"intent {intent_id} was changed by another process at the same time",
                remedy="Nothing was written. Is another keeper using this journal? The next cycle reads it anew.",
            )

    def _displace_successors(self, entry: Entry, intent_id: str) -> None:
        """The intents that superseded this one have lost its nonce, because it is mined after all."""
        table = schema.intents
        rivals = [intent_id]
        while rivals:
            # Several may name the same one: an intent that ended before it had bytes left the nonce to the next.
            query = select(table.c.intent_id, table.c.status).where(table.c.supersedes == rivals.pop())
            for successor, status in entry.connection.execute(query).all():
                rivals.append(successor)
                if status == IntentStatus.OPEN.value:
                    self._add_move(entry, successor, IntentStatus.EXPIRED)
                elif status in [each.value for each in UNFINISHED]:
                    self._add_move(entry, successor, IntentStatus.DISPLACED)

    def _decided_after(
        self, chain_id: int, sender: str, since: int
    ) -> tuple[tuple[Intent, IntentStatus], ...]:
        table = schema.intents
        query = (
            intent_columns()
            .add_columns(table.c.status)
            .where(table.c.chain_id == chain_id, table.c.sender == sender.lower())
            .order_by(table.c.entry.desc())
        )
        decided = ((intent_of(row), IntentStatus(row[4])) for row in self._journal.rows(query))
        return tuple((intent, status) for intent, status in decided if intent.payload.as_of > since)


def _status(connection: Connection, intent_id: str) -> IntentStatus:
    query = select(schema.intents.c.status).where(schema.intents.c.intent_id == intent_id)
    return IntentStatus(connection.execute(query).scalar_one())
