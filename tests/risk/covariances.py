"""Covariances of few assets, and how far weights are off their budgets."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st


def covariance(volatilities: list[float], correlation: list[list[float]]) -> np.ndarray:
    return np.asarray(np.array(correlation) * np.outer(volatilities, volatilities))


def residual(weights: np.ndarray, sigma: np.ndarray, budgets: np.ndarray) -> float:
    """max |RC_i / (b_i s_p) - 1| in extended precision."""
    w = np.asarray(weights, dtype=np.longdouble)
    contributions = w * (np.asarray(sigma, dtype=np.longdouble) @ w)
    return float(np.abs(contributions / contributions.sum() / (budgets / np.sum(budgets)) - 1).max())


@st.composite
def covariances(draw: st.DrawFn, most: int = 8) -> np.ndarray:
    """Random factor covariances, volatilities spread over four orders of magnitude."""
    n = draw(st.integers(1, most))
    seed = draw(st.integers(0, 2**32 - 1))
    generator = np.random.default_rng(seed)
    loadings = generator.normal(size=(n, draw(st.integers(1, n))))
    base = loadings @ loadings.T + np.diag(generator.uniform(0.05, 1.0, n))
    scale = 10.0 ** generator.uniform(-3, 1, n)
    return base / np.sqrt(np.outer(np.diag(base), np.diag(base))) * np.outer(scale, scale)


GOOD = covariance([0.5, 0.6, 0.7], [[1, 0.6, 0.5], [0.6, 1, 0.4], [0.5, 0.4, 1]])
NAMES = ("WBTC", "WETH", "LINK")
