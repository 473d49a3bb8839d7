"""Allocations without an optimisation: inverse volatility and equal weight."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keeper.risk.inputs import checked_inputs


def inverse_volatility(
    covariance: ArrayLike, budgets: ArrayLike, symbols: Sequence[str] | None = None
) -> NDArray[np.float64]:
    """Weights (n,) in proportion to ``1 / s_i``: risk parity for equal correlations. Budgets are only checked.

    Raises InvalidCovariance, InvalidBudgets.
    """
    inverse = 1.0 / checked_inputs(covariance, budgets, symbols).deviations
    return np.asarray(inverse / inverse.sum(), dtype=np.float64)


def equal_weight(
    covariance: ArrayLike, budgets: ArrayLike, symbols: Sequence[str] | None = None
) -> NDArray[np.float64]:
    """Weights (n,) of ``1 / n`` each. Covariance and budgets are only checked.

    Raises InvalidCovariance, InvalidBudgets.
    """
    n = len(checked_inputs(covariance, budgets, symbols).names)
    return np.full(n, 1.0 / n)
