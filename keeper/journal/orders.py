"""Orders of a person to the keeper that runs, and its answers."""

from __future__ import annotations

import math
from collections.abc import Callable

from sqlalchemy import ColumnElement, Select, func, select

from keeper.domain.orders import Answer, AnswerState, Order, Subject
from keeper.journal import schema
from keeper.journal.store import Journal


class StoredOrders:
    """``now`` gives Unix seconds. What is written is on disk when a method returns; it raises JournalUnwritable."""

    def __init__(self, journal: Journal, now: Callable[[], float]) -> None:
        self._journal = journal
        self._now = now

    def place(self, health_factor: float, reason: str, *, valid_s: int) -> Order:
        table, at = schema.orders, int(self._now())
        with self._journal.appending("order") as entry:
            newest = entry.connection.execute(select(func.max(table.c.number))).scalar() or 0
            order = Order(newest + 1, health_factor, reason=reason, at=at, expires_at=at + valid_s)
            entry.add(
                table,
                {
                    "number": order.number,
                    "health_factor": None if math.isinf(health_factor) else health_factor,
                    "reason": reason,
                    "at": at,
                    "expires_at": order.expires_at,
                },
            )
        return order

    def unanswered(self) -> tuple[Order, ...]:
        """Those that no keeper has seen, the oldest first."""
        return self._orders(schema.orders.c.number.not_in(_answered()))

    def unfinished(self) -> tuple[Order, ...]:
        """Those that a keeper has seen, and that none has finished, the oldest first."""
        number = schema.orders.c.number
        return self._orders(
            number.in_(_answered(AnswerState.SEEN))
            & number.not_in(_answered(AnswerState.DONE, AnswerState.EXPIRED))
        )

    def _orders(self, which: ColumnElement[bool]) -> tuple[Order, ...]:
        table = schema.orders
        query = (
            select(table.c.number, table.c.health_factor, table.c.reason, table.c.at, table.c.expires_at)
            .where(which)
            .order_by(table.c.number)
        )
        return tuple(
            Order(number, math.inf if factor is None else factor, reason, at=at, expires_at=expires_at)
            for number, factor, reason, at, expires_at in self._journal.rows(query)
        )

    def newest_switch(self) -> int:
        """Number of the newest pause or resume, 0 without any."""
        return int(self._journal.rows(select(func.max(schema.switches.c.number)))[0][0] or 0)

    def answer(
        self, subject: Subject, number: int, state: AnswerState, *, text: str, record_id: str = ""
    ) -> None:
        """Once for each state."""
        table = schema.answers
        with self._journal.appending("answer") as entry:
            newest = entry.connection.execute(select(func.max(table.c.number))).scalar() or 0
            entry.add(
                table,
                {
                    "number": newest + 1,
                    "subject": subject.value,
                    "subject_number": number,
                    "state": state.value,
                    "text": text,
                    "record_id": record_id,
                    "at": int(self._now()),
                },
            )

    def answers(self, subject: Subject, number: int) -> tuple[Answer, ...]:
        """The oldest first."""
        table = schema.answers
        query = (
            select(table.c.state, table.c.text, table.c.record_id, table.c.at)
            .where(table.c.subject == subject.value, table.c.subject_number == number)
            .order_by(table.c.number)
        )
        return tuple(
            Answer(AnswerState(state), text, record_id=record_id, at=at)
            for state, text, record_id, at in self._journal.rows(query)
        )


def _answered(*states: AnswerState) -> Select[tuple[int]]:
    """Numbers of the orders with one of these answers, of all with any answer where none is named."""
    answers = schema.answers
    query = select(answers.c.subject_number).where(answers.c.subject == Subject.ORDER.value)
    return query.where(answers.c.state.in_([state.value for state in states])) if states else query
