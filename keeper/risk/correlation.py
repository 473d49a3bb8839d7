"""Correlation matrices that are safe to invert: shrunk towards their mean, symmetric, positive definite."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from keeper.risk import ewma

SMALLEST_EIGENVALUE = 1e-8


def ewma_correlation(returns: NDArray[np.float64], half_life_bars: float) -> NDArray[np.float64]:
    """EWMA correlation of returns (T, n) without gaps, about a zero mean; positive definite, unit diagonal.

    An asset that never moved is uncorrelated with all others.
    """
    w, standardised = _standardised(returns, half_life_bars)
    return positive_definite(_gram(standardised, w))


def shrunk_correlation(returns: NDArray[np.float64], half_life_bars: float) -> NDArray[np.float64]:
    """The same, drawn towards constant correlation by Ledoit and Wolf's (2004) intensity."""
    w, standardised = _standardised(returns, half_life_bars)
    sample = _gram(standardised, w)
    intensity = shrinkage(standardised, w, sample)
    return positive_definite((1.0 - intensity) * sample + intensity * constant_correlation(sample))


def constant_correlation(correlation: NDArray[np.float64]) -> NDArray[np.float64]:
    """The matrix whose every pair has the mean of the given pairs' correlations."""
    n = correlation.shape[0]
    mean = (correlation.sum() - n) / (n * (n - 1)) if n > 1 else 0.0
    target = np.full((n, n), mean)
    np.fill_diagonal(target, 1.0)
    return target


def shrinkage(
    standardised: NDArray[np.float64], w: NDArray[np.float64], correlation: NDArray[np.float64]
) -> float:
    """Intensity in [0, 1] towards constant correlation, for returns (T, n) of unit variance under the weights
    (T,).

    ``(pi - rho) / gamma / T`` of Ledoit and Wolf (2004), "Honey, I shrunk the sample covariance matrix",
    appendix B, with weighted means and the effective number of bars for T.
    """
    n = correlation.shape[0]
    if n < 2:
        return 0.0
    mean = (correlation.sum() - n) / (n * (n - 1))
    gamma = float(np.square(correlation - constant_correlation(correlation)).sum())
    if gamma == 0.0:
        return 0.0
    weighted = w[:, None]
    squares = np.square(standardised)
    pi = (squares * weighted).T @ squares - np.square(correlation)
    theta = (squares * standardised * weighted).T @ standardised - correlation
    off_diagonal = float(theta.sum() - np.trace(theta))
    rho = float(np.trace(pi)) + mean * off_diagonal
    return float(np.clip((pi.sum() - rho) / gamma / ewma.effective_bars(w), 0.0, 1.0))


def positive_definite(correlation: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mixed with as little identity as makes the smallest eigenvalue 1e-8; unchanged when it already is."""
    smallest = float(np.linalg.eigvalsh(correlation)[0])
    if smallest >= SMALLEST_EIGENVALUE:
        return correlation
    share = (SMALLEST_EIGENVALUE - smallest) / (1.0 - smallest)
    mixed = (1.0 - share) * correlation
    np.fill_diagonal(mixed, 1.0)
    return np.asarray(mixed, dtype=np.float64)


def _standardised(
    returns: NDArray[np.float64], half_life_bars: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The weights, and the returns they reach, scaled to unit variance under them."""
    w = ewma.weights(returns.shape[0], half_life_bars)
    recent = returns[-w.size :]
    variance = w @ np.square(recent)
    return w, recent / np.sqrt(np.where(variance > 0.0, variance, 1.0))


def _gram(standardised: NDArray[np.float64], w: NDArray[np.float64]) -> NDArray[np.float64]:
    gram = (standardised * w[:, None]).T @ standardised
    correlation = np.clip(0.5 * (gram + gram.T), -1.0, 1.0)
    np.fill_diagonal(correlation, 1.0)
    return np.asarray(correlation, dtype=np.float64)
