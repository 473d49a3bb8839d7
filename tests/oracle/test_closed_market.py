"""The price of an asset whose market is closed: trusted where another source confirms it, else only sold."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from keeper.domain.market import Round, Trust
from keeper.domain.prices import Opinion
from keeper.domain.units import USD
from keeper.oracle.price_gate import judged
from keeper.oracle.single_feed_rules import single_feed_verdicts
from keeper.settings.weekly_closure import weekly_closure
from tests.factories import a_block, a_feed, a_feed_policy, a_snapshot, an_oracle_policy

HOUR = 3_600
CLOSE = int(datetime(2023, 6, 16, 21, tzinfo=UTC).timestamp())
OPEN = CLOSE + 49 * HOUR
# LINK plays gold.
GOLD = replace(
    a_feed_policy("LINK", heartbeat_s=24 * HOUR, deviation_bps=50),
    closed=weekly_closure("Fri 17:00 to Sun 18:00 America/New_York"),
)


def verdict(now: int, updated_at: int, *prices: float) -> tuple[Trust, str]:
    reading = a_feed("LINK", round=Round(100, 1_950 * USD, updated_at), max_age_s=100 * HOUR)
    snapshot = replace(
        a_snapshot(), block=a_block(timestamp=now), feeds=(single_feed_verdicts(reading, now),)
    )
    opinions = tuple(
        Opinion("LINK", f"source {place}", price, now, reason="") for place, price in enumerate(prices)
    )
    after = judged(snapshot, opinions, (), an_oracle_policy(GOLD)).feeds[0]
    return after.trust, after.rule


@pytest.mark.parametrize("now", [CLOSE, CLOSE + 30 * HOUR, OPEN - 1])
def test_a_closed_market_without_another_source_allows_only_sales(now: int) -> None:
    assert verdict(now, CLOSE - HOUR) == (Trust.STALE, "market_closed")


def test_tokens_that_trade_at_weekends_confirm_the_price_within_the_band_and_refuse_it_beyond() -> None:
    assert verdict(CLOSE + 30 * HOUR, CLOSE - HOUR, 1_955.0, 1_948.0) == (Trust.FRESH, "")
    assert verdict(CLOSE + 30 * HOUR, CLOSE - HOUR, 2_050.0, 2_045.0) == (Trust.SUSPECT, "disagrees")


def test_an_answer_ages_only_while_the_market_is_open() -> None:
    updated_at = CLOSE - 2 * HOUR
    assert verdict(OPEN + HOUR, updated_at) == (Trust.FRESH, "")
    assert verdict(OPEN + 23 * HOUR, updated_at) == (Trust.STALE, "too_old")
    assert verdict(CLOSE + HOUR, CLOSE - 30 * HOUR, 1_950.0) == (Trust.STALE, "too_old")


def test_a_closed_market_does_not_hide_a_price_that_was_too_old_before() -> None:
    assert verdict(CLOSE + HOUR, CLOSE - 30 * HOUR) == (Trust.STALE, "too_old")
    assert verdict(OPEN - 1, CLOSE - 26 * HOUR) == (Trust.STALE, "too_old")
    assert verdict(OPEN - 1, CLOSE - 24 * HOUR) == (Trust.STALE, "market_closed")


def test_a_feed_that_did_not_come_back_is_too_old_in_the_next_closure() -> None:
    assert verdict(OPEN + 23 * HOUR, CLOSE - 2 * HOUR) == (Trust.STALE, "too_old")
    assert verdict(CLOSE + 8 * 24 * HOUR, CLOSE - 2 * HOUR) == (Trust.STALE, "too_old")


def test_the_age_that_the_vault_accepts_holds_at_weekends_too() -> None:
    reading = a_feed("LINK", round=Round(100, 1_950 * USD, CLOSE - HOUR), max_age_s=26 * HOUR)
    assert single_feed_verdicts(reading, CLOSE + 30 * HOUR).rule == "too_old"
