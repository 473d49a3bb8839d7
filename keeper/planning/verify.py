"""The named checks between a simulated plan and its transaction."""

from __future__ import annotations

from collections.abc import Iterator
from operator import itemgetter

from keeper.domain.accounts import accounts
from keeper.domain.decision import Action, Decision
from keeper.domain.market import MarketSnapshot
from keeper.domain.native_coin import estimated_usd
from keeper.domain.plan import (
    Check,
    PlanVerdict,
    PostState,
    RebalancePlan,
    SimulationReport,
    StepKind,
    VaultCall,
)
from keeper.domain.policy import Policy
from keeper.domain.portfolio import Portfolio, portfolio
from keeper.domain.units import BPS, WAD, health_factor_of
from keeper.domain.urgency import Urgency
from keeper.oracle.vault_rules import call_limits, in_emergency
from keeper.planning.candidates import place_of_lowest
from keeper.planning.checks import loss_bps, within_maximum, within_minimum
from keeper.planning.gas import published_wei
from keeper.planning.min_health_factor import at_end


def verify(
    plan: RebalancePlan,
    simulation: SimulationReport,
    snapshot: MarketSnapshot,
    decision: Decision,
    policy: Policy,
) -> PlanVerdict:
    """Every applicable check of ``keeper.planning.checks.CHECKS``.

    Where the node cannot read the state after the simulation, the limits are checked on the plan's expected state and
    the comparisons of simulated with expected are left out."""
    checks = tuple(_checks(plan, simulation, snapshot, decision=decision, policy=policy))
    return PlanVerdict(all(check.passed for check in checks), checks)


def _checks(
    plan: RebalancePlan,
    simulation: SimulationReport,
    snapshot: MarketSnapshot,
    decision: Decision,
    policy: Policy,
) -> Iterator[Check]:
    outcome = "does not revert" if simulation.success else f"reverts with {simulation.revert}"
    yield within_minimum("simulation_succeeded", float(simulation.success), 1.0, detail=outcome)
    if not simulation.success:
        return
    before, after, limits = portfolio(snapshot), simulation.post or plan.expected, snapshot.vault.policy
    yield _nav_loss(before, after, _allowed_loss_bps(plan, snapshot))
    changed = _changed_accounts(plan, snapshot, after)
    if plan.call is VaultCall.DELEVERAGE:
        yield from (_health_factor_raised(factors) for factors in changed.values())
    else:
        for was, factor in changed.values():
            floor = at_end(was, snapshot, policy)
            yield within_minimum(
                "health_factor_floor", factor, floor, detail=f"health factor {factor:.3f}, floor {floor:.3f}"
            )
        if snapshot.others:
            yield _lowest_account(after, snapshot, limits.min_health / WAD)
        cap = limits.max_leverage / WAD
        yield within_maximum(
            "leverage_cap", after.leverage, cap, detail=f"leverage {after.leverage:.3f}, cap {cap:.3f}"
        )
    if decision.action is Action.RIPCORD:
        return
    if simulation.post is not None:
        yield from _as_expected(simulation.post, plan.expected, snapshot, policy=policy)
    if decision.urgency is Urgency.ROUTINE:
        yield _cost_within_benefit(plan, simulation, snapshot, decision=decision, policy=policy)


def _allowed_loss_bps(plan: RebalancePlan, snapshot: MarketSnapshot) -> float:
    """Of NAV, before what the vault adds for the feeds' lag. In an emergency it is a part of the debt repaid."""
    policy, lowering = snapshot.vault.policy, plan.call is VaultCall.DELEVERAGE
    if not (lowering and in_emergency(snapshot)):
        return call_limits(snapshot, lowering=lowering).loss * BPS
    nav = portfolio(snapshot).nav_usd
    repaid = sum(step.expected_in for step in plan.steps if step.kind is StepKind.REPAY)
    repaid_usd = snapshot.value_usd(snapshot.debt_token.symbol, repaid)
    return policy.emergency_loss_bps * repaid_usd / nav if nav > 0.0 else 0.0


def _nav_loss(before: Portfolio, after: PostState, limit_bps: float) -> Check:
    loss = loss_bps(before.nav_usd, after.nav_usd)
    return within_maximum(
        "nav_loss", loss, limit_bps, detail=f"{loss:.1f} bps of NAV lost, {limit_bps:.1f} allowed"
    )


def _changed_accounts(
    plan: RebalancePlan, snapshot: MarketSnapshot, after: PostState
) -> dict[int, tuple[float, float]]:
    """By place the health factor before and after, of each account that a step changes. A state without health factors
    of each account is one of a vault with a single account."""
    if not snapshot.others:
        return {snapshot.venue.place: (health_factor_of(snapshot.account.health_factor), after.health_factor)}
    places = {step.account for step in plan.steps if step.route is None}
    return {
        account.venue.place: (health_factor_of(account.account.health_factor), factor)
        for account, factor in zip(accounts(snapshot), after.health_factors, strict=True)
        if account.venue.place in places
    }


def _lowest_account(after: PostState, snapshot: MarketSnapshot, floor: float) -> Check:
    lowest, place = after.health_factor, place_of_lowest(snapshot, after)
    return within_minimum(
        "every_account_healthy",
        lowest,
        floor,
        detail=f"account {place} is the lowest at {lowest:.3f}, floor {floor:.3f}",
    )


def _health_factor_raised(factors: tuple[float, float]) -> Check:
    before, after = factors
    return Check(
        name="health_factor_raised",
        value=after,
        limit=before,
        passed=after > before,
        detail=f"health factor {before:.3f} to {after:.3f}",
    )


def _as_expected(
    simulated: PostState, expected: PostState, snapshot: MarketSnapshot, policy: Policy
) -> Iterator[Check]:
    yield within_maximum(
        "leverage_on_goal",
        abs(simulated.leverage - expected.leverage),
        policy.plan.leverage_tolerance,
        detail=f"leverage {simulated.leverage:.4f} simulated, {expected.leverage:.4f} expected",
    )
    pairs = zip(simulated.weights, expected.weights, snapshot.risk_symbols, strict=True)
    gaps = [(abs(weight - aim), symbol) for weight, aim, symbol in pairs]
    largest, symbol = max(gaps, key=itemgetter(0), default=(0.0, "none"))
    yield within_maximum(
        "weights_on_goal",
        largest,
        policy.plan.weight_tolerance,
        detail=f"{symbol} is {largest:.3%} of NAV off its expected weight",
    )
    yield within_maximum(
        "nav_as_expected",
        abs(loss_bps(expected.nav_usd, simulated.nav_usd)),
        policy.plan.nav_tolerance_bps,
        detail=f"NAV {simulated.nav_usd:,.0f} USD simulated, {expected.nav_usd:,.0f} expected",
    )


def _cost_within_benefit(
    plan: RebalancePlan,
    simulation: SimulationReport,
    snapshot: MarketSnapshot,
    decision: Decision,
    policy: Policy,
) -> Check:
    """The plan estimates a rollup's publishing fee from its length; the simulation reports the exact fee."""
    estimated_wei = published_wei(plan.steps, snapshot)
    missing_wei = simulation.l1_fee_wei - estimated_wei if simulation.l1_fee_wei else 0
    missing_usd = estimated_usd(missing_wei, snapshot, policy.plan.gas_usd_price_symbol)
    cost, benefit = plan.cost.total + missing_usd, decision.benefit_usd
    detail = f"the trade costs {cost:,.2f} USD and is worth {benefit:,.2f} USD"
    return within_maximum("cost_within_benefit", cost, benefit, detail=detail)


def filled_as_planned(plan: RebalancePlan) -> SimulationReport:
    """For a plan that no node simulates: the report of a call that goes as the plan expects."""
    return SimulationReport(
        success=True,
        revert=None,
        gas=plan.gas_limit,
        post=None,
        method="computed",
        l1_fee_wei=0,
        step_outs=(),
        step_ins=(),
    )
