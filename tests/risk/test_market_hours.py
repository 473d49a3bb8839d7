"""An asset whose market is closed has no new information: it is neither quiet nor missing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from keeper.domain.evidence import PriceBars
from keeper.domain.information import InformationMemory
from keeper.domain.market import Trust
from keeper.domain.observation import Observation
from keeper.oracle import rules
from keeper.risk.estimate import estimate
from keeper.risk.information import Knowledge, knowledge, missing_facts
from keeper.risk.market_hours import closed_bars, in_market_hours
from keeper.risk.worst_losses import worst_losses
from keeper.settings.weekly_closure import weekly_closure
from tests.factories import (
    DAY,
    HOUR,
    NOW,
    a_feed,
    a_memory,
    a_policy,
    a_snapshot,
    an_evidence,
    an_informed_look,
    some_bars,
    with_block,
    with_feed,
)

GOLD = weekly_closure("Fri 17:00 to Sun 18:00 America/New_York")
CLOSED = {"LINK": GOLD}
"""LINK plays gold."""
LINK = 2
FRIDAY_CLOSE = NOW + DAY + 9 * HOUR
"""NOW is a Thursday at noon, UTC, in June: New York's Friday 17:00 is 21:00."""
SUNDAY_NOON = NOW + 3 * DAY
POLICY = a_policy()
POLICY = replace(
    POLICY,
    assets=tuple(
        replace(asset, closed=GOLD, implied_weight=0.0) if asset.symbol == "LINK" else asset
        for asset in POLICY.assets
    ),
)


def bars_at(as_of: int, bars: int = 2_880) -> PriceBars:
    """Up to ``as_of`` of one market, which ends on the Sunday."""
    whole = some_bars(as_of=SUNDAY_NOON, bars=bars + 72)
    rows = slice(
        (as_of - SUNDAY_NOON) // HOUR - bars + whole.times.size,
        (as_of - SUNDAY_NOON) // HOUR + whole.times.size,
    )
    return replace(whole, times=whole.times[rows], closes=whole.closes[rows])


def known(bars: PriceBars, as_of: int) -> Knowledge:
    snapshot = with_block(a_snapshot(), timestamp=as_of)
    return knowledge(Observation(snapshot), bars, POLICY)


def missing(look: Knowledge, memory: InformationMemory | None = None) -> set[str]:
    return {
        fact.name
        for fact in missing_facts(look, memory or InformationMemory())
        if fact.name.endswith(":LINK") and not fact.name.startswith("candles")
    }


# ---------------------------------------------------------------- bars


def test_only_whole_bars_in_closed_hours_have_no_close_whoever_gives_it() -> None:
    bars = bars_at(SUNDAY_NOON)
    bars = in_market_hours(replace(bars, exchanges={"kraken": bars.closes}), CLOSED)
    mask = bars.closed_at("LINK")
    assert np.isnan(bars.closes[mask, LINK]).all()
    assert np.isnan(bars.exchanges["kraken"][mask, LINK]).all()
    assert np.isfinite(bars.closes[~mask, LINK]).all()
    assert np.isfinite(np.delete(bars.closes, LINK, axis=1)).all()
    at_close = int(np.flatnonzero(bars.times == FRIDAY_CLOSE)[0])
    assert mask[at_close : at_close + 3].tolist() == [False, True, True]
    assert mask.mean() == pytest.approx(49 / 168, abs=0.02)
    days = SUNDAY_NOON - SUNDAY_NOON % DAY + DAY * np.arange(3)
    # Of the days that end on Sunday, Monday and Tuesday at midnight, only Saturday is closed from beginning to end.
    assert closed_bars(days, DAY, GOLD).tolist() == [True, False, False]


@pytest.mark.parametrize("bar_seconds", [1_800, HOUR, 4 * HOUR, DAY])
def test_a_bar_is_closed_that_has_no_open_second(bar_seconds: int) -> None:
    # Over both changes of New York's clock.
    for day in (datetime(2023, 3, 9, tzinfo=UTC), datetime(2023, 11, 2, tzinfo=UTC)):
        times = int(day.timestamp()) + bar_seconds * np.arange(6 * DAY // bar_seconds)
        by_seconds = [GOLD.open_seconds(int(end) - bar_seconds, int(end)) == 0 for end in times]
        assert any(by_seconds)
        assert closed_bars(times, bar_seconds, GOLD).tolist() == by_seconds


def test_the_second_of_opening_is_open_and_that_of_closing_is_not() -> None:
    opening = FRIDAY_CLOSE + 49 * HOUR
    assert [GOLD.is_open(at) for at in (FRIDAY_CLOSE - 1, FRIDAY_CLOSE)] == [True, False]
    assert [GOLD.is_open(at) for at in (opening - 1, opening)] == [False, True]


def test_without_a_closure_the_bars_are_the_same_object() -> None:
    bars = some_bars()
    assert in_market_hours(bars, {}) is bars


# ------------------------------------------------------------ estimate


def volatility(bars: PriceBars) -> float:
    evidence = an_evidence(bars=bars, as_of=int(bars.times[-1]), implied=())
    return estimate(evidence, POLICY).assets[LINK].historical


def test_the_weekend_is_in_the_volatility_as_the_move_of_the_bar_after_it() -> None:
    bars = bars_at(SUNDAY_NOON)
    assert volatility(in_market_hours(bars, CLOSED)) == pytest.approx(volatility(bars), rel=0.12)


def test_a_closed_market_is_not_a_quiet_one() -> None:
    on_friday, on_sunday = bars_at(FRIDAY_CLOSE), bars_at(SUNDAY_NOON)
    frozen = volatility(in_market_hours(on_sunday, CLOSED))
    assert frozen == pytest.approx(volatility(in_market_hours(on_friday, CLOSED)), rel=0.01)
    carried = on_sunday.closes.copy()
    carried[-39:, LINK] = carried[-40, LINK]
    assert volatility(replace(on_sunday, closes=carried)) < 0.95 * frozen


# ------------------------------------------------------- worst losses


def test_a_weekend_gap_is_a_loss_of_its_own_size_and_not_that_of_the_others() -> None:
    bars = some_bars(bars=24 * 21, as_of=SUNDAY_NOON + DAY)
    closes = np.full_like(bars.closes, 100.0)
    saturday = (bars.times > FRIDAY_CLOSE + 12 * HOUR) & (bars.times <= FRIDAY_CLOSE + 14 * HOUR)
    closes[bars.times > FRIDAY_CLOSE + 49 * HOUR, LINK] = 90.0
    closes[saturday, 0] = 60.0
    crash = in_market_hours(replace(bars, closes=closes), CLOSED)
    losses = np.array(worst_losses(crash, DAY))
    assert losses[:, LINK].max() == pytest.approx(0.10)
    # Held on Saturday at the crash of the first asset, gold is worth what it was when it opened.
    assert losses[losses[:, 0] > 0.39][:, LINK].max() == pytest.approx(0.10)


def test_while_the_market_is_still_closed_the_last_price_counts() -> None:
    bars = some_bars(bars=24 * 21, as_of=SUNDAY_NOON)
    closes = np.full_like(bars.closes, 100.0)
    closes[-2:, 0] = 60.0
    losses = np.array(worst_losses(in_market_hours(replace(bars, closes=closes), CLOSED), DAY))
    assert losses[:, 0].max() == pytest.approx(0.4)
    assert losses[:, LINK].max() == 0.0


# --------------------------------------------------------- information


def test_a_closed_market_is_not_missing() -> None:
    before = known(in_market_hours(bars_at(FRIDAY_CLOSE), CLOSED), FRIDAY_CLOSE)
    assert missing(before) == set()
    memory = a_memory(
        look=an_informed_look(as_of=before.as_of, facts=before.facts, gaps=before.gaps), missing=()
    )
    look = known(in_market_hours(bars_at(SUNDAY_NOON), CLOSED), SUNDAY_NOON)
    assert missing(look) == set()
    assert missing(look, memory) == set()


def test_a_feed_that_fell_silent_before_the_market_closed_is_missing_all_weekend() -> None:
    bars = bars_at(SUNDAY_NOON)
    closes = bars.closes.copy()
    closes[bars.times > FRIDAY_CLOSE - 3 * HOUR, LINK] = np.nan
    look = known(in_market_hours(replace(bars, closes=closes), CLOSED), SUNDAY_NOON)
    assert missing(look) == {"newest_bar:LINK"}


@pytest.mark.parametrize(("days", "is_enough"), [(9, False), (30, True)])
def test_closed_hours_are_no_history(days: int, is_enough: bool) -> None:
    """The policy wants 17.5 % of 120 days in which it trades; the weekends alone are 29 % of all."""
    bars = bars_at(FRIDAY_CLOSE)
    closes = bars.closes.copy()
    closes[: -days * 24, LINK] = np.nan
    look = known(in_market_hours(replace(bars, closes=closes), CLOSED), FRIDAY_CLOSE)
    assert ("bars:LINK" not in missing(look)) == is_enough


def test_a_market_that_closes_can_have_the_whole_history() -> None:
    policy = replace(POLICY, estimate=replace(POLICY.estimate, min_history=1.0))
    bars = in_market_hours(bars_at(FRIDAY_CLOSE), CLOSED)
    look = knowledge(Observation(with_block(a_snapshot(), timestamp=FRIDAY_CLOSE)), bars, policy)
    assert missing(look) == set()


def test_a_price_that_is_carried_in_open_hours_still_counts_as_one() -> None:
    bars = bars_at(FRIDAY_CLOSE)
    closes = bars.closes.copy()
    closes[-12:, LINK] = closes[-12, LINK]
    assert missing(known(in_market_hours(replace(bars, closes=closes), CLOSED), FRIDAY_CLOSE)) == {
        "movement:LINK"
    }


def test_the_last_price_of_a_closed_market_is_all_that_there_is_and_another_stale_price_is_not() -> None:
    reading = a_feed("LINK")
    for rule, names in ((rules.CLOSED, set()), (rules.TOO_OLD, {"feed:LINK"})):
        judged = rule.applied_to(reading, "a test")
        assert judged.trust is Trust.STALE
        snapshot = with_feed(
            with_block(a_snapshot(), timestamp=SUNDAY_NOON),
            "LINK",
            trust=judged.trust,
            rule=judged.rule,
            reason=judged.reason,
        )
        look = knowledge(Observation(snapshot), in_market_hours(bars_at(SUNDAY_NOON), CLOSED), POLICY)
        assert missing(look) == names
