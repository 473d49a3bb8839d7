"""The coefficients of the log-HAR, fitted on all assets at once."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from keeper.domain.path import MarketPath
from keeper.domain.policy import EstimatePolicy
from keeper.evaluate.history import DAY, DAYS_A_YEAR, midnights, realised_outcome
from keeper.risk.har import SPANS_DAYS, components
from keeper.risk.squared_returns import SquaredReturns

HORIZON_DAYS = 7
"""The strategy rebalances at least this often; a fit to the next day follows volatility more nervously."""
MIN_OBSERVATIONS = 100
"""Fewer pairs of asset and day do not determine four coefficients."""
MIN_PRICES = 2
"""An asset with fewer prices in the window has no return."""


@dataclass(frozen=True, slots=True)
class HarFit:
    """``weights`` sum to 1; ``scale`` makes the mean of realised over forecast variance 1."""

    weights: tuple[float, ...]
    scale: float
    observations: int


def fit_har(path: MarketPath, policy: EstimatePolicy, *, start: int, end: int) -> HarFit | None:
    """Pooled least squares of the log variance of the next 7 days, on midnights in [start, end - 7 days].

    None with fewer than 100 observations. The weights are held to sum 1, so that doubling every volatility doubles
    the forecast.
    """
    at = midnights(path)
    times = path.times[at]
    judged = (times >= start) & (times + HORIZON_DAYS * DAY <= end)
    min_variance = policy.volatility_floor**2 * path.bar_seconds / (DAYS_A_YEAR * DAY)
    logs = np.full((at.size, len(path.symbols), len(SPANS_DAYS)), np.nan)
    for day in np.flatnonzero(judged):
        logs[day] = _components(path, policy, int(at[day]), min_variance=min_variance)
    realised = np.diagonal(realised_outcome(path, HORIZON_DAYS).covariance, axis1=1, axis2=2)
    per_bar = np.log(np.maximum(realised / (HORIZON_DAYS * DAY / path.bar_seconds), min_variance))
    usable = np.isfinite(logs).all(axis=-1) & np.isfinite(per_bar)
    x, y = logs[usable], per_bar[usable]
    if y.size < MIN_OBSERVATIONS:
        return None
    # The last weight is 1 less the others.
    relative = x[:, :-1] - x[:, -1:]
    design = np.column_stack([relative, np.ones(y.size)])
    solution = np.linalg.lstsq(design, y - x[:, -1], rcond=None)[0]
    weights = (*solution[:-1], 1.0 - float(solution[:-1].sum()))
    scale = float(np.exp(y - x @ np.array(weights)).mean())
    return HarFit(tuple(float(w) for w in weights), scale, int(y.size))


def _components(
    path: MarketPath, policy: EstimatePolicy, index: int, *, min_variance: float
) -> NDArray[np.float64]:
    """The components (n, spans) in the window that ends at bar ``index``; NaN for an asset without a return."""
    bars = math.ceil(policy.history_s / path.bar_seconds)
    closes = path.closes[max(0, index + 1 - bars) : index + 1]
    logs = np.full((closes.shape[1], len(SPANS_DAYS)), np.nan)
    known = np.isfinite(closes).sum(axis=0) >= MIN_PRICES
    if known.any():
        squares = SquaredReturns(closes[:, known])
        logs[known] = np.stack(components(squares, path.bar_seconds, min_variance), axis=-1)
    return logs
