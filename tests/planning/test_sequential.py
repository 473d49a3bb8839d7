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
from keeper.lending.aave import AaveV3
from keeper.planning.candidates import CandidatePlan
from keeper.planning.fills import Fill
from keeper.planning.netting import Trade
from keeper.planning.sequential import MAX_PARTS
from tests.factories import RISK_SYMBOLS, a_snapshot, with_holding, with_reserve
from tests.planning.plans import (
    DUST,
    MINIMUM,
    a_context,
    a_fill,
    feasible_sequential,
    health_factor_now,
    leverages,
    lowest_health_factor,
    shares,
    sold,
    some_fills,
    weights_of,
)
from tests.properties import examples


def owed(snapshot: MarketSnapshot) -> int:
    return snapshot.holdings[0].owed


def kinds(plan: CandidatePlan) -> list[StepKind]:
    return [step.kind for step in plan.steps]


def stands_at(factor: float) -> MarketSnapshot:
    """All of it WBTC, and a health factor of ``factor``."""
    carried = a_snapshot().reserve("WBTC").liquidation_threshold_bps / 1e4
    leverage = factor / (factor - carried)
    return a_snapshot(weights=(leverage, 0.0, 0.0, 0.0), nav_usd=100_000.0)


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
    minimum = min(MINIMUM, health_factor_now(snapshot))
    fills = some_fills(snapshot, changes)
    assume(fills)
    kept = int(buffer * 100_000 * 10**6)
    try:
        context = a_context(snapshot, minimum, buffer=kept)
        plan = feasible_sequential(fills, context, int(loan * 100_000 * 10**6))
    except NothingFeasible:
        assume(False)
    assert lowest_health_factor(plan.steps, plan.flash, snapshot) >= minimum * (1.0 - 1e-9)
    wanted: dict[str, int] = {}
    for fill in fills:
        wanted[fill.trade.sell] = wanted.get(fill.trade.sell, 0) + fill.trade.amount_in
    assert sold(plan.steps) == wanted
    swaps = [step for step in plan.steps if step.kind is StepKind.SWAP_EXACT_IN]
    assert len(fills) <= len(swaps) <= MAX_PARTS * len(fills)
    assert idle_after(plan, snapshot) >= min(kept - DUST, snapshot.holdings[0].idle)


def idle_after(plan: CandidatePlan, snapshot: MarketSnapshot) -> int:
    """Of the debt asset, once the loan is returned, when swaps return their least."""
    there = snapshot.holdings[0].idle - plan.premium
    for step in plan.steps:
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
    plan = feasible_sequential([a_fill("WBTC", "WETH", 50_000.0, snapshot)], a_context(snapshot))
    assert kinds(plan) == [StepKind.WITHDRAW, StepKind.SWAP_EXACT_IN, StepKind.SUPPLY]


def test_all_that_is_to_be_sold_of_a_token_is_withdrawn_at_once() -> None:
    snapshot = a_snapshot(weights=(0.9, 0.0, 0.0, 0.0))
    fills = [a_fill("WBTC", "WETH", 10_000.0, snapshot), a_fill("WBTC", "LINK", 5_000.0, snapshot)]
    plan = feasible_sequential(fills, a_context(snapshot))
    assert kinds(plan).count(StepKind.WITHDRAW) == 1


def test_all_that_a_plan_lacks_is_borrowed_at_once() -> None:
    snapshot = a_snapshot(weights=(1.0, 0.0, 0.0, 0.0), nav_usd=100_000.0)
    buys = [a_fill("USDC", symbol, 5_000.0, snapshot) for symbol in RISK_SYMBOLS[1:]]
    plan = feasible_sequential(buys, a_context(snapshot))
    assert kinds(plan) == [StepKind.BORROW] + [StepKind.SWAP_EXACT_IN] * 3 + [StepKind.SUPPLY] * 3


def test_the_nearer_to_the_floor_the_more_steps_and_a_loan_saves_them() -> None:
    far, near = stands_at(2.0), stands_at(1.35)
    sale = 0.4 * owed(near) / 1e6
    plans = [feasible_sequential([a_fill("WBTC", "USDC", sale, one)], a_context(one)) for one in (far, near)]
    loan = feasible_sequential([a_fill("WBTC", "USDC", sale, near)], a_context(near), int(sale * 1e6))
    assert kinds(plans[0]) == [StepKind.WITHDRAW, StepKind.SWAP_EXACT_IN, StepKind.REPAY]
    assert len(plans[1].steps) > len(loan.steps)
    assert loan.flash > 0


def test_beside_collateral_of_ltv_zero_there_is_no_such_way() -> None:
    snapshot = with_reserve(a_snapshot(weights=(0.6, 0.6, 0.1, 0.0)), "LINK", ltv_bps=0)
    with pytest.raises(NothingFeasible, match="must leave first"):
        feasible_sequential([a_fill("WBTC", "USDC", 10_000.0, snapshot)], a_context(snapshot))


def test_nor_where_the_debt_comes_only_on_the_way() -> None:
    snapshot = with_reserve(a_snapshot(weights=(0.3, 0.4, 0.0, 0.3), nav_usd=100_000.0), "WBTC", ltv_bps=0)
    assert owed(snapshot) == 0
    fills = [a_fill("USDC", "LINK", 20_000.0, snapshot), a_fill("UNI", "LINK", 10_000.0, snapshot)]
    with pytest.raises(NothingFeasible, match="must leave first"):
        feasible_sequential(fills, a_context(snapshot))
    feasible_sequential(fills[::-1], a_context(snapshot))


def test_no_wei_of_debt_is_left_without_collateral() -> None:
    """A loan of just what is owed does not pay the interest until the transaction is mined, so some collateral waits
    for the second repayment."""
    snapshot = stands_at(1.8)
    whole = portfolio(snapshot).values_usd[0]
    fills = [a_fill("WBTC", "USDC", whole * (1.0 - 1e-9), snapshot)]
    short = feasible_sequential(fills, a_context(snapshot), owed(snapshot))
    assert kinds(short)[:2] == [StepKind.REPAY, StepKind.WITHDRAW]
    assert short.steps[1].amount < fills[0].trade.amount_in
    interest = AaveV3.of(snapshot).interest_until_mined(owed(snapshot))
    plan = feasible_sequential(fills, a_context(snapshot), owed(snapshot) + interest)
    assert (plan.steps[0].kind, plan.steps[0].amount) == (StepKind.REPAY, UINT256_MAX)
    assert kinds(plan) == [StepKind.REPAY, StepKind.WITHDRAW, StepKind.SWAP_EXACT_IN]


def test_what_lies_idle_is_sold_before_collateral_is_withdrawn() -> None:
    snapshot = with_holding(a_snapshot(weights=(0.5, 0.3, 0.0, 0.0)), "WETH", idle=100 * WAD)
    plan = feasible_sequential([a_fill("WETH", "USDC", 1_000.0, snapshot)], a_context(snapshot))
    assert StepKind.WITHDRAW not in kinds(plan)
    assert math.isinf(lowest_health_factor(plan.steps, 0, snapshot)) == (owed(snapshot) == 0)


def test_nothing_is_supplied_that_is_there_only_if_swaps_return_more_than_their_least() -> None:
    """The market takes no supply of nothing: such a plan would revert where all goes as badly as it may."""
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
        feasible_sequential(fills, a_context(snapshot, 1.4, dust=0))
    more = replace(fills[0], min_out=fills[0].min_out + 10**15)
    steps = feasible_sequential((more, fills[1]), a_context(snapshot, 1.4, dust=0)).steps
    assert [step.symbol for step in steps if step.kind is StepKind.SUPPLY] == ["WETH", "LINK"]
