"""The uncorrelated factors that are nearest to the assets, one for each: minimum torsion."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keeper.domain.errors import InvalidCovariance
from keeper.risk.caps import FeasibleCaps
from keeper.risk.factors import FactorBudgets, FactorParity, factor_risk_parity
from keeper.risk.inputs import checked_inputs

MAX_STEPS = 2_000
CONVERGED = 1e-12
"""Largest change of a factor's scale in the last step."""
SMALLEST_EIGENVALUE = 1e-9
"""Of a correlation matrix. Below it the assets have fewer uncorrelated factors than there are assets."""


def torsion_factors(covariance: ArrayLike, budgets: ArrayLike, symbols: Sequence[str]) -> FactorBudgets:
    """The minimum-torsion factors of n assets, with the assets' names and budgets.

    Among all sets of n uncorrelated portfolios the one whose members differ least from the assets:
    ``min sum_i Var(f_i - r_i) / Var(r_i)`` with ``Cov(f)`` diagonal (Meucci, Santangelo and Deguest 2015, "Risk
    budgeting and diversification based on optimized uncorrelated factors", section 3). In units of volatility
    ``f = D Q C^(-1/2) z`` with Q orthogonal and D diagonal; each step takes the best Q for D, then the best D for Q.
    Raises InvalidCovariance, InvalidBudgets.
    """
    names, b, deviations, correlation = checked_inputs(covariance, budgets, symbols)
    eigenvalues, vectors = np.linalg.eigh(correlation)
    if eigenvalues[0] < SMALLEST_EIGENVALUE:
        raise InvalidCovariance(
            f"{', '.join(names)} have no {len(names)} uncorrelated factors: some are (all but) perfectly correlated",
            remedy="Leave one of them out, or choose another size.allocation.",
        )
    root = (vectors * np.sqrt(eigenvalues)) @ vectors.T
    scales, rotation = np.ones(len(names)), np.eye(len(names))
    for _ in range(MAX_STEPS):
        left, _, right = np.linalg.svd(scales[:, None] * root)
        rotation = left @ right
        before, scales = scales, (rotation * root.T).sum(axis=1)
        if np.abs(scales - before).max() <= CONVERGED:
            break
    inverse_root = (vectors / np.sqrt(eigenvalues)) @ vectors.T
    torsion = scales[:, None] * rotation @ inverse_root
    return FactorBudgets(names=names, portfolios=torsion / deviations, budgets=b)


def minimum_torsion(
    covariance: ArrayLike, budgets: ArrayLike, symbols: Sequence[str] | None = None
) -> NDArray[np.float64]:
    """Weights (n,), none negative, sum 1, at which the minimum-torsion factor of each asset carries the asset's budget,
    or the nearest to them without short positions. Raises InvalidCovariance, InvalidBudgets, SolverFailed."""
    return torsion_parity(covariance, budgets, symbols, caps=None).weights


def torsion_parity(
    covariance: ArrayLike, budgets: ArrayLike, symbols: Sequence[str] | None, *, caps: FeasibleCaps | None
) -> FactorParity:
    """The same within the caps, and the assets that it would hold short. Raises as ``minimum_torsion``."""
    names = checked_inputs(covariance, budgets, symbols).names
    return factor_risk_parity(covariance, torsion_factors(covariance, budgets, names), names, caps=caps)
