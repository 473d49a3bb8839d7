"""Fills one after the other: nothing is overdrawn and no health factor falls short, with a loan of any size or none."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from keeper.domain.errors import NothingFeasible
from keeper.domain.market import MarketSnapshot
from keeper.domain.plan import Route, StepKind
from keeper.domain.portfolio import portfolio
from keeper.domain.units import UINT256_MAX, WAD, raw_from_usd_floor
from keeper.planning.fills import Fill
from keeper.planning.funding import interest
from keeper.planning.in_turn import MOST_PARTS, in_turn
from keeper.planning.netting import Trade
from keeper.planning.walk import walk
from keeper.planning.way import Way
from tests.factories import RISK_SYMBOLS, a_snapshot, with_holding, with_reserve
from tests.planning.test_rounds import a_fill, sold
from tests.planning.test_route import leverages, shares, weights_of
from tests.properties import examples

LEAST = 1.3
DUST = 10**6


def owed(snapshot: MarketSnapshot) -> int:
    return snapshot.holdings[0].owed


def kinds(way: Way) -> list[StepKind]:
    return [step.kind for step in way.steps]


def stands_at(factor: float) -> MarketSnapshot:
    """All of it WBTC, and a health factor of ``factor``."""
    carried = a_snapshot().reserve("WBTC").liquidation_threshold_bps / 1e4
    leverage = factor / (factor - carried)
    return a_snapshot(weights=(leverage, 0.0, 0.0, 0.0), nav_usd=100_000.0)


def some_fills(snapshot: MarketSnapshot, changes: list[float]) -> list[Fill]:
    """Of parts of NAV, by risk asset: sales into the debt asset and purchases from it."""
    held = portfolio(snapshot)
    sales = [
        a_fill(symbol, "USDC", min(-change * held.nav_usd, value), snapshot)
        for symbol, change, value in zip(RISK_SYMBOLS, changes, held.values_usd, strict=True)
        if change < -0.01 and value > 100.0
    ]
    return sales + [
        a_fill("USDC", symbol, change * held.nav_usd, snapshot)
        for symbol, change in zip(RISK_SYMBOLS, changes, strict=True)
        if change > 0.01
    ]


@examples(200)
@given(
    shares,
    leverages,
    st.lists(st.floats(-0.6, 0.6), min_size=4, max_size=4),
    st.floats(0.0, 1.0),
    st.floats(0.0, 0.05),
)
def test_nothing_is_overdrawn_and_no_health_factor_falls_short(
    held: list[float], leverage: float, changes: list[float], loan: float, buffer: float
) -> None:
    snapshot = a_snapshot(weights=weights_of(held, leverage), nav_usd=100_000.0)
    least = min(LEAST, portfolio(snapshot).health_factor)
    fills = some_fills(snapshot, changes)
    assume(fills)
    kept = int(buffer * 100_000 * 10**6)
    try:
        way = in_turn(fills, snapshot, kept, DUST, least, int(loan * 100_000 * 10**6))
    except NothingFeasible:
        assume(False)
    footings = walk(way.steps, way.funded.flash, snapshot)
    assert max(one.short for one in footings) == 0
    assert min(one.health_factor for one in footings) >= least * (1.0 - 1e-9)
    wanted: dict[str, int] = {}
    for fill in fills:
        wanted[fill.trade.sell] = wanted.get(fill.trade.sell, 0) + fill.trade.amount_in
    assert sold(way.steps) == wanted
    swaps = [step for step in way.steps if step.kind is StepKind.SWAP_EXACT_IN]
    assert len(fills) <= len(swaps) <= MOST_PARTS * len(fills)
    assert idle_after(way, snapshot) >= min(kept - DUST, snapshot.holdings[0].idle)


def idle_after(way: Way, snapshot: MarketSnapshot) -> int:
    """Of the debt asset, once the loan is returned, when swaps return their least."""
    there = snapshot.holdings[0].idle - way.funded.premium
    for step in way.steps:
        if step.kind is StepKind.BORROW:
            there += step.amount
        elif step.kind is StepKind.REPAY:
            there -= step.expected_in
        elif step.route is not None:
            there -= step.amount if step.symbol == "USDC" else 0
            there += step.limit if step.route.symbols[-1] == "USDC" else 0
    return there


def test_where_the_collateral_carries_it_an_exchange_needs_neither_loan_nor_debt() -> None:
    snapshot = a_snapshot(weights=(0.8, 0.4, 0.0, 0.0))
    way = in_turn([a_fill("WBTC", "WETH", 50_000.0, snapshot)], snapshot, 0, DUST, LEAST)
    assert kinds(way) == [StepKind.WITHDRAW, StepKind.SWAP_EXACT_IN, StepKind.SUPPLY]


def test_all_that_is_to_be_sold_of_a_token_is_withdrawn_at_once() -> None:
    snapshot = a_snapshot(weights=(0.9, 0.0, 0.0, 0.0))
    fills = [a_fill("WBTC", "WETH", 10_000.0, snapshot), a_fill("WBTC", "LINK", 5_000.0, snapshot)]
    way = in_turn(fills, snapshot, 0, DUST, LEAST)
    assert kinds(way).count(StepKind.WITHDRAW) == 1


def test_all_that_a_plan_lacks_is_borrowed_at_once() -> None:
    snapshot = a_snapshot(weights=(1.0, 0.0, 0.0, 0.0), nav_usd=100_000.0)
    buys = [a_fill("USDC", symbol, 5_000.0, snapshot) for symbol in RISK_SYMBOLS[1:]]
    way = in_turn(buys, snapshot, 0, DUST, LEAST)
    assert kinds(way) == [StepKind.BORROW] + [StepKind.SWAP_EXACT_IN] * 3 + [StepKind.SUPPLY] * 3


def test_the_nearer_to_the_floor_the_more_steps_and_a_loan_saves_them() -> None:
    far, near = stands_at(2.0), stands_at(1.35)
    sale = 0.4 * owed(near) / 1e6
    ways = [in_turn([a_fill("WBTC", "USDC", sale, one)], one, 0, DUST, LEAST) for one in (far, near)]
    loan = in_turn([a_fill("WBTC", "USDC", sale, near)], near, 0, DUST, LEAST, int(sale * 1e6))
    assert kinds(ways[0]) == [StepKind.WITHDRAW, StepKind.SWAP_EXACT_IN, StepKind.REPAY]
    assert len(ways[1].steps) > len(loan.steps)
    assert loan.funded.flash > 0


def test_beside_collateral_of_ltv_zero_there_is_no_such_way() -> None:
    snapshot = with_reserve(a_snapshot(weights=(0.6, 0.6, 0.1, 0.0)), "LINK", ltv_bps=0)
    with pytest.raises(NothingFeasible, match="must leave first"):
        in_turn([a_fill("WBTC", "USDC", 10_000.0, snapshot)], snapshot, 0, DUST, LEAST)


def test_nor_where_the_debt_comes_only_on_the_way() -> None:
    snapshot = with_reserve(a_snapshot(weights=(0.3, 0.4, 0.0, 0.3), nav_usd=100_000.0), "WBTC", ltv_bps=0)
    assert owed(snapshot) == 0
    fills = [a_fill("USDC", "LINK", 20_000.0, snapshot), a_fill("UNI", "LINK", 10_000.0, snapshot)]
    with pytest.raises(NothingFeasible, match="must leave first"):
        in_turn(fills, snapshot, 0, DUST, LEAST)
    in_turn(fills[::-1], snapshot, 0, DUST, LEAST)


def test_no_crumb_of_debt_is_left_beside_no_collateral() -> None:
    """A loan of just what is owed does not pay the interest until the transaction is mined."""
    snapshot = stands_at(1.8)
    whole = portfolio(snapshot).values_usd[0]
    fills = [a_fill("WBTC", "USDC", whole * (1.0 - 1e-9), snapshot)]
    with pytest.raises(NothingFeasible, match="on the way"):
        in_turn(fills, snapshot, 0, DUST, LEAST, owed(snapshot))
    way = in_turn(fills, snapshot, 0, DUST, LEAST, owed(snapshot) + interest(owed(snapshot)))
    assert (way.steps[0].kind, way.steps[0].amount) == (StepKind.REPAY, UINT256_MAX)


def test_what_lies_idle_is_sold_before_collateral_is_withdrawn() -> None:
    snapshot = with_holding(a_snapshot(weights=(0.5, 0.3, 0.0, 0.0)), "WETH", idle=100 * WAD)
    way = in_turn([a_fill("WETH", "USDC", 1_000.0, snapshot)], snapshot, 0, DUST, LEAST)
    assert StepKind.WITHDRAW not in kinds(way)
    assert math.isinf(walk(way.steps, 0, snapshot)[-1].health_factor) == (owed(snapshot) == 0)


def test_nothing_is_supplied_that_is_there_only_if_swaps_return_more_than_their_least() -> None:
    """The market takes no supply of nothing: such a way would revert where all goes as badly as it may."""
    bought, spent = Trade("USDC", "WETH", 100_000 * 10**6, 100_000.0), 99_000.0
    snapshot = a_snapshot(nav_usd=300_000.0)
    weth = raw_from_usd_floor(100_000.0, 18, snapshot.price("WETH"))
    then = Trade("WETH", "LINK", weth * 99 // 100, spent)
    link = raw_from_usd_floor(spent, 18, snapshot.price("LINK"))
    fills = (
        Fill(bought, Route(("USDC", "WETH"), (500,)), weth, weth * 99 // 100, 0.0, 0.0),
        Fill(then, Route(("WETH", "LINK"), (3_000,)), link, link * 98 // 100, 0.0, 0.0),
    )
    with pytest.raises(NothingFeasible, match="nothing is left"):
        in_turn(fills, snapshot, 0, 0, 1.4)
    more = replace(fills[0], min_out=fills[0].min_out + 10**15)
    steps = in_turn((more, fills[1]), snapshot, 0, 0, 1.4).steps
    assert [step.symbol for step in steps if step.kind is StepKind.SUPPLY] == ["WETH", "LINK"]
