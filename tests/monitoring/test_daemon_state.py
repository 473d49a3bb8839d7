from __future__ import annotations

import json
from dataclasses import replace

import pytest

from keeper.domain.leadership import LeaseReading
from keeper.domain.record import Failure
from keeper.monitoring.daemon_state import (
    LONGEST_CYCLE_S,
    OVERDUE_S,
    DaemonState,
    Verdict,
    after,
    alive,
    ready,
)
from keeper.monitoring.events import CycleBegan, Event
from keeper.monitoring.exporter import Pages
from tests.factories import NOW
from tests.monitoring.reported import (
    a_failed_record,
    a_pause,
    a_quiet_record,
    ended,
    lead_lost,
    leads,
    lost,
    stands_by,
    started,
)

HOUR = 3_600.0
BEGAN = CycleBegan(float(NOW), NOW + HOUR)


def state_after(*events: Event) -> DaemonState:
    state = DaemonState()
    for event in events:
        state = after(state, event)
    return state


GOOD = (started(), BEGAN, ended(a_quiet_record(), NOW + 5.0))


@pytest.mark.parametrize(
    ("now", "passed"),
    [
        (NOW + 6.0, True),
        (NOW + HOUR, True),
        (NOW + HOUR + OVERDUE_S, True),
        (NOW + HOUR + OVERDUE_S + 1, False),
    ],
)
def test_a_daemon_whose_next_look_is_overdue_is_not_alive(now: float, passed: bool) -> None:
    assert alive(state_after(*GOOD), now).passed is passed
    assert ready(state_after(*GOOD), now).passed is passed


@pytest.mark.parametrize(
    ("lasts", "passed"), [(1.0, True), (LONGEST_CYCLE_S, True), (LONGEST_CYCLE_S + 1, False)]
)
def test_a_cycle_that_never_ends_is_not_alive(lasts: float, passed: bool) -> None:
    assert alive(state_after(started(), BEGAN), NOW + lasts).passed is passed


def test_a_cycle_longer_than_the_interval_is_not_overdue_before_it_ends() -> None:
    late = ended(a_quiet_record(), NOW + HOUR + 900.0)
    assert alive(state_after(started(), BEGAN, late), NOW + HOUR + 900.0 + OVERDUE_S).passed


def test_a_daemon_that_starts_is_alive_and_not_ready() -> None:
    state = state_after(started())
    assert alive(state, float(NOW)).passed
    assert not ready(state, float(NOW)).passed
    assert ready(state, float(NOW)).reason == "no cycle ended yet"


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (ended(a_failed_record(), NOW + 5.0), "the newest cycle failed: NodeUnavailable"),
        (lost(at=NOW + 5.0), "the journal cannot be written"),
        (lost(Failure("Tampered", 7, "", ""), NOW + 5.0), "the newest cycle failed: Tampered"),
    ],
)
def test_a_keeper_that_could_not_act_is_alive_and_not_ready(event: Event, reason: str) -> None:
    state = state_after(*GOOD, event)
    assert alive(state, NOW + 6.0).passed
    assert ready(state, NOW + 6.0).reason == reason
    assert not ready(state, NOW + 6.0).passed
    assert ready(state_after(*GOOD, event, ended(a_quiet_record(), NOW + 9.0)), NOW + 10.0).passed


def test_a_paused_keeper_is_ready_because_it_still_deleverages() -> None:
    assert ready(state_after(started(), BEGAN, ended(a_pause(), NOW + 5.0)), NOW + 6.0).passed


@pytest.mark.parametrize(("path", "status"), [("/healthz", 200), ("/readyz", 503)])
def test_the_pages_have_the_verdict_and_its_reason(path: str, status: int) -> None:
    state = state_after(started(), BEGAN, ended(a_failed_record(), NOW + 5.0))
    answered, content_type, body = Pages(lambda: state, lambda: NOW + 6.0).answer(path)
    assert (answered, content_type) == (status, "application/json")
    assert json.loads(body)["ok"] is (status == 200)
    assert json.loads(body)["reason"]


# ------------------------------------------------------------------ two machines


def test_a_standby_is_ready_while_it_could_take_over() -> None:
    state = state_after(stands_by())
    assert ready(state, NOW + 1.0) == Verdict(passed=True, reason="stands by; a process 1 leads")
    hindered = ready(state_after(stands_by(), stands_by("NodeUnavailable: no answer")), NOW + 1.0)
    assert not hindered.passed
    assert "NodeUnavailable: no answer" in hindered.reason


def test_a_standby_that_does_not_look_any_more_is_not_alive() -> None:
    assert alive(state_after(stands_by()), NOW + OVERDUE_S).passed
    assert not alive(state_after(stands_by()), NOW + OVERDUE_S + 1).passed
    # The database is gone: it cannot look, and says so at each try.
    assert alive(state_after(stands_by(), lost(at=NOW + OVERDUE_S)), NOW + OVERDUE_S + 1).passed


def test_a_leader_without_its_lease_is_not_ready() -> None:
    leader = state_after(stands_by(), leads(), *GOOD)
    for held in (True, False):
        assert ready(replace(leader, lease=LeaseReading(held, 1.0)), NOW + 6.0).passed is held


def test_a_leader_that_became_a_standby_is_not_overdue() -> None:
    state = state_after(leads(), *GOOD, lead_lost(NOW + 10.0), stands_by(at=NOW + HOUR * 9))
    assert alive(state, NOW + HOUR * 9 + 1).passed
    assert ready(state, NOW + HOUR * 9 + 1).passed


def test_a_database_that_is_back_ends_the_standbys_trouble() -> None:
    assert not ready(state_after(stands_by(), lost()), float(NOW)).passed
    assert ready(state_after(stands_by(), lost(), stands_by()), float(NOW)).passed
