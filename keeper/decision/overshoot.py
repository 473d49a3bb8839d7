"""Whether a trade would end where the next one is asked for, on the other side."""

from __future__ import annotations

import math
from dataclasses import dataclass

from keeper.decision import measures
from keeper.decision.trade_context import Position
from keeper.domain.units import BPS
from keeper.sizing.bounds import health_factor_at
from keeper.sizing.redemptions import cash_share


@dataclass(frozen=True, slots=True)
class Overshoot:
    """``of_band``: how far past, as a part of the band; above 1 a trigger fires that does not fire now."""

    of_band: float
    detail: str


def worst_overshoot(position: Position, aim: tuple[float, ...]) -> Overshoot:
    """What ``aim`` throws off most, of the quantities whose triggers are looked at."""
    levered = _health_factor(position, aim)
    if aim == position.target.weights:
        return levered
    of_band, which, ends, due = measures.overshoot(
        position.current.weights, aim, position.target.weights, position.model.covariance, *_bands(position)
    )
    if levered.of_band >= of_band:
        return levered
    if which >= 2:
        symbol = position.model.symbols[which - 2]
        return Overshoot(of_band, f"{symbol} ends with {ends:.1%} of the risk, its target share is {due:.1%}")
    return Overshoot(
        of_band, f"{('leverage', 'volatility')[which]} ends at {ends:.3f}, its target is {due:.3f}"
    )


def is_out_of_band(position: Position, weights: tuple[float, ...]) -> bool:
    """Whether a trigger that is looked at would fire there beyond its outer band."""
    target, covariance = position.target.weights, position.model.covariance
    decision = position.policy.decision
    # Seen from the target every gap is a new one.
    widest = measures.overshoot(target, weights, target, covariance, *_bands(position))[0]
    if "tracking_error" in decision.triggers:
        distance = measures.tracking_error(weights, target, covariance)
        widest = max(widest, distance / decision.tracking_error_band)
    return widest > measures.outer_band(1.0, decision.out_of_band, decision.risk_share_band)


def _bands(position: Position) -> tuple[float, float, float]:
    """Of leverage, volatility and risk share; inf where it is not looked at."""
    decision = position.policy.decision
    bands = {
        "leverage": decision.leverage_band,
        "volatility": decision.volatility_band,
        "risk_share": decision.risk_share_band,
    }
    leverage, volatility, risk_share = (
        band if name in decision.triggers else math.inf for name, band in bands.items()
    )
    return leverage, volatility, risk_share


def _health_factor(position: Position, aim: tuple[float, ...]) -> Overshoot:
    """A trade that levers must not end below the alert level."""
    leverage, alert = math.fsum(aim), position.policy.decision.alert_health_factor
    if leverage <= position.held.leverage:
        return Overshoot(0.0, "the trade does not lower the health factor")
    thresholds = liquidation_thresholds(position)
    threshold = math.fsum(weight * one for weight, one in zip(aim, thresholds, strict=True)) / leverage
    cash = cash_share(position.snapshot, position.policy.size.idle_buffer)
    ends = health_factor_at(leverage, threshold, cash)
    of_band = alert / ends if ends > 0.0 else math.inf
    return Overshoot(of_band, f"the health factor ends at {ends:.3f}, alert level {alert:.3f}")


def liquidation_thresholds(position: Position) -> tuple[float, ...]:
    """Per asset of the model, fractions."""
    reserves = {reserve.symbol: reserve for reserve in position.snapshot.reserves}
    return tuple(reserves[symbol].liquidation_threshold_bps / BPS for symbol in position.model.symbols)
