"""Textbook estimators that the keeper does not use. Each gives an annualised covariance (n, n)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from keeper.evaluate.history import DAY, DAYS_A_YEAR, PointInTimeData
from keeper.risk import ewma
from keeper.risk.correlation import positive_definite
from keeper.risk.returns import log_returns

ROLLING_DAYS = 60
CONSTANT_VOLATILITY, CONSTANT_CORRELATION = 0.80, 0.70
RATIO_HALF_LIFE_DAYS = 60.0
"""The variance premium changes within months."""
MIN_RATIO_DAYS = 60
"""Days with both variances before the running ratio is used."""
VARIANCE_HALF_LIFE_DAYS, CORRELATION_HALF_LIFE_DAYS = 5.0, 21.0


def constant(data: PointInTimeData) -> NDArray[np.float64]:
    """Volatility 80 % for every asset and correlation 0.7 for every pair, at all times."""
    n = data.daily_closes.shape[1]
    correlation = np.full((n, n), CONSTANT_CORRELATION)
    np.fill_diagonal(correlation, 1.0)
    return CONSTANT_VOLATILITY**2 * correlation


def expanding(data: PointInTimeData) -> NDArray[np.float64]:
    """Sample covariance of all daily returns so far."""
    return DAYS_A_YEAR * np.atleast_2d(np.cov(complete_daily_returns(data).T))


def rolling(data: PointInTimeData) -> NDArray[np.float64]:
    """Sample covariance of the last 60 daily returns."""
    return DAYS_A_YEAR * np.atleast_2d(np.cov(complete_daily_returns(data)[-ROLLING_DAYS:].T))


def realised_covariance(data: PointInTimeData) -> NDArray[np.float64]:
    """EWMA of the days' realised covariances: half-life 5 days for variances, 21 for correlations."""
    bars = data.evidence.bars
    moves = np.nan_to_num(log_returns(bars.closes))
    bars_per_day = DAY // bars.bar_seconds
    days = moves.shape[0] // bars_per_day
    by_day = moves[-days * bars_per_day :].reshape(days, bars_per_day, -1)
    realised = np.einsum("dti,dtj->dij", by_day, by_day)
    fast, slow = (
        _weighted(realised, half_life) for half_life in (VARIANCE_HALF_LIFE_DAYS, CORRELATION_HALF_LIFE_DAYS)
    )
    deviations = np.sqrt(np.diagonal(slow))
    correlation = positive_definite(slow / np.outer(deviations, deviations))
    return DAYS_A_YEAR * correlation * np.sqrt(np.outer(np.diagonal(fast), np.diagonal(fast)))


def realised_to_implied(data: PointInTimeData) -> NDArray[np.float64]:
    """Running ratio (n,) of the days' squared returns to the variance implied at their start; NaN without options.

    Exponentially weighted with a half-life of 60 days, from the days so far.
    """
    squares = np.square(log_returns(data.daily_closes)) * DAYS_A_YEAR
    implied = np.square(data.daily_implied[:-1])
    known = np.isfinite(squares) & np.isfinite(implied)
    w = ewma.weights(squares.shape[0], RATIO_HALF_LIFE_DAYS)[:, None]
    last = slice(-w.shape[0], None)
    above = (w * np.where(known, squares, 0.0)[last]).sum(axis=0)
    below = (w * np.where(known, implied, 0.0)[last]).sum(axis=0)
    enough = known.sum(axis=0) >= MIN_RATIO_DAYS
    return np.where(enough, above / np.where(enough, below, 1.0), np.nan)


def complete_daily_returns(data: PointInTimeData) -> NDArray[np.float64]:
    """The days on which every asset has a return, (D, n)."""
    returns = log_returns(data.daily_closes)
    return returns[np.isfinite(returns).all(axis=1)]


def _weighted(matrices: NDArray[np.float64], half_life: float) -> NDArray[np.float64]:
    w = ewma.weights(matrices.shape[0], half_life)
    return np.asarray(np.tensordot(w, matrices[-w.size :], axes=1))


TEXTBOOK: Mapping[str, Callable[[PointInTimeData], NDArray[np.float64]]] = {
    "constant 80 %, 0.7": constant,
    "sample, expanding": expanding,
    "sample, rolling 60 d": rolling,
    "realised covariance 5 d / 21 d": realised_covariance,
}
