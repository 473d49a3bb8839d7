from __future__ import annotations

import pytest

from keeper.domain.market import MarketSnapshot, Trust
from keeper.domain.other_prices import at_prices
from keeper.domain.portfolio import portfolio
from keeper.sizing.redemptions import queued_share
from tests.factories import (
    RISK_SYMBOLS,
    a_snapshot,
    with_depths,
    with_feed,
    with_market_move,
    with_redemptions,
)

LEVERED = a_snapshot(weights=(0.5, 0.4, 0.3, 0.2))


def times(snapshot: MarketSnapshot, factor: float, *symbols: str) -> dict[str, int]:
    return {symbol: round(snapshot.price(symbol) * factor) for symbol in symbols}


@pytest.mark.parametrize("factor", [0.2, 0.7, 0.999, 1.0, 1.4])
@pytest.mark.parametrize("symbols", [RISK_SYMBOLS, ("WETH",)])
def test_prices_oracle_and_account_are_those_of_a_market_that_moved(
    factor: float, symbols: tuple[str, ...]
) -> None:
    moved = at_prices(LEVERED, times(LEVERED, factor, *symbols))
    expected = with_market_move(LEVERED, factor, symbols)
    assert moved.feeds == expected.feeds
    assert moved.reserves == expected.reserves
    assert abs(moved.account.collateral_base - expected.account.collateral_base) <= len(symbols)
    assert moved.account.health_factor == pytest.approx(expected.account.health_factor, rel=1e-9)
    assert moved.account.debt_base == LEVERED.account.debt_base


def test_pools_stay_at_the_feeds_prices() -> None:
    snapshot = with_depths(LEVERED)
    prices = times(snapshot, 0.6, "WETH") | times(snapshot, 1.3, "LINK")
    moved = at_prices(snapshot, prices)
    for pool, expected in zip(moved.depths, with_depths(moved).depths, strict=True):
        assert pool.sqrt_price == pytest.approx(expected.sqrt_price, rel=1e-9), (pool.symbol, pool.quote)


def test_the_queue_keeps_its_part_of_nav() -> None:
    snapshot = with_redemptions(LEVERED, 0.1)
    moved = at_prices(snapshot, times(snapshot, 0.8, *RISK_SYMBOLS))
    assert queued_share(moved, portfolio(moved).nav_usd) == pytest.approx(
        queued_share(snapshot, portfolio(snapshot).nav_usd), rel=1e-6
    )


def test_an_asset_without_a_price_keeps_none_and_trust_is_kept() -> None:
    dead = with_feed(LEVERED, "UNI", trust=Trust.SUSPECT)
    assert at_prices(dead, {"UNI": 1}).feeds[dead.index("UNI")].trust is Trust.SUSPECT
    assert at_prices(LEVERED, {}) == LEVERED
