"""The minimum health factor between two steps of a call, each constant by what a plan does with it."""

from __future__ import annotations

import pytest

from keeper.domain.decision import Action
from keeper.domain.units import WAD
from keeper.domain.urgency import Urgency
from keeper.lending.aave import AaveV3
from keeper.lending.book import LendingBook
from keeper.planning.min_health_factor import of_emergency, of_rebalance
from tests.factories import a_policy, a_snapshot, with_reserve
from tests.planning.ledger import Ledger, a_decision
from tests.planning.plans import lowest_health_factor, planned

LEVERED = a_snapshot(weights=(1.0, 1.0, 0.3, 0.2))


def lowest_in_emergency(*, flash_loan: bool) -> float:
    """In a plan that halves all weights, of a vault far enough from liquidation."""
    snapshot = LEVERED if flash_loan else with_reserve(LEVERED, "USDC", flash_loan_enabled=False)
    goal = tuple(0.5 * weight for weight in Ledger(snapshot).weights())
    decision = a_decision(snapshot, goal, Action.RIPCORD, Urgency.EMERGENCY)
    plan = planned(decision, snapshot, a_policy())
    assert (plan.flash_amount > 0) is flash_loan
    return lowest_health_factor(plan.steps, plan.flash_amount, snapshot)


def test_a_flash_loan_in_an_emergency_keeps_a_tenth_above_aaves_minimum() -> None:
    """More would cost premium, less would let a small fall of prices revert the call."""
    assert lowest_in_emergency(flash_loan=True) == pytest.approx(1.10, abs=0.01)


def test_without_a_flash_loan_an_emergency_withdraws_down_to_two_per_cent_above_aaves_minimum() -> None:
    assert lowest_in_emergency(flash_loan=False) == pytest.approx(1.02, abs=0.005)


def test_a_flash_loan_that_the_sales_cannot_pay_may_go_down_to_aaves_minimum() -> None:
    assert of_emergency(flash_loan=True).enforced == 1.0
    assert of_emergency(flash_loan=False).enforced == of_emergency(flash_loan=False).sized_for


@pytest.mark.parametrize(("floor", "kept"), [(1.0, 1.0), (9.0, None)])
def test_a_rebalance_keeps_the_vaults_floor_or_where_the_vault_is(floor: float, kept: float | None) -> None:
    book = LendingBook.when_mined(LEVERED, AaveV3.of(LEVERED))
    minimum = of_rebalance(int(floor * WAD), book)
    assert minimum.sized_for == minimum.enforced == (kept or book.health_factor())
