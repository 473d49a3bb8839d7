"""Whether a trade would end past the target, where a trigger asks for the opposite trade."""

from __future__ import annotations

import math
from dataclasses import dataclass

from keeper.decision import measures
from keeper.decision.position import VaultPosition
from keeper.sizing.bounds import health_factor_at


@dataclass(frozen=True, slots=True)
class Overshoot:
    """``of_band`` is how far past the target the trade ends, as a part of the band. Above 1 a trigger fires there that
    does not fire now."""

    of_band: float
    detail: str


def worst_overshoot(position: VaultPosition, aim: tuple[float, ...]) -> Overshoot:
    """The largest overshoot at ``aim`` among the quantities whose triggers are enabled."""
    levered = _health_factor(position, aim)
    if aim == position.target.weights:
        return levered
    of_band, which, end, target = measures.overshoot(
        position.current.weights,
        aim,
        position.target.weights,
        covariance=position.model.covariance,
        bands=_bands(position),
    )
    if levered.of_band >= of_band:
        return levered
    if which >= 2:
        symbol = position.model.symbols[which - 2]
        return Overshoot(
            of_band, f"{symbol} ends with {end:.1%} of the risk, its target share is {target:.1%}"
        )
    return Overshoot(
        of_band, f"{('leverage', 'volatility')[which]} ends at {end:.3f}, its target is {target:.3f}"
    )


def is_out_of_band(position: VaultPosition, weights: tuple[float, ...]) -> bool:
    """Whether an enabled trigger would fire at ``weights`` beyond its outer band."""
    target, covariance = position.target.weights, position.model.covariance
    decision = position.policy.decision
    # Seen from the target, every gap counts as an overshoot.
    widest = measures.overshoot(target, weights, target, covariance=covariance, bands=_bands(position))[0]
    if "tracking_error" in decision.triggers:
        distance = measures.tracking_error(weights, target, covariance)
        widest = max(widest, distance / decision.tracking_error_band)
    return widest > measures.outer_band(1.0, decision.out_of_band, decision.risk_share_band)


def _bands(position: VaultPosition) -> tuple[float, float, float]:
    """Bands of leverage, volatility and risk share. A trigger that is not enabled has an infinite band."""
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


def _health_factor(position: VaultPosition, aim: tuple[float, ...]) -> Overshoot:
    """A trade that raises leverage must not end below the alert level."""
    leverage, alert = math.fsum(aim), position.alert_level
    if leverage <= position.held.leverage:
        return Overshoot(0.0, "the trade does not lower the health factor")
    thresholds = zip(aim, position.liquidation_thresholds, strict=True)
    threshold = math.fsum(weight * threshold for weight, threshold in thresholds) / leverage
    end = health_factor_at(leverage, threshold, position.cash)
    of_band = alert / end if end > 0.0 else math.inf
    return Overshoot(of_band, f"the health factor ends at {end:.3f}, alert level {alert:.3f}")
