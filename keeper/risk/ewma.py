"""Exponentially weighted moments about a zero mean (RiskMetrics 1996), weights normalised to sum 1."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

NEGLIGIBLE_WEIGHT = 1e-12


def decay(half_life_bars: float) -> float:
    """``lambda = 2^(-1 / half-life)``."""
    return float(2.0 ** (-1.0 / half_life_bars))


def weights(bars: int, half_life_bars: float) -> NDArray[np.float64]:
    """Weights of ``bars`` returns, oldest first, sum 1, no bias correction; shape (min(bars, reach),).

    The reach is ``log(1e-12) / log(lambda)`` bars: what is older would not show in the result.
    """
    lam = decay(half_life_bars)
    reach = min(bars, math.ceil(math.log(NEGLIGIBLE_WEIGHT) / math.log(lam)))
    raw = lam ** np.arange(reach - 1, -1, -1, dtype=np.float64)
    return np.asarray(raw / raw.sum(), dtype=np.float64)


def covariance(returns: NDArray[np.float64], half_life_bars: float) -> NDArray[np.float64]:
    """``sum_t w_t r_t r_t'`` of returns (T, n) without gaps: (n, n) per bar."""
    w = weights(returns.shape[0], half_life_bars)
    recent = returns[-w.size :]
    return np.asarray((recent * w[:, None]).T @ recent, dtype=np.float64)


def effective_bars(w: NDArray[np.float64]) -> float:
    """Equally weighted bars that tell as much: ``1 / sum w²``, in the limit ``(1+lambda)/(1-lambda)``."""
    return float(1.0 / np.square(w).sum())
