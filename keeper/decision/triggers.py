"""The reasons to trade: one function per trigger, and the urgency that each gives."""

from __future__ import annotations

import math

from keeper.decision import measures
from keeper.decision.gate_result import GateResult, hours
from keeper.decision.health_bound import farthest_below
from keeper.decision.position import VaultPosition
from keeper.domain.urgency import Urgency
from keeper.sizing.redemptions import missing_usd, queued_usd


def deleverage_request(position: VaultPosition) -> GateResult:
    """Judged only with a request. Without debt there is nothing to lower."""
    request = position.observation.deleverage_request
    assert request is not None, "judged only with a deleverage request"
    current, requested = position.held.health_factor, request.health_factor
    aim = "all debt repaid" if math.isinf(requested) else f"health factor {requested:.3f}"
    if position.held.debt_usd == 0:
        detail = f"deleveraging requested to {aim}, and there is no debt"
        return GateResult(current, requested, passed=False, detail=detail)
    detail = f"deleveraging requested to {aim}, it is {current:.3f}"
    return GateResult(current, requested, current < requested, detail=detail)


def health_factor_act(position: VaultPosition) -> GateResult:
    current, limit = position.held.health_factor, position.policy.decision.act_health_factor
    detail = f"health factor {current:.3f}, acts below {limit:.3f}"
    return GateResult(current, limit, current < limit, detail=detail)


def health_factor_alert(position: VaultPosition) -> GateResult:
    current, limit = position.held.health_factor, position.alert_level
    detail = f"health factor {current:.3f}, alerts below {limit:.3f}"
    return GateResult(current, limit, current < limit, detail=detail)


def redemptions(position: VaultPosition) -> GateResult:
    """What the idle cash covers needs no trade, however long it waits, because anybody may settle it."""
    snapshot, dust = position.snapshot, position.policy.plan.dust_usd
    line = snapshot.redemptions
    if line.pending_shares == 0:
        return GateResult(0.0, dust, passed=False, detail="no redemption waits")
    missing = missing_usd(snapshot)
    waited = f", the oldest for {hours(snapshot.block.timestamp - line.since)}" if line.since else ""
    detail = f"redemptions of {queued_usd(snapshot):,.0f} USD wait{waited}: " + (
        f"{missing:,.0f} USD more than the idle cash" if missing > dust else "the idle cash covers them"
    )
    return GateResult(missing, dust, missing > dust, detail=detail)


def risk_share(position: VaultPosition) -> GateResult:
    """Against the target's shares, which are the budgets for risk parity."""
    gap, place = measures.widest_gap(position.current.risk_shares, position.target.risk_shares)
    symbol = position.model.symbols[place]
    current, target = position.current.risk_shares[place], position.target.risk_shares[place]
    band = position.policy.decision.risk_share_band
    detail = (
        f"{symbol} carries {current:.1%} of the risk, its target share is {target:.1%}: "
        f"{100 * gap:.1f} pp off, band {100 * band:.1f} pp"
    )
    return GateResult(gap, band, gap > band, detail=detail)


def tracking_error(position: VaultPosition) -> GateResult:
    """One number for all weights together: assets that move alike may stand in for each other."""
    current, band = position.tracking_error, position.policy.decision.tracking_error_band
    detail = f"tracking error against the target {current:.2%} a year, band {band:.2%}"
    return GateResult(current, band, current > band, detail=detail)


def volatility(position: VaultPosition) -> GateResult:
    current, target = position.current.volatility, position.target.volatility
    gap, band = measures.relative_gap(current, target), position.policy.decision.volatility_band
    detail = f"volatility {current:.1%}, target {target:.1%}: {gap:.1%} off, band {band:.1%}"
    return GateResult(gap, band, gap > band, detail=detail)


def leverage(position: VaultPosition) -> GateResult:
    current, target = position.held.leverage, position.target.leverage
    gap, band = measures.relative_gap(current, target), position.policy.decision.leverage_band
    detail = f"leverage {current:.3f}, target {target:.3f}: {gap:.1%} off, band {band:.1%}"
    return GateResult(gap, band, gap > band, detail=detail)


def health_bound(position: VaultPosition) -> GateResult:
    """Prices that fall lift leverage above its bound, long before the tracking error passes its band. Without debt
    nothing is below any bound. The bounds limit risk, so what keeps them is OUT_OF_BAND: its benefit is not asked
    for."""
    band = position.policy.decision.health_band
    if position.held.debt_usd <= 0.0:
        return GateResult(0.0, band, passed=False, detail="there is no debt")
    if position.held.leverage <= 0.0:
        return GateResult(0.0, band, passed=False, detail="there is no NAV above the debt")
    current, asked, name = farthest_below(position)
    gap = max(0.0, 1.0 - current / asked)
    detail = (
        f"health factor {current:.3f}, {name} asks {asked:.3f} of the held weights: "
        f"{gap:.1%} below, band {band:.1%}"
    )
    return GateResult(gap, band, gap > band, detail=detail)


def age(position: VaultPosition) -> GateResult:
    since, limit = position.since_rebalance_s, position.policy.decision.max_age_s
    detail = f"{position.last_rebalance_text}, due after {hours(limit)}"
    return GateResult(since, limit, since > limit, detail=detail)


# ------------------------------------------------------------------- urgencies


def emergency(_position: VaultPosition, _result: GateResult) -> Urgency:
    return Urgency.EMERGENCY


def out_of_band(_position: VaultPosition, _result: GateResult) -> Urgency:
    return Urgency.OUT_OF_BAND


def routine(_position: VaultPosition, _result: GateResult) -> Urgency:
    return Urgency.ROUTINE


def by_wait(position: VaultPosition, _result: GateResult) -> Urgency:
    return Urgency.OUT_OF_BAND if line_waits_too_long(position) else Urgency.ROUTINE


def line_waits_too_long(position: VaultPosition) -> bool:
    """Whether the oldest batch of redemptions has waited longer than ``max_redemption_wait_s``."""
    since = position.snapshot.redemptions.since
    waited = position.snapshot.block.timestamp - since
    return since != 0 and waited > position.policy.decision.max_redemption_wait_s


def by_outer_band(position: VaultPosition, result: GateResult) -> Urgency:
    """OUT_OF_BAND beyond the outer band, which is as many times the band as ``out_of_band`` is the band of risk
    shares."""
    decision = position.policy.decision
    outer = measures.outer_band(result.limit, decision.out_of_band, decision.risk_share_band)
    return Urgency.OUT_OF_BAND if result.value > outer else Urgency.ROUTINE
