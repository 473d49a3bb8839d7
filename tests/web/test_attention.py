"""Which banners the page has: what may be worse than it looks comes first, and nothing hides it."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest

from keeper.domain.market import Trust
from keeper.domain.record import CycleOutcome, DecisionRecord
from keeper.monitoring.daemon_state import DaemonState, after
from keeper.monitoring.events import CycleBegan
from keeper.web.content import Page, page_of, trouble_page
from keeper.web.reading import JournalReading
from tests.factories import NOW, with_feed
from tests.monitoring.reported import (
    UNWRITABLE,
    a_breach,
    a_failed_record,
    a_pause,
    a_quiet_record,
    a_stuck_transaction,
    ended,
    inputs_of,
    lost,
    started,
    with_inputs,
)
from tests.web.readings import a_pending_transaction, a_reading
from tests.web.scene import EVERY_S, a_look, daemon_after

NEXT = float(NOW + EVERY_S)
LATER = NEXT + 60


@cache
def a_calm_look() -> DecisionRecord:
    return a_look()


@cache
def an_emergency() -> DecisionRecord:
    return a_look(1, fall=0.5)


def a_failure_after(record: DecisionRecord, count: int = 1) -> DecisionRecord:
    return a_failed_record(started_at=record.started_at + count * EVERY_S, record_id=f"{count + 9_000:032x}")


def without_a_journal_to_write() -> DaemonState:
    """An emergency was answered beside the journal, which cannot be written."""
    state = after(daemon_after([a_calm_look()]), CycleBegan(NEXT, NEXT + EVERY_S))
    return after(state, ended(an_emergency(), NEXT + 4, trouble=UNWRITABLE))


def titles(page: Page) -> list[str]:
    return [banner.title for banner in page.banners]


def said(reading: JournalReading, state: DaemonState | None = None, now: float = LATER) -> Page:
    return page_of(reading, state if state is not None else daemon_after(reading.records[::-1]), now)


def test_an_emergency_that_the_journal_does_not_have_is_first() -> None:
    page = said(a_reading(a_calm_look()), without_a_journal_to_write())
    assert titles(page)[0] == "EMERGENCY: RIPCORD SENT"
    assert "The keeper could not act now" in titles(page)
    assert any("only emergencies are sent" in title for title in titles(page))
    assert "good" not in {banner.mark for banner in page.banners}
    alone = said(a_reading(an_emergency()))
    assert (page.figures, page.why, page.read_at) == (alone.figures, alone.why, alone.read_at)
    assert page.decisions[0].record_id == an_emergency().record_id
    leverage = next(chart for chart in page.charts if chart.name == "leverage")
    assert leverage.lines[0].newest == next(it.value for it in page.figures if it.name == "Leverage")
    assert page.charts_note.startswith("2 cycles")


def test_while_the_journal_is_not_written_no_transaction_is_said_to_be_absent() -> None:
    unwritten = without_a_journal_to_write()
    assert "Not known" in said(a_reading(a_calm_look()), unwritten).pending_note
    assert (
        "others" in said(a_reading(a_calm_look(), pending=(a_pending_transaction(),)), unwritten).pending_note
    )
    assert said(a_reading(a_calm_look())).pending_note == "None."


def test_without_the_journal_the_emergency_and_the_alerts_are_those_of_the_daemon() -> None:
    page = trouble_page("JournalCorrupt", "row 7", state=without_a_journal_to_write(), now=LATER)
    assert titles(page)[:3] == ["EMERGENCY: RIPCORD SENT", "JournalCorrupt", "The keeper could not act now"]
    assert any("only emergencies are sent" in title for title in titles(page))
    assert "Not known" in page.pending_note
    paused = trouble_page("JournalCorrupt", "row 7", state=daemon_after([a_pause()]), now=LATER)
    assert "paused by operator" in titles(paused)


def test_without_the_journal_an_emergency_outlasts_cycles_that_did_not_decide() -> None:
    failed = [a_failure_after(an_emergency(), count) for count in (1, 2)]
    undecided = replace(a_calm_look(), conclusions=None, started_at=failed[-1].started_at + 1)
    state = daemon_after([an_emergency()])
    for record in (*failed, undecided):
        state = after(state, ended(record, record.started_at))
    assert titles(trouble_page("JournalCorrupt", "", state=state, now=LATER))[0] == "EMERGENCY: RIPCORD SENT"


def test_failed_cycles_hide_no_emergency() -> None:
    newest = a_failure_after(an_emergency(), 2)
    page = said(
        a_reading(newest, a_failure_after(an_emergency()), an_emergency(), a_calm_look()), now=LATER + 1_800
    )
    assert page.banners[0].title == "EMERGENCY: RIPCORD SENT"
    assert "31 min ago" in page.banners[0].text
    assert "The keeper could not act now" in titles(page)


def test_a_decision_after_an_emergency_ends_it() -> None:
    calm = replace(a_look(2), record_id="c" * 32)
    assert not [title for title in titles(said(a_reading(calm, an_emergency()))) if "EMERGENCY" in title]


@pytest.mark.parametrize(
    "record", [a_breach(), a_stuck_transaction(), a_pause()], ids=["breach", "stuck", "pause"]
)
def test_a_failed_cycle_hides_no_state(record: DecisionRecord) -> None:
    alone = trouble_page("", "", state=daemon_after([record]), now=LATER)
    after_it = trouble_page("", "", state=daemon_after([record, a_failure_after(record)]), now=LATER)
    (banner,) = alone.banners[1:]
    (same,) = [it for it in after_it.banners if it.title == banner.title]
    assert same.mark == banner.mark
    assert "16 min ago" in same.text


def test_doubted_prices_outlast_a_failed_cycle_until_they_are_read_again() -> None:
    snapshot = with_feed(
        inputs_of(a_quiet_record()).snapshot, "LINK", trust=Trust.SUSPECT, rule="opinions", reason=""
    )
    doubted = with_inputs(a_quiet_record(), snapshot=snapshot)
    failed = a_failure_after(doubted)
    assert "the price of LINK is SUSPECT" in titles(said(a_reading(failed, doubted)))
    again = a_quiet_record(started_at=failed.started_at + 1, record_id="9" * 32)
    assert "the price of LINK is SUSPECT" not in titles(said(a_reading(again, failed, doubted)))


def test_numbers_of_an_older_cycle_are_named_with_their_age() -> None:
    failures = [a_failure_after(a_calm_look(), count) for count in range(20, 0, -1)]
    state = daemon_after([a_calm_look()])
    for record in reversed(failures):
        state = after(state, ended(record, record.started_at))
    page = said(a_reading(*failures), state, failures[0].started_at + 60)
    assert page.read_at == "2023-06-15 12:00:00 UTC, 5 h ago"
    assert "The numbers are older than the newest cycle" in titles(page)


def test_an_emergency_is_before_the_daemons_own_trouble() -> None:
    state = after(daemon_after([an_emergency()]), lost(at=LATER))
    assert titles(said(a_reading(an_emergency()), state))[:2] == [
        "EMERGENCY: RIPCORD SENT",
        "The keeper could not act now",
    ]


def test_nothing_is_good_while_the_keeper_could_not_act() -> None:
    late = said(a_reading(a_calm_look()), now=NEXT + 4_000)
    assert [banner.mark for banner in late.banners] == ["bad"]


def test_after_a_start_the_old_records_are_called_old() -> None:
    page = said(a_reading(a_calm_look()), after(DaemonState(), started()))
    assert titles(page) == ["No cycle has ended since the daemon started"]


def test_a_first_cycle_that_never_ends_is_told() -> None:
    state = after(after(DaemonState(), started()), CycleBegan(NOW, NEXT))
    assert "The keeper could not act now" in titles(said(a_reading(), state, NOW + 2_000))


def test_the_worst_is_told_first() -> None:
    record = replace(a_breach(), outcome=CycleOutcome.DECLINED)
    snapshot = with_feed(inputs_of(record).snapshot, "LINK", trust=Trust.DEAD, rule="age", reason="old")
    page = said(a_reading(with_inputs(record, snapshot=snapshot)))
    marks = [banner.mark for banner in page.banners]
    assert marks == sorted(marks, key=["bad", "warn", "soft"].index)
