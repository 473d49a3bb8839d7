"""The vault after a mined plan compared with what was promised: named checks on the state that is read back.

All values are at the prices of the decision and per share, so that neither the market nor a depositor counts as the
plan's effect.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from keeper.domain.decision import Action, Decision
from keeper.domain.executed_swaps import ExecutedSwap
from keeper.domain.market import MarketSnapshot
from keeper.domain.model import RiskModel, TargetPortfolio
from keeper.domain.plan import Check, RebalancePlan, SimulationReport
from keeper.domain.policy import Policy
from keeper.domain.portfolio import Portfolio, portfolio
from keeper.domain.units import unit
from keeper.planning.checks import MUST_HOLD, loss_bps, within_maximum
from keeper.risk.contributions import risk_shares


@dataclass(frozen=True, slots=True)
class SimulatedPlan:
    """A plan, its simulation and what led to them. ``policy`` is tightened by the vault's limits."""

    snapshot: MarketSnapshot
    model: RiskModel
    target: TargetPortfolio
    decision: Decision
    plan: RebalancePlan
    simulation: SimulationReport
    policy: Policy


def post_trade_checks(
    sent: SimulatedPlan,
    after: MarketSnapshot,
    allowances: Mapping[str, int],
    executed_swaps: Sequence[ExecutedSwap],
) -> tuple[Check, ...]:
    """Every applicable check of ``keeper.planning.checks.POST_TRADE_CHECKS``. ``allowances`` are those that the vault
    left approved, raw by symbol, with the place of an account beside the first."""
    now = portfolio(replace(after, feeds=sent.snapshot.feeds))
    share_growth = _share_growth(sent.snapshot, after)
    checks = [] if sent.decision.action is Action.RIPCORD else [_risk_spread(sent, now)]
    checks += [
        _leverage(sent, now, share_growth),
        _allowances(allowances),
        _nav(sent, now.nav_usd / share_growth),
    ]
    simulated = [(swap, swap.simulated_out) for swap in executed_swaps if swap.simulated_out is not None]
    if simulated:
        checks.append(_outputs("simulated", simulated, sent))
    if executed_swaps:
        checks.append(_outputs("quoted", [(swap, swap.quoted_out) for swap in executed_swaps], sent))
    return tuple(checks)


def violations(checks: Sequence[Check]) -> tuple[Check, ...]:
    """The failed checks that must never fail."""
    return tuple(check for check in checks if check.name in MUST_HOLD and not check.passed)


def warnings(checks: Sequence[Check]) -> tuple[Check, ...]:
    """The failed checks that may fail."""
    return tuple(check for check in checks if check.name not in MUST_HOLD and not check.passed)


def _share_growth(before: MarketSnapshot, after: MarketSnapshot) -> float:
    """Shares now per share before. Deposits and withdrawals in between change it."""
    shares_before, shares_now = before.vault.total_shares, after.vault.total_shares
    return shares_now / shares_before if shares_before > 0 and shares_now > 0 else 1.0


def _risk_spread(sent: SimulatedPlan, now: Portfolio) -> Check:
    """The planned gap counts because a cap, the block's gas or the trade-size limit may stop the plan part-way."""
    policy, target = sent.policy, sent.target.risk_shares
    planned = _largest_gap(_risk_shares(sent.plan.expected.weights, sent), target)
    before = _largest_gap(sent.decision.current.risk_shares, target)
    gap = _largest_gap(_risk_shares(now.weights, sent), target)
    limit = max(before, policy.decision.risk_share_band, planned + policy.plan.weight_tolerance)
    detail = f"largest gap of a risk share to its target {100 * gap:.1f} pp, {100 * before:.1f} before"
    return within_maximum("risk_spread_improved", gap, limit, detail=detail)


def _risk_shares(weights: Sequence[float], sent: SimulatedPlan) -> Sequence[float]:
    by_symbol = dict(zip(sent.snapshot.risk_symbols, weights, strict=True))
    ordered = [by_symbol[symbol] for symbol in sent.model.symbols]
    shares: list[float] = risk_shares(ordered, sent.model.covariance).tolist()
    return shares


def _largest_gap(shares: Sequence[float], target: Sequence[float]) -> float:
    return max((abs(share - aim) for share, aim in zip(shares, target, strict=True)), default=0.0)


def _leverage(sent: SimulatedPlan, now: Portfolio, share_growth: float) -> Check:
    """A withdrawal by depositors raises leverage by the part of NAV that it takes, so the limit grows with it."""
    if sent.decision.action is Action.RIPCORD:
        allowed, meaning = portfolio(sent.snapshot).leverage, "before"
    else:
        allowed, meaning = max(sent.target.leverage, sent.plan.expected.leverage), "targeted"
    limit = (allowed + sent.policy.plan.leverage_tolerance) / min(1.0, share_growth)
    detail = f"leverage {now.leverage:.4f}, {allowed:.4f} {meaning}"
    return within_maximum("leverage_within_target", now.leverage, limit, detail=detail)


def _allowances(allowances: Mapping[str, int]) -> Check:
    amounts = ", ".join(f"{amount} of {symbol}" for symbol, amount in allowances.items())
    detail = f"the vault left {amounts} approved" if allowances else "nothing is left approved"
    return within_maximum("no_allowance_left", float(len(allowances)), 0.0, detail=detail)


def _nav(sent: SimulatedPlan, nav_usd: float) -> Check:
    promised_usd = (sent.simulation.post or sent.plan.expected).nav_usd
    gap_bps = abs(loss_bps(promised_usd, nav_usd))
    detail = f"NAV {nav_usd:,.0f} USD at the decision's prices, {promised_usd:,.0f} simulated"
    return within_maximum("nav_as_simulated", gap_bps, sent.policy.plan.nav_tolerance_bps, detail=detail)


def _outputs(source: str, promised_outs: Sequence[tuple[ExecutedSwap, int]], sent: SimulatedPlan) -> Check:
    """The largest shortfall of a swap. ``source`` is "quoted" or "simulated"."""
    swap, out = max(promised_outs, key=lambda promise: loss_bps(promise[1], promise[0].realised_out))
    whole = unit(sent.snapshot.token(swap.bought).decimals)
    return within_maximum(
        f"outputs_as_{source}",
        loss_bps(out, swap.realised_out),
        sent.policy.plan.nav_tolerance_bps,
        detail=f"{swap.sold} sold for {swap.realised_out / whole:,.6g} {swap.bought}, {out / whole:,.6g} {source}",
    )
