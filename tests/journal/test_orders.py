"""Orders to the running keeper and its answers, through the journal."""

from __future__ import annotations

import math

import pytest

from keeper.domain.errors import JournalUnwritable
from keeper.domain.orders import AnswerState, Order, Subject
from keeper.journal.orders import StoredOrders
from keeper.journal.store import Journal
from keeper.journal.switches import Switches


def at_1_000() -> float:
    return 1_000.0


def test_an_order_waits_until_it_is_answered_once_for_each_state(journal_url: str) -> None:
    with Journal.open(journal_url) as writer, Journal.open_to_append(journal_url) as command:
        placed = StoredOrders(command, at_1_000)
        whole = placed.place(math.inf, "3am", valid_s=30)
        part = placed.place(2.5, "a little", valid_s=30)
        assert whole == Order(1, math.inf, "3am", at=1_000, expires_at=1_030)

        keeper = StoredOrders(writer, at_1_000)
        assert keeper.unanswered() == (whole, part)
        keeper.answer(Subject.ORDER, 1, AnswerState.SEEN, text="process 7")
        assert keeper.unanswered() == (part,)
        keeper.answer(Subject.ORDER, 1, AnswerState.DONE, text="RIPCORD", record_id="ab")
        with pytest.raises(JournalUnwritable):
            keeper.answer(Subject.ORDER, 1, AnswerState.DONE, text="again", record_id="cd")

        seen, done = placed.answers(Subject.ORDER, 1)
        assert (seen.state, seen.text, seen.record_id) == (AnswerState.SEEN, "process 7", "")
        assert (done.state, done.record_id) == (AnswerState.DONE, "ab")
        assert placed.answers(Subject.ORDER, 2) == placed.answers(Subject.SWITCH, 1) == ()
        assert writer.verify() > 0


def test_pauses_and_resumes_have_numbers_to_answer_to(sqlite_url: str) -> None:
    with Journal.open(sqlite_url) as journal:
        stored, switches = StoredOrders(journal, at_1_000), Switches(journal, at_1_000)
        assert stored.newest_switch() == 0
        switches.pause("operator", "3am")
        assert stored.newest_switch() == 1
        switches.resume("over")
        assert stored.newest_switch() == 2
