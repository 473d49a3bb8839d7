"""The checks after a plan was mined: a limit just met passes, just missed fails, and other accounts have no effect."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from keeper.domain.decision import Action
from keeper.domain.market import MarketSnapshot
from keeper.domain.observation import Observation
from keeper.domain.plan import PostState
from keeper.domain.portfolio import portfolio
from keeper.domain.units import BPS
from keeper.domain.urgency import Urgency
from keeper.planning.checks import POST_TRADE_CHECKS
from keeper.planning.executed_swaps import StepAmounts, build_executed_swaps
from keeper.planning.post_trade import SimulatedPlan, post_trade_checks, violations, warnings
from keeper.risk.contributions import risk_shares
from keeper.sizing.size import size
from tests.factories import (
    a_block,
    a_model,
    a_policy,
    a_simulation,
    a_snapshot,
    an_executed_swap,
    with_holding,
    with_market_move,
    with_vault,
)
from tests.planning.ledger import Ledger, a_decision, as_quoted
from tests.planning.plans import planned

POLICY, MODEL = a_policy(), a_model()


def promised(before: MarketSnapshot, **changes: Any) -> SimulatedPlan:
    """A plan from what is held to the target, quoted and simulated alike."""
    target = size(MODEL, Observation(before), POLICY)
    decision = a_decision(before, target.weights, **changes)
    held = portfolio(before).weights
    current = replace(
        decision.current, weights=held, risk_shares=tuple(risk_shares(held, MODEL.covariance).tolist())
    )
    decision = replace(decision, current=current)
    plan = planned(decision, before, POLICY)
    return SimulatedPlan(
        snapshot=before,
        model=MODEL,
        target=target,
        decision=decision,
        plan=plan,
        simulation=a_simulation(post=plan.expected),
        policy=POLICY,
    )


def mined(given: SimulatedPlan) -> MarketSnapshot:
    """The vault after every swap returned what was quoted."""
    ledger = Ledger(given.snapshot)
    ledger.run(given.plan, as_quoted)
    holdings = tuple(
        replace(holding, idle=ledger.idle[holding.symbol], supplied=ledger.supplied[holding.symbol], owed=0)
        for holding in given.snapshot.holdings
    )
    holdings = (replace(holdings[0], owed=ledger.debt), *holdings[1:])
    return replace(given.snapshot, holdings=holdings)


CASH = a_snapshot(block=a_block(base_fee_wei=400 * 10**9))  # too expensive for a deleverage loop
LEVERED = promised(CASH)
AFTER = mined(LEVERED)


def failed(given: SimulatedPlan, after: MarketSnapshot, **observed: Any) -> set[str]:
    checks = post_trade_checks(
        given, after, observed.get("allowances", {}), observed.get("executed_swaps", ())
    )
    assert {check.name for check in checks} <= set(POST_TRADE_CHECKS)
    assert {*violations(checks), *warnings(checks)} == {check for check in checks if not check.passed}
    return {check.name for check in checks if not check.passed}


def with_more(snapshot: MarketSnapshot, symbol: str, part: float) -> MarketSnapshot:
    """Collateral of one asset bought with debt, in parts of NAV."""
    nav = portfolio(snapshot).nav_usd
    price = snapshot.price(symbol) / 10**8
    raw = round(part * nav / price * 10 ** snapshot.token(symbol).decimals)
    more = with_holding(snapshot, symbol, supplied=snapshot.holding(symbol).supplied + raw)
    return with_holding(more, "USDC", owed=snapshot.holdings[0].owed + round(part * nav * 10**6))


def test_a_plan_that_went_as_expected_passes_everything() -> None:
    outs = [step.expected_out for step in LEVERED.plan.steps]
    executed_swaps = build_executed_swaps(LEVERED.plan, CASH, StepAmounts(outs), StepAmounts(outs))
    checks = post_trade_checks(LEVERED, AFTER, {}, executed_swaps)
    assert [check.name for check in checks] == list(POST_TRADE_CHECKS)
    assert all(check.passed for check in checks)


def test_leverage_beyond_its_tolerance_is_a_violation() -> None:
    due = max(LEVERED.target.leverage, LEVERED.plan.expected.leverage)  # costs leave less NAV to lever
    room = due + POLICY.plan.leverage_tolerance - portfolio(AFTER).leverage
    for part, expected in ((0.24 * room, set()), (0.26 * room, {"leverage_within_target"})):
        after = AFTER
        for symbol in AFTER.risk_symbols:
            after = with_more(after, symbol, part)
        assert failed(LEVERED, after) - {"nav_as_simulated"} == expected


def test_risk_spread_worse_than_before_and_beyond_the_band_is_a_violation() -> None:
    second = promised(AFTER)
    worse = with_more(with_more(AFTER, "UNI", 0.15), "WBTC", -0.15)
    assert "risk_spread_improved" in failed(second, worse)
    assert "risk_spread_improved" not in failed(LEVERED, worse)  # cash was spread worse still


def test_any_remaining_allowance_is_a_violation() -> None:
    assert failed(LEVERED, AFTER, allowances={"USDC": 1}) == {"no_allowance_left"}


@pytest.mark.parametrize("part", [-0.3, 0.3])
def test_a_market_move_in_between_fails_no_check(part: float) -> None:
    assert failed(LEVERED, with_market_move(AFTER, 1.0 + part)) == set()


@pytest.mark.parametrize("part", [-0.1, 0.25])
def test_deposits_and_withdrawals_in_between_fail_no_check(part: float) -> None:
    """They bring and take cash, and shares with it."""
    nav = portfolio(AFTER).nav_usd
    cash = AFTER.holdings[0].idle + round(part * nav * 10**6)
    owed = AFTER.holdings[0].owed
    if cash < 0:
        cash, owed = 0, owed - cash
    moved = with_holding(AFTER, "USDC", idle=cash, owed=owed)
    shares = round(AFTER.vault.total_shares * (1.0 + part))
    assert failed(LEVERED, with_vault(moved, total_shares=shares)) == set()


def test_nav_and_outputs_off_by_more_than_tolerated_are_warnings() -> None:
    tolerance = POLICY.plan.nav_tolerance_bps
    for off, wrong in ((tolerance - 1, False), (tolerance + 1, True)):
        short = 1.0 - off / BPS
        post = LEVERED.simulation.post
        assert isinstance(post, PostState)
        simulation = replace(LEVERED.simulation, post=replace(post, nav_usd=portfolio(AFTER).nav_usd / short))
        swap = an_executed_swap(quoted_out=10**9, simulated_out=10**9, realised_out=round(10**9 * short))
        checks = post_trade_checks(
            replace(LEVERED, simulation=simulation), AFTER, {}, (an_executed_swap(), swap)
        )
        assert {check.name for check in warnings(checks)} == (
            {"nav_as_simulated", "outputs_as_simulated", "outputs_as_quoted"} if wrong else set()
        )
        assert violations(checks) == ()


def test_a_swap_that_returned_more_is_no_warning() -> None:
    swap = an_executed_swap(quoted_out=10**9, simulated_out=10**9, realised_out=2 * 10**9)
    assert failed(LEVERED, AFTER, executed_swaps=(swap,)) == set()


def test_after_a_ripcord_leverage_must_not_have_risen_and_the_risk_spread_is_not_checked() -> None:
    held = a_snapshot(weights=(0.6, 0.5, 0.4, 0.3))
    lowered = promised(held, action=Action.RIPCORD, urgency=Urgency.EMERGENCY)
    names = {check.name for check in post_trade_checks(lowered, held, {}, ())}
    assert "risk_spread_improved" not in names
    assert "leverage_within_target" not in failed(lowered, held)
    assert "leverage_within_target" not in failed(lowered, with_more(held, "UNI", 0.01))
    assert "leverage_within_target" in failed(lowered, with_more(held, "UNI", 0.03))


def test_executed_swaps_are_measured_against_the_feeds() -> None:
    outs = [step.expected_out for step in LEVERED.plan.steps]
    swaps = [step for step in LEVERED.plan.steps if step.route is not None]
    executed_swaps = build_executed_swaps(LEVERED.plan, CASH, StepAmounts(), StepAmounts(outs))
    assert [(swap.sold, swap.bought) for swap in executed_swaps] == [
        (step.route.symbols[0], step.route.symbols[-1]) for step in swaps if step.route is not None
    ]
    for swap, step in zip(executed_swaps, swaps, strict=True):
        assert swap.value_usd == pytest.approx(step.expected_in / 10**6)
        assert swap.fees_bps < swap.quoted_bps == swap.realised_bps < swap.fees_bps + 10.1
        assert swap.simulated_out is None
    assert build_executed_swaps(LEVERED.plan, CASH, StepAmounts(outs), StepAmounts(outs[1:])) == ()
