"""One call over several accounts: it ends at the placement, and no account is nearer to liquidation on the way."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from keeper.decision.placing import TRADE_MARGIN
from keeper.decision.trade_context import consider
from keeper.domain.accounts import accounts
from keeper.domain.decision import Action, Decision
from keeper.domain.errors import NothingFeasible
from keeper.domain.market import MarketSnapshot
from keeper.domain.placement import Placement, Placing
from keeper.domain.plan import RebalancePlan, StepKind
from keeper.domain.portfolio import portfolio
from keeper.domain.units import WAD
from keeper.domain.urgency import Urgency
from keeper.planning.context import planning_context
from keeper.sizing.account_bounds import account_floors
from keeper.sizing.account_terms import terms_of
from keeper.sizing.placing import STAYING, placed
from tests.decision.positions import a_move, a_position
from tests.factories import (
    a_model,
    a_policy,
    a_size_policy,
    a_snapshot,
    with_aave_account,
    with_depths,
    with_morpho_account,
    with_reserve,
)
from tests.planning.ledger import a_decision
from tests.planning.plans import planned, shares, weights_of, worth_trading
from tests.properties import examples

COST = 0.007
"""Of what is traded, assumed."""
POLICY = a_policy(size=a_size_policy(scenarios=(), stress_sigmas=2.0))
FIRST = with_depths(a_snapshot(weights=(0.25, 0.25, 0.25, 0.25), leverage=1.3, nav_usd=250_000.0))
BOTH = with_morpho_account(FIRST, "WETH", 0.0, 0.0, rate=0.01)
THREE = with_morpho_account(with_aave_account(FIRST, {"WBTC": 30_000.0}, 12_000.0), "WETH", 20_000.0, 8_000.0)


def a_placement(
    snapshot: MarketSnapshot, weights: tuple[float, ...], move_cost: float = 1e-4
) -> Placement | None:
    """As the keeper decides it: above the floors by its margin, with what the trade costs as debt."""
    held = portfolio(snapshot)
    terms = terms_of(snapshot, snapshot.risk_symbols, POLICY.size)
    floors = account_floors(a_model(), snapshot, POLICY.size).times(TRADE_MARGIN)
    values = [weight * held.nav_usd for weight in weights]
    cost_usd = COST * sum(abs(to - at) for to, at in zip(values, held.values_usd, strict=True))
    debt_usd = max(0.0, sum(values) - held.nav_usd + cost_usd)
    return placed(terms, values, debt_usd, floors, move_cost=move_cost)


def decided(snapshot: MarketSnapshot, weights: tuple[float, ...], move_cost: float = 1e-4) -> Decision | None:
    placement = a_placement(snapshot, weights, move_cost)
    if placement is None:
        return None
    return replace(a_decision(snapshot, weights, Action.REBALANCE), placement=placement)


def places(plan: RebalancePlan) -> set[int]:
    return {step.account for step in plan.steps if step.route is None}


def run(plan: RebalancePlan, snapshot: MarketSnapshot, decision: Decision) -> dict[int, float]:
    """At the worst fills: nothing is overdrawn, and no account falls below its ends or the vault's
    floor on the way. Returns the health
    factor of each account at the end."""
    context = planning_context(decision, snapshot, POLICY)
    books = context.books([a.venue.place for a in accounts(snapshot)], plan.flash_amount, mined=True)
    before = {place: book.health_factor() for place, book in books.items()}
    lowest = dict(before)
    for step in plan.steps:
        book = books[step.account]
        book.apply(step)
        assert book.overdrawn() == 0, step
        lowest = {place: min(low, books[place].health_factor()) for place, low in lowest.items()}
    cash = snapshot.debt_token.symbol
    assert books[0].idle[cash] >= plan.flash_amount + context.lender.premium(plan.flash_amount)
    ends = {place: book.health_factor() for place, book in books.items()}
    floor = snapshot.vault.policy.min_health / WAD
    for place, low in lowest.items():
        assert low >= min(before[place], ends[place], floor) * (1.0 - 1e-9)
    return ends


def test_collateral_and_debt_move_to_the_cheaper_account_without_a_trade() -> None:
    snapshot = with_reserve(BOTH, "WETH", supply_rate=0.0)
    decision = decided(snapshot, portfolio(snapshot).weights)
    assert decision is not None
    plan = planned(decision, snapshot, POLICY)
    ends = run(plan, snapshot, decision)
    assert places(plan) == {0, 1}
    assert {step.kind for step in plan.steps} == {
        StepKind.REPAY,
        StepKind.WITHDRAW,
        StepKind.SUPPLY,
        StepKind.BORROW,
    }
    # Morpho lends it without a premium, and nothing is sold.
    assert (plan.account, plan.cost.flash, plan.turnover_usd) == (1, 0.0, 0.0)
    assert plan.cost.total == plan.cost.gas > 0.0
    assert min(ends.values()) >= POLICY.size.min_health_factor * 0.999
    assert plan.expected.weights == pytest.approx(portfolio(snapshot).weights, rel=1e-6)
    assert plan.expected.nav_usd == pytest.approx(portfolio(snapshot).nav_usd, rel=1e-6)
    assert decision.placement is not None
    assert decision.placement.carry_usd < 75_000 * 0.04


def test_levering_up_supplies_and_borrows_where_the_placement_says() -> None:
    decision = decided(BOTH, (0.4, 0.4, 0.4, 0.4))
    assert decision is not None
    assert decision.placement is not None
    plan = planned(decision, BOTH, POLICY)
    ends = run(plan, BOTH, decision)
    assert plan.expected.leverage == pytest.approx(1.6, abs=0.01)
    assert plan.expected.health_factors == pytest.approx(tuple(ends.values()), rel=0.02)
    shares_of_debt = decision.placement.debt_shares()
    borrowed = {step.account: step.amount for step in plan.steps if step.kind is StepKind.BORROW}
    assert set(borrowed) <= {place for place, share in shares_of_debt.items() if share}


@given(
    start=shares,
    leverage=st.floats(0.1, 1.6),
    goal=shares,
    to=st.floats(0.1, 1.7),
    rates=st.tuples(st.floats(0.005, 0.2), st.floats(0.3, 0.9)),
    stays=st.booleans(),
)
@examples(30)
def test_any_goal_ends_at_its_placement_and_is_safe_on_the_way(
    start: list[float],
    leverage: float,
    goal: list[float],
    to: float,
    rates: tuple[float, float],
    stays: bool,
) -> None:
    first = with_depths(a_snapshot(weights=weights_of(start, leverage), leverage=leverage, nav_usd=250_000.0))
    rate, part = rates
    weth = part * portfolio(first).values_usd[first.risk_symbols.index("WETH")]
    snapshot = with_morpho_account(first, "WETH", weth, 0.4 * weth, rate=rate)
    weights = weights_of(goal, to)
    assume(worth_trading(snapshot, weights))
    decision = decided(snapshot, weights, STAYING if stays else 1e-4)
    assume(decision is not None)
    assert decision is not None
    assert decision.placement is not None
    plan = planned(decision, snapshot, POLICY)
    ends = run(plan, snapshot, decision)
    assert min(ends.values()) >= snapshot.vault.policy.min_health / WAD
    assert plan.expected.leverage == pytest.approx(math.fsum(weights), abs=0.02)


def test_what_one_account_alone_does_needs_no_flash_loan() -> None:
    """Two accounts on Aave, whose flash loan has a premium: the small purchase is made in one of them without."""
    snapshot = with_aave_account(FIRST, {}, 0.0)
    now = portfolio(snapshot).weights
    decision = decided(snapshot, (now[0] + 0.02, *now[1:]), STAYING)
    assert decision is not None
    plan = planned(decision, snapshot, POLICY)
    run(plan, snapshot, decision)
    assert len(places(plan)) == 1
    assert plan.flash_amount == 0


def test_three_accounts_of_two_protocols_sell_together() -> None:
    decision = decided(THREE, (0.1, 0.1, 0.1, 0.1))
    assert decision is not None
    plan = planned(decision, THREE, POLICY)
    run(plan, THREE, decision)
    assert plan.expected.leverage == pytest.approx(0.4, abs=0.01)
    assert plan.expected.health_factor == math.inf


def closed_to_debt(snapshot: MarketSnapshot) -> MarketSnapshot:
    """Nothing can be borrowed in the other account any more."""
    other = snapshot.others[0]
    reserves = (replace(other.reserves[0], borrowing_enabled=False), *other.reserves[1:])
    return replace(snapshot, others=(replace(other, reserves=reserves),))


CHEAP = with_reserve(BOTH, "WETH", supply_rate=0.0)
"""Aave's yield on collateral does not keep the debt there."""


def test_no_account_alone_takes_the_debt_of_a_placement_that_cannot_be_made() -> None:
    """Nobody judged the first account by the losses after which it would have to stand with all of the debt."""
    decision = decided(CHEAP, (0.4, 0.4, 0.4, 0.4))
    assert decision is not None
    assert decision.placement is not None
    assert decision.placement.debt_shares()[1] > 0.1
    with pytest.raises(NothingFeasible, match="cannot be borrowed now"):
        planned(decision, closed_to_debt(CHEAP), POLICY)


def test_sales_in_one_account_stand_in_for_a_placement_that_cannot_be_made() -> None:
    decision = decided(CHEAP, (0.28, 0.28, 0.28, 0.28))
    assert decision is not None
    assert decision.placement is not None
    assert decision.placement.debt_shares()[1] > 0.1
    plan = planned(decision, closed_to_debt(CHEAP), POLICY)
    assert StepKind.BORROW not in {step.kind for step in plan.steps}
    assert places(plan) == {0}
    assert plan.expected.leverage < portfolio(CHEAP).leverage


@given(
    start=shares,
    leverage=st.floats(0.6, 1.6),
    part=st.floats(0.3, 0.99),
    loan=st.floats(0.05, 0.55),
    rate=st.floats(0.001, 0.3),
)
@examples(30)
def test_sales_alone_borrow_nothing_and_move_no_debt(
    start: list[float], leverage: float, part: float, loan: float, rate: float
) -> None:
    first = with_depths(a_snapshot(weights=weights_of(start, leverage), leverage=leverage, nav_usd=250_000.0))
    weth = 0.5 * portfolio(first).values_usd[first.risk_symbols.index("WETH")]
    snapshot = with_morpho_account(first, "WETH", weth, loan * weth, rate=rate)
    now = portfolio(snapshot).weights
    goal = tuple(part * weight for weight in now)
    assume(worth_trading(snapshot, goal))
    trade = consider(
        a_position(snapshot, POLICY), replace(a_move(goal), sells_only=True), Urgency.OUT_OF_BAND
    )
    assert isinstance(trade.placing, Placing)
    decision = replace(
        a_decision(snapshot, goal, Action.REBALANCE), sells_only=True, placement=trade.placing.placement
    )
    plan = planned(decision, snapshot, POLICY)
    assert not {step.kind for step in plan.steps} & {StepKind.BORROW, StepKind.SUPPLY}
    ends = run(plan, snapshot, decision)
    for account in accounts(snapshot):
        before, floor = account.account.health_factor / WAD, POLICY.size.min_health_factor
        assert ends[account.venue.place] >= min(before, floor) * (1.0 - 1e-3)
    assert plan.expected.leverage < portfolio(snapshot).leverage


def test_what_cannot_leave_is_not_sold_and_nothing_is_bought_for_it() -> None:
    """Three quarters of the WETH stand on a market that gives nothing back."""
    snapshot = with_morpho_account(CHEAP, "WETH", 180_000.0, 60_000.0, rate=0.04)
    other = snapshot.others[1]
    dry = replace(other, reserves=tuple(replace(reserve, available=0) for reserve in other.reserves))
    snapshot = replace(snapshot, others=(snapshot.others[0], dry))
    now = portfolio(snapshot).weights
    goal = (now[0] + 0.8 * now[1], 0.2 * now[1], *now[2:])
    decision = decided(snapshot, goal, STAYING)
    assert decision is not None
    plan = planned(decision, snapshot, POLICY)
    run(plan, snapshot, decision)
    can_leave = snapshot.value_usd("WETH", snapshot.holding("WETH").supplied)
    assert plan.turnover_usd == pytest.approx(can_leave, rel=0.05)
    assert plan.expected.leverage == pytest.approx(portfolio(snapshot).leverage, rel=0.01)
