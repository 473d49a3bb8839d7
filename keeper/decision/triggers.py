"""The reasons to trade: one function per trigger, and the urgency that each gives."""

from __future__ import annotations

import math

from keeper.decision.finding import Finding, hours
from keeper.decision.situation import Position
from keeper.domain.urgency import Urgency


def health_factor_act(position: Position) -> Finding:
    factor, limit = position.held.health_factor, position.policy.decision.act_health_factor
    return Finding(factor, limit, factor < limit, f"health factor {factor:.3f}, acts below {limit:.3f}")


def health_factor_alert(position: Position) -> Finding:
    factor, limit = position.held.health_factor, position.policy.decision.alert_health_factor
    return Finding(factor, limit, factor < limit, f"health factor {factor:.3f}, alerts below {limit:.3f}")


def risk_share(position: Position) -> Finding:
    """Against the target's shares, which are the budgets for risk parity."""
    gaps = [
        (abs(now - due), symbol, now, due)
        for symbol, now, due in zip(
            position.model.symbols, position.current.risk_shares, position.target.risk_shares, strict=True
        )
    ]
    gap, symbol, now, due = max(gaps)
    band = position.policy.decision.risk_share_band
    detail = (
        f"{symbol} carries {now:.1%} of the risk, its budget is {due:.1%}: "
        f"{100 * gap:.1f} pp off, band {100 * band:.1f} pp"
    )
    return Finding(gap, band, gap > band, detail)


def volatility(position: Position) -> Finding:
    now, due = position.current.volatility, position.target.volatility
    gap, band = _relative_gap(now, due), position.policy.decision.volatility_band
    return Finding(
        gap, band, gap > band, f"volatility {now:.1%}, target {due:.1%}: {gap:.1%} off, band {band:.1%}"
    )


def leverage(position: Position) -> Finding:
    now, due = position.held.leverage, position.target.leverage
    gap, band = _relative_gap(now, due), position.policy.decision.leverage_band
    return Finding(
        gap, band, gap > band, f"leverage {now:.3f}, target {due:.3f}: {gap:.1%} off, band {band:.1%}"
    )


def age(position: Position) -> Finding:
    since, limit = position.since_rebalance_s, position.policy.decision.max_age_s
    detail = f"{position.last_rebalance_text}, due after {hours(limit)}"
    return Finding(since, limit, since > limit, detail)


def _relative_gap(now: float, due: float) -> float:
    if due > 0.0:
        return abs(now / due - 1.0)
    return 0.0 if now == 0.0 else math.inf


def emergency(_position: Position, _finding: Finding) -> Urgency:
    return Urgency.EMERGENCY


def out_of_band(_position: Position, _finding: Finding) -> Urgency:
    return Urgency.OUT_OF_BAND


def routine(_position: Position, _finding: Finding) -> Urgency:
    return Urgency.ROUTINE


def by_outer_band(position: Position, finding: Finding) -> Urgency:
    """The outer band is as many times each band as ``out_of_band`` is the band of risk shares."""
    decision = position.policy.decision
    outer = finding.limit * decision.out_of_band / decision.risk_share_band
    return Urgency.OUT_OF_BAND if finding.value > outer else Urgency.ROUTINE
