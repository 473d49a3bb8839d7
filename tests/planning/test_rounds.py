"""Leverage moved without a flash loan: nothing is overdrawn and no health factor falls short on the way, whatever fills."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.domain.errors import NothingFeasible
from keeper.domain.market import MarketSnapshot
from keeper.domain.plan import Route, Step, StepKind
from keeper.domain.portfolio import portfolio
from keeper.domain.units import raw_from_usd_floor
from keeper.planning.fills import Fill, min_out
from keeper.planning.netting import Trade
from keeper.planning.rounds import MOST_ROUNDS, Standing, down, up
from keeper.planning.walk import require_footing, walk
from tests.factories import RISK_SYMBOLS, a_snapshot

SLIPPAGE_BPS = 75


def a_fill(sell: str, buy: str, value_usd: float, snapshot: MarketSnapshot) -> Fill:
    token = snapshot.token(sell)
    amount = raw_from_usd_floor(value_usd, token.decimals, snapshot.price(sell))
    trade, route = Trade(sell, buy, amount, value_usd), Route((sell, buy), (500,))
    least = min_out(trade, route, snapshot, SLIPPAGE_BPS)
    return Fill(trade, route, least * 1_005 // 1_000, least, 0.0, 0.0)


def standing(snapshot: MarketSnapshot) -> Standing:
    return Standing(
        {holding.symbol: holding.supplied for holding in snapshot.holdings[1:]},
        snapshot.holdings[0].owed,
        snapshot.holdings[0].idle,
        {holding.symbol: holding.idle for holding in snapshot.holdings[1:]},
    )


def sold(steps: Sequence[Step]) -> dict[str, int]:
    found: dict[str, int] = {}
    for step in steps:
        if step.kind is StepKind.SWAP_EXACT_IN:
            found[step.symbol] = found.get(step.symbol, 0) + step.amount
    return found


def test_from_cash_to_a_leverage_of_one_and_a_half() -> None:
    snapshot = a_snapshot(nav_usd=250_000.0)
    buys = [a_fill("USDC", symbol, 375_000.0 / 4, snapshot) for symbol in RISK_SYMBOLS]
    found = up(buys, standing(snapshot), snapshot, least=1.4)
    assert sum(fill.trade.amount_in for fill in found.done) == sum(fill.trade.amount_in for fill in buys)
    assert found.borrowed == pytest.approx(125_000 * 10**6, rel=1e-3)
    assert require_footing(found.steps, 0, snapshot, 1.4) >= 1.4


def test_where_borrowing_does_not_reach_the_rest_is_left_and_said() -> None:
    snapshot = a_snapshot(nav_usd=250_000.0)
    buys = [a_fill("USDC", symbol, 1_500_000.0 / 4, snapshot) for symbol in RISK_SYMBOLS]
    found = up(buys, standing(snapshot), snapshot, least=1.4)
    done = sum(fill.trade.amount_in for fill in found.done)
    assert 250_000 * 10**6 < done < 1_500_000 * 10**6
    assert require_footing(found.steps, 0, snapshot, 1.4) >= 1.4


def test_down_from_three_to_one_and_a_half() -> None:
    snapshot = a_snapshot(weights=(1.0, 1.0, 0.5, 0.5), nav_usd=250_000.0)
    sells = [a_fill(symbol, "USDC", 125_000.0 / 2, snapshot) for symbol in ("WBTC", "WETH")]
    before = portfolio(snapshot).health_factor
    found = down(sells, standing(snapshot), snapshot, 1.02, 0)
    assert found.repaid > 120_000 * 10**6
    assert require_footing(found.steps, 0, snapshot, 1.02) >= 1.02
    assert walk(found.steps, 0, snapshot)[-1].health_factor > before


def test_collateral_that_carries_all_the_debt_it_can_is_not_withdrawn() -> None:
    snapshot = a_snapshot(weights=(1.0, 1.0, 0.5, 0.5), nav_usd=250_000.0)
    sells = [a_fill("WBTC", "USDC", 100_000.0, snapshot)]
    least = portfolio(snapshot).health_factor
    assert down(sells, standing(snapshot), snapshot, least, 0).steps == ()


def test_what_lies_idle_is_sold_without_withdrawing() -> None:
    snapshot = a_snapshot(weights=(1.0, 1.0, 0.5, 0.5), nav_usd=250_000.0)
    sells = [a_fill("WBTC", "USDC", 100_000.0, snapshot)]
    idle = {"WBTC": sells[0].trade.amount_in}
    found = down(sells, replace(standing(snapshot), idle=idle), snapshot, 1.02, 0)
    assert [step.kind for step in found.steps] == [StepKind.SWAP_EXACT_IN, StepKind.REPAY]


weights = st.lists(st.floats(0.02, 1.2), min_size=4, max_size=4)


@given(weights, st.floats(1.05, 2.4), st.floats(1.2, 2.0))
def test_up_never_falls_short_of_the_floor_and_never_overdraws(
    target: list[float], leverage: float, least: float
) -> None:
    snapshot = a_snapshot(nav_usd=250_000.0)
    scale = leverage / sum(target)
    buys = [
        a_fill("USDC", symbol, 250_000.0 * weight * scale, snapshot)
        for symbol, weight in zip(RISK_SYMBOLS, target, strict=True)
    ]
    found = up(buys, standing(snapshot), snapshot, least)
    assert require_footing(found.steps, 0, snapshot, least) >= least * (1 - 1e-9)
    assert sum(step.kind is StepKind.BORROW for step in found.steps) <= MOST_ROUNDS
    assert sold(found.steps).get("USDC", 0) == sum(fill.trade.amount_in for fill in found.done)


@given(weights, st.floats(1.2, 3.0), st.floats(0.05, 0.95), st.floats(1.0, 1.3))
def test_down_never_falls_short_and_lowers_the_debt_or_does_nothing(
    held: list[float], leverage: float, part: float, least: float
) -> None:
    snapshot = a_snapshot(weights=held, leverage=leverage, nav_usd=250_000.0)
    now = portfolio(snapshot)
    sells = [
        a_fill(symbol, "USDC", value * part, snapshot)
        for symbol, value in zip(now.symbols, now.values_usd, strict=True)
    ]
    least = min(least, now.health_factor)
    found = down(sells, standing(snapshot), snapshot, least, 0)
    if not found.steps:
        return
    assert require_footing(found.steps, 0, snapshot, least) >= least * (1 - 1e-9)
    assert 0 < found.repaid <= snapshot.holdings[0].owed
    assert sold(found.steps) == {fill.trade.sell: fill.trade.amount_in for fill in found.done}


def test_a_plan_that_takes_more_than_there_is_names_its_step() -> None:
    snapshot = a_snapshot(weights=(1.0, 0.0, 0.0, 0.0), nav_usd=100_000.0)
    steps = (Step(StepKind.WITHDRAW, "WETH", 10**18, 0, None, 0, 10**18),)
    with pytest.raises(NothingFeasible, match="step 1, WITHDRAW of WETH: 1 more than there is"):
        require_footing(steps, 0, snapshot, 1.0)


def test_a_plan_that_falls_below_the_floor_on_the_way_names_its_step() -> None:
    snapshot = a_snapshot(weights=(1.0, 1.0, 0.0, 0.0), nav_usd=100_000.0)
    half = snapshot.holding("WBTC").supplied // 2
    steps = (Step(StepKind.WITHDRAW, "WBTC", half, 0, None, 0, half),)
    with pytest.raises(NothingFeasible, match="step 1, WITHDRAW of WBTC would leave a health factor of"):
        require_footing(steps, 0, snapshot, 1.35)
    assert require_footing(steps, 0, snapshot, 1.0) < 1.35


def test_without_debt_every_health_factor_is_infinite() -> None:
    snapshot = a_snapshot(weights=(0.5, 0.3, 0.0, 0.0), nav_usd=100_000.0)
    some = snapshot.holding("WBTC").supplied // 2
    steps = (Step(StepKind.WITHDRAW, "WBTC", some, 0, None, 0, some),)
    assert math.isinf(require_footing(steps, 0, snapshot, 1.35))


def test_parts_return_together_what_the_whole_was_quoted_and_the_first_ones_more() -> None:
    snapshot = a_snapshot(nav_usd=250_000.0)
    fill = a_fill("USDC", "WETH", 375_000.0, snapshot)
    lossy = Fill(fill.trade, fill.route, fill.amount_out, fill.min_out, 0.0, 700.0)
    found = up([lossy], standing(snapshot), snapshot, least=1.4)
    parts = [step for step in found.steps if step.kind is StepKind.SWAP_EXACT_IN]
    assert len(parts) > 1
    assert sum(step.expected_out for step in parts) == lossy.amount_out
    rates = [step.expected_out / step.amount for step in parts]
    assert rates == sorted(rates, reverse=True)


def test_where_the_last_part_would_return_too_little_there_are_no_rounds() -> None:
    snapshot = a_snapshot(nav_usd=250_000.0)
    fill = a_fill("USDC", "WETH", 375_000.0, snapshot)
    steep = Fill(fill.trade, fill.route, fill.min_out, fill.min_out, 0.0, 2_500.0)
    with pytest.raises(NothingFeasible, match="the last would return less than allowed"):
        up([steep], standing(snapshot), snapshot, least=1.4)
