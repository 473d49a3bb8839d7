"""What a lease allows: the leader stops before the database can let another one lead."""

from __future__ import annotations

import pytest

from keeper.domain.errors import JournalUnwritable, LeaseLost
from keeper.domain.leadership import LeaseReading, Term
from keeper.journal.lease import Hold, Lease, LeaseTimes, hold_after

TIMES = LeaseTimes(8.0)
TERM = Term(3, "a process 1", began_at=1_686_830_000)


class Clock:
    at = 100.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


def begun(clock: Clock) -> Lease:
    lease = Lease(TIMES.lease_s, clock)
    lease.heard(clock.at)
    lease.begin(TERM)
    return lease


@pytest.mark.parametrize(
    ("silent_s", "ended", "hold"),
    [
        (0.0, False, Hold.HELD),
        (5.99, False, Hold.HELD),
        (6.0, False, Hold.SILENT),
        (8.0, False, Hold.SILENT),
        (0.0, True, Hold.LOST),
        (100.0, True, Hold.LOST),
    ],
)
def test_a_leader_sends_for_three_quarters_of_the_lease_after_the_last_answer(
    silent_s: float, ended: bool, hold: Hold
) -> None:
    assert hold_after(silent_s, TIMES, ended=ended) is hold


@pytest.mark.parametrize("lease_s", [2.0, 8.0, 10.0])
def test_a_leader_is_heard_several_times_before_it_must_stop_and_stops_before_the_database_lets_go(
    lease_s: float,
) -> None:
    times = LeaseTimes(lease_s)
    assert 2 * times.beat_s < times.usable_s < times.lease_s


def test_a_lease_counts_from_the_question_and_not_from_the_answer(clock: Clock) -> None:
    lease = begun(clock)
    asked_at, clock.at = clock.at, clock.at + 4.0
    lease.heard(asked_at)
    assert lease.reading == LeaseReading(held=True, age_s=4.0)
    clock.at += 2.0
    with pytest.raises(LeaseLost, match="has not answered for too long"):
        lease.require()
    lease.heard(clock.at)
    lease.require()


def test_nothing_may_be_sent_before_the_term_begins(clock: Clock) -> None:
    lease = Lease(TIMES.lease_s, clock)
    lease.heard(clock.at)
    assert lease.reading == LeaseReading(held=False, age_s=None)
    with pytest.raises(LeaseLost):
        lease.require()


def test_a_silent_leader_may_still_wait_and_is_told_when_the_database_is_back(clock: Clock) -> None:
    lease, told = begun(clock), list[str]()
    lease.when_back(lambda: told.append("back"))
    lease.heard(clock.at)
    assert told == []
    clock.at += TIMES.usable_s
    lease.require_term()
    with pytest.raises(LeaseLost):
        lease.require()
    lease.heard(clock.at)
    assert told == ["back"]
    lease.lose("the session ended")
    lease.heard(clock.at)
    with pytest.raises(LeaseLost, match="the session ended"):
        lease.require_term()
    assert told == ["back"]


def test_a_lost_lease_stays_lost_and_is_told_once(clock: Clock) -> None:
    lease, told = begun(clock), list[str]()
    lease.when_lost(lambda: told.append(lease.lost))
    assert "the session ended" in lease.lose("the session ended").message
    assert "the session ended" in lease.lose("something later").message
    lease.heard(clock.at)
    with pytest.raises(JournalUnwritable, match="the session ended"):
        lease.require()
    assert told == ["the session ended"]


def test_who_asks_late_is_told_at_once(clock: Clock) -> None:
    lease, told = begun(clock), list[str]()
    lease.lose("the session ended")
    lease.when_lost(lambda: told.append("late"))
    assert told == ["late"]
