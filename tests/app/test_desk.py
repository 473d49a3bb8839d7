"""The running keeper hears what people write into its journal."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from keeper.app.desk import TAKEN_UP_WITHIN_S, OrderDesk
from keeper.domain.errors import Preempted
from keeper.domain.orders import AnswerState, Subject
from keeper.domain.record import CycleOutcome
from keeper.journal.orders import StoredOrders
from keeper.journal.store import Journal
from keeper.journal.switches import Switches
from tests.views.records import a_record

SOON_S = 20.0


@pytest.fixture(autouse=True)
def _attentive(monkeypatch: pytest.MonkeyPatch) -> None:
    """It listens more often than at work."""
    monkeypatch.setattr("keeper.app.desk.LISTEN_EVERY_S", 0.05)


def now() -> float:
    return 1_000.0


@contextmanager
def listening(url: str, clock: Callable[[], float] = now) -> Iterator[tuple[OrderDesk, threading.Event]]:
    desk, woken = OrderDesk(url, clock), threading.Event()
    close = desk.listen(woken.set)
    try:
        yield desk, woken
    finally:
        close()


def until(true: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(int(SOON_S / 0.02)):
        if true():
            return
        pause.wait(0.02)
    raise TimeoutError("the condition did not come true")


def test_an_order_wakes_the_daemon_and_is_answered_with_its_record(journal_url: str) -> None:
    with Journal.open(journal_url), Journal.open_to_append(journal_url) as command:
        stored = StoredOrders(command, now)
        with listening(journal_url) as (desk, woken):
            assert desk.next_order() is None
            desk.cycle_ended(None)
            order = stored.place(math.inf, "3am", valid_s=30)
            assert woken.wait(SOON_S)
            assert desk.next_order() == order
            record = a_record(outcome=CycleOutcome.SENT)
            desk.cycle_ended(record)
        seen, done = stored.answers(Subject.ORDER, order.number)
        assert seen.state is AnswerState.SEEN
        assert "no cycle runs" in seen.text
        assert (done.state, done.record_id) == (AnswerState.DONE, record.record_id)


def test_an_order_that_its_keeper_did_not_finish_is_taken_up_by_the_next(sqlite_url: str) -> None:
    with Journal.open(sqlite_url), Journal.open_to_append(sqlite_url) as command:
        stored = StoredOrders(command, now)
        with listening(sqlite_url) as (desk, woken):
            order = stored.place(2.0, "3am", valid_s=30)
            assert woken.wait(SOON_S)
        with listening(sqlite_url, lambda: now() + TAKEN_UP_WITHIN_S) as (desk, woken):
            assert woken.wait(SOON_S)
            assert desk.next_order() == order
            desk.cycle_ended(a_record(outcome=CycleOutcome.SENT))
        assert [answer.state for answer in stored.answers(Subject.ORDER, order.number)] == [
            AnswerState.SEEN,
            AnswerState.DONE,
        ]
        assert stored.unfinished() == ()


def test_an_old_order_that_its_keeper_did_not_finish_expires(sqlite_url: str) -> None:
    with Journal.open(sqlite_url), Journal.open_to_append(sqlite_url) as command:
        stored = StoredOrders(command, now)
        order = stored.place(2.0, "3am", valid_s=30)
        stored.answer(Subject.ORDER, order.number, AnswerState.SEEN, text="")
        with listening(sqlite_url, lambda: now() + TAKEN_UP_WITHIN_S + 1.0) as (desk, _):
            until(lambda: stored.unfinished() == ())
            assert desk.next_order() is None
        assert stored.answers(Subject.ORDER, order.number)[-1].state is AnswerState.EXPIRED


def test_an_order_whose_keeper_loses_its_lead_meanwhile_stays_for_the_next(sqlite_url: str) -> None:
    leads = [True]
    with Journal.open(sqlite_url), Journal.open_to_append(sqlite_url) as command:
        stored, woken = StoredOrders(command, now), threading.Event()
        desk = OrderDesk(sqlite_url, now, lambda: leads[0])
        close = desk.listen(woken.set)
        order = stored.place(2.0, "3am", valid_s=30)
        assert woken.wait(SOON_S)
        assert desk.next_order() == order
        leads[0] = False
        desk.cycle_ended(None, "LeaseLost: this keeper does not lead now")
        close()
        assert stored.unfinished() == (order,)


@pytest.mark.faults
def test_a_refused_connection_does_not_end_the_desk(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = threading.Semaphore(0)

    def refused(url: str) -> Journal:
        asked.release()
        return open_to_append(url)

    open_to_append = Journal.open_to_append
    monkeypatch.setattr(Journal, "open_to_append", refused)
    with listening("postgresql://keeper@127.0.0.1:9/keeper") as (_, woken):
        assert asked.acquire(timeout=SOON_S)
        assert asked.acquire(timeout=SOON_S)
        assert woken.wait(SOON_S)


def test_a_keeper_that_leads_no_more_takes_no_order(sqlite_url: str) -> None:
    asked = threading.Event()

    def leads_no_more() -> bool:
        asked.set()
        return False

    with Journal.open(sqlite_url), Journal.open_to_append(sqlite_url) as command:
        desk = OrderDesk(sqlite_url, now, leads_no_more)
        close = desk.listen(lambda: None)
        StoredOrders(command, now).place(2.0, "3am", valid_s=30)
        asked.clear()
        assert asked.wait(SOON_S)
        close()
        assert desk.next_order() is None
        assert len(StoredOrders(command, now).unanswered()) == 1


def test_an_order_ends_the_wait_for_a_transaction_but_not_that_of_its_own_cycle(sqlite_url: str) -> None:
    with (
        Journal.open(sqlite_url),
        Journal.open_to_append(sqlite_url) as command,
        listening(sqlite_url) as (desk, _),
    ):
        desk.next_order()  # an ordinary cycle
        StoredOrders(command, now).place(2.0, "3am", valid_s=30)
        with pytest.raises(Preempted):
            desk.wait(SOON_S)
        desk.cycle_ended(None, "Preempted")
        assert desk.next_order() is not None
        desk.wait(0.0)


def test_an_order_that_is_found_too_late_is_void(sqlite_url: str) -> None:
    with Journal.open(sqlite_url), Journal.open_to_append(sqlite_url) as command:
        stored = StoredOrders(command, now)
        order = stored.place(math.inf, "before the start", valid_s=30)
        with listening(sqlite_url, lambda: order.expires_at + 1.0) as (desk, woken):
            until(lambda: bool(stored.answers(Subject.ORDER, order.number)))
            assert desk.next_order() is None
            assert not woken.is_set()
    (answer,) = _answers(sqlite_url, Subject.ORDER, order.number)
    assert answer is AnswerState.EXPIRED


def test_a_pause_is_acknowledged_also_while_a_cycle_runs(sqlite_url: str) -> None:
    with Journal.open(sqlite_url), Journal.open_to_append(sqlite_url) as command:
        switches, stored = Switches(command, now), StoredOrders(command, now)
        switches.pause("operator", "before the start")
        with listening(sqlite_url) as (desk, woken):
            desk.next_order()
            # Only what comes after the start is news.
            until(lambda: desk.hears)
            switches.resume("over")
            until(lambda: bool(stored.answers(Subject.SWITCH, 2)))
            (answer,) = stored.answers(Subject.SWITCH, 2)
            assert "a cycle runs" in answer.text
            assert stored.answers(Subject.SWITCH, 1) == ()
            assert not woken.is_set()


def _answers(url: str, subject: Subject, number: int) -> tuple[AnswerState, ...]:
    with Journal.open_for_reading(url) as journal:
        return tuple(answer.state for answer in StoredOrders(journal, now).answers(subject, number))


def test_a_disk_that_fails_for_a_while_is_told_and_orders_are_heard_afterwards(tmp_path: Path) -> None:
    folder, link = tmp_path / "folder", tmp_path / "link"
    folder.mkdir()
    link.symlink_to(folder)
    with (
        Journal.open(f"sqlite:///{folder}/keeper.db"),
        Journal.open_to_append(f"sqlite:///{folder}/keeper.db") as command,
        listening(f"sqlite:///{link}/keeper.db") as (desk, woken),
    ):
        StoredOrders(command, now).place(2.0, "before", valid_s=30)
        assert woken.wait(SOON_S)
        woken.clear()
        assert desk.next_order() is not None
        link.unlink()
        link.symlink_to("x" * 300)  # every use fails, and not because nothing is there
        assert woken.wait(SOON_S)
        desk.cycle_ended(None, "no answer can be written")

        link.unlink()
        link.symlink_to(folder)
        StoredOrders(command, now).place(3.0, "after", valid_s=30)
        until(lambda: (order := desk.next_order()) is not None and order.reason == "after")
