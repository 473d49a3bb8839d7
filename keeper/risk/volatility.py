"""Historical volatility by the name of its estimator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from keeper.domain.errors import InvalidSetting
from keeper.domain.policy import EstimatePolicy
from keeper.domain.units import SECONDS_PER_YEAR
from keeper.risk.ewma import bars_of, mixed_weights, weights
from keeper.risk.har import har, span_weights
from keeper.risk.squared_returns import SquaredReturns

Floors = NDArray[np.float64]
"""Lowest annualised volatility of each asset (n,)."""
VarianceEstimator = Callable[[SquaredReturns, EstimatePolicy, Floors], NDArray[np.float64]]
"""Variances per bar (n,)."""
VarianceWeights = Callable[[int, EstimatePolicy], NDArray[np.float64]]
"""Weights, oldest first, sum 1, that a variance gives to the last of this many squared returns."""


def ewma(squares: SquaredReturns, policy: EstimatePolicy, _: Floors) -> NDArray[np.float64]:
    """EWMA at ``volatility_half_life_days`` (RiskMetrics 1996)."""
    return squares.decayed(bars_of(policy.volatility_half_life_days, policy.bar_seconds))


def ewma_mix(squares: SquaredReturns, policy: EstimatePolicy, _: Floors) -> NDArray[np.float64]:
    """Mean of the EWMAs at ``mix_half_lives_days``.

    A HAR (Corsi 2009) with exponential windows (Bollerslev, Hood, Huss and Pedersen 2018) and equal weights.
    """
    each = [squares.decayed(half_life) for half_life in _mix_half_lives(policy)]
    return np.asarray(sum(each) / len(each))


def log_har(squares: SquaredReturns, policy: EstimatePolicy, floors: Floors) -> NDArray[np.float64]:
    """``har_scale`` times the log-HAR of day, week, month and whole history at ``har_weights``."""
    return har(
        squares,
        weights=policy.har_weights,
        scale=policy.har_scale,
        bar_seconds=policy.bar_seconds,
        min_variance=floors**2 * policy.bar_seconds / SECONDS_PER_YEAR,
    )


def har_mix(squares: SquaredReturns, policy: EstimatePolicy, floors: Floors) -> NDArray[np.float64]:
    """Mean of ``log_har`` and ``ewma_mix``: a combination of forecasts (Bates and Granger 1969) with equal weights."""
    return np.asarray(0.5 * (log_har(squares, policy, floors) + ewma_mix(squares, policy, floors)))


def ewma_weights(bars: int, policy: EstimatePolicy) -> NDArray[np.float64]:
    """Of ``ewma``."""
    return weights(bars, bars_of(policy.volatility_half_life_days, policy.bar_seconds))


def ewma_mix_weights(bars: int, policy: EstimatePolicy) -> NDArray[np.float64]:
    """Of ``ewma_mix``."""
    return mixed_weights(bars, _mix_half_lives(policy))


def log_har_weights(bars: int, policy: EstimatePolicy) -> NDArray[np.float64]:
    """Of ``log_har``, where the variances of all spans are the same."""
    return span_weights(bars, weights=policy.har_weights, bar_seconds=policy.bar_seconds)


def har_mix_weights(bars: int, policy: EstimatePolicy) -> NDArray[np.float64]:
    """Of ``har_mix``, where the variances of all spans are the same."""
    mixed = 0.5 * log_har_weights(bars, policy)
    recent = ewma_mix_weights(bars, policy)
    mixed[-recent.size :] += 0.5 * recent
    return mixed


@dataclass(frozen=True, slots=True)
class VolatilityEstimator:
    """``label`` is the short name on screens."""

    label: str
    variance: VarianceEstimator
    weights: VarianceWeights


VOLATILITIES: Mapping[str, VolatilityEstimator] = {
    "ewma": VolatilityEstimator("EWMA", ewma, ewma_weights),
    "ewma_mix": VolatilityEstimator("EWMA", ewma_mix, ewma_mix_weights),
    "har": VolatilityEstimator("HAR", log_har, log_har_weights),
    "har_mix": VolatilityEstimator("HAR+EWMA", har_mix, har_mix_weights),
}


def volatility_estimator(name: str) -> VolatilityEstimator:
    """The estimator of that name. Raises InvalidSetting."""
    if name not in VOLATILITIES:
        raise InvalidSetting(
            f"estimate.volatility is {name!r}", remedy=f"Set it to one of: {', '.join(sorted(VOLATILITIES))}."
        )
    return VOLATILITIES[name]


def volatilities(
    closes: NDArray[np.float64], policy: EstimatePolicy, floors: Floors | None = None
) -> NDArray[np.float64]:
    """Annualised volatilities (n,) of closes (T, n) with at least two prices per asset, not under their ``floors``,
    or the policy's for all.

    Raises InvalidSetting.
    """
    if floors is None:
        floors = np.full(closes.shape[1], policy.volatility_floor)
    variances = volatility_estimator(policy.volatility).variance(SquaredReturns(closes), policy, floors)
    bars_per_year = SECONDS_PER_YEAR / policy.bar_seconds
    return np.asarray(np.maximum(np.sqrt(variances * bars_per_year), floors))


def _mix_half_lives(policy: EstimatePolicy) -> list[float]:
    """In bars."""
    return [bars_of(days, policy.bar_seconds) for days in policy.mix_half_lives_days]
