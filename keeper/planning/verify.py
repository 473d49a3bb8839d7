"""The named checks between a simulated plan and its transaction."""

from __future__ import annotations

from collections.abc import Iterator

from keeper.domain.decision import Action, Decision
from keeper.domain.market import MarketSnapshot
from keeper.domain.native_coin import usd_of_wei
from keeper.domain.plan import Check, PlanVerdict, PostState, RebalancePlan, SimulationReport
from keeper.domain.policy import Policy
from keeper.domain.portfolio import Portfolio, portfolio
from keeper.domain.units import BPS, WAD
from keeper.domain.urgency import Urgency
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
    yield _succeeded(simulation)
    if not simulation.success:
        return
    before, after = portfolio(snapshot), simulation.post or plan.expected
    if decision.action is Action.RIPCORD:
        yield _nav_loss(before, after, snapshot.vault.policy.max_emergency_loss_bps)
        yield _health_factor_raised(before, after)
        return
    yield _nav_loss(before, after, snapshot.vault.policy.max_loss_bps)
    yield _health_factor_floor(before, after, snapshot, policy=policy)
    yield _leverage_cap(after, snapshot)
    if simulation.post is not None:
        yield _leverage_on_goal(simulation.post, plan.expected, policy)
        yield _weights_on_goal(simulation.post, plan.expected, snapshot, policy=policy)
        yield _nav_as_expected(simulation.post, plan.expected, policy)
    if decision.urgency is Urgency.ROUTINE:
        yield _cost_within_benefit(plan, simulation, snapshot, decision=decision, policy=policy)


def _succeeded(simulation: SimulationReport) -> Check:
    detail = "does not revert" if simulation.success else f"reverts with {simulation.revert}"
    return Check(
        name="simulation_succeeded",
        value=float(simulation.success),
        limit=1.0,
        passed=simulation.success,
        detail=detail,
    )


def _nav_loss(before: Portfolio, after: PostState, limit_bps: int) -> Check:
    loss = (1.0 - after.nav_usd / before.nav_usd) * BPS if before.nav_usd > 0 else 0.0
    return Check(
        name="nav_loss",
        value=loss,
        limit=limit_bps,
        passed=loss <= limit_bps,
        detail=f"{loss:.1f} bps of NAV lost, {limit_bps} allowed",
    )


def _health_factor_floor(
    before: Portfolio, after: PostState, snapshot: MarketSnapshot, policy: Policy
) -> Check:
    floor = at_end(before.health_factor, snapshot, policy)
    value = after.health_factor
    return Check(
        name="health_factor_floor",
        value=value,
        limit=floor,
        passed=value >= floor,
        detail=f"health factor {value:.3f}, floor {floor:.3f}",
    )


def _health_factor_raised(before: Portfolio, after: PostState) -> Check:
    return Check(
        name="health_factor_raised",
        value=after.health_factor,
        limit=before.health_factor,
        passed=after.health_factor > before.health_factor,
        detail=f"health factor {before.health_factor:.3f} to {after.health_factor:.3f}",
    )


def _leverage_cap(after: PostState, snapshot: MarketSnapshot) -> Check:
    cap = snapshot.vault.policy.max_leverage / WAD
    return Check(
        name="leverage_cap",
        value=after.leverage,
        limit=cap,
        passed=after.leverage <= cap,
        detail=f"leverage {after.leverage:.3f}, cap {cap:.3f}",
    )


def _leverage_on_goal(simulated: PostState, expected: PostState, policy: Policy) -> Check:
    gap, limit = abs(simulated.leverage - expected.leverage), policy.plan.leverage_tolerance
    return Check(
        name="leverage_on_goal",
        value=gap,
        limit=limit,
        passed=gap <= limit,
        detail=f"leverage {simulated.leverage:.4f} simulated, {expected.leverage:.4f} expected",
    )


def _weights_on_goal(
    simulated: PostState, expected: PostState, snapshot: MarketSnapshot, policy: Policy
) -> Check:
    gaps = [
        abs(weight - expected_weight)
        for weight, expected_weight in zip(simulated.weights, expected.weights, strict=True)
    ]
    largest, limit = max(gaps, default=0.0), policy.plan.weight_tolerance
    symbol = snapshot.risk_symbols[gaps.index(largest)] if gaps else "none"
    return Check(
        name="weights_on_goal",
        value=largest,
        limit=limit,
        passed=largest <= limit,
        detail=f"{symbol} is {largest:.3%} of NAV off its expected weight",
    )


def _nav_as_expected(simulated: PostState, expected: PostState, policy: Policy) -> Check:
    gap = abs(simulated.nav_usd / expected.nav_usd - 1.0) * BPS if expected.nav_usd > 0 else 0.0
    limit = policy.plan.nav_tolerance_bps
    return Check(
        name="nav_as_expected",
        value=gap,
        limit=limit,
        passed=gap <= limit,
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
    missing_usd = usd_of_wei(missing_wei, snapshot, policy.plan.gas_usd_price_symbol)
    cost, benefit = plan.cost.total + missing_usd, decision.benefit_usd
    return Check(
        name="cost_within_benefit",
        value=cost,
        limit=benefit,
        passed=cost <= benefit,
        detail=f"the trade costs {cost:,.2f} USD and is worth {benefit:,.2f} USD",
    )
