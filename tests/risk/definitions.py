"""Definitions written out, to compare the keeper's estimators with."""

from __future__ import annotations

import numpy as np


def ewma_covariance(returns: np.ndarray, half_life_bars: float) -> np.ndarray:
    """``sum_t w_t r_t r_t'`` of all returns (T, n), ``w_t`` in proportion to ``2^(-age / half-life)``, sum 1."""
    w = 2.0 ** (-np.arange(len(returns))[::-1] / half_life_bars)
    return np.asarray((returns * (w / w.sum())[:, None]).T @ returns)
