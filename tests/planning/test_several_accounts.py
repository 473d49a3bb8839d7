"""The way down where the vault has several accounts: one call lowers one of them, and the others stay as they are."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.domain.accounts import accounts, showing
from keeper.domain.decision import Action
from keeper.domain.errors import NothingFeasible
from keeper.domain.hindrances import Hindrance
from keeper.domain.market import MarketSnapshot
from keeper.domain.observation import Observation
from keeper.domain.plan import Cost, PostState, RebalancePlan, Step, VaultCall
from keeper.domain.portfolio import portfolio
from keeper.domain.units import WAD
from keeper.domain.urgency import Urgency
from keeper.drill.emergency import EmergencyCall, emergency_call
from keeper.drill.scene import scene_of
from keeper.lending.book import LendingBook
from keeper.lending.flash_lender import flash_lender
from keeper.lending.venues import venue_of
from keeper.oracle.vault_rules import in_emergency
from keeper.planning.candidates import CandidatePlan
from keeper.planning.context import planning_context
from keeper.planning.feasibility import require_feasible
from keeper.planning.steps import borrow, repay, supply, withdraw
from keeper.planning.verify import verify
from tests.cycle.market_states import shipped_policy
from tests.factories import (
    a_policy,
    a_simulation,
    a_size_policy,
    a_snapshot,
    with_aave_account,
    with_depths,
    with_holding,
    with_morpho_account,
    with_reserve,
    with_vault_policy,
)
from tests.planning.ledger import a_decision
from tests.planning.plans import planned
from tests.properties import examples

FIRST = with_depths(a_snapshot(weights=(0.25, 0.25, 0.25, 0.25), leverage=1.3, nav_usd=250_000.0))
ON_AAVE = with_aave_account(FIRST, {"WBTC": 60_000.0, "WETH": 40_000.0}, 73_000.0)
"""The second account's health factor is 1.16, the first's 3.4."""
ON_MORPHO = with_morpho_account(FIRST, "WETH", 100_000.0, 72_000.0)
"""1.19."""
BOTH = with_morpho_account(ON_AAVE, "WETH", 100_000.0, 72_000.0)


def called(snapshot: MarketSnapshot) -> EmergencyCall:
    return emergency_call(scene_of(Observation(snapshot), shipped_policy()))


def plan_of(call: EmergencyCall) -> RebalancePlan:
    assert call.plan is not None, call.detail
    return call.plan


def places(plan: RebalancePlan) -> set[int]:
    return {step.account for step in plan.steps if step.route is None}


def on_the_way(plan: RebalancePlan, snapshot: MarketSnapshot) -> list[float]:
    """The changed account's health factor after each step, at the worst fills."""
    (place,) = places(plan)
    seen = showing(snapshot, place)
    book, factors = LendingBook.when_mined(seen, venue_of(seen), plan.flash_amount), []
    for step in plan.steps:
        book.apply(step)
        assert book.overdrawn() == 0
        factors.append(book.health_factor())
    return factors


@pytest.mark.parametrize("snapshot", [ON_AAVE, ON_MORPHO], ids=["Aave", "Morpho"])
def test_an_emergency_of_another_account_is_answered_in_that_account(snapshot: MarketSnapshot) -> None:
    call = called(snapshot)
    plan = plan_of(call)
    assert call.hindrance is None, call.detail
    assert plan.call is VaultCall.DELEVERAGE
    assert places(plan) == {1}
    assert min(on_the_way(plan, snapshot)) > 1.0
    assert plan.expected.health_factor >= shipped_policy().decision.act_health_factor
    assert plan.expected.leverage < portfolio(snapshot).leverage
    # The first account is left alone.
    assert plan.expected.health_factors[0] == pytest.approx(snapshot.account.health_factor / WAD)


def test_a_plan_is_worth_the_same_whichever_account_it_changes() -> None:
    """What it loses are the pools' fees and impact: NAV and weights count what other accounts hold."""
    plan, held = plan_of(called(ON_AAVE)), portfolio(ON_AAVE)
    assert plan.expected.nav_usd == pytest.approx(
        held.nav_usd - plan.cost.fees - plan.cost.slippage, rel=1e-4
    )
    assert all(
        after <= before * 1.001 for before, after in zip(held.weights, plan.expected.weights, strict=True)
    )


def test_two_accounts_in_need_are_lowered_one_after_the_other() -> None:
    """The vault's budget of an emergency is of the accounts that a call touches."""
    call = called(BOTH)
    plan = plan_of(call)
    assert places(plan) == {1}
    assert call.hindrance is Hindrance.SINGLE_CALL
    assert plan.expected.health_factors[1] > plan.expected.health_factor == plan.expected.health_factors[2]
    lowered = replace(BOTH.others[0], account=replace(BOTH.others[0].account, health_factor=2 * WAD))
    assert places(plan_of(called(replace(BOTH, others=(lowered, BOTH.others[1]))))) == {2}


def test_a_flash_loan_is_taken_where_it_costs_nothing() -> None:
    plan = plan_of(called(BOTH))
    assert plan.flash_amount > 0
    assert (plan.account, plan.cost.flash) == (2, 0.0)
    # Also for another account than the lender's.
    idle = with_morpho_account(ON_AAVE, "WETH", 0.0, 0.0)
    other = plan_of(called(idle))
    assert other.flash_amount > 0
    assert (places(other), other.account, other.cost.flash) == ({1}, 2, 0.0)


@pytest.mark.parametrize("lendable", [0.0, 50_000.0])
def test_a_lender_without_enough_is_left_for_the_accounts_own_venue(lendable: float) -> None:
    dry = with_morpho_account(ON_AAVE, "WETH", 0.0, 0.0, lendable_usd=lendable)
    lender = flash_lender(showing(dry, 1))
    assert (lender.account, lender.premium_bps) == (1, 5)


def test_a_dry_market_on_morpho_is_left_without_a_flash_loan() -> None:
    """All of it is lent: nothing can be borrowed there, and collateral leaves as it always does."""
    dry = with_morpho_account(FIRST, "WETH", 100_000.0, 73_000.0, lendable_usd=0.0)
    no_loans = with_reserve(dry, "USDC", flash_loan_enabled=False)
    plan = plan_of(called(no_loans))
    assert (plan.flash_amount, places(plan)) == (0, {1})
    assert plan.expected.health_factor > portfolio(dry).health_factor


def test_an_account_on_a_dry_reserve_waits_for_the_other_one() -> None:
    closed = ON_AAVE
    reserves = tuple(replace(reserve, available=0) for reserve in closed.others[0].reserves)
    dry = replace(closed, others=(replace(closed.others[0], reserves=reserves),))
    low = with_morpho_account(dry, "WETH", 100_000.0, 72_500.0)
    assert places(plan_of(called(low))) == {2}


def test_the_vaults_emergency_is_of_the_account_that_is_lowered() -> None:
    below = with_vault_policy(ON_AAVE, emergency_health=125 * WAD // 100, target_health=135 * WAD // 100)
    assert in_emergency(below)
    assert in_emergency(showing(below, 1))
    plan = plan_of(called(below))
    assert plan.expected.health_factors[1] <= 1.35
    assert not in_emergency(with_vault_policy(ON_AAVE, emergency_health=115 * WAD // 100))


def test_a_rebalance_changes_the_first_account_and_counts_all() -> None:
    """The goal is of the whole vault. What another account holds stays."""
    two = with_aave_account(FIRST, {"WBTC": 60_000.0}, 20_000.0)
    held = portfolio(two)
    goal = tuple(weight * (0.9 if i else 1.0) for i, weight in enumerate(held.weights))
    plan = planned(a_decision(two, goal), two, a_policy())
    assert places(plan) == {0}
    assert plan.expected.weights == pytest.approx(goal, rel=0.02)
    decision = a_decision(two, goal)
    verdict = verify(plan, a_simulation(post=plan.expected), two, decision, a_policy())
    assert verdict.passed
    assert "every_account_healthy" in {check.name for check in verdict.checks}


def test_what_another_account_holds_is_not_sold_and_nothing_is_bought_for_it() -> None:
    """Most of the WBTC is in the second account. Leverage ends at the goal's, though less moves."""
    two = with_aave_account(FIRST, {"WBTC": 200_000.0}, 20_000.0)
    held = portfolio(two)
    shift = 0.8 * held.weights[0]
    goal = (held.weights[0] - shift, held.weights[1], held.weights[2], held.weights[3] + shift)
    plan = planned(a_decision(two, goal), two, a_policy())
    here = two.value_usd("WBTC", two.holding("WBTC").supplied)
    assert places(plan) == {0}
    assert plan.turnover_usd == pytest.approx(here, rel=0.02)
    assert plan.expected.leverage == pytest.approx(held.leverage, rel=0.01)
    assert 0.0 < plan.expected.weights[3] - held.weights[3] < shift


def test_a_rebalance_beside_an_account_under_the_vaults_floor_is_refused_by_name() -> None:
    """The vault refuses it as well: cash is for that account's debt."""
    two = with_vault_policy(with_aave_account(FIRST, {"WBTC": 60_000.0}, 45_000.0), min_health=12 * WAD // 10)
    held = portfolio(two)
    goal = tuple(weight * (0.9 if i else 1.0) for i, weight in enumerate(held.weights))
    with pytest.raises(NothingFeasible, match="in account 1, which it leaves alone"):
        planned(a_decision(two, goal), two, a_policy())


def test_a_check_of_each_account_fails_where_one_ends_too_low() -> None:
    two = with_aave_account(FIRST, {"WBTC": 60_000.0}, 20_000.0)
    held = portfolio(two)
    decision = a_decision(two, tuple(0.95 * weight for weight in held.weights))
    plan = planned(decision, two, a_policy())
    assert places(plan) == {1}
    low = replace(plan.expected, health_factor=1.1, health_factors=(1.1, plan.expected.health_factors[1]))
    checks = verify(plan, a_simulation(post=low), two, decision, a_policy()).checks
    assert [check.name for check in checks if not check.passed] == ["every_account_healthy"]


def test_a_lower_account_does_not_lower_the_floor_of_the_one_that_changes() -> None:
    """A rebalance need not raise what was low before. What another account was is no excuse."""
    two = with_aave_account(FIRST, {"WBTC": 60_000.0}, 40_000.0)
    policy = a_policy(size=a_size_policy(min_health_factor=1.9))
    weights = portfolio(two).weights
    goal = (weights[0], *(weight + 0.3 for weight in weights[1:]))
    with pytest.raises(NothingFeasible, match=r"a health factor of 1\.[3-8]\d+, and the floor is 1.8"):
        planned(a_decision(two, goal), two, policy)


def test_without_a_placement_the_account_in_need_is_lowered() -> None:
    """The second account is at 1.28, and the first at 3.4. Both hold WBTC."""
    two = with_aave_account(FIRST, {"WBTC": 60_000.0}, 40_000.0)
    now = portfolio(two).weights
    decision = replace(a_decision(two, (0.9 * now[0], *now[1:])), sells_only=True)
    plan = planned(decision, two, a_policy())
    assert places(plan) == {1}
    assert plan.expected.health_factors[1] > 1.28
    # What only the first account holds is sold there.
    elsewhere = replace(a_decision(two, (*now[:3], 0.9 * now[3])), sells_only=True)
    assert places(planned(elsewhere, two, a_policy())) == {0}


def test_a_dry_venue_is_repaid_with_another_ones_flash_loan() -> None:
    dry = with_morpho_account(FIRST, "WETH", 100_000.0, 73_000.0, lendable_usd=0.0)
    plan = plan_of(called(dry))
    assert plan.flash_amount > 0
    assert (places(plan), plan.account) == ({1}, 0)
    assert plan.expected.health_factor > shipped_policy().decision.act_health_factor


@given(
    st.floats(0.0, 0.7),
    st.lists(
        st.tuples(st.booleans(), st.floats(20_000.0, 120_000.0), st.floats(0.6, 0.82)), min_size=1, max_size=3
    ),
    st.booleans(),
)
@examples(60)
def test_every_emergency_call_raises_one_account_and_leaves_the_others(
    lent: float, held: list[tuple[bool, float, float]], lends: bool
) -> None:
    """Over two to four accounts, on either venue, with flash loans and without: nothing is overdrawn, no account
    touches a health factor of 1 on the way, and what was planned passes its own checks."""
    snapshot = with_reserve(FIRST, "USDC", flash_loan_enabled=lends)
    for on_morpho, collateral, loan in held:
        if on_morpho:
            snapshot = with_morpho_account(
                snapshot, "WETH", collateral, loan * collateral, lendable_usd=lent * 1e6
            )
        else:
            parts = {"WBTC": lent * collateral, "WETH": (1.0 - lent) * collateral}
            snapshot = with_aave_account(snapshot, parts, loan * collateral)
    plan = called(snapshot).plan
    if plan is None:
        assert not 1.0 < portfolio(snapshot).health_factor < shipped_policy().decision.act_health_factor
        return
    (place,) = places(plan)
    before = [account.account.health_factor / WAD for account in accounts(snapshot)]
    assert before[place] == min(before)
    assert min(on_the_way(plan, snapshot)) >= 1.0
    after = list(plan.expected.health_factors)
    assert after.pop(place) > before.pop(place)
    assert after == pytest.approx(before)


@pytest.mark.parametrize(
    ("symbol", "limit", "steps", "message"),
    [
        (
            "USDC",
            {"borrow_cap": 0, "available": 15_000 * 10**6},
            (borrow("USDC", 10_000 * 10**6),),
            "to lend",
        ),
        ("USDC", {"borrow_cap": 515_000}, (borrow("USDC", 10_000 * 10**6),), "borrow cap"),
        ("WETH", {"supply_cap": 1_015}, (supply("WETH", 10 * 10**18),), "supply cap"),
        ("WETH", {"available": 3 * 10**18}, (withdraw("WETH", 2 * 10**18),), "not lent out"),
    ],
    ids=["liquidity to borrow", "borrow cap", "supply cap", "liquidity to withdraw"],
)
def test_accounts_on_one_pool_share_what_it_has(
    symbol: str, limit: dict[str, int], steps: tuple[Step, ...], message: str
) -> None:
    """Each account alone would do."""
    first = with_holding(with_reserve(FIRST, "USDC", borrowed=500_000 * 10**6), "WETH", idle=25 * 10**18)
    first = with_reserve(first, "WETH", supplied=1_000 * 10**18)
    first = with_reserve(first, symbol, **limit)
    snapshot = with_aave_account(first, {"WBTC": 60_000.0, "WETH": 40_000.0}, 10_000.0)
    context = planning_context(a_decision(snapshot, (0.25, 0.25, 0.25, 0.25)), snapshot, a_policy())
    alone = [
        CandidatePlan(tuple(replace(step, account=place) for step in steps), 0, 0, fills=())
        for place in (0, 1)
    ]
    for candidate in alone:
        require_feasible(candidate, context)
    both = CandidatePlan(tuple(step for candidate in alone for step in candidate.steps), 0, 0, fills=())
    with pytest.raises(NothingFeasible, match=message):
        require_feasible(both, context)


def test_accounts_on_two_markets_share_nothing() -> None:
    first = with_reserve(FIRST, "USDC", borrowed=500_000 * 10**6, borrow_cap=0, available=15_000 * 10**6)
    snapshot = with_morpho_account(first, "WETH", 40_000.0, 10_000.0)
    context = planning_context(a_decision(snapshot, (0.25, 0.25, 0.25, 0.25)), snapshot, a_policy())
    steps = tuple(replace(borrow("USDC", 10_000 * 10**6), account=place) for place in (0, 1))
    require_feasible(CandidatePlan(steps, 0, 0, fills=()), context)


@pytest.mark.parametrize("call", list(VaultCall))
def test_a_call_is_verified_as_the_vault_itself_checks_it(call: VaultCall) -> None:
    """Rebalancer._checkHealth wants every account above minHealth after a ``rebalance``, _lower only asks whether the
    touched one has risen. Here the second one is below minHealth and left alone."""
    snapshot = with_vault_policy(ON_AAVE, min_health=12 * WAD // 10, emergency_health=105 * WAD // 100)
    factors, held = (3.6, 1.16), portfolio(snapshot)
    plan = RebalancePlan(
        call=call,
        epoch=0,
        deadline=0,
        flash_amount=0,
        steps=(replace(repay("USDC", 10**9), account=0),),
        expected=PostState(held.nav_usd, held.leverage, min(factors), held.weights, factors),
        cost=Cost(0.0, 0.0, 0.0, 0.0),
        gas_limit=10**6,
        turnover_usd=0.0,
        postponed_usd=0.0,
    )
    decision = a_decision(snapshot, held.weights, Action.RIPCORD, Urgency.EMERGENCY)
    verdict = verify(plan, a_simulation(post=None), snapshot, decision, a_policy())
    assert verdict.passed is (call is VaultCall.DELEVERAGE)
    failed = {check.name for check in verdict.checks if not check.passed}
    assert failed <= {"every_account_healthy"}
