"""The cost of a forecaster's errors: a risk-parity portfolio at a constant target volatility, rebalanced daily."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from keeper.evaluate.history import DAYS_A_YEAR
from keeper.risk.budgets import risk_parity

BLOCK_DAYS = 30
"""Days over which realised volatility is compared with the target."""


@dataclass(frozen=True, slots=True)
class Targeting:
    """``realised``: realised volatility over target, 1 if on target. ``error``: mean distance of its 30-day blocks from
    1. ``turnover``: mean daily turnover in NAVs of a portfolio that follows the target."""

    realised: float
    error: float
    turnover: float


def target_weights(
    covariances: NDArray[np.float64], budgets: NDArray[np.float64], target: float
) -> NDArray[np.float64]:
    """Risk-parity weights at the leverage that the forecast says meets the target: (D, n) from (D, n, n)."""
    unit = np.array([risk_parity(covariance, budgets) for covariance in covariances])
    volatility = np.sqrt(np.einsum("di,dij,dj->d", unit, covariances, unit))
    return np.asarray(unit * (target / volatility)[:, None])


def targeting(weights: NDArray[np.float64], realised: NDArray[np.float64], target: float) -> Targeting:
    """Results of weights (D, n), each held for a day with the realised covariance (D, n, n)."""
    variances = np.einsum("di,dij,dj->d", weights, realised, weights) * DAYS_A_YEAR
    in_blocks = variances.size // BLOCK_DAYS * BLOCK_DAYS
    blocks = np.sqrt(variances[:in_blocks].reshape(-1, BLOCK_DAYS).mean(axis=1)) / target
    return Targeting(
        realised=float(np.sqrt(variances.mean()) / target),
        error=float(np.abs(blocks - 1.0).mean()) if blocks.size else float("nan"),
        turnover=float(np.abs(np.diff(weights, axis=0)).sum(axis=1).mean()),
    )
