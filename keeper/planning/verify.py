"""Expected against simulated: the named checks between a plan and the transaction."""

from __future__ import annotations

from collections.abc import Iterator

from keeper.domain.decision import Action, Decision
from keeper.domain.market import MarketSnapshot
from keeper.domain.plan import Check, PlanVerdict, PostState, RebalancePlan, SimulationReport
from keeper.domain.policy import Policy
from keeper.domain.portfolio import Portfolio, portfolio
from keeper.domain.units import BPS, WAD
from keeper.domain.urgency import Urgency
from keeper.planning.gas import published_wei, usd_of_wei


def verify(
    plan: RebalancePlan,
    simulation: SimulationReport,
    snapshot: MarketSnapshot,
    decision: Decision,
    policy: Policy,
) -> PlanVerdict:
    """Every check of ``keeper.planning.checks`` that applies. Where the node could not read the post-state
    back, the plan's own expected state is judged instead, and there is nothing to compare it with."""
    checks = tuple(_checks(plan, simulation, snapshot, decision, policy))
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
    yield _health_factor_floor(after, snapshot, policy)
    yield _leverage_cap(after, snapshot)
    if simulation.post is not None:
        yield _leverage_on_goal(simulation.post, plan.expected, policy)
        yield _weights_on_goal(simulation.post, plan.expected, snapshot, policy)
        yield _nav_as_expected(simulation.post, plan.expected, policy)
    if decision.urgency is Urgency.ROUTINE:
        yield _cost_within_benefit(plan, simulation, snapshot, decision, policy)


def _succeeded(simulation: SimulationReport) -> Check:
    detail = "does not revert" if simulation.success else f"reverts with {simulation.revert}"
    return Check("simulation_succeeded", float(simulation.success), 1.0, simulation.success, detail)


def _nav_loss(before: Portfolio, after: PostState, limit_bps: int) -> Check:
    loss = (1.0 - after.nav_usd / before.nav_usd) * BPS if before.nav_usd > 0 else 0.0
    return Check(
        "nav_loss", loss, limit_bps, loss <= limit_bps, f"{loss:.1f} bps of NAV lost, {limit_bps} allowed"
    )


def _health_factor_floor(after: PostState, snapshot: MarketSnapshot, policy: Policy) -> Check:
    # The settings' floor is aimed at exactly; what the plan costs may leave it a hair short. The vault's is
    # absolute.
    ours = policy.size.min_health_factor * (1.0 - policy.plan.nav_tolerance_bps / BPS)
    floor = max(ours, snapshot.vault.policy.min_health_factor / WAD)
    value = after.health_factor
    return Check(
        "health_factor_floor", value, floor, value >= floor, f"health factor {value:.3f}, floor {floor:.3f}"
    )


def _health_factor_raised(before: Portfolio, after: PostState) -> Check:
    raised = after.health_factor > before.health_factor
    detail = f"health factor {before.health_factor:.3f} to {after.health_factor:.3f}"
    return Check("health_factor_raised", after.health_factor, before.health_factor, raised, detail)


def _leverage_cap(after: PostState, snapshot: MarketSnapshot) -> Check:
    cap = snapshot.vault.policy.max_leverage / WAD
    return Check(
        "leverage_cap",
        after.leverage,
        cap,
        after.leverage <= cap,
        f"leverage {after.leverage:.3f}, cap {cap:.3f}",
    )


def _leverage_on_goal(simulated: PostState, expected: PostState, policy: Policy) -> Check:
    gap, limit = abs(simulated.leverage - expected.leverage), policy.plan.leverage_tolerance
    detail = f"leverage {simulated.leverage:.4f} simulated, {expected.leverage:.4f} expected"
    return Check("leverage_on_goal", gap, limit, gap <= limit, detail)


def _weights_on_goal(
    simulated: PostState, expected: PostState, snapshot: MarketSnapshot, policy: Policy
) -> Check:
    gaps = [abs(one - other) for one, other in zip(simulated.weights, expected.weights, strict=True)]
    worst, limit = max(gaps, default=0.0), policy.plan.weight_tolerance
    symbol = snapshot.risk_symbols[gaps.index(worst)] if gaps else "none"
    return Check(
        "weights_on_goal",
        worst,
        limit,
        worst <= limit,
        f"{symbol} is {worst:.3%} of NAV off its expected weight",
    )


def _nav_as_expected(simulated: PostState, expected: PostState, policy: Policy) -> Check:
    gap = abs(simulated.nav_usd / expected.nav_usd - 1.0) * BPS if expected.nav_usd > 0 else 0.0
    limit = policy.plan.nav_tolerance_bps
    detail = f"NAV {simulated.nav_usd:,.0f} USD simulated, {expected.nav_usd:,.0f} expected"
    return Check("nav_as_expected", gap, limit, gap <= limit, detail)


def _cost_within_benefit(
    plan: RebalancePlan,
    simulation: SimulationReport,
    snapshot: MarketSnapshot,
    decision: Decision,
    policy: Policy,
) -> Check:
    """The plan guessed from its length what publishing costs; now it is known."""
    guessed_wei = published_wei(plan.steps, snapshot)
    assumed_too_little_wei = simulation.l1_fee_wei - guessed_wei if simulation.l1_fee_wei else 0
    more = usd_of_wei(assumed_too_little_wei, snapshot, policy.plan.gas_usd_price_symbol)
    cost, benefit = plan.cost.total + more, decision.benefit_usd
    detail = f"the trade costs {cost:,.2f} USD and is worth {benefit:,.2f} USD"
    return Check("cost_within_benefit", cost, benefit, cost <= benefit, detail)
