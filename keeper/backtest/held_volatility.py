"""How well a strategy held its target volatility over 30 days, and what the distance comes from."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from keeper.backtest.result import BacktestResult
from keeper.backtest.statistics import daily_closes, daily_returns, rolling_volatility

WINDOW_DAYS = 30


@dataclass(frozen=True, slots=True)
class Distance:
    """Root mean square and mean, over windows, of the logarithm of one volatility over another."""

    root_mean_square: float
    mean: float


@dataclass(frozen=True, slots=True)
class HeldVolatility:
    """``whole``: realised over the policy's target. It is the sum, window by window, of ``forecast``: realised over
    what the model said of the weights held; ``waiting``: that over what it said of the target portfolio; ``bounds``:
    that over the policy's target. NaN where there is no window of 30 days with a target."""

    whole: Distance
    forecast: Distance
    waiting: Distance
    bounds: Distance


def log_distances(daily: NDArray[np.float64], target: float) -> NDArray[np.float64]:
    """``log(realised / target)`` of the volatility of the last 30 daily log returns, at each of them; NaN before there
    are so many, and where nothing moved."""
    rolled = rolling_volatility(daily, WINDOW_DAYS)
    return np.log(np.where(rolled > 0.0, rolled, np.nan) / target)


def held_volatility(result: BacktestResult) -> HeldVolatility:
    """Model and target are those at the day's close from which each return of a window counts."""
    closes = daily_closes(result)
    whole = log_distances(daily_returns(result), result.policy_volatility)
    held, aimed = (
        _over_windows(values[closes[:-1]])
        for values in (result.forecast_volatility, result.target_volatility)
    )
    bounds = np.log(aimed / result.policy_volatility)
    waiting = np.log(held / aimed)
    forecast = whole - waiting - bounds
    known = np.isfinite(forecast)
    return HeldVolatility(*(_distance(part[known]) for part in (whole, forecast, waiting, bounds)))


def root_mean_square(values: NDArray[np.float64]) -> float:
    """Of the finite ones; NaN without any."""
    known = values[np.isfinite(values)]
    return math.sqrt(float(np.square(known).mean())) if known.size else math.nan


def _over_windows(volatilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Root mean square of the known days of each 30, (T,); NaN before there are so many, and where it is not above
    0."""
    means = np.full(volatilities.size, math.nan)
    if volatilities.size >= WINDOW_DAYS:
        windows = np.lib.stride_tricks.sliding_window_view(np.square(volatilities), WINDOW_DAYS)
        known = np.isfinite(windows).sum(axis=1)
        means[WINDOW_DAYS - 1 :] = np.nansum(windows, axis=1) / np.maximum(known, 1)
    return np.sqrt(np.where(means > 0.0, means, np.nan))


def _distance(values: NDArray[np.float64]) -> Distance:
    return Distance(root_mean_square(values), float(values.mean()) if values.size else math.nan)
