"""The coefficients of the log-HAR, fitted on all assets at once."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from keeper.domain.path import MarketPath
from keeper.domain.policy import EstimatePolicy
from keeper.evaluate.history import DAY, midnights, outcome
from keeper.risk.har import components
from keeper.risk.squared_returns import PathSquares

HORIZON_DAYS = 7
"""The strategy rebalances at least this often; a fit to the next day follows volatility more nervously."""


@dataclass(frozen=True, slots=True)
class HarFit:
    """``weights`` sum to 1; ``scale`` makes the mean of realised over forecast variance 1."""

    weights: tuple[float, ...]
    scale: float
    observations: int


def fit_har(path: MarketPath, policy: EstimatePolicy, start: int, end: int) -> HarFit | None:
    """Pooled least squares of the log variance of the next 7 days, on midnights in [start, end - 7 days].

    None where there are too few. The weights are held to sum 1, so that doubling every volatility doubles the
    forecast.
    """
    at = midnights(path)
    times = path.times[at]
    judged = (times >= start) & (times + HORIZON_DAYS * DAY <= end)
    window = math.ceil(policy.history_s / path.bar_seconds)
    min_variance = policy.volatility_floor**2 * path.bar_seconds / (365 * DAY)
    logs = np.stack(components(PathSquares(path.closes, window), path.bar_seconds, min_variance), axis=-1)[at]
    realised = np.diagonal(outcome(path, HORIZON_DAYS).realised, axis1=1, axis2=2)
    per_bar = np.log(np.maximum(realised / (HORIZON_DAYS * DAY / path.bar_seconds), min_variance))
    usable = judged[:, None] & np.isfinite(logs).all(axis=-1) & np.isfinite(per_bar)
    x, y = logs[usable], per_bar[usable]
    if y.size < 100:
        return None
    # The last weight is what the others leave of 1.
    relative = x[:, :-1] - x[:, -1:]
    design = np.column_stack([relative, np.ones(y.size)])
    solution = np.linalg.lstsq(design, y - x[:, -1], rcond=None)[0]
    weights = (*solution[:-1], 1.0 - float(solution[:-1].sum()))
    scale = float(np.exp(y - x @ np.array(weights)).mean())
    return HarFit(tuple(float(w) for w in weights), scale, int(y.size))
