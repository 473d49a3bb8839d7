"""Ticks to prices, depth, and which pools have a voice. Golden: Uniswap's USDC/WETH pool, OracleLibrary.consult."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.domain.pool_state import PoolHistory
from keeper.oracle.twap import depth, mean_price, twap_opinions
from tests.factories import a_snapshot, an_oracle_policy

POLICY = an_oracle_policy()


def a_pool(**changes: Any) -> PoolHistory:
    """USDC is token0 on mainnet: tick 202,260 is about 1,650 USDC per WETH."""
    pool = PoolHistory(
        symbol="WETH",
        pool="0x" + "aa" * 20,
        fee=500,
        asset_is_token0=False,
        observations=720,
        window_s=1_800,
        mean_tick=202_260,
        mean_liquidity=20 * 10**18,
    )
    return replace(pool, **changes)


def opinions(*pools: PoolHistory) -> list[tuple[float | None, str]]:
    return [(one.price_usd, one.reason) for one in twap_opinions(a_snapshot(pools=pools), POLICY)]


def test_the_price_does_not_depend_on_which_token_has_the_lower_address() -> None:
    price = mean_price(a_pool(), 202_260, asset_decimals=18, cash_decimals=6)
    assert price == pytest.approx(1e12 / 1.0001**202_260)
    assert price == pytest.approx(1_645.9, rel=1e-3)
    mirrored = a_pool(asset_is_token0=True)
    assert mean_price(mirrored, -202_260, asset_decimals=18, cash_decimals=6) == pytest.approx(price)


@given(st.integers(-400_000, 400_000), st.integers(10**6, 10**24))
def test_depth_is_the_same_seen_from_either_side(tick: int, liquidity: int) -> None:
    one = depth(a_pool(mean_tick=tick, mean_liquidity=liquidity), 6)
    other = depth(a_pool(mean_tick=-tick, mean_liquidity=liquidity, asset_is_token0=True), 6)
    assert one == pytest.approx(other)


def test_depth_is_what_a_full_range_position_of_that_value_would_give() -> None:
    """All of x y = L²: half of the value is USDC, of which one per cent of price takes √1.01 - 1."""
    usdc = 1_000_000.0
    root = 1.0001 ** (202_260 / 2)
    liquidity = int(usdc * 10**6 * root)
    assert depth(a_pool(mean_liquidity=liquidity), 6) == pytest.approx(usdc * (math.sqrt(1.01) - 1), rel=1e-6)


def test_a_deep_pool_with_history_gives_an_opinion() -> None:
    ((price, reason),) = opinions(a_pool())
    assert price == pytest.approx(1_645.9, rel=1e-3)
    assert reason == ""


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"observations": 1}, "keeps 1 observation"),
        ({"mean_tick": None, "mean_liquidity": None}, "do not reach back 1800 s"),
        ({"mean_liquidity": 10**12}, "move its price by one per cent"),
        ({"mean_liquidity": 0}, "move its price by one per cent"),
    ],
)
def test_a_shallow_pool_or_one_without_history_gives_its_reason(changes: dict[str, Any], why: str) -> None:
    ((price, reason),) = opinions(a_pool(**changes))
    assert price is None
    assert why in reason


def test_only_the_deepest_usable_pool_of_an_asset_counts() -> None:
    shallow = a_pool(pool="0x" + "bb" * 20, fee=3_000, mean_tick=202_800, mean_liquidity=10**19)
    assert opinions(shallow, a_pool()) == opinions(a_pool())
    forgetful = a_pool(pool="0x" + "cc" * 20, fee=100, mean_liquidity=10**25, observations=1)
    assert opinions(forgetful, a_pool()) == opinions(a_pool())


def test_without_a_minimum_depth_an_empty_pool_counts() -> None:
    policy = an_oracle_policy(twap_min_depth_usd=0.0)
    (opinion,) = twap_opinions(a_snapshot(pools=(a_pool(mean_liquidity=0),)), policy)
    assert opinion.price_usd == pytest.approx(1_645.9, rel=1e-3)
