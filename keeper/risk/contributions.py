"""A portfolio's volatility, and the share of its risk that each asset carries."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray


def volatility(weights: ArrayLike, covariance: ArrayLike) -> float:
    """``sqrt(w' S w)``; ``weights`` (n,), ``covariance`` (n, n). Annualised when the covariance is."""
    w = np.asarray(weights, dtype=np.float64)
    return math.sqrt(max(0.0, float(w @ np.asarray(covariance, dtype=np.float64) @ w)))


def risk_shares(weights: ArrayLike, covariance: ArrayLike) -> NDArray[np.float64]:
    """Relative risk contributions ``w_i (S w)_i / (w' S w)``, shape (n,), sum 1; all 0 for a portfolio
    without risk.

    Source: Maillard, Roncalli, Teiletche (2010), equation 2, divided by portfolio volatility.
    """
    w = np.asarray(weights, dtype=np.float64)
    contributions = w * (np.asarray(covariance, dtype=np.float64) @ w)
    variance = float(contributions.sum())
    if variance <= 0.0:
        return np.zeros_like(w)
    return np.asarray(contributions / variance, dtype=np.float64)
