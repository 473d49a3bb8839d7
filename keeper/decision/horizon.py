"""Over which time the benefit of a trade counts."""

from __future__ import annotations

from keeper.decision.position import VaultPosition
from keeper.domain.units import SECONDS_PER_YEAR
from keeper.risk.contributions import volatility

NOISE = 1e-9
"""A rise of leverage, of a weight or of volatility by less than this is float rounding."""


def rises(before: float, after: float) -> bool:
    return after > before * (1.0 + NOISE) + NOISE


def adds_risk(position: VaultPosition, weights: tuple[float, ...]) -> bool:
    """Whether a trade to these weights buys something and leaves more leverage or more volatility than now."""
    held = position.current.weights
    if not any(rises(now, goal) for now, goal in zip(held, weights, strict=True)):
        return False
    after = volatility(weights, position.model.covariance)
    return rises(sum(held), sum(weights)) or rises(position.current.volatility, after)


def benefit_years(position: VaultPosition, *, adds_risk: bool) -> float:
    """The expected time until the next trade, which makes up for this one's errors.

    A vault that was left alone for a time is expected to be left alone for as long again: after an unknown part of an
    interval, that is the median of what is left. A trade that adds no risk counts over ``horizon_s`` whatever the time,
    because a short horizon must not block the way down.
    """
    decision = position.policy.decision
    seconds = float(decision.horizon_s)
    if adds_risk:
        seconds = min(seconds, max(decision.shortest_horizon_s, position.since_rebalance_s))
    return seconds / SECONDS_PER_YEAR


def variance_price(position: VaultPosition, *, adds_risk: bool) -> float:
    """What one unit of yearly variance of the tracking error costs until the next trade, in NAVs: ``g H``."""
    return position.policy.decision.risk_aversion * benefit_years(position, adds_risk=adds_risk)
