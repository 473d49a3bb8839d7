"""The pools' cost curve: by hand, against constant product and the best of all splits, and what is counted on."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.decision.cost_curve import (
    CostCurve,
    cost_curves,
    depth_usd,
    in_parallel,
    in_series,
    pool_curve,
)
from keeper.domain.market import MarketSnapshot
from keeper.planning import quotes
from keeper.planning.netting import Trade
from tests.factories import (
    RISK_SYMBOLS,
    a_depth,
    a_snapshot,
    a_vault,
    some_pools,
    with_depths,
    with_feed,
    with_reserve,
)
from tests.properties import examples

fees = st.floats(1e-4, 1e-2)
depths = st.floats(1e4, 1e9)
pools = st.lists(st.tuples(fees, depths), min_size=1, max_size=5)
sizes = st.floats(1.0, 1e8)


def parallel(found: list[tuple[float, float]]) -> CostCurve:
    return in_parallel([pool_curve(fee, depth) for fee, depth in found])


# ------------------------------------------------------------------ the curve


def test_one_pool_loses_its_fee_and_the_square() -> None:
    curve = pool_curve(5e-4, 10e6)
    assert curve.loss_usd(100_000.0) == pytest.approx(50.0 + 1_000.0)
    assert curve.impact_usd(100_000.0) == pytest.approx(1_000.0)
    assert curve.marginal(100_000.0) == pytest.approx(5e-4 + 0.02)
    assert curve.size_at(5e-4 + 0.02) == pytest.approx(100_000.0)
    assert curve.loss_usd(0.0) == curve.impact_usd(0.0) == 0.0


def test_an_expensive_pool_joins_where_the_cheap_one_costs_as_much() -> None:
    # 25 bps of marginal cost are reached at 12,500 USD in 10 M of depth; then both take half.
    curve = parallel([(5e-4, 10e6), (3e-3, 10e6)])
    assert curve.sizes == pytest.approx((0.0, 12_500.0))
    assert curve.loss_usd(12_500.0) == pytest.approx(6.25 + 15.625)
    first, then = 12_500.0 + 10_000.0, 10_000.0
    split = 5e-4 * first + first**2 / 10e6 + 3e-3 * then + then**2 / 10e6
    assert curve.loss_usd(32_500.0) == pytest.approx(split)


def test_one_after_the_other_fees_add_and_depths_add_inversely() -> None:
    curve = in_series(pool_curve(3e-3, 40e6), pool_curve(5e-4, 10e6))
    assert curve.fee == pytest.approx(35e-4)
    assert curve.loss_usd(80_000.0) == pytest.approx(280.0 + 80_000.0**2 / 8e6)


@given(pools, st.lists(st.floats(0.0, 1.0), min_size=5, max_size=5), sizes)
def test_no_split_loses_less(found: list[tuple[float, float]], parts: list[float], size: float) -> None:
    shares = np.array(parts[: len(found)]) + 1e-9
    shares = size * shares / shares.sum()
    other = sum(fee * x + x * x / depth for (fee, depth), x in zip(found, shares, strict=True))
    assert parallel(found).loss_usd(size) <= other * (1 + 1e-9)


@given(pools, pools, pools, sizes)
@examples(50)
def test_a_net_of_pools_is_solved_as_bisection_solves_it(
    direct: list[tuple[float, float]],
    to_hub: list[tuple[float, float]],
    onwards: list[tuple[float, float]],
    size: float,
) -> None:
    """The way through the hub takes y, the direct pools the rest, each bundle at the marginal cost that fills it."""

    def filled(bundle: list[tuple[float, float]], amount: float) -> tuple[float, float]:
        low, high = 0.0, 1.0 + 2.0 * amount / min(depth for _, depth in bundle)
        for _ in range(60):
            middle = 0.5 * (low + high)
            taken = sum(depth * max(0.0, middle - fee) / 2 for fee, depth in bundle)
            low, high = (middle, high) if taken < amount else (low, middle)
        parts = [depth * max(0.0, low - fee) / 2 for fee, depth in bundle]
        return low, sum(fee * x + x * x / depth for (fee, depth), x in zip(bundle, parts, strict=True))

    low, high = 0.0, size
    for _ in range(50):
        middle = 0.5 * (low + high)
        through = filled(to_hub, middle)[0] + filled(onwards, middle)[0]
        low, high = (middle, high) if through < filled(direct, size - middle)[0] else (low, middle)
    best = filled(to_hub, low)[1] + filled(onwards, low)[1] + filled(direct, size - low)[1]
    curve = in_parallel([parallel(direct), in_series(parallel(to_hub), parallel(onwards))])
    assert curve.loss_usd(size) == pytest.approx(best, rel=1e-6)


@given(pools, pools, sizes, sizes)
def test_the_curve_is_convex_and_never_below_its_smallest_fee(
    one: list[tuple[float, float]], other: list[tuple[float, float]], size: float, more: float
) -> None:
    curve = in_series(parallel(one), parallel(other))
    low, high = sorted((size, size + more))
    middle = 0.5 * (low + high)
    loss = curve.loss_usd
    assert loss(middle) <= 0.5 * (loss(low) + loss(high)) * (1 + 1e-9)
    assert curve.fee * low <= loss(low) * (1 + 1e-12)
    assert loss(low) / low <= loss(high) / high * (1 + 1e-9)
    assert curve.size_at(curve.marginal(size)) == pytest.approx(size, rel=1e-6)


@given(pools, sizes)
def test_the_square_meets_the_curve_at_its_size(found: list[tuple[float, float]], size: float) -> None:
    curve = parallel(found)
    square = curve.fee * size + 0.5 * curve.curvature(size) * size * size
    assert square == pytest.approx(curve.loss_usd(size), rel=1e-9)
    assert curve.curvature(0.0) == curve.curvature(1.0)


@given(fees, depths, st.floats(1e-6, 0.2))
@examples(200)
def test_it_is_at_least_what_constant_product_loses_and_little_more(
    fee: float, depth: float, part: float
) -> None:
    size = part * depth
    kept = (1.0 - fee) * size
    lost = size - depth * kept / (depth + kept)
    counted = pool_curve(fee, depth).loss_usd(size)
    assert lost <= counted * (1 + 1e-12)
    assert counted - lost <= (2 * fee + part) * size * size / depth * (1 + 1e-9) + 1e-9 * size


# ------------------------------------------------------------ what is counted on


def one_pool(snapshot: MarketSnapshot, **changes: object) -> float:
    return depth_usd(a_depth(snapshot, "LINK", "USDC", 3_000, 2e6, **changes), snapshot)


def test_depth_is_what_a_side_of_the_virtual_reserves_is_worth() -> None:
    snapshot = a_snapshot()
    assert one_pool(snapshot) == pytest.approx(2e6, rel=1e-9)
    pool = a_depth(snapshot, "LINK", "USDC", 3_000, 2e6)
    turned = replace(pool, asset_is_token0=False, sqrt_price=2**192 // pool.sqrt_price)
    assert depth_usd(turned, snapshot) == pytest.approx(2e6, rel=1e-9)
    # L sqrt(P) in raw USDC.
    assert pool.liquidity * pool.sqrt_price / 2**96 / 10**6 == pytest.approx(2e6, rel=1e-9)


def test_the_smaller_of_now_and_on_average_counts() -> None:
    snapshot = a_snapshot()
    liquidity = a_depth(snapshot, "LINK", "USDC", 3_000, 2e6).liquidity
    assert one_pool(snapshot, mean_liquidity=liquidity // 10) == pytest.approx(2e5, rel=1e-6)
    assert one_pool(snapshot, mean_liquidity=liquidity * 10) == pytest.approx(2e6, rel=1e-6)


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(("off", "known"), [(0.9, True), (-0.9, True), (1.1, False), (-1.1, False)])
def test_a_pool_off_the_feeds_is_left_out(off: float, known: bool, turned: bool) -> None:
    snapshot = a_snapshot()
    pool = a_depth(snapshot, "LINK", "USDC", 3_000, 2e6)
    root = pool.sqrt_price * math.sqrt(1.0 + off * 0.02)
    pool = replace(pool, sqrt_price=round(2**192 / root if turned else root), asset_is_token0=not turned)
    assert (depth_usd(pool, snapshot) > 0.0) is known
    assert ("LINK" in cost_curves(replace(snapshot, depths=(pool,)))) is known


def test_without_liquidity_price_or_pool_nothing_is_known() -> None:
    snapshot = a_snapshot()
    assert cost_curves(snapshot) == {}
    assert one_pool(snapshot, liquidity=0) == 0.0
    assert one_pool(snapshot, mean_liquidity=0) == 0.0
    assert one_pool(snapshot, sqrt_price=0) == 0.0
    nameless = with_feed(with_depths(snapshot), "LINK", round=replace(snapshot.feeds[3].round, answer=0))
    nameless = with_reserve(nameless, "LINK", market_price=0)
    assert set(cost_curves(nameless)) == {"WBTC", "WETH", "UNI"}


def test_pools_of_mainnets_depth_say_what_their_table_says() -> None:
    curves = cost_curves(with_depths(a_snapshot()))
    assert {symbol: round(1e4 * curve.fee, 6) for symbol, curve in curves.items()} == {
        "WBTC": 5.0,
        "WETH": 5.0,
        "LINK": 30.0,
        "UNI": 30.0,
    }
    # Nearly all of it through 45 M of LINK/WETH at 30 bps and 850 M of WETH/USDC at 5.
    assert curves["LINK"].loss_usd(1e6) == pytest.approx(35e2 + 1e12 / 45e6 + 1e12 / 850e6, rel=0.05)


def test_it_leads_through_the_planners_candidates_and_no_others() -> None:
    """Each candidate alone is found with its fees; a pool that no candidate goes through changes nothing."""
    snapshot = a_snapshot(vault=a_vault(pools=some_pools(500, 3_000)))
    everything = [
        a_depth(snapshot, symbol, quote, fee, 1e6)
        for symbol in RISK_SYMBOLS
        for quote in ("USDC", "WETH", "WBTC")
        for fee in (100, 500, 3_000, 10_000)
        if symbol != quote
    ]
    for symbol in RISK_SYMBOLS:
        used = set()
        for route in quotes.routes(Trade("USDC", symbol, 1, 1.0), snapshot):
            hops = {
                (frozenset(pair), fee)
                for *pair, fee in zip(route.symbols[:-1], route.symbols[1:], route.fees, strict=True)
            }
            alone = tuple(
                pool for pool in everything if (frozenset((pool.symbol, pool.quote)), pool.fee) in hops
            )
            curve = cost_curves(replace(snapshot, depths=alone))[symbol]
            assert curve.fee == pytest.approx(sum(route.fees) / 1e6)
            used |= hops
        others = tuple(
            pool for pool in everything if (frozenset((pool.symbol, pool.quote)), pool.fee) not in used
        )
        assert symbol not in cost_curves(replace(snapshot, depths=others))
