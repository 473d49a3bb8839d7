"""Hears what people write into the journal of a running keeper: acknowledges pauses, and passes on orders."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack

from keeper.domain.errors import KeeperError, Preempted
from keeper.domain.orders import AnswerState, Order, Subject
from keeper.domain.record import DecisionRecord
from keeper.journal.orders import StoredOrders
from keeper.journal.store import Journal
from keeper.runtime.logs import logger

LISTEN_EVERY_S = 1.0
TAKEN_UP_WITHIN_S = 600
"""How old an order may be that another keeper took and did not finish."""


class OrderDesk:
    """Listens on a thread of its own, with a connection of its own, so that it hears during a cycle too.

    ``now`` gives Unix seconds. Where ``may_answer`` is False, another keeper answers. An order ends the wait for a
    transaction (``wait``): its cycle settles that transaction first, and an emergency takes over its nonce.
    """

    def __init__(
        self, journal_url: str, now: Callable[[], float], may_answer: Callable[[], bool] = lambda: True
    ) -> None:
        self._url = journal_url
        self._may_answer = may_answer
        self._now = now
        self._wake: Callable[[], None] = lambda: None
        self._orders: deque[Order] = deque()
        self._carrying_out: Order | None = None
        self._preempt = threading.Event()
        self._closed = threading.Event()
        self._in_cycle = False
        self._took_up = False
        self._last_switch: int | None = None
        self._log = logger()

    @property
    def hears(self) -> bool:
        """Whether it has looked into the journal since it began to listen."""
        return self._last_switch is not None

    # ------------------------------------------------------------------ for the daemon

    def listen(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Begins to listen; ``wake`` asks for a cycle. Returns what ends it."""
        self._wake = wake
        thread = threading.Thread(target=self._run, name="orders", daemon=True)
        thread.start()

        def close() -> None:
            self._closed.set()
            thread.join(2 * LISTEN_EVERY_S)

        return close

    @property
    def waiting(self) -> bool:
        """Whether an order waits for its cycle."""
        return bool(self._orders)

    def next_order(self) -> Order | None:
        """The order that the cycle which begins now carries out, None for an ordinary cycle."""
        self._in_cycle = True
        self._carrying_out = self._orders.popleft() if self._orders else None
        if not self._orders:
            self._preempt.clear()
        return self._carrying_out

    def cycle_ended(self, record: DecisionRecord | None, why: str = "") -> None:
        """``record`` is None for a cycle that left none; ``why`` says so then. Orders that came meanwhile ask for the
        next cycle."""
        order, self._carrying_out, self._in_cycle = self._carrying_out, None, False
        if order is not None and self._may_answer():  # else the next leader carries it out
            record_id = record.record_id if record is not None else ""
            text = record.summary if record is not None else why
            try:
                with Journal.open_to_append(self._url) as journal:
                    StoredOrders(journal, self._now).answer(
                        Subject.ORDER, order.number, AnswerState.DONE, text=text, record_id=record_id
                    )
            except (KeeperError, OSError) as error:
                self._log.error("order_not_answered", order=order.number, reason=str(error))
        if self._orders:
            self._wake()

    # ------------------------------------------------------------------ for the sender

    def wait(self, seconds: float) -> None:
        """Waits. Raises Preempted when an order arrives, unless the cycle carries out one."""
        if self._carrying_out is not None:
            self._closed.wait(seconds)
        elif self._preempt.wait(seconds):
            raise Preempted(
                "an order of a person ended the wait for a transaction",
                remedy="The journal has the transaction. The order's cycle follows it.",
            )

    # ------------------------------------------------------------------ inside

    def _run(self) -> None:
        trouble = ""
        while not self._closed.wait(LISTEN_EVERY_S):
            if not self._may_answer():
                continue
            try:
                with ExitStack() as stack:
                    stored = StoredOrders(stack.enter_context(Journal.open_to_append(self._url)), self._now)
                    self._hear(stored)
                trouble = ""
            except (KeeperError, OSError) as error:
                if str(error) != trouble:
                    # A cycle at once, because it alarms where the journal is gone.
                    self._log.error("orders_not_heard", error=type(error).__name__, reason=str(error))
                    self._wake()
                trouble = str(error)

    def _hear(self, stored: StoredOrders) -> None:
        if not self._took_up:
            self._take_up(stored)
            self._took_up = True
        newest = stored.newest_switch()
        known = self._last_switch if self._last_switch is not None else newest
        for number in range(known + 1, newest + 1):
            stored.answer(Subject.SWITCH, number, AnswerState.SEEN, text=self._state())
        self._last_switch = newest
        for order in stored.unanswered():
            if self._now() > order.expires_at:
                stored.answer(
                    Subject.ORDER, order.number, AnswerState.EXPIRED, text="the keeper found it too late"
                )
                continue
            stored.answer(Subject.ORDER, order.number, AnswerState.SEEN, text=self._state())
            self._take(order)

    def _take_up(self, stored: StoredOrders) -> None:
        """What a keeper took that ended, or leads no more."""
        for order in stored.unfinished():
            if self._now() > order.at + TAKEN_UP_WITHIN_S:
                stored.answer(
                    Subject.ORDER,
                    order.number,
                    AnswerState.EXPIRED,
                    text="the keeper that took it did not finish it, and this one found it too late",
                )
            else:
                self._take(order)

    def _take(self, order: Order) -> None:
        self._log.warning("order", health_factor=order.health_factor, reason=order.reason)
        self._orders.append(order)
        self._preempt.set()
        self._wake()

    def _state(self) -> str:
        doing = (
            "a cycle runs; what it has signed goes on, and it signs nothing against a pause"
            if self._in_cycle
            else "no cycle runs"
        )
        return f"process {os.getpid()}: {doing}"
