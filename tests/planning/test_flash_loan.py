"""What is flash-borrowed, repaid and borrowed: enough at every step, and in an emergency never more debt."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from keeper.domain.decision import Action
from keeper.domain.market import MarketSnapshot
from keeper.domain.plan import Route, StepKind
from keeper.domain.portfolio import portfolio
from keeper.domain.units import BPS, WAD
from keeper.domain.urgency import Urgency
from keeper.lending.flash_lender import flash_lender
from keeper.planning.context import PlanningContext
from keeper.planning.fills import Fill
from keeper.planning.flash_loan import CashFlow, Funding
from keeper.planning.netting import Trade
from tests.factories import (
    a_policy,
    a_size_policy,
    a_snapshot,
    with_holding,
    with_market_move,
    with_vault_policy,
)
from tests.planning.ledger import Ledger, a_decision, as_quoted, at_its_limit
from tests.planning.plans import a_context, an_emergency, planned, shares, weights_of
from tests.properties import examples

USDC = 10**6
SLIPPAGE = Fraction(9_700, 10_000)


def a_fill(sell: str, buy: str, amount: int, least: int) -> Fill:
    return Fill(Trade(sell, buy, amount, 0.0), Route((sell, buy), (500,)), least, least, 0.0, 0.0)


def funded(fills: list[Fill], withdrawn: dict[str, int], context: PlanningContext) -> Funding:
    """Of sales without a buffer."""
    due = context.book().repayment_before(withdrawn, context.min_health_factor.sized_for)
    earned = sum(fill.min_out for fill in fills)
    return CashFlow(context, spent=0, earned=earned, repaid_first=due).funded(0)


def cash_after(found: Funding, snapshot: MarketSnapshot, fills: list[Fill]) -> int:
    """Idle cash at the end, every balance on the way checked."""
    cash = snapshot.holdings[0].idle + found.flash - found.repay_first
    assert cash >= 0, "repaying first"
    cash += sum(fill.min_out for fill in fills if fill.trade.buy == "USDC")
    cash -= sum(fill.trade.amount_in for fill in fills if fill.trade.sell == "USDC")
    assert cash >= 0, "buying"
    cash += found.borrow - found.repay_last - found.flash - found.premium
    assert cash >= 0, "repaying the flash loan"
    return cash


@pytest.mark.parametrize(
    ("flash", "bps", "fee"), [(0, 5, 0), (1, 5, 1), (2_000, 5, 1), (2_001, 5, 2), (10**12, 0, 0)]
)
def test_the_premium_is_rounded_up_as_the_lending_market_does(flash: int, bps: int, fee: int) -> None:
    assert flash_lender(a_snapshot(flash_premium_bps=bps)).premium(flash) == fee


@examples(300)
@given(
    health_factor=st.floats(1.02, 1.2),
    symbol=st.sampled_from(["WBTC", "WETH", "LINK", "UNI"]),
    sold=st.floats(0.001, 1.0),
    idle=st.integers(0, 300_000 * USDC),
    bps=st.sampled_from([0, 5, 30]),
)
@example(health_factor=1.02, symbol="WETH", sold=0.02, idle=0, bps=5)
@example(health_factor=1.02, symbol="WETH", sold=0.02, idle=3_000 * USDC, bps=30)
def test_without_borrowing_the_sells_pay_for_everything(
    health_factor: float, symbol: str, sold: float, idle: int, bps: int
) -> None:
    weights = [2.0 if symbol == each else 0.0 for each in ("WBTC", "WETH", "LINK", "UNI")]
    snapshot = a_snapshot(weights=weights, flash_premium_bps=bps)
    holding, threshold = snapshot.holding(symbol), snapshot.reserve(symbol).liquidation_threshold_bps
    owed = int(2_000_000 * USDC * threshold / BPS / health_factor)
    snapshot = with_holding(snapshot, "USDC", owed=owed, idle=idle)
    amount = int(holding.supplied * sold)
    least = int(2_000_000 * USDC * Fraction(amount, holding.supplied) * SLIPPAGE)
    fills = [a_fill(symbol, "USDC", amount, least)]

    found = funded(fills, {symbol: amount}, an_emergency(snapshot, 1.10))

    assert found.borrow == 0
    cash_after(found, snapshot, fills)
    assert found.repay_first + found.repay_last > 0
    stays = (
        Fraction(holding.supplied - amount, holding.supplied) * 2_000_000 * USDC * Fraction(threshold, BPS)
    )
    owed = an_emergency(snapshot, 1.10).book().owed
    after_first = owed - found.repay_first
    assert after_first == 0 or stays >= after_first, "the withdrawal would be refused"
    owed_after = after_first - found.repay_last
    before = Fraction(2_000_000 * USDC * threshold, BPS * owed)
    assert owed_after == 0 or stays / owed_after > before


def test_a_repayment_beyond_what_the_sells_return_is_cut_to_it() -> None:
    snapshot = a_snapshot(weights=(0.0, 2.0, 0.0, 0.0))
    snapshot = with_holding(snapshot, "USDC", owed=1_620_000 * USDC)
    amount = snapshot.holding("WETH").supplied // 50
    fills = [a_fill("WETH", "USDC", amount, 39_000 * USDC)]
    free = funded(fills, {"WETH": amount}, a_context(snapshot, 1.10))
    bound = funded(fills, {"WETH": amount}, an_emergency(snapshot, 1.10))
    assert free.repay_first > 39_000 * USDC
    assert free.borrow > 0
    assert bound.repay_first < 39_000 * USDC
    assert bound.borrow == 0
    assert bound.repay_first + bound.repay_last == pytest.approx(39_000 * USDC, rel=1e-3)


@examples(100)
@given(shares, st.floats(1.0, 1.2), st.floats(1.6, 6.0), st.floats(0.05, 0.95), st.floats(300.0, 3e6))
def test_a_ripcord_near_liquidation_runs_whatever_the_size_of_the_vault(
    held: list[float], health_factor: float, leverage: float, kept: float, nav: float
) -> None:
    snapshot = a_snapshot(weights=weights_of(held, leverage), nav_usd=nav)
    snapshot = with_market_move(snapshot, health_factor / Ledger(snapshot).health_factor())
    # No emergency of the vault's, whose target would bound where it may end.
    snapshot = with_vault_policy(
        snapshot, emergency_health=WAD // 2, max_loss_bps=5_000, daily_loss_bps=5_000
    )
    now = portfolio(snapshot)
    assume(now.nav_usd > 10.0)
    goal = tuple(kept * weight for weight in now.weights)
    plan = planned(a_decision(snapshot, goal, Action.RIPCORD, Urgency.EMERGENCY), snapshot, a_policy())
    swaps = {StepKind.SWAP_EXACT_IN, StepKind.SWAP_EXACT_OUT}
    assert {step.kind for step in plan.steps} <= {StepKind.WITHDRAW, StepKind.REPAY, *swaps}
    before = Ledger(snapshot)
    for filling in (at_its_limit, as_quoted):
        after = Ledger(snapshot)
        after.run(plan, filling)
        assert after.debt < before.debt
        assert after.health_factor() > before.health_factor()


@pytest.mark.parametrize("idle", [0, 4_000 * USDC, 10_000 * USDC, 25_000 * USDC])
@pytest.mark.parametrize("leverage", [1.0, 1.3, 1.7])
def test_a_rebalance_leaves_the_idle_buffer_even_where_it_was_missing(idle: int, leverage: float) -> None:
    snapshot = with_holding(a_snapshot(weights=(0.5, 0.4, 0.3, 0.2)), "USDC", idle=idle)
    policy = a_policy(size=a_size_policy(idle_buffer=0.01))
    goal = weights_of([0.3, 0.3, 0.2, 0.2], leverage)
    plan = planned(a_decision(snapshot, goal), snapshot, policy)
    after = Ledger(snapshot)
    after.run(plan, at_its_limit)
    assert after.idle["USDC"] >= int(0.01 * portfolio(snapshot).nav_usd * USDC)
