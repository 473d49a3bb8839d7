"""Definitions written out, to compare the keeper's estimators with."""

from __future__ import annotations

import numpy as np


def ewma_covariance(returns: np.ndarray, half_life_bars: float) -> np.ndarray:
    """``sum_t w_t r_t r_t'`` of all returns (T, n), ``w_t`` in proportion to ``2^(-age / half-life)``, sum 1."""
    w = 2.0 ** (-np.arange(len(returns))[::-1] / half_life_bars)
    return np.asarray((returns * (w / w.sum())[:, None]).T @ returns)


def overlapping_moves(returns: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Hayashi and Yoshida (2005): products of all pairs of moves that overlap, weighed by the mean of the weights at
    their ends. A return of 0 belongs to the move that ends later; after the last move there is none."""
    n = returns.shape[1]
    total = np.zeros((n, n))
    for i in range(n):
        for j in range(n):
            for end_i, start_i in _moves(returns[:, i]):
                for end_j, start_j in _moves(returns[:, j]):
                    if start_i < end_j and start_j < end_i:
                        weight = 0.5 * (w[end_i - 1] + w[end_j - 1])
                        total[i, j] += weight * returns[end_i - 1, i] * returns[end_j - 1, j]
    return total


def _moves(returns: np.ndarray) -> list[tuple[int, int]]:
    """End and start of each move, as numbers of bars that are over."""
    ends = [0, *(int(place) + 1 for place in np.flatnonzero(returns))]
    return list(zip(ends[1:], ends[:-1], strict=True))


def same_bar_covariance(closes: np.ndarray, half_lives_days: tuple[float, ...]) -> np.ndarray:
    """Mean of the EWMA covariances at these half-lives, a year, of hourly closes (T, n): only products of the same
    bar, missing closes carried."""
    known = np.isfinite(closes)
    places = np.maximum.accumulate(np.where(known, np.arange(len(closes))[:, None], 0), axis=0)
    returns = np.diff(np.log(np.take_along_axis(closes, places, axis=0)), axis=0)
    returns = returns[np.isfinite(returns).all(axis=1)]
    each = [ewma_covariance(returns, 24.0 * days) for days in half_lives_days]
    return np.asarray(8_760 * sum(each) / len(each))
