"""Scores of forecast covariances against what happened. Each is per day of forecast, so that days can be compared."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

MIN_VARIANCE = 1e-12
"""A day without a move would make QLIKE infinite."""


def log_likelihood(covariances: NDArray[np.float64], returns: NDArray[np.float64]) -> NDArray[np.float64]:
    """Gaussian log-likelihood (D,) of returns (D, n) under covariances (D, n, n) of the same horizon."""
    _, log_determinants = np.linalg.slogdet(covariances)
    solved = np.linalg.solve(covariances, returns[:, :, None])[:, :, 0]
    distances = (returns * solved).sum(axis=1)
    return np.asarray(-0.5 * (returns.shape[1] * math.log(2.0 * math.pi) + log_determinants + distances))


def qlike(forecast: NDArray[np.float64], realised: NDArray[np.float64]) -> NDArray[np.float64]:
    """``r/f - ln(r/f) - 1`` of variances, 0 where the forecast was exact (Patton 2011)."""
    ratio = np.maximum(realised, MIN_VARIANCE) / forecast
    return np.asarray(ratio - np.log(ratio) - 1.0)


def portfolio_variances(
    weights: NDArray[np.float64], covariances: NDArray[np.float64]
) -> NDArray[np.float64]:
    """``w' S w`` of every portfolio (P, n) on every day (D, n, n): (D, P)."""
    return np.asarray(np.einsum("pi,dij,pj->dp", weights, covariances, weights, optimize=True))


def bias(
    weights: NDArray[np.float64], covariances: NDArray[np.float64], returns: NDArray[np.float64]
) -> float:
    """Standard deviation of ``realised / forecast`` portfolio returns, averaged over the portfolios (P, n).

    1 for an honest forecaster; above 1 it understates risk. 0.9 to 1.1 is good.
    """
    standardised = returns @ weights.T / np.sqrt(portfolio_variances(weights, covariances))
    return float(standardised.std(axis=0).mean())


def mean_and_t(values: NDArray[np.float64], lags: int) -> tuple[float, float]:
    """Mean of daily values and its t-value, robust to autocorrelation up to ``lags`` (Newey and West 1987).

    t is 0 where the values do not vary.
    """
    mean = float(values.mean())
    rest = values - mean
    variance = float(rest @ rest) / values.size
    for lag in range(1, min(lags, values.size - 1) + 1):
        covariance = float(rest[lag:] @ rest[:-lag]) / values.size
        variance += 2.0 * (1.0 - lag / (lags + 1.0)) * covariance
    if variance <= 0.0:
        return mean, 0.0
    return mean, mean / math.sqrt(variance / values.size)
