"""Room for redemptions, in exact integers: the cash is there whatever the fills, or the floor of the health factor is."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from keeper.domain.errors import NothingFeasible
from keeper.domain.observation import Observation
from keeper.domain.plan import StepKind
from keeper.domain.portfolio import portfolio
from keeper.domain.units import UINT256_MAX
from keeper.sizing.size import size
from tests.factories import a_model, a_policy, a_size_policy, a_snapshot, with_holding, with_redemptions
from tests.planning.ledger import Ledger, a_decision, as_quoted, at_its_limit
from tests.planning.plans import planned, shares, weights_of
from tests.properties import examples

USDC = 10**6
NAV = 1_000_000
POLICY = a_policy(size=a_size_policy(idle_buffer=0.01))


@examples(150)
@given(shares, st.floats(0.3, 1.9), st.floats(0.05, 1.0), st.integers(0, 300_000))
@example([1.0, 1.0, 0.0, 1.0], 1.5, 0.96875, 0)  # debt that nothing was going to repay
def test_afterwards_what_waits_is_idle_or_the_floor_is_reached(
    held: list[float], leverage: float, part: float, idle: int
) -> None:
    snapshot = with_holding(a_snapshot(weights=weights_of(held, leverage)), "USDC", idle=idle * USDC)
    nav = portfolio(snapshot).nav_usd
    snapshot = with_redemptions(snapshot, part * nav / NAV)
    assert snapshot.redemptions is not None
    target = size(a_model(), Observation(snapshot), POLICY)
    assume(max(abs(a - b) for a, b in zip(Ledger(snapshot).weights(), target.weights, strict=True)) > 0.01)
    plan = planned(a_decision(snapshot, target.weights), snapshot, POLICY)
    for filling in (at_its_limit, as_quoted):
        after = Ledger(snapshot)
        after.run(plan, filling)
        # What the trades cost is borne by those who leave as well.
        lost = max(0.0, 1.0 - after.nav_usd() / nav)
        due = snapshot.redemptions.value * (1.0 - lost)
        at_the_floor = after.health_factor() < POLICY.size.min_health_factor * 1.02
        assert after.idle["USDC"] >= due - 10 * USDC or at_the_floor
        assert after.health_factor() >= POLICY.size.min_health_factor * 0.99
    assert plan.expected.health_factor >= POLICY.size.min_health_factor * (1 - 20e-4)


def test_a_goal_cut_short_leaves_as_much_as_the_floor_allows() -> None:
    snapshot = with_redemptions(a_snapshot(weights=(0.6, 0.5, 0.3, 0.2)), 0.6)
    goal = tuple(0.9 * weight for weight in portfolio(snapshot).weights)
    plan = planned(a_decision(snapshot, goal), snapshot, POLICY)
    after = Ledger(snapshot)
    after.run(plan, at_its_limit)
    assert 0 < after.idle["USDC"] < 600_000 * USDC
    assert after.health_factor() == pytest.approx(POLICY.size.min_health_factor, rel=1e-3)


def test_when_everybody_leaves_the_whole_debt_goes_first_with_the_interest_still_to_come() -> None:
    snapshot = with_redemptions(a_snapshot(weights=(0.5, 0.4, 0.2, 0.2)), 1.0)
    plan = planned(a_decision(snapshot, (0.0,) * 4), snapshot, POLICY)
    first, *rest = plan.steps
    assert (first.kind, first.amount) == (StepKind.REPAY, UINT256_MAX)
    assert first.expected_in == snapshot.holdings[0].owed
    assert plan.flash_amount > snapshot.holdings[0].owed
    assert StepKind.BORROW not in {step.kind for step in rest}
    after = Ledger(snapshot)
    after.run(plan, at_its_limit)
    assert after.debt == 0
    assert math.isinf(plan.expected.health_factor)
    assert after.idle["USDC"] == pytest.approx(after.nav_usd() * USDC, rel=1e-5)


def test_cash_that_alone_is_missing_is_borrowed() -> None:
    snapshot = with_holding(a_snapshot(weights=(0.3, 0.3, 0.1, 0.1)), "USDC", idle=100_000 * USDC)
    snapshot = with_redemptions(snapshot, 0.3)
    plan = planned(a_decision(snapshot, portfolio(snapshot).weights), snapshot, POLICY)
    assert [step.kind for step in plan.steps] == [StepKind.BORROW]
    after = Ledger(snapshot)
    after.run(plan, at_its_limit)
    assert after.idle["USDC"] >= 300_000 * USDC


def test_without_a_queue_a_plan_without_trades_is_still_refused() -> None:
    snapshot = a_snapshot(weights=(0.3, 0.3, 0.1, 0.1))
    with pytest.raises(NothingFeasible):
        planned(a_decision(snapshot, portfolio(snapshot).weights), snapshot, POLICY)
