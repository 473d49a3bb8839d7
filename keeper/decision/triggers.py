"""The reasons to trade: one function per trigger, and the urgency that each gives."""

from __future__ import annotations

import math

from keeper.decision import measures
from keeper.decision.gate_result import GateResult, hours
from keeper.decision.trade_context import Position
from keeper.domain.urgency import Urgency
from keeper.sizing.redemptions import missing_usd, queued_usd


def health_factor_act(position: Position) -> GateResult:
    factor, limit = position.held.health_factor, position.policy.decision.act_health_factor
    return GateResult(factor, limit, factor < limit, f"health factor {factor:.3f}, acts below {limit:.3f}")


def ordered(position: Position) -> GateResult:
    """Asked only where there is a demand. Without debt there is nothing to lower."""
    assert position.deleverage_request is not None, "only asked where there is a demand"
    factor, wanted = position.held.health_factor, position.deleverage_request.health_factor
    aim = "all debt repaid" if math.isinf(wanted) else f"health factor {wanted:.3f}"
    if position.held.debt_usd == 0:
        return GateResult(
            factor, wanted, passed=False, detail=f"deleveraging ordered to {aim}, and there is no debt"
        )
    return GateResult(factor, wanted, factor < wanted, f"deleveraging ordered to {aim}, it is {factor:.3f}")


def health_factor_alert(position: Position) -> GateResult:
    factor, limit = position.held.health_factor, position.policy.decision.alert_health_factor
    return GateResult(factor, limit, factor < limit, f"health factor {factor:.3f}, alerts below {limit:.3f}")


def risk_share(position: Position) -> GateResult:
    """Against the target's shares, which are the budgets for risk parity."""
    current, due_shares = position.current.risk_shares, position.target.risk_shares
    gap, place = measures.widest_gap(current, due_shares)
    symbol, now, due = position.model.symbols[place], current[place], due_shares[place]
    band = position.policy.decision.risk_share_band
    detail = (
        f"{symbol} carries {now:.1%} of the risk, its target share is {due:.1%}: "
        f"{100 * gap:.1f} pp off, band {100 * band:.1f} pp"
    )
    return GateResult(gap, band, gap > band, detail)


def tracking_error(position: Position) -> GateResult:
    """One number for all weights together: assets that move alike may stand in for each other."""
    now, band = position.tracking_error, position.policy.decision.tracking_error_band
    return GateResult(
        now, band, now > band, f"tracking error against the target {now:.2%} a year, band {band:.2%}"
    )


def volatility(position: Position) -> GateResult:
    now, due = position.current.volatility, position.target.volatility
    gap, band = measures.relative_gap(now, due), position.policy.decision.volatility_band
    return GateResult(
        gap, band, gap > band, f"volatility {now:.1%}, target {due:.1%}: {gap:.1%} off, band {band:.1%}"
    )


def leverage(position: Position) -> GateResult:
    now, due = position.held.leverage, position.target.leverage
    gap, band = measures.relative_gap(now, due), position.policy.decision.leverage_band
    return GateResult(
        gap, band, gap > band, f"leverage {now:.3f}, target {due:.3f}: {gap:.1%} off, band {band:.1%}"
    )


def age(position: Position) -> GateResult:
    since, limit = position.since_rebalance_s, position.policy.decision.max_age_s
    detail = f"{position.last_rebalance_text}, due after {hours(limit)}"
    return GateResult(since, limit, since > limit, detail)


def redemptions(position: Position) -> GateResult:
    """Asked only where there is a queue. What the idle cash covers needs no trade, however long it waits: anybody may
    have it served."""
    snapshot, dust = position.snapshot, position.policy.plan.dust_usd
    assert snapshot.redemptions is not None, "only asked where there is a queue"
    if snapshot.redemptions.pending_shares == 0:
        return GateResult(0.0, dust, passed=False, detail="nobody waits for a redemption")
    missing, waits = missing_usd(snapshot), hours(snapshot.block.timestamp - snapshot.redemptions.since)
    detail = f"redemptions of {queued_usd(snapshot):,.0f} USD wait, the oldest for {waits}: " + (
        f"{missing:,.0f} USD more than the idle cash" if missing > dust else "the idle cash covers them"
    )
    return GateResult(missing, dust, missing > dust, detail)


def emergency(_position: Position, _finding: GateResult) -> Urgency:
    return Urgency.EMERGENCY


def out_of_band(_position: Position, _finding: GateResult) -> Urgency:
    return Urgency.OUT_OF_BAND


def routine(_position: Position, _finding: GateResult) -> Urgency:
    return Urgency.ROUTINE


def by_wait(position: Position, _finding: GateResult) -> Urgency:
    """Of the oldest request, against ``max_redemption_wait_s``."""
    found = position.snapshot.redemptions
    if found is None or found.since == 0:
        return Urgency.ROUTINE
    waited = position.snapshot.block.timestamp - found.since
    return Urgency.OUT_OF_BAND if waited > position.policy.decision.max_redemption_wait_s else Urgency.ROUTINE


def by_outer_band(position: Position, finding: GateResult) -> Urgency:
    """The outer band is as many times each band as ``out_of_band`` is the band of risk shares."""
    decision = position.policy.decision
    outer = measures.outer_band(finding.limit, decision.out_of_band, decision.risk_share_band)
    return Urgency.OUT_OF_BAND if finding.value > outer else Urgency.ROUTINE
