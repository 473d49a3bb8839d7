"""What a forecaster's errors cost: a risk-parity portfolio levered to a constant volatility, held for a day."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from keeper.evaluate.history import DAYS_A_YEAR
from keeper.risk.budgets import risk_parity

BLOCK_DAYS = 30


@dataclass(frozen=True, slots=True)
class Targeting:
    """``realised`` is realised volatility over target, 1 if on target; ``error`` the mean distance of its 30-day
    blocks from 1; ``churn`` the mean daily turnover in NAVs that following the target would ask for."""

    realised: float
    error: float
    churn: float


def target_weights(
    covariances: NDArray[np.float64], budgets: NDArray[np.float64], target: float
) -> NDArray[np.float64]:
    """Risk-parity weights at the leverage that the forecast says meets the target: (D, n) from (D, n, n)."""
    unit = np.array([risk_parity(covariance, budgets) for covariance in covariances])
    volatility = np.sqrt(np.einsum("di,dij,dj->d", unit, covariances, unit))
    return np.asarray(unit * (target / volatility)[:, None])


def targeting(weights: NDArray[np.float64], realised: NDArray[np.float64], target: float) -> Targeting:
    """Of weights (D, n) held over days with realised covariances (D, n, n)."""
    variances = np.einsum("di,dij,dj->d", weights, realised, weights) * DAYS_A_YEAR
    whole = variances.size // BLOCK_DAYS * BLOCK_DAYS
    blocks = np.sqrt(variances[:whole].reshape(-1, BLOCK_DAYS).mean(axis=1)) / target
    return Targeting(
        realised=float(np.sqrt(variances.mean()) / target),
        error=float(np.abs(blocks - 1.0).mean()) if blocks.size else float("nan"),
        churn=float(np.abs(np.diff(weights, axis=0)).sum(axis=1).mean()),
    )
