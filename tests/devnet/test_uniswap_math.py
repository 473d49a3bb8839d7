"""Position arithmetic against Uniswap's own examples and against itself."""

from __future__ import annotations

import pytest

from keeper.devnet.uniswap_math import (
    Q96,
    amounts_for,
    liquidity_for,
    sqrt_price_at,
    sqrt_price_x96,
    tick_at,
)
from keeper.recorded.pools import POOL_DEPTHS


def test_equal_prices_and_decimals_are_one() -> None:
    assert sqrt_price_x96(1.0, 1.0, 18, 18) == Q96


def test_the_price_follows_prices_and_decimals() -> None:
    """USDC/WETH as on mainnet: 1 / 1,800 WETH a dollar, 12 decimals apart."""
    sqrt_price = sqrt_price_x96(1.0, 1_800.0, 6, 18)
    assert (sqrt_price / Q96) ** 2 == pytest.approx(10**12 / 1_800, rel=1e-12)


def test_ticks_and_prices_are_inverse() -> None:
    """Tick 0 is 1; MIN_TICK and MAX_TICK are TickMath's MIN_SQRT_RATIO and MAX_SQRT_RATIO."""
    assert sqrt_price_at(0) == Q96
    assert sqrt_price_at(-887_272) == pytest.approx(4295128739, rel=1e-6)
    assert sqrt_price_at(887_272) == pytest.approx(
        1461446703485210103287273052203988822378723970342, rel=1e-6
    )
    for tick in (-200_000, -60, 1, 5_000):
        assert tick_at(sqrt_price_at(tick) + 1) in (tick - 1, tick)


def test_a_full_range_position_holds_the_virtual_value_on_each_side() -> None:
    sqrt_price = sqrt_price_x96(2_000.0, 1.0, 18, 6)
    liquidity = liquidity_for(10e6, 2_000.0, 18, sqrt_price)
    weth, usdc = amounts_for(liquidity, sqrt_price, sqrt_price_at(-887_220), sqrt_price_at(887_220))
    assert weth / 1e18 * 2_000 == pytest.approx(10e6, rel=1e-6)
    assert usdc / 1e6 == pytest.approx(10e6, rel=1e-6)


def test_a_position_over_a_factor_of_four_holds_half_of_it() -> None:
    sqrt_price = sqrt_price_x96(2_000.0, 1.0, 18, 6)
    liquidity = liquidity_for(10e6, 2_000.0, 18, sqrt_price)
    weth, usdc = amounts_for(liquidity, sqrt_price, sqrt_price // 2, sqrt_price * 2)
    assert weth / 1e18 * 2_000 == pytest.approx(5e6, rel=1e-6)
    assert usdc / 1e6 == pytest.approx(5e6, rel=1e-6)


def test_every_risk_asset_has_two_tiers_against_usdc_and_against_weth() -> None:
    for symbol in ("WBTC", "LINK", "UNI"):
        for quote in ("USDC", "WETH"):
            tiers = [depth.fee for depth in POOL_DEPTHS if (depth.symbol, depth.quote) == (symbol, quote)]
            assert len(tiers) == len(set(tiers)) == 2
    assert [depth.fee for depth in POOL_DEPTHS if depth.symbol == "WETH"] == [500, 3_000]
    assert all(depth.source for depth in POOL_DEPTHS)
