"""A deleverage in the vault's own emergency: how far it repays, and what idle cash does."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from keeper.domain.decision import Action
from keeper.domain.errors import NothingFeasible
from keeper.domain.market import MarketSnapshot
from keeper.domain.plan import RebalancePlan, StepKind
from keeper.domain.portfolio import portfolio
from keeper.domain.units import WAD
from keeper.domain.urgency import Urgency
from tests.factories import (
    a_policy,
    a_snapshot,
    with_holding,
    with_market_move,
    with_reserve,
    with_vault,
    with_vault_policy,
)
from tests.planning.ledger import Ledger, a_decision, as_quoted, at_its_limit
from tests.planning.plans import lowest_health_factor, planned, shares, weights_of
from tests.properties import examples

USDC = 10**6
EMERGENCY, TARGET = 1.25, 1.35
AIM = 0.99 * TARGET
HELD = (0.6, 0.7, 0.35, 0.35)


def at_health(
    level: float, held: tuple[float, ...] = HELD, *, nav_usd: float = 1e6, **limits: float
) -> MarketSnapshot:
    """A levered vault that had ``nav_usd``, whose health factor fell to ``level``. ``limits`` are the vault's."""
    levered = a_snapshot(weights=held, nav_usd=nav_usd)
    fallen = with_market_move(levered, level / portfolio(levered).health_factor)
    levels = {"min_health": TARGET, "emergency_health": EMERGENCY, "target_health": TARGET} | limits
    return with_vault_policy(fallen, **{name: int(value * WAD) for name, value in levels.items()})


def without_flash_loan(snapshot: MarketSnapshot) -> MarketSnapshot:
    return with_reserve(snapshot, "USDC", flash_loan_enabled=False)


def ripcord(snapshot: MarketSnapshot, kept: float) -> RebalancePlan:
    """The plan that keeps this part of every weight."""
    goal = tuple(kept * weight for weight in portfolio(snapshot).weights)
    return planned(a_decision(snapshot, goal, Action.RIPCORD, Urgency.EMERGENCY), snapshot, a_policy())


def repaid(plan: RebalancePlan) -> list[int]:
    return [step.amount for step in plan.steps if step.kind is StepKind.REPAY]


# ------------------------------------------------------------------- how far


@pytest.mark.parametrize("flash_loan", [True, False])
def test_what_is_sold_beyond_the_vaults_target_stays_idle(*, flash_loan: bool) -> None:
    snapshot = at_health(1.2) if flash_loan else without_flash_loan(at_health(1.2))
    plan = ripcord(snapshot, 0.5)
    ledger = Ledger(snapshot)
    ledger.run(plan, as_quoted)
    assert (plan.flash_amount > 0) is flash_loan
    assert ledger.health_factor() == pytest.approx(AIM, rel=1e-3)
    assert ledger.idle["USDC"] > 100_000 * USDC


def test_the_end_lies_under_the_target_even_if_no_interest_accrues() -> None:
    """Less than a hundredth of the debt is left, so a basis point of all of it moves the end by more than a hundredth,
    which is what lies between aim and target."""
    snapshot = at_health(1.2, min_health=1.8, target_health=1.8)
    plan = ripcord(snapshot, 0.01)
    ledger = Ledger(snapshot)
    ledger.run(plan, as_quoted)
    assert plan.flash_amount > 0
    assert ledger.debt < 0.01 * snapshot.holdings[0].owed
    assert ledger.health_factor() == pytest.approx(0.99 * 1.8, rel=1e-6)


def test_above_the_vaults_emergency_there_is_no_such_end() -> None:
    snapshot = at_health(1.2, emergency_health=1.19)
    ledger = Ledger(snapshot)
    ledger.run(ripcord(with_vault_policy(snapshot, max_loss_bps=5_000, daily_loss_bps=5_000), 0.5), as_quoted)
    assert ledger.health_factor() > 1.5 * TARGET


@examples(150)
@given(
    held=shares,
    leverage=st.floats(1.2, 2.5),
    floor=st.floats(1.1, 2.0),
    between=st.tuples(*[st.floats(0.05, 0.95)] * 3),
    kept=st.floats(0.0, 1.0),
    idle=st.sampled_from([0, 1, USDC, 20_000 * USDC, 400_000 * USDC]),
    flash_loan=st.booleans(),
)
def test_every_call_raises_the_health_factor_and_ends_under_the_vaults_target(
    held: list[float],
    leverage: float,
    floor: float,
    between: tuple[float, ...],
    kept: float,
    idle: int,
    *,
    flash_loan: bool,
) -> None:
    """Whatever the vault's levels (PolicyBounds.sol), its idle cash and the fills."""
    emergency = 1.02 + between[0] * (0.95 * floor - 1.02)
    target = emergency + between[1] * (floor - emergency)
    level = 1.0 + between[2] * (emergency - 1.0)
    snapshot = at_health(
        level,
        weights_of(held, leverage),
        min_health=floor,
        emergency_health=emergency,
        target_health=target,
    )
    snapshot = with_holding(snapshot, "USDC", idle=idle)
    assume(portfolio(snapshot).nav_usd > 10_000.0)
    if not flash_loan:
        snapshot = without_flash_loan(snapshot)
    try:
        plan = ripcord(snapshot, kept)
    except NothingFeasible:
        assume(False)
    before = Ledger(snapshot)
    for fill in (at_its_limit, as_quoted):
        after = Ledger(snapshot)
        after.run(plan, fill)
        assert after.debt < before.debt
        assert before.health_factor() < after.health_factor() <= target


def test_a_target_below_what_a_flash_loan_is_sized_for_is_reached_without_one() -> None:
    """To withdraw at 1.10 the loan would have to repay beyond the target."""
    snapshot = at_health(1.03, min_health=1.1, emergency_health=1.04, target_health=1.07)
    plan = ripcord(snapshot, 0.5)
    ledger = Ledger(snapshot)
    ledger.run(plan, as_quoted)
    assert plan.flash_amount == 0
    assert 1.03 < ledger.health_factor() <= 1.07
    assert lowest_health_factor(plan.steps, 0, snapshot) >= 1.02


# ------------------------------------------------------------------ idle cash


@pytest.mark.parametrize("owed", [1, 10**5, 10**6, 10**9])
def test_a_debt_of_dust_is_repaid_whole(owed: int) -> None:
    """Else an order to repay all debt would stay open for ever."""
    snapshot = with_holding(a_snapshot(weights=(0.1, 0.1, 0.1, 0.1)), "USDC", owed=owed, idle=2 * 10**9)
    ledger = Ledger(snapshot)
    ledger.run(ripcord(snapshot, 1.0), as_quoted)
    assert ledger.debt == 0


def test_idle_cash_alone_repays_up_to_the_vaults_target() -> None:
    snapshot = with_holding(at_health(1.2), "USDC", idle=400_000 * USDC)
    plan = ripcord(snapshot, 1.0)
    assert [step.kind for step in plan.steps] == [StepKind.REPAY]
    ledger = Ledger(snapshot)
    ledger.run(plan, as_quoted)
    assert ledger.health_factor() == pytest.approx(AIM, rel=1e-3)
    assert ledger.idle["USDC"] > 200_000 * USDC


@pytest.mark.parametrize("idle", [1, USDC])
@pytest.mark.parametrize("flash_loan", [True, False])
def test_dust_neither_repays_nor_stops_the_sales(idle: int, *, flash_loan: bool) -> None:
    """Anybody can send the vault a unit of cash. The lending market reverts where a unit repays."""
    empty = at_health(1.2) if flash_loan else without_flash_loan(at_health(1.2))
    plan, with_dust = ripcord(empty, 0.8), ripcord(with_holding(empty, "USDC", idle=idle), 0.8)
    assert [step.kind for step in with_dust.steps] == [step.kind for step in plan.steps]
    assert with_dust.steps[0].kind is not StepKind.REPAY or flash_loan
    assert min(repaid(with_dust)) > USDC


def test_idle_cash_above_dust_repays_before_the_first_sale() -> None:
    snapshot = with_holding(without_flash_loan(at_health(1.2)), "USDC", idle=USDC + 1)
    assert repaid(ripcord(snapshot, 0.8))[0] == USDC + 1


@pytest.mark.parametrize("idle", [0, 1, USDC])
def test_where_nothing_is_to_be_sold_dust_makes_no_plan(idle: int) -> None:
    with pytest.raises(NothingFeasible, match="less than dust"):
        ripcord(with_holding(at_health(1.2), "USDC", idle=idle), 1.0)


@pytest.mark.parametrize(("owed_usd", "repays"), [(8.0, False), (100.0, True)])
def test_what_the_vaults_target_cuts_to_dust_is_not_repaid(owed_usd: float, *, repays: bool) -> None:
    """Of a debt at a health factor of 1.2, a tenth leads to the target."""
    snapshot = with_holding(at_health(1.2, nav_usd=owed_usd), "USDC", idle=50 * USDC)
    if repays:
        assert repaid(ripcord(snapshot, 1.0)) == [pytest.approx(0.102 * owed_usd * USDC, rel=0.01)]
        return
    with pytest.raises(NothingFeasible, match="less than dust"):
        ripcord(snapshot, 1.0)


@pytest.mark.parametrize(("emergency_health", "repays"), [(EMERGENCY, True), (1.19, False)])
def test_cash_that_the_line_reserves_repays_only_in_the_vaults_emergency(
    emergency_health: float, *, repays: bool
) -> None:
    cash = 10_000 * USDC
    snapshot = with_holding(at_health(1.2, emergency_health=emergency_health), "USDC", idle=cash)
    snapshot = with_vault(snapshot, reserved=cash)
    if repays:
        assert repaid(ripcord(snapshot, 1.0)) == [cash]
        return
    with pytest.raises(NothingFeasible, match="less than dust"):
        ripcord(snapshot, 1.0)
