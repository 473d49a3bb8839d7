"""Intents, signed attempts and receipts. Constraints of the database prevent double rows."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, or_, select, tuple_, update

from keeper.domain.errors import JournalUnwritable
from keeper.domain.pause_state import DailyUsage
from keeper.domain.tx import (
    GIVEN_UP,
    LET_GO,
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
NEWEST = 20
"""Intents. Those of a few days tell how far the keeper has brought its vault."""
_UNFINISHED = [status.value for status in UNFINISHED]
_EXPIRES = [IntentStatus.OPEN.value, IntentStatus.SUPERSEDED.value]
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
                table.c.status.in_(_UNFINISHED),
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
        adopted = schema.adopted_nonces
        signed = _signed_for(func.max(schema.intents.c.nonce), chain_id, sender)
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
        query = _signed_for(schema.intents.c.intent_id, chain_id, sender)
        return bool(self._journal.rows(query.where(schema.intents.c.nonce == nonce)))

    def given_up(self, chain_id: int, sender: str) -> tuple[Intent, ...]:
        intents, attempts = schema.intents, schema.attempts
        signed = select(attempts.c.intent_id).where(attempts.c.intent_id == intents.c.intent_id).exists()
        query = (
            intent_columns()
            .where(
                intents.c.chain_id == chain_id,
                intents.c.sender == sender.lower(),
                intents.c.status.in_(_GIVEN_UP),
                or_(signed, intents.c.supersedes.is_not(None)),
            )
            .order_by(intents.c.entry)
        )
        return tuple(map(intent_of, self._journal.rows(query)))

    def newest_intents(self, chain_id: int, sender: str) -> tuple[Intent, ...]:
        table = schema.intents
        query = (
            intent_columns()
            .where(table.c.chain_id == chain_id, table.c.sender == sender.lower())
            .order_by(table.c.entry.desc())
            .limit(NEWEST)
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
                self._add_moves(entry, intent.supersedes, IntentStatus.SUPERSEDED)
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
            self._add_moves(entry, intent_id, to)

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
                self._add_moves(entry, attempt.intent_id, IntentStatus.SIGNED)

    def mark_broadcast(self, tx_hash: str) -> None:
        with self._journal.appending("broadcast") as entry:
            known = select(schema.broadcasts.c.tx_hash).where(schema.broadcasts.c.tx_hash == tx_hash)
            if entry.connection.execute(known).scalar() is None:
                entry.add(schema.broadcasts, {"tx_hash": tx_hash, "at": self._at()})
            owner = select(schema.attempts.c.intent_id).where(schema.attempts.c.tx_hash == tx_hash)
            intent_id = entry.connection.execute(owner).scalar_one()
            if _status(entry.connection, intent_id) is IntentStatus.SIGNED:
                self._add_moves(entry, intent_id, IntentStatus.SENT)

    def add_receipt(self, receipt: Receipt) -> None:
        with self._journal.appending("receipt") as entry:
            known = select(schema.receipts.c.tx_hash).where(
                schema.receipts.c.tx_hash == receipt.tx_hash,
                schema.receipts.c.block_hash == receipt.block_hash,
            )
            if entry.connection.execute(known).scalar() is None:
                entry.add(schema.receipts, receipt_row(receipt))
            was = _status(entry.connection, receipt.intent_id)
            if was in LET_GO:
                self._displace_rivals(entry, receipt.intent_id)
            if was is not IntentStatus.MINED:
                # What was given up is no longer followed, like what was superseded, and comes back from there.
                back = (IntentStatus.SUPERSEDED,) if was in GIVEN_UP else ()
                path = (*back, IntentStatus.MINED)
                self._add_moves(entry, receipt.intent_id, *path)

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

    def _add_moves(self, entry: Entry, intent_id: str, *path: IntentStatus) -> None:
        """Adds an intent's next moves, one after another. The database checks that they are allowed."""
        table = schema.moves
        last = entry.connection.execute(
            select(table.c.step, table.c.became)
            .where(table.c.intent_id == intent_id)
            .order_by(table.c.step.desc())
            .limit(1)
        ).one()
        statuses = (last[1], *(status.value for status in path))
        for before, (was, became) in enumerate(pairwise(statuses), start=last[0]):
            entry.add(
                table,
                {
                    "intent_id": intent_id,
                    "step": before + 1,
                    "step_before": before,
                    "was": was,
                    "became": became,
                    "at": self._at(),
                },
            )
        changed = entry.connection.execute(
            update(schema.intents)
            .where(schema.intents.c.intent_id == intent_id, schema.intents.c.status == last[1])
            .values(status=statuses[-1])
        )
        if changed.rowcount != 1:
            raise JournalUnwritable(
                f"intent {intent_id} was changed by another process at the same time",
                remedy="Nothing was written. Is another keeper using this journal? The next cycle reads it anew.",
            )

    def _displace_rivals(self, entry: Entry, intent_id: str) -> None:
        """Every other intent at this one's nonce has lost it, because this one is mined after all."""
        table = schema.intents
        mined = select(table.c.chain_id, table.c.sender, table.c.nonce).where(table.c.intent_id == intent_id)
        query = select(table.c.intent_id, table.c.status).where(
            tuple_(table.c.chain_id, table.c.sender, table.c.nonce).in_(mined),
            table.c.intent_id != intent_id,
            table.c.status.in_([*_UNFINISHED, *_EXPIRES]),
        )
        for rival, status in entry.connection.execute(query).all():
            lost = IntentStatus.EXPIRED if status in _EXPIRES else IntentStatus.DISPLACED
            self._add_moves(entry, rival, lost)

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


def _signed_for(column: Any, chain_id: int, sender: str) -> Any:
    """``column`` of the key's intents that were signed, or announced to be, and are not given up."""
    intents, moves = schema.intents, schema.moves
    return (
        select(column)
        .join(moves, moves.c.intent_id == intents.c.intent_id)
        .where(
            intents.c.chain_id == chain_id,
            intents.c.sender == sender.lower(),
            moves.c.became == IntentStatus.SIGNING.value,
            intents.c.status.not_in(_GIVEN_UP),
        )
    )


def _status(connection: Connection, intent_id: str) -> IntentStatus:
    query = select(schema.intents.c.status).where(schema.intents.c.intent_id == intent_id)
    return IntentStatus(connection.execute(query).scalar_one())
