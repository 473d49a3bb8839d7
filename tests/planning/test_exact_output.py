"""All debt repaid by sales that return exactly what is owed: never dearer, never less certain, nothing left over."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from keeper.domain.decision import Action, Decision
from keeper.domain.market import MarketSnapshot
from keeper.domain.plan import StepKind
from keeper.domain.policy import Policy
from keeper.domain.portfolio import portfolio
from keeper.domain.units import BPS, UINT256_MAX, usd
from keeper.domain.urgency import Urgency
from keeper.planning.candidates import CandidatePlan
from keeper.planning.context import planning_context
from keeper.planning.exact_output import with_exact_output
from keeper.planning.executed_swaps import StepAmounts, build_executed_swaps
from keeper.planning.execution_order import fills_of
from keeper.planning.fills import Fill
from keeper.planning.flash_loan import around_flash_loan
from keeper.planning.netting import netting
from keeper.planning.quotes import quote_requests
from keeper.planning.split import by_route
from tests.factories import a_plan_policy, a_policy, a_size_policy, a_snapshot, with_holding, with_redemptions
from tests.planning.ledger import Ledger, a_decision, a_quote, as_quoted, at_its_limit
from tests.planning.plans import lowest_health_factor, planned, shares, weights_of
from tests.planning.pools import Pool
from tests.properties import examples

USDC = 10**6
DUST = 50 * USDC
SLIPPAGE = 0.03

levered = st.floats(1.05, 1.9)
buffers = st.sampled_from([0.0, 0.01, 0.05])


def a_policy_with(buffer: float) -> Policy:
    return a_policy(size=a_size_policy(idle_buffer=buffer), plan=a_plan_policy(public_tolerance_bps=150))


def all_debt(snapshot: MarketSnapshot) -> Decision:
    """As much is sold of everything as repays all debt after the whole emergency slippage."""
    held = portfolio(snapshot)
    kept = max(0.0, 1.0 - held.debt_usd * 1.0005 / (1.0 - SLIPPAGE) / sum(held.values_usd))
    return a_decision(
        snapshot, tuple(kept * weight for weight in held.weights), Action.RIPCORD, Urgency.EMERGENCY
    )


def sold_by_size(decision: Decision, snapshot: MarketSnapshot, policy: Policy) -> CandidatePlan:
    """The candidate before its sales are exact outputs."""
    required = netting(decision, snapshot, policy).trades
    quotes = [a_quote(request, snapshot) for request in quote_requests(required, snapshot)]
    context = planning_context(decision, snapshot, policy)
    return around_flash_loan(fills_of(required, by_route(quotes), context), context)


def paid_at_most(candidate: CandidatePlan) -> dict[str, int]:
    found: dict[str, int] = {}
    for step in candidate.steps:
        if step.route is not None:
            most = step.limit if step.kind is StepKind.SWAP_EXACT_OUT else step.amount
            found[step.route.symbols[0]] = found.get(step.route.symbols[0], 0) + most
    return found


@examples(150)
@given(shares, levered, st.integers(0, 300_000), buffers, st.sampled_from([0.0, 0.02]), st.integers(0, BPS))
def test_the_debt_is_cleared_whatever_the_fills_and_only_what_is_wanted_stays_idle(
    held: list[float], leverage: float, idle: int, buffer: float, queued: float, interest_part: int
) -> None:
    """Also when interest is added until the transaction is mined."""
    snapshot = with_holding(a_snapshot(weights=weights_of(held, leverage)), "USDC", idle=idle * USDC)
    snapshot = with_redemptions(snapshot, queued)
    owed, policy = snapshot.holdings[0].owed, a_policy_with(buffer)
    plan = planned(all_debt(snapshot), snapshot, policy)
    assert snapshot.redemptions is not None
    waits = snapshot.redemptions.value
    stays = waits + int(buffer * (portfolio(snapshot).nav_usd * USDC - waits))
    enough = idle * USDC - owed
    exact = [step for step in plan.steps if step.kind is StepKind.SWAP_EXACT_OUT]
    assume(exact or stays < 0.01 * owed)
    for fill in (at_its_limit, as_quoted):
        after = Ledger(snapshot)
        after.debt += owed * interest_part // (BPS * BPS)
        after.run(plan, fill)
        assert after.debt == 0
        assert after.idle["USDC"] <= max(stays, enough) + owed // BPS + USDC
        assert not exact or after.idle["USDC"] >= stays
    assert lowest_health_factor(plan.steps, plan.flash_amount, snapshot) > 1.0


@examples(100)
@given(shares, levered, buffers)
def test_no_more_is_paid_than_would_have_been_sold_and_no_output_asked_beyond_the_certain(
    held: list[float], leverage: float, buffer: float
) -> None:
    snapshot, policy = a_snapshot(weights=weights_of(held, leverage)), a_policy_with(buffer)
    decision = all_debt(snapshot)
    before = sold_by_size(decision, snapshot, policy)
    after = with_exact_output(before, planning_context(decision, snapshot, policy))
    assert paid_at_most(after) == paid_at_most(before)
    assert [step.kind for step in after.steps if step.route is None] == [
        step.kind for step in before.steps if step.route is None
    ]
    if after is before:
        return
    for sized, exact in zip(before.fills, after.fills, strict=True):
        assert exact.amount_out <= sized.min_out
        assert exact.trade.amount_in <= sized.trade.amount_in
        # An output that grows ever more slowly: the first part of it costs less than its share.
        assert exact.trade.amount_in * sized.amount_out <= sized.trade.amount_in * (exact.amount_out + 1) + (
            sized.amount_out
        )
    swaps = [step for step in after.steps if step.route is not None]
    assert {step.kind for step in swaps} == {StepKind.SWAP_EXACT_OUT}
    assert {step.symbol for step in swaps} == {"USDC"}
    assert [step.expected_in for step in swaps] == [fill.trade.amount_in for fill in after.fills]


@examples(60)
@given(shares, levered)
def test_what_is_expected_is_what_the_steps_leave(held: list[float], leverage: float) -> None:
    snapshot = a_snapshot(weights=weights_of(held, leverage))
    plan = planned(all_debt(snapshot), snapshot, a_policy_with(0.0))
    ledger = Ledger(snapshot)
    ledger.run(plan, as_quoted)
    assert plan.expected.weights == pytest.approx(ledger.weights(), abs=1e-8)
    assert plan.expected.nav_usd == pytest.approx(ledger.nav_usd(), rel=1e-8)
    assert plan.expected.health_factor == float("inf")
    lost = portfolio(snapshot).nav_usd - ledger.nav_usd()
    assert plan.cost.total - plan.cost.gas == pytest.approx(lost, rel=1e-6, abs=0.01)


def test_three_per_cent_of_the_debt_are_no_longer_sold() -> None:
    snapshot = a_snapshot(weights=(0.5, 0.4, 0.3, 0.3))
    policy, decision = a_policy_with(0.0), all_debt(snapshot)
    before = sold_by_size(decision, snapshot, policy)
    after = with_exact_output(before, planning_context(decision, snapshot, policy))
    sold = [sum(fill.trade.value_usd for fill in plan.fills) for plan in (before, after)]
    assert sold[0] == pytest.approx(500_000 * 1.0005 / 0.97, rel=1e-6)
    assert sold[1] == pytest.approx(500_000, rel=0.006)  # what pools take for themselves


@examples(60)
@given(st.floats(0.7, 1.0), st.floats(1e-4, 0.05))
def test_what_an_output_costs_is_read_off_the_quote(share: float, impact: float) -> None:
    """At a pool of constant product whose price is the feeds'."""
    snapshot = a_snapshot(weights=(0.0, 1.5, 0.0, 0.0))
    policy, decision = a_policy_with(0.0), all_debt(snapshot)
    found = sold_by_size(decision, snapshot, policy)
    (fill,) = (
        replace(one, trade=replace(one.trade, amount_in=sum(other.trade.amount_in for other in found.fills)))
        for one in found.fills[:1]
    )
    amount, price = fill.trade.amount_in, Fraction(snapshot.price("WETH"), 10**8) * USDC / 10**18
    value = usd(amount, 18, snapshot.price("WETH"))
    pool = Pool(int(amount / impact), price, 0)
    out = pool.out(amount)
    whole = Fill(
        trade=replace(fill.trade, value_usd=value),
        route=fill.route,
        amount_out=out,
        min_out=out,
        fees_usd=0.0,
        impact_usd=value - out / USDC,
    )
    owed = int(out * share)
    held = with_holding(snapshot, "USDC", owed=owed, idle=-(-owed // BPS))
    context = planning_context(decision, held, policy)
    (exact,) = with_exact_output(around_flash_loan([whole], context), context).fills
    least = 0
    most = amount
    while least < most:
        middle = (least + most) // 2
        least, most = (least, middle) if pool.out(middle) >= exact.amount_out else (middle + 1, most)
    assert exact.trade.amount_in == pytest.approx(least, rel=impact**2)


def test_where_cash_repays_all_nothing_is_sold() -> None:
    snapshot = with_holding(a_snapshot(weights=(0.5, 0.4, 0.3, 0.3)), "USDC", idle=600_000 * USDC)
    plan = planned(all_debt(snapshot), snapshot, a_policy_with(0.0))
    assert [(step.kind, step.amount) for step in plan.steps] == [(StepKind.REPAY, UINT256_MAX)]
    assert (plan.turnover_usd, plan.flash_amount) == (0.0, 0)
    assert plan.expected.health_factor == float("inf")


def test_a_buffer_that_takes_up_the_slippage_leaves_the_sales_as_they_are() -> None:
    snapshot = a_snapshot(weights=(0.5, 0.4, 0.3, 0.3))
    plan = planned(all_debt(snapshot), snapshot, a_policy_with(0.05))
    assert StepKind.SWAP_EXACT_OUT not in {step.kind for step in plan.steps}


def test_a_ripcord_to_a_health_factor_sells_by_size() -> None:
    snapshot = a_snapshot(weights=(0.5, 0.4, 0.3, 0.3))
    goal = tuple(0.8 * weight for weight in portfolio(snapshot).weights)
    plan = planned(
        a_decision(snapshot, goal, Action.RIPCORD, Urgency.EMERGENCY), snapshot, a_policy_with(0.0)
    )
    assert StepKind.SWAP_EXACT_OUT not in {step.kind for step in plan.steps}
    assert plan.expected.health_factor < 1e6


@examples(100)
@given(shares, levered, shares, st.floats(0.3, 1.0), buffers)
def test_a_planned_trade_never_certainly_has_more_cash_than_its_goal_wants(
    held: list[float], leverage: float, wanted: list[float], then: float, buffer: float
) -> None:
    snapshot, policy = a_snapshot(weights=weights_of(held, leverage)), a_policy_with(buffer)
    plan = planned(a_decision(snapshot, weights_of(wanted, then)), snapshot, policy)
    assert StepKind.SWAP_EXACT_OUT not in {step.kind for step in plan.steps}
    after = Ledger(snapshot)
    after.run(plan, at_its_limit)
    due = max(1.0 - then, buffer) * portfolio(snapshot).nav_usd
    assert after.idle["USDC"] / USDC - after.debt / USDC <= due + 4 * policy.plan.dust_usd + 1.0


def test_an_exact_leg_costs_what_was_paid_for_what_came() -> None:
    """A bp dearer than simulated, which was a bp dearer than quoted."""
    snapshot = a_snapshot(weights=(0.5, 0.4, 0.3, 0.3))
    plan = planned(all_debt(snapshot), snapshot, a_policy_with(0.0))
    outs = [step.expected_out for step in plan.steps]
    simulated, paid = ([step.expected_in * (BPS + bp) // BPS for step in plan.steps] for bp in (1, 2))
    executed_swaps = build_executed_swaps(
        plan, snapshot, simulated=StepAmounts(outs, simulated), realised=StepAmounts(outs, paid)
    )
    swaps = [step for step in plan.steps if step.kind is StepKind.SWAP_EXACT_OUT]
    assert len(executed_swaps) == len(swaps) >= 4
    for swap, step in zip(executed_swaps, swaps, strict=True):
        assert step.route is not None
        assert (swap.sold, swap.bought) == (step.route.symbols[0], "USDC")
        assert swap.realised_out == step.amount
        assert swap.quoted_bps == pytest.approx(
            swap.fees_bps + 10, abs=0.4
        )  # a part costs less than the whole
        assert swap.simulated_bps is not None
        assert swap.simulated_bps - swap.quoted_bps == pytest.approx(1.0, abs=0.02)
        assert swap.realised_bps - swap.quoted_bps == pytest.approx(2.0, abs=0.02)
    untold = build_executed_swaps(plan, snapshot, simulated=StepAmounts(), realised=StepAmounts(outs))
    assert [swap.simulated_out for swap in untold] == [None] * len(swaps)
    assert all(swap.realised_bps == pytest.approx(swap.quoted_bps, abs=1e-3) for swap in untold)
