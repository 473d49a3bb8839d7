"""What a mined plan left behind against what was promised: named checks on the state read back.

Everything is valued at the prices that the decision saw, and per share: what the market did meanwhile, or a depositor,
is not the plan's doing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from keeper.domain.decision import Action, Decision
from keeper.domain.executed_swaps import ExecutedSwap
from keeper.domain.market import MarketSnapshot
from keeper.domain.model import RiskModel, TargetPortfolio
from keeper.domain.plan import Check, RebalancePlan, SimulationReport
from keeper.domain.policy import Policy
from keeper.domain.portfolio import Portfolio, portfolio
from keeper.domain.units import BPS
from keeper.planning.checks import MUST_HOLD
from keeper.risk.contributions import risk_shares


@dataclass(frozen=True, slots=True)
class SentPlan:
    """A plan with all that led to it; ``policy`` is the tightened one."""

    snapshot: MarketSnapshot
    model: RiskModel
    target: TargetPortfolio
    decision: Decision
    plan: RebalancePlan
    simulation: SimulationReport
    policy: Policy


def post_trade_checks(
    promised: SentPlan,
    after: MarketSnapshot,
    allowances: Mapping[str, int],
    executed_swaps: Sequence[ExecutedSwap],
) -> tuple[Check, ...]:
    """Every check of ``keeper.planning.checks.POST_TRADE_CHECKS`` that applies. ``allowances`` raw by symbol: what the
    vault left approved; ``executed_swaps``: what its swaps returned."""
    return tuple(_checks(promised, after, allowances, executed_swaps))


def broken(checks: Sequence[Check]) -> tuple[Check, ...]:
    """Those that failed and must never."""
    return tuple(check for check in checks if check.name in MUST_HOLD and not check.passed)


def warnings(checks: Sequence[Check]) -> tuple[Check, ...]:
    """Those that failed and may: worth a look."""
    return tuple(check for check in checks if check.name not in MUST_HOLD and not check.passed)


def _checks(
    promised: SentPlan,
    after: MarketSnapshot,
    allowances: Mapping[str, int],
    executed_swaps: Sequence[ExecutedSwap],
) -> Iterator[Check]:
    before, now = portfolio(promised.snapshot), portfolio(replace(after, feeds=promised.snapshot.feeds))
    diluted = _diluted(promised.snapshot, after)
    if promised.decision.action is not Action.RIPCORD:
        yield _risk_spread(promised, now)
    yield _leverage(promised, before, now, diluted)
    yield _allowances(allowances)
    yield _nav(promised, now.nav_usd / diluted)
    told = [swap for swap in executed_swaps if swap.simulated_out is not None]
    if told:
        yield _outputs(
            "outputs_as_simulated", "simulated", [(swap, swap.simulated_out or 0) for swap in told], promised
        )
    if executed_swaps:
        yield _outputs(
            "outputs_as_quoted", "quoted", [(swap, swap.quoted_out) for swap in executed_swaps], promised
        )


def _diluted(before: MarketSnapshot, after: MarketSnapshot) -> float:
    """Shares now for each share before: depositors came or went in between."""
    was, now = before.vault.total_shares, after.vault.total_shares
    return now / was if was > 0 and now > 0 else 1.0


def _risk_spread(promised: SentPlan, now: Portfolio) -> Check:
    """Where the decision itself gave way, to a cap, a block's gas or a trade's size, it is held to its plan."""
    policy, target = promised.policy, promised.target.risk_shares
    planned = _widest(_shares(promised.plan.expected.weights, promised), target)
    was = _widest(promised.decision.current.risk_shares, target)
    gap = _widest(_shares(now.weights, promised), target)
    limit = max(was, policy.decision.risk_share_band, planned + policy.plan.weight_tolerance)
    detail = f"largest gap of a risk share to its target {100 * gap:.1f} pp, {100 * was:.1f} before"
    return Check("risk_spread_improved", gap, limit, gap <= limit, detail)


def _shares(weights: Sequence[float], promised: SentPlan) -> Sequence[float]:
    by_symbol = dict(zip(promised.snapshot.risk_symbols, weights, strict=True))
    ordered = [by_symbol[symbol] for symbol in promised.model.symbols]
    shares: list[float] = risk_shares(ordered, promised.model.covariance).tolist()
    return shares


def _widest(shares: Sequence[float], target: Sequence[float]) -> float:
    return max((abs(one - due) for one, due in zip(shares, target, strict=True)), default=0.0)


def _leverage(promised: SentPlan, before: Portfolio, now: Portfolio, diluted: float) -> Check:
    """A withdrawal by depositors raises it by as much as it takes. A plan that goes a part of the way down ends above
    the target."""
    if promised.decision.action is Action.RIPCORD:
        due, word = before.leverage, "before"
    else:
        due, word = max(promised.target.leverage, promised.plan.expected.leverage), "due"
    limit = (due + promised.policy.plan.leverage_tolerance) / min(1.0, diluted)
    detail = f"leverage {now.leverage:.4f}, {due:.4f} {word}"
    return Check("leverage_within_target", now.leverage, limit, now.leverage <= limit, detail)


def _allowances(left: Mapping[str, int]) -> Check:
    named = ", ".join(f"{amount} of {symbol}" for symbol, amount in left.items())
    detail = f"the vault left {named} approved" if left else "nothing is left approved"
    return Check("no_allowance_left", float(len(left)), 0.0, not left, detail)


def _nav(promised: SentPlan, nav_usd: float) -> Check:
    post, limit = promised.simulation.post or promised.plan.expected, promised.policy.plan.nav_tolerance_bps
    gap = abs(nav_usd / post.nav_usd - 1.0) * BPS if post.nav_usd > 0 else 0.0
    detail = f"NAV {nav_usd:,.0f} USD at the decision's prices, {post.nav_usd:,.0f} simulated"
    return Check("nav_as_simulated", gap, limit, gap <= limit, detail)


def _outputs(name: str, word: str, told: Sequence[tuple[ExecutedSwap, int]], promised: SentPlan) -> Check:
    """The swap that fell short most."""
    short = [(1.0 - swap.realised_out / out) * BPS if out > 0 else 0.0 for swap, out in told]
    worst, limit = max(short), promised.policy.plan.nav_tolerance_bps
    swap, out = told[short.index(worst)]
    decimals = 10 ** promised.snapshot.token(swap.bought).decimals
    detail = f"{swap.sold} sold for {swap.realised_out / decimals:,.6g} {swap.bought}, {out / decimals:,.6g} {word}"
    return Check(name, worst, limit, worst <= limit, detail)
