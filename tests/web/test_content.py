"""What the page says, from the same views as the terminal."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest

from keeper.decision.gates import LIMITS, TRIGGERS
from keeper.domain.market import Trust
from keeper.domain.pause_state import Pause, PausedBy
from keeper.domain.record import CycleOutcome, DecisionRecord
from keeper.monitoring.daemon_state import DaemonState, after
from keeper.views.record import RECORD
from keeper.web.content import Page, page_of, trouble_page
from keeper.web.reading import PENDING_SHOWN, JournalReading
from keeper.web.tables import PageTable
from tests.factories import NOW, with_feed
from tests.monitoring.reported import (
    a_failed_record,
    a_stuck_transaction,
    inputs_of,
    lost,
    started,
    with_inputs,
)
from tests.web.readings import a_pending_transaction, a_reading
from tests.web.scene import EVERY_S, a_look, daemon_after

LATER = float(NOW + 60)


@cache
def a_calm_look() -> DecisionRecord:
    return a_look()


@cache
def an_emergency() -> DecisionRecord:
    return a_look(fall=0.5)


def said(reading: JournalReading, state: DaemonState | None = None) -> Page:
    known = state if state is not None else daemon_after(reading.records[::-1])
    return page_of(reading, known, LATER)


def column(table: PageTable | None, heading: str) -> list[str]:
    assert table is not None
    place = [column.heading for column in table.columns].index(heading)
    return [row[place].text for row in table.rows]


def titles(page: Page) -> list[str]:
    return [banner.title for banner in page.banners]


def test_the_figures_are_those_of_the_record() -> None:
    record = a_calm_look()
    figures = {figure.name: figure for figure in said(a_reading(record)).figures}
    for name, template in (
        ("NAV", "{nav_usd}"),
        ("Leverage", "{leverage}"),
        ("Health factor", "{health_factor}"),
        ("Survivable fall", "{drill.survivable_fall}"),
    ):
        assert figures[name].value == RECORD.text(record, template)
    assert RECORD.text(record, "target {target_leverage}") in figures["Leverage"].detail


def test_what_it_holds_is_next_to_its_target() -> None:
    page, record = said(a_reading(a_calm_look())), a_calm_look()
    assert column(page.holdings, "asset") == ["WBTC", "WETH", "LINK", "UNI"]
    assert column(page.holdings, "weight") == [asset["weight"] for asset in _assets(record, "weight")]
    assert page.holdings is not None
    assert [it.heading for it in page.holdings.columns][2:4] == ["weight", "target"]


def _assets(record: DecisionRecord, name: str) -> list[dict[str, str]]:
    return [{name: f"{asset[name] * 100:.1f} %"} for asset in RECORD.json(record)["assets"]]


def test_a_decision_unfolds_into_every_gate_that_was_judged() -> None:
    record = an_emergency()
    (shown,) = said(a_reading(record)).decisions
    assert record.conclusions is not None
    names = column(shown.tables[0], "gate")
    assert names == [gate.name for gate in record.conclusions.decision.gates]
    assert set(names) <= {rule.name for rule in (*TRIGGERS, *LIMITS)}
    assert shown.reason == record.summary


def test_an_emergency_is_the_first_thing_on_the_page() -> None:
    page = said(a_reading(an_emergency(), a_calm_look()))
    assert titles(page)[0] == "EMERGENCY: RIPCORD SENT"
    assert page.banners[0].mark == "bad"


def test_an_emergency_that_is_not_answered_says_so() -> None:
    declined = replace(an_emergency(), outcome=CycleOutcome.DECLINED)
    assert titles(said(a_reading(declined)))[0] == "EMERGENCY: RIPCORD DECLINED"


def test_a_calm_look_has_one_good_banner() -> None:
    (banner,) = said(a_reading(a_calm_look())).banners
    assert banner.mark == "good"


def test_pauses_of_journal_and_file_are_on_the_page() -> None:
    pauses = (Pause(PausedBy.JOURNAL, "operator", "3am", NOW), Pause(PausedBy.FILE, "operator", "", NOW))
    page = said(a_reading(a_calm_look(), pauses=pauses))
    assert titles(page) == ["PAUSED"]
    assert "3am" in page.banners[0].text
    assert "pause file" in page.banners[0].text


def test_what_the_alerts_would_tell_is_on_the_page() -> None:
    assert any(
        "in flight" in title or "outcome" in title for title in titles(said(a_reading(a_stuck_transaction())))
    )


def test_a_daemon_that_is_not_ready_says_so_above_the_old_numbers() -> None:
    state = replace(
        daemon_after([a_calm_look()]),
        next_look_at=NOW - 4_000.0,
        began_at=NOW - 5_000.0,
        ended_at=NOW - 5_000.0,
    )
    page = said(a_reading(a_calm_look()), state)
    assert titles(page)[0] == "The keeper could not act now"
    assert dict(page.run)["ready"].startswith("NO")


def test_a_lost_cycle_is_told_although_it_left_no_record() -> None:
    state = after(daemon_after([a_calm_look()]), lost())
    assert any("JournalUnwritable" in title for title in titles(said(a_reading(a_calm_look()), state)))


def test_a_failed_cycle_leaves_the_last_numbers_and_is_named() -> None:
    page = said(a_reading(a_failed_record(), a_calm_look()))
    assert page.figures[0].value == "$1,000,000"
    assert any("NodeUnavailable" in title for title in titles(page))
    assert "Error" not in page.why[0]
    assert page.decisions[0].outcome == "FAILED"


def test_an_outage_longer_than_the_list_keeps_what_the_daemon_read_last() -> None:
    state = replace(daemon_after([a_calm_look()]), last_read=a_calm_look())
    assert said(a_reading(*[a_failed_record()] * 20), state).figures


def test_the_pending_transaction_has_its_hash_and_no_signed_bytes() -> None:
    pending = a_pending_transaction()
    page = said(a_reading(a_calm_look(), pending=(pending,)))
    assert column(page.pending, "newest transaction") == [pending.attempts[0].tx_hash]
    assert pending.attempts[0].raw not in str(page)


def test_a_list_of_pending_transactions_that_may_be_cut_says_so() -> None:
    page = said(a_reading(a_calm_look(), pending=(a_pending_transaction(),) * PENDING_SHOWN))
    assert page.pending_note.startswith("At most the newest 10")


def test_every_feed_has_its_age_and_what_is_wrong_with_it() -> None:
    record = a_calm_look()
    doubted = with_feed(
        inputs_of(record).snapshot, "LINK", trust=Trust.SUSPECT, rule="opinions", reason="3 % off"
    )
    page = said(a_reading(with_inputs(record, snapshot=doubted)))
    assert column(page.feeds, "asset") == ["USDC", "WBTC", "WETH", "LINK", "UNI"]
    assert column(page.feeds, "age then") == ["5 min"] * 5
    assert column(page.feeds, "trust")[3] == "SUSPECT"
    assert column(page.feeds, "detail")[3] == "3 % off"


def test_the_venues_are_the_lending_market_the_other_prices_and_the_nodes() -> None:
    page = said(a_reading(a_calm_look()))
    assert [table.title for table in page.venues] == [
        "Lending market",
        "Prices of pools and exchanges",
        "Nodes",
    ]
    assert column(page.venues[2], "left out because") == ["", "4 blocks behind"]


@pytest.mark.parametrize(("next_look_at", "text"), [(NOW + 660.0, "in 10 min"), (NOW - 540.0, "10 min late")])
def test_the_next_run_is_named_with_the_wait_for_it(next_look_at: float, text: str) -> None:
    state = replace(daemon_after([a_calm_look()]), next_look_at=next_look_at)
    assert dict(said(a_reading(a_calm_look()), state).run)["next run"].endswith(text)


def test_a_running_cycle_is_named() -> None:
    state = replace(daemon_after([a_calm_look()]), began_at=NOW + 50.0)
    assert dict(said(a_reading(a_calm_look()), state).run)["now"] == "a cycle runs since 10 s"


def test_before_the_first_cycle_the_page_says_so() -> None:
    page = page_of(a_reading(), after(DaemonState(), started()), LATER)
    assert titles(page) == ["No cycle has ended yet"]
    assert page.charts == ()


def test_the_lines_over_time_have_their_limits() -> None:
    looks = [a_look(place) for place in (1, 0)]
    charts = {chart.name: chart for chart in said(a_reading(*looks)).charts}
    assert [line.name for line in charts["leverage"].lines] == ["leverage", "target", "vault's limit"]
    assert [line.name for line in charts["health"].lines] == ["health factor", "floor", "vault's emergency"]
    assert [line.name for line in charts["fall"].lines] == ["survivable fall", "needed to take more risk"]
    assert charts["leverage"].times[-1].label == "12:15 UTC"
    assert looks[0].started_at - looks[1].started_at == EVERY_S


def test_without_the_journal_the_page_says_why_and_what_the_daemon_knows() -> None:
    page = trouble_page(
        "JournalMissing", "there is no journal", state=daemon_after([a_calm_look()]), now=LATER
    )
    assert titles(page) == ["JournalMissing"]
    assert dict(page.run)["next run"]
    assert page.figures[0].value == "$1,000,000"
    assert page.decisions == ()
