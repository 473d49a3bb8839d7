"""An emergency without a flash loan: nothing is overdrawn and no health factor falls short on the way."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from keeper.domain.errors import NothingFeasible
from keeper.domain.plan import StepKind
from keeper.domain.portfolio import portfolio
from keeper.planning.deleverage_loop import deleverage_loop
from keeper.planning.fills import Fill
from tests.factories import a_snapshot, with_holding, with_reserve
from tests.planning.plans import a_fill, an_emergency, feasible, health_factor_now, lowest_health_factor, sold
from tests.properties import examples

LEVERED = a_snapshot(weights=(1.0, 1.0, 0.5, 0.5), nav_usd=250_000.0)


def test_down_from_three_to_one_and_a_half() -> None:
    sales = [a_fill(symbol, "USDC", 125_000.0 / 2, LEVERED) for symbol in ("WBTC", "WETH")]
    context = an_emergency(LEVERED, 1.02)
    plan = feasible(deleverage_loop(sales, context), context)
    repaid = sum(step.expected_in for step in plan.steps if step.kind is StepKind.REPAY)
    assert repaid > 120_000 * 10**6
    assert lowest_health_factor(plan.steps, 0, LEVERED) >= 1.02


def test_what_is_not_reached_in_eight_rounds_is_left() -> None:
    sales = [a_fill(symbol, "USDC", 200_000.0, LEVERED) for symbol in ("WBTC", "WETH")]
    plan = deleverage_loop(sales, an_emergency(LEVERED, health_factor_now(LEVERED) * 0.995))
    filled = sum(fill.trade.value_usd for fill in plan.fills)
    assert 0 < filled < 400_000.0
    assert sum(step.kind is StepKind.REPAY for step in plan.steps) == 8


def test_collateral_that_carries_all_the_debt_it_can_is_not_withdrawn() -> None:
    sales = [a_fill("WBTC", "USDC", 100_000.0, LEVERED)]
    with pytest.raises(NothingFeasible, match="without a flash loan nothing can be sold"):
        deleverage_loop(sales, an_emergency(LEVERED, health_factor_now(LEVERED)))


def test_what_lies_idle_is_sold_without_withdrawing() -> None:
    sales = [a_fill("WBTC", "USDC", 100_000.0, LEVERED)]
    snapshot = with_holding(LEVERED, "WBTC", idle=sales[0].trade.amount_in)
    plan = deleverage_loop(sales, an_emergency(snapshot, 1.02))
    assert [step.kind for step in plan.steps] == [StepKind.SWAP_EXACT_IN, StepKind.REPAY]


def test_idle_cash_repays_first() -> None:
    snapshot = with_holding(LEVERED, "USDC", idle=1_000 * 10**6)
    plan = deleverage_loop([a_fill("WBTC", "USDC", 50_000.0, snapshot)], an_emergency(snapshot, 1.02))
    assert (plan.steps[0].kind, plan.steps[0].amount) == (StepKind.REPAY, 1_000 * 10**6)


def test_beside_collateral_of_ltv_zero_nothing_else_is_sold() -> None:
    snapshot = with_reserve(LEVERED, "LINK", ltv_bps=0)
    with pytest.raises(NothingFeasible, match="must leave first"):
        deleverage_loop([a_fill("WBTC", "USDC", 50_000.0, snapshot)], an_emergency(snapshot, 1.02))


weights = st.lists(st.floats(0.02, 1.2), min_size=4, max_size=4)


@examples(100)
@given(weights, st.floats(1.2, 3.0), st.floats(0.05, 0.95), st.floats(1.0, 1.3))
def test_no_round_falls_short_and_each_lowers_the_debt(
    held: list[float], leverage: float, part: float, minimum: float
) -> None:
    snapshot = a_snapshot(weights=held, leverage=leverage, nav_usd=250_000.0)
    now = portfolio(snapshot)
    sales = [
        a_fill(symbol, "USDC", value * part, snapshot)
        for symbol, value in zip(now.symbols, now.values_usd, strict=True)
    ]
    minimum = min(minimum, health_factor_now(snapshot))
    context = an_emergency(snapshot, minimum)
    try:
        plan = feasible(deleverage_loop(sales, context), context)
    except NothingFeasible:
        assume(False)
    assert lowest_health_factor(plan.steps, 0, snapshot) >= minimum * (1 - 1e-9)
    repaid = sum(step.expected_in for step in plan.steps if step.kind is StepKind.REPAY)
    assert 0 < repaid <= snapshot.holdings[0].owed
    assert sold(plan.steps) == {fill.trade.sell: fill.trade.amount_in for fill in plan.fills}


def test_parts_return_together_what_the_whole_was_quoted_and_the_first_ones_more() -> None:
    fill = a_fill("WETH", "USDC", 200_000.0, LEVERED)
    lossy = Fill(fill.trade, fill.route, fill.amount_out, fill.min_out, fees_usd=0.0, impact_usd=400.0)
    plan = deleverage_loop([lossy], an_emergency(LEVERED, 1.02))
    parts = [step for step in plan.steps if step.kind is StepKind.SWAP_EXACT_IN]
    assert len(parts) > 1
    assert sum(step.expected_out for step in parts) == lossy.amount_out
    rates = [step.expected_out / step.amount for step in parts]
    assert rates == sorted(rates, reverse=True)


def test_where_the_last_part_would_return_too_little_there_is_no_loop() -> None:
    fill = a_fill("WETH", "USDC", 200_000.0, LEVERED)
    steep = Fill(fill.trade, fill.route, fill.min_out, fill.min_out, fees_usd=0.0, impact_usd=2_500.0)
    with pytest.raises(NothingFeasible, match="the last would return less than allowed"):
        deleverage_loop([steep], an_emergency(LEVERED, 1.02))
