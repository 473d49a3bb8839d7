"""A rebalance to less debt that cannot reach its goal makes the part of it that lowers the debt."""

from __future__ import annotations

from copy import copy
from dataclasses import replace

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from keeper.domain.errors import NothingFeasible
from keeper.domain.market import MarketSnapshot
from keeper.domain.plan import RebalancePlan, StepKind
from keeper.domain.portfolio import portfolio
from keeper.domain.units import WAD
from keeper.planning.verify import verify
from tests.factories import (
    a_policy,
    a_simulation,
    a_size_policy,
    a_snapshot,
    with_holding,
    with_redemptions,
    with_reserve,
    with_vault,
    with_vault_policy,
)
from tests.planning.ledger import Ledger, a_decision, as_quoted, at_its_limit
from tests.planning.plans import (
    health_factor_now,
    lowest_health_factor,
    planned,
    shares,
    weights_of,
)
from tests.properties import examples

POLICY = a_policy(size=a_size_policy(min_health_factor=1.4))
LEVERED = a_snapshot(weights=(0.76, 0.92, 0.25, 0.39), nav_usd=115_000.0)
HALF = tuple(0.5 * weight for weight in portfolio(LEVERED).weights)


def without_flash_loan(distance: float, snapshot: MarketSnapshot = LEVERED) -> MarketSnapshot:
    """Its health factor is above the vault's floor by ``distance``."""
    floor = int(health_factor_now(snapshot) * (1.0 - distance) * WAD)
    return with_vault_policy(
        with_reserve(snapshot, "USDC", flash_loan_enabled=False), min_health=floor, max_loss_bps=300
    )


def health_factor_once_paid(ledger: Ledger) -> float:
    """With what redemptions wait for beyond the idle cash counted as debt: it has to be borrowed, or else sold."""
    owing = copy(ledger)
    owing.debt += max(0, ledger.snapshot.redemptions.value - ledger.idle["USDC"])
    return owing.health_factor()


def kinds(plan: RebalancePlan) -> set[StepKind]:
    return {step.kind for step in plan.steps}


def bought(plan: RebalancePlan) -> set[str]:
    return {step.route.symbols[-1] for step in plan.steps if step.route is not None}


def test_what_would_be_bought_of_a_frozen_asset_stays_debt_that_is_repaid() -> None:
    """LINK could not be supplied again, so the whole goal would end at a lower health factor than the floor."""
    frozen = with_reserve(LEVERED, "LINK", frozen=True, ltv_bps=0)
    decision = a_decision(frozen, (0.68, 0.41, 0.50, 0.07))
    plan = planned(decision, frozen, POLICY)
    assert bought(plan) == {"USDC"}
    assert plan.expected.health_factor > portfolio(frozen).health_factor
    assert plan.postponed_usd == pytest.approx(0.25 * 115_000.0, rel=0.02)
    assert verify(plan, a_simulation(post=plan.expected), frozen, decision, POLICY).passed


@pytest.mark.parametrize("distance", [0.001, 0.0015])
def test_without_a_flash_loan_as_much_is_repaid_as_the_health_factor_allows(distance: float) -> None:
    snapshot = without_flash_loan(distance)
    plan = planned(a_decision(snapshot, HALF), snapshot, POLICY)
    held = portfolio(snapshot)
    assert plan.flash_amount == 0
    assert StepKind.REPAY in kinds(plan)
    assert 0.5 * held.leverage * 1.05 < plan.expected.leverage < held.leverage
    assert plan.turnover_usd + plan.postponed_usd == pytest.approx(0.5 * sum(held.values_usd), rel=1e-6)
    floor = snapshot.vault.policy.min_health / WAD
    assert lowest_health_factor(plan.steps, 0, snapshot) >= floor


def test_what_is_asked_for_in_redemptions_is_not_used() -> None:
    cash = 2_000 * 10**6
    waiting = with_redemptions(with_holding(LEVERED, "USDC", idle=cash), cash / (115_000 * 10**6))
    snapshot = without_flash_loan(0.001, waiting)
    plan = planned(a_decision(snapshot, HALF), snapshot, POLICY)
    ledger = Ledger(snapshot)
    ledger.run(plan, at_its_limit)
    assert plan.expected.leverage < portfolio(snapshot).leverage
    assert ledger.idle["USDC"] >= cash


def test_a_goal_without_a_sale_into_the_debt_is_still_refused_for_its_reason() -> None:
    frozen = with_reserve(LEVERED, "LINK", frozen=True)
    with pytest.raises(NothingFeasible, match="SUPPLY of LINK: its reserve is frozen"):
        planned(a_decision(frozen, (0.76, 0.72, 0.45, 0.39)), frozen, POLICY)


def test_a_vault_without_debt_makes_no_part_of_its_goal() -> None:
    frozen = with_reserve(a_snapshot(weights=(0.4, 0.2, 0.0, 0.2)), "LINK", frozen=True)
    with pytest.raises(NothingFeasible, match="SUPPLY of LINK: its reserve is frozen"):
        planned(a_decision(frozen, (0.1, 0.2, 0.2, 0.2)), frozen, POLICY)


def test_redemptions_do_not_wait_for_a_frozen_asset_to_be_bought() -> None:
    frozen = with_reserve(a_snapshot(weights=(0.4, 0.2, 0.0, 0.2)), "LINK", frozen=True)
    snapshot = with_redemptions(frozen, 0.25)
    plan = planned(a_decision(snapshot, (0.1, 0.2, 0.2, 0.2)), snapshot, POLICY)
    assert kinds(plan) == {StepKind.WITHDRAW, StepKind.SWAP_EXACT_IN}
    ledger = Ledger(snapshot)
    ledger.run(plan, at_its_limit)
    assert ledger.idle["USDC"] >= snapshot.redemptions.value


@examples(80)
@given(
    shares, st.floats(1.5, 2.2), st.floats(0.1, 0.5), st.sampled_from(["WBTC", "LINK"]), st.floats(0.0, 0.2)
)
@example(held=[0.0, 0.0, 1.0, 0.5], leverage=1.5, kept=0.5, symbol="LINK", queued=0.125)
@example(held=[1.0, 0.0, 0.0, 0.25], leverage=2.0, kept=0.5, symbol="WBTC", queued=0.125)
def test_a_part_raises_the_health_factor_at_once_or_once_redemptions_are_paid(
    held: list[float], leverage: float, kept: float, symbol: str, queued: float
) -> None:
    """Until they are paid, cash that is kept for them may lower the health factor, but not below the settings' floor.
    Without redemptions it is raised at once."""
    levered = a_snapshot(weights=weights_of(held, leverage))
    snapshot = with_redemptions(with_reserve(levered, symbol, frozen=True), queued)
    frozen = snapshot.risk_symbols.index(symbol)
    weights = portfolio(snapshot).weights
    goal = [kept * weight for weight in weights]
    goal[frozen] = weights[frozen] + 0.1
    assume(sum(weights) - sum(goal) > 0.05)
    plan = planned(a_decision(snapshot, tuple(goal)), snapshot, POLICY)
    assert plan.postponed_usd > 0.0
    assert StepKind.BORROW not in kinds(plan)
    before = Ledger(snapshot)
    for fill in (at_its_limit, as_quoted):
        after = Ledger(snapshot)
        after.run(plan, fill)
        assert after.debt <= before.debt
        assert after.health_factor() >= min(before.health_factor(), POLICY.size.min_health_factor)
        assert health_factor_once_paid(after) > health_factor_once_paid(before)


def test_an_asset_above_the_vaults_cap_holds_back_no_part_that_does_not_buy_it() -> None:
    """Rebalancer._checkShape holds only what the call bought against its weight."""
    frozen = with_reserve(a_snapshot(weights=(0.0, 0.0, 1.8, 0.0)), "WBTC", frozen=True)
    goal = (0.5, 0.0, 1.1, 0.0)
    capped = with_vault(
        frozen, assets=tuple(replace(asset, max_weight_bps=15_000) for asset in frozen.vault.assets)
    )
    assert bought(planned(a_decision(capped, goal), capped, POLICY)) == {"USDC"}


def test_a_goal_above_the_vaults_cap_of_an_asset_is_refused_by_name() -> None:
    snapshot = with_vault(
        a_snapshot(),
        assets=tuple(replace(asset, max_weight_bps=5_000) for asset in a_snapshot().vault.assets),
    )
    with pytest.raises(
        NothingFeasible, match=r"ends at a weight of LINK of 0\.6\d+, and the vault's cap is 0\.5"
    ):
        planned(a_decision(snapshot, (0.1, 0.1, 0.6, 0.1)), snapshot, POLICY)


def test_a_rebalance_that_lowers_the_health_factor_below_the_settings_floor_is_refused() -> None:
    snapshot = a_snapshot(weights=(0.5, 0.5, 0.3, 0.2))
    with pytest.raises(NothingFeasible, match=r"ends at a health factor of 1\.\d+, and the floor is 1\.397"):
        planned(a_decision(snapshot, (0.8, 0.8, 0.5, 0.3)), snapshot, POLICY)


def test_a_rebalance_that_raises_the_health_factor_need_not_reach_the_settings_floor() -> None:
    plan_of = a_snapshot(weights=(0.8, 0.8, 0.5, 0.4))
    decision = a_decision(plan_of, (0.8, 0.8, 0.45, 0.35))
    plan = planned(decision, plan_of, POLICY)
    before = portfolio(plan_of).health_factor
    assert before < plan.expected.health_factor < 1.397
    report = a_simulation(post=plan.expected)
    assert verify(plan, report, plan_of, decision, POLICY).passed
    lower = replace(report, post=replace(plan.expected, health_factor=before - 0.001))
    failed = [
        check.name for check in verify(plan, lower, plan_of, decision, POLICY).checks if not check.passed
    ]
    assert failed == ["health_factor_floor"]
