"""Hierarchical risk parity (Lopez de Prado 2016), by PyPortfolioOpt."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from importlib.util import find_spec

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keeper.domain.errors import InvalidSetting, install_extra
from keeper.risk.inputs import checked_inputs

_REMEDY = f"Set size.allocation to another one, or: {install_extra('research')}"


def hierarchical_risk_parity(
    covariance: ArrayLike, budgets: ArrayLike, symbols: Sequence[str] | None = None
) -> NDArray[np.float64]:
    """Weights (n,), positive, sum 1: variance split down the tree of single-linkage clusters. Budgets are only
    checked.

    Raises InvalidCovariance, InvalidBudgets; InvalidSetting without PyPortfolioOpt.
    """
    names, _, deviations, correlation = checked_inputs(covariance, budgets, symbols)
    require_library()
    if len(names) == 1:
        return np.ones(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pandas as pd
        from pypfopt.hierarchical_portfolio import HRPOpt  # type: ignore[import-untyped]

        # In units of the smallest volatility, so that the library's variances do not underflow.
        scaled = deviations / deviations.min()
        labels = range(len(names))
        matrix = pd.DataFrame(correlation * np.outer(scaled, scaled), index=labels, columns=labels)
        tree_weights = HRPOpt(cov_matrix=matrix).optimize()
    weights = np.array([float(tree_weights[label]) for label in labels])
    return np.asarray(weights / weights.sum(), dtype=np.float64)


def require_library() -> None:
    """Raises InvalidSetting when PyPortfolioOpt is not installed."""
    if find_spec("pypfopt") is None:
        raise InvalidSetting(
            "size.allocation is 'hierarchical_risk_parity', which needs PyPortfolioOpt", remedy=_REMEDY
        )
