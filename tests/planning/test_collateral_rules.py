"""What Aave asks of collateral that leaves: no debt at all beside none, and collateral of LTV 0 first."""

from __future__ import annotations

import pytest

from keeper.domain.decision import Action, Decision
from keeper.domain.errors import NothingFeasible
from keeper.domain.market import MarketSnapshot
from keeper.domain.plan import RebalancePlan, Step, StepKind
from keeper.domain.units import UINT256_MAX, WAD
from keeper.domain.urgency import Urgency
from tests.factories import (
    a_block,
    a_policy,
    a_snapshot,
    with_holding,
    with_market_move,
    with_reserve,
    with_vault_asset,
    with_vault_policy,
)
from tests.planning.ledger import Fill, Ledger, a_decision, as_quoted, at_its_limit
from tests.planning.plans import DEAR_WEI, planned

FILLS = (at_its_limit, as_quoted)
ONLY_LINK = (0.0, 0.0, 1.6, 0.0)


def carried_out(plan: RebalancePlan, snapshot: MarketSnapshot, fill: Fill, *, later: bool = True) -> Ledger:
    """``later``: the debt has grown by a fiftieth of what a basis point is until the transaction is mined."""
    ledger = Ledger(snapshot)
    ledger.debt += ledger.debt // 50_000 if later else 0
    ledger.run(plan, fill)
    return ledger


def steps_of(plan: RebalancePlan, kind: StepKind) -> list[Step]:
    return [step for step in plan.steps if step.kind is kind]


def with_ltv_zero(snapshot: MarketSnapshot, *symbols: str) -> MarketSnapshot:
    for symbol in symbols:
        snapshot = with_reserve(snapshot, symbol, ltv_bps=0)
    return snapshot


# ---------------------------------------------------------------- no collateral


@pytest.mark.parametrize("fill", FILLS)
def test_when_all_collateral_is_exchanged_no_crumb_of_debt_stands_in_the_way(fill: Fill) -> None:
    """Interest runs on until the transaction is mined: what was owed when looking is no longer all that is owed."""
    snapshot = a_snapshot(weights=ONLY_LINK, block=a_block(base_fee_wei=DEAR_WEI))
    plan = planned(a_decision(snapshot, (0.8, 0.8, 0.0, 0.0)), snapshot, a_policy())
    assert plan.steps[0].kind is StepKind.REPAY
    assert plan.steps[0].amount == UINT256_MAX
    ledger = carried_out(plan, snapshot, fill)
    assert ledger.debt > 0
    assert ledger.health_factor() == pytest.approx(plan.expected.health_factor, rel=0.02)


# ------------------------------------------------------------------------ LTV 0


@pytest.mark.parametrize("fill", FILLS)
def test_beside_collateral_of_ltv_zero_other_collateral_leaves_once_the_debt_is_repaid(fill: Fill) -> None:
    snapshot = with_ltv_zero(a_snapshot(weights=(0.6, 0.6, 0.1, 0.0)), "LINK")
    plan = planned(a_decision(snapshot, (0.9, 0.3, 0.1, 0.0)), snapshot, a_policy())
    assert plan.steps[0].amount == UINT256_MAX
    carried_out(plan, snapshot, fill)


@pytest.mark.parametrize("fill", FILLS)
def test_collateral_of_ltv_zero_that_is_sold_out_leaves_first_and_whole(fill: Fill) -> None:
    snapshot = with_ltv_zero(a_snapshot(weights=(0.6, 0.6, 0.1, 0.0)), "LINK")
    plan = planned(a_decision(snapshot, (0.6, 0.5, 0.0, 0.0)), snapshot, a_policy())
    first = steps_of(plan, StepKind.WITHDRAW)[0]
    assert (first.symbol, first.amount) == ("LINK", UINT256_MAX)
    carried_out(plan, snapshot, fill)


@pytest.mark.parametrize("fill", FILLS)
def test_a_ripcord_sells_collateral_of_ltv_zero_first(fill: Fill) -> None:
    """Nothing else may leave before it."""
    held = with_market_move(a_snapshot(weights=(0.6, 0.5, 0.4, 0.3)), 0.9)
    snapshot = with_ltv_zero(held, "LINK")
    kept = tuple(0.6 * weight for weight in Ledger(snapshot).weights())
    plan = planned(a_decision(snapshot, kept, Action.RIPCORD, Urgency.EMERGENCY), snapshot, a_policy())
    sold = steps_of(plan, StepKind.SWAP_EXACT_IN)
    assert sold[0].symbol == "LINK"
    assert len(sold) > 1
    ledger = carried_out(plan, snapshot, fill)
    assert ledger.supplied["LINK"] == 0
    assert ledger.health_factor() > 1.02 * Ledger(snapshot).health_factor()
    wanted = sum(step.expected_out for step in steps_of(planned_without(held, kept), StepKind.SWAP_EXACT_IN))
    assert sum(step.expected_out for step in sold) == pytest.approx(wanted, rel=0.01)


def planned_without(snapshot: MarketSnapshot, kept: tuple[float, ...]) -> RebalancePlan:
    return planned(a_decision(snapshot, kept, Action.RIPCORD, Urgency.EMERGENCY), snapshot, a_policy())


def test_a_ripcord_that_collateral_of_ltv_zero_suffices_for_sells_nothing_else() -> None:
    snapshot = with_ltv_zero(with_market_move(a_snapshot(weights=(0.3, 0.2, 1.2, 0.1)), 0.93), "LINK")
    kept = tuple(0.8 * weight for weight in Ledger(snapshot).weights())
    plan = planned(a_decision(snapshot, kept, Action.RIPCORD, Urgency.EMERGENCY), snapshot, a_policy())
    assert {step.symbol for step in steps_of(plan, StepKind.SWAP_EXACT_IN)} == {"LINK"}
    carried_out(plan, snapshot, at_its_limit)


def test_what_counts_for_nothing_as_collateral_is_not_bought() -> None:
    snapshot = with_ltv_zero(a_snapshot(), "LINK")
    with pytest.raises(NothingFeasible, match="SUPPLY of LINK: its loan to value is 0"):
        planned(a_decision(snapshot, (0.3, 0.3, 0.2, 0.0)), snapshot, a_policy())


def test_a_gift_that_counts_for_nothing_as_collateral_stays_idle() -> None:
    snapshot = with_holding(a_snapshot(weights=(0.2, 0.2, 0.0, 0.1)), "LINK", idle=2_000 * 10**18)
    snapshot = with_ltv_zero(snapshot, "LINK")
    _, weth, link, uni = Ledger(snapshot).weights()
    plan = planned(a_decision(snapshot, (0.4, weth, link, uni)), snapshot, a_policy())
    assert "LINK" not in {step.symbol for step in plan.steps}


def test_debt_that_the_collateral_does_not_carry_is_named() -> None:
    snapshot = with_ltv_zero(a_snapshot(weights=(0.0, 0.0, 1.5, 0.0)), "LINK")
    with pytest.raises(NothingFeasible, match="BORROW of USDC: the collateral carries a debt of"):
        planned(a_decision(snapshot, (0.5, 0.0, 1.4, 0.0)), snapshot, a_policy())


# --------------------------------------------------------------- on the way there


@pytest.mark.parametrize("fill", FILLS)
def test_on_the_way_the_health_factor_stays_above_the_vaults_floor(fill: Fill) -> None:
    snapshot = with_vault_policy(a_snapshot(weights=(0.9, 0.4, 0.1, 0.1)), min_health=135 * WAD // 100)
    plan = planned(a_decision(snapshot, (0.0, 0.1, 0.8, 0.6)), snapshot, a_policy())
    assert carried_out(plan, snapshot, fill, later=False).lowest_health_factor >= 1.35 - 1e-9


# ------------------------------------------------------------------------- loss


def test_a_plan_that_loses_more_than_the_vault_allows_is_refused() -> None:
    snapshot = with_vault_policy(a_snapshot(), max_loss_bps=20)
    with pytest.raises(
        NothingFeasible, match=r"loses .* bps of NAV by the vault's count, and the vault allows 20"
    ):
        planned(a_decision(snapshot, (0.6, 0.5, 0.4, 0.3)), snapshot, a_policy())


def test_a_plan_that_ends_beyond_the_vaults_cap_is_refused() -> None:
    snapshot = with_vault_policy(a_snapshot(), max_leverage=3 * WAD // 2)
    with pytest.raises(NothingFeasible, match="leverage of 1.8.* cap is 1.5"):
        planned(a_decision(snapshot, (0.6, 0.5, 0.4, 0.3)), snapshot, a_policy())


def test_a_goal_below_the_vaults_floor_is_refused() -> None:
    """Sizing aims no lower than the floor. There is no plan that stops on the way."""
    snapshot = with_vault_policy(a_snapshot(), min_health=2 * WAD)
    with pytest.raises(
        NothingFeasible, match="BORROW of USDC would leave a health factor of .*, at least 2.000"
    ):
        planned(a_decision(snapshot, (0.6, 0.5, 0.4, 0.3)), snapshot, a_policy())


def in_need(**changes: int) -> tuple[MarketSnapshot, Decision]:
    """A health factor of 1.4, a ripcord that sells a tenth, and a vault that may lose a bp of NAV."""
    held = with_market_move(a_snapshot(weights=(0.6, 0.5, 0.4, 0.3)), 0.9)
    numbers = {"emergency_health": WAD, "target_health": 3 * WAD, "max_loss_bps": 1}
    snapshot = with_vault_policy(held, **(numbers | changes))
    kept = tuple(0.9 * weight for weight in Ledger(snapshot).weights())
    return snapshot, a_decision(snapshot, kept, Action.RIPCORD, Urgency.EMERGENCY)


def test_a_ripcord_above_the_vaults_emergency_is_held_to_the_limit_of_any_call() -> None:
    snapshot, decision = in_need()
    with pytest.raises(NothingFeasible, match=r"by the vault's count, and the vault allows 1\.0"):
        planned(decision, snapshot, a_policy())


def test_in_an_emergency_each_sale_is_held_to_a_part_of_the_debt_that_it_repays() -> None:
    snapshot, decision = in_need(emergency_health=2 * WAD, emergency_loss_bps=7)
    with pytest.raises(NothingFeasible, match="less than allowed"):
        planned(decision, snapshot, a_policy())
    allowed, decision = in_need(emergency_health=2 * WAD, emergency_loss_bps=300)
    assert planned(decision, allowed, a_policy()).steps


def test_the_lag_of_the_feeds_counts_in_an_emergency() -> None:
    snapshot, decision = in_need(emergency_health=2 * WAD, emergency_loss_bps=100)
    assert planned(decision, snapshot, a_policy()).steps
    lagging = snapshot
    for symbol in snapshot.risk_symbols:
        lagging = with_vault_asset(lagging, symbol, lag_bps=100)
    with pytest.raises(NothingFeasible, match="less than allowed"):
        planned(decision, lagging, a_policy())


def test_an_emergency_call_ends_under_the_vaults_target() -> None:
    snapshot, decision = in_need(emergency_health=2 * WAD, target_health=141 * WAD // 100)
    with pytest.raises(NothingFeasible, match="above the vault's target 1.410"):
        planned(decision, snapshot, a_policy())
