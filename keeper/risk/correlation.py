"""Correlation matrices of returns, symmetric and positive definite, on request shrunk towards their mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from keeper.domain.errors import InvalidSetting
from keeper.domain.policy import EstimatePolicy
from keeper.risk import ewma
from keeper.risk.asynchronous import comoments
from keeper.risk.volatility import ewma_mix_weights

MIN_EIGENVALUE = 1e-8
"""Of the result. Far above rounding, and too small to change a correlation visibly."""

WeightedReturns = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Returns (T, n) to correlate, and the weights of the last of them."""


def correlation(returns: NDArray[np.float64], policy: EstimatePolicy) -> NDArray[np.float64]:
    """Correlation (n, n) of returns (T, n) without gaps, by the estimator that the policy names.

    Raises InvalidSetting.
    """
    if policy.correlation not in CORRELATIONS:
        raise InvalidSetting(
            f"estimate.correlation is {policy.correlation!r}",
            remedy=f"Set it to one of: {', '.join(sorted(CORRELATIONS))}.",
        )
    prepared, w = CORRELATIONS[policy.correlation](returns, policy)
    return shrunk_correlation(prepared, w) if policy.shrink else weighted_correlation(prepared, w)


def weighted_correlation(returns: NDArray[np.float64], w: NDArray[np.float64]) -> NDArray[np.float64]:
    """Correlation (n, n), about a zero mean, of returns (T, n) without gaps; ``w`` weighs the last of them.

    Prices need not be published at the same time: ``sample_correlation``. Positive definite, unit diagonal. An asset
    that never moved is uncorrelated with all others.
    """
    return positive_definite(sample_correlation(returns, w))


def shrunk_correlation(returns: NDArray[np.float64], w: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same, moved towards constant correlation by the intensity of Ledoit and Wolf (2004)."""
    sample = sample_correlation(returns, w)
    intensity = shrinkage(_standardised(returns, w), w, sample)
    return positive_definite((1.0 - intensity) * sample + intensity * constant_correlation(sample))


def sample_correlation(returns: NDArray[np.float64], w: NDArray[np.float64]) -> NDArray[np.float64]:
    """Correlation (n, n) of the moves whose times overlap, symmetric, unit diagonal; ``w`` weighs the last returns.

    Few moves say little about the present. So where a price stood still in a part of the weighted bars, that part of
    the way to the correlation of the whole history is gone, but only upwards.
    """
    recent = returns[-w.size :]
    correlations = _overlapping(recent, w)
    still = w @ (recent == 0.0)
    if not still.any():
        return correlations
    whole = _overlapping(returns, np.full(len(returns), 1.0 / len(returns)))
    slower = np.maximum(still[:, None], still)
    return np.asarray(correlations + slower * np.maximum(whole - correlations, 0.0))


def _ewma(returns: NDArray[np.float64], policy: EstimatePolicy) -> WeightedReturns:
    half_life = ewma.bars_of(policy.correlation_half_life_days, policy.bar_seconds)
    return returns, ewma.weights(returns.shape[0], half_life)


def _ewma_mix(returns: NDArray[np.float64], policy: EstimatePolicy) -> WeightedReturns:
    return returns, ewma_mix_weights(returns.shape[0], policy)


def _iterated(returns: NDArray[np.float64], policy: EstimatePolicy) -> WeightedReturns:
    """Each return in units of the EWMA volatility of the bars before it (Johansson et al. 2023, section 3).

    The first half-life is left out, because no volatility is known yet.
    """
    half_life = ewma.bars_of(policy.volatility_half_life_days, policy.bar_seconds)
    first = min(max(1, round(half_life)), returns.shape[0] - 1)
    before = ewma.decayed_sums(np.square(returns), half_life)[first - 1 : -1]
    before /= ewma.decayed_sums(np.ones((returns.shape[0], 1)), half_life)[first - 1 : -1]
    return _ewma(returns[first:] / np.sqrt(np.where(before > 0.0, before, np.inf)), policy)


CORRELATIONS: Mapping[str, Callable[[NDArray[np.float64], EstimatePolicy], WeightedReturns]] = {
    "ewma": _ewma,
    "ewma_mix": _ewma_mix,
    "iterated": _iterated,
}


def constant_correlation(correlation: NDArray[np.float64]) -> NDArray[np.float64]:
    """The matrix whose every pair has the mean of the given pairs' correlations."""
    n = correlation.shape[0]
    mean = (correlation.sum() - n) / (n * (n - 1)) if n > 1 else 0.0
    target = np.full((n, n), mean)
    np.fill_diagonal(target, 1.0)
    return target


def shrinkage(
    standardised: NDArray[np.float64], w: NDArray[np.float64], correlation: NDArray[np.float64]
) -> float:
    """Intensity in [0, 1] towards constant correlation, for returns (T, n) of unit variance under the weights
    (T,).

    ``(pi - rho) / gamma / T`` of Ledoit and Wolf (2004), "Honey, I shrunk the sample covariance matrix",
    appendix B, with weighted means and the effective number of bars for T.
    """
    n = correlation.shape[0]
    if n < 2:
        return 0.0
    mean = (correlation.sum() - n) / (n * (n - 1))
    gamma = float(np.square(correlation - constant_correlation(correlation)).sum())
    if gamma == 0.0:
        return 0.0
    weighted = w[:, None]
    squares = np.square(standardised)
    pi = (squares * weighted).T @ squares - np.square(correlation)
    theta = (squares * standardised * weighted).T @ standardised - correlation
    off_diagonal = float(theta.sum() - np.trace(theta))
    rho = float(np.trace(pi)) + mean * off_diagonal
    return float(np.clip((pi.sum() - rho) / gamma / ewma.effective_bars(w), 0.0, 1.0))


def positive_definite(correlation: NDArray[np.float64]) -> NDArray[np.float64]:
    """The correlation mixed with the least identity that makes its smallest eigenvalue 1e-8.

    Returns the same object where the eigenvalue is already large enough.
    """
    smallest = float(np.linalg.eigvalsh(correlation)[0])
    if smallest >= MIN_EIGENVALUE:
        return correlation
    share = (MIN_EIGENVALUE - smallest) / (1.0 - smallest)
    mixed = (1.0 - share) * correlation
    np.fill_diagonal(mixed, 1.0)
    return np.asarray(mixed, dtype=np.float64)


def _standardised(returns: NDArray[np.float64], w: NDArray[np.float64]) -> NDArray[np.float64]:
    """The last returns, one per weight, scaled to unit variance under the weights."""
    recent = returns[-w.size :]
    variance = w @ np.square(recent)
    return np.asarray(recent / np.sqrt(np.where(variance > 0.0, variance, 1.0)))


def _overlapping(returns: NDArray[np.float64], w: NDArray[np.float64]) -> NDArray[np.float64]:
    correlation = np.clip(comoments(_standardised(returns, w), w), -1.0, 1.0)
    np.fill_diagonal(correlation, 1.0)
    return np.asarray(correlation, dtype=np.float64)
