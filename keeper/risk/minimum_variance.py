"""The long-only weights of least variance, with or without caps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keeper.domain.errors import SolverFailed
from keeper.risk.budgets import EPSILON, Inputs, checked_inputs
from keeper.risk.caps import Limits
from keeper.risk.quadratic import minimise

TOLERANCE = 1e-12


def minimum_variance(
    covariance: ArrayLike, budgets: ArrayLike, symbols: Sequence[str] | None = None
) -> NDArray[np.float64]:
    """Weights (n,), none negative, sum 1, that minimise ``w' S w``. Budgets are only checked.

    Exact by an active-set method, then checked: the marginal variance ``(S w)_i`` is the portfolio's variance
    for every asset held and not below it for the others, to 1e-12 of it or its rounding floor. Where several
    weights do equally well (perfectly correlated twins of one volatility), nearly the most even of them. Raises
    InvalidCovariance, InvalidBudgets, SolverFailed.
    """
    return _solved(checked_inputs(covariance, budgets, symbols), None)


def capped_minimum_variance(
    covariance: ArrayLike, budgets: ArrayLike, symbols: Sequence[str] | None, within: Limits
) -> NDArray[np.float64]:
    """The same among the weights that obey the caps. Raises as ``minimum_variance`` does."""
    return _solved(checked_inputs(covariance, budgets, symbols), within)


def _solved(inputs: Inputs, within: Limits | None) -> NDArray[np.float64]:
    """Minimises ``y'Sy/2 - sum y`` over a cone, whose direction is that of the weights.

    The unknowns are y in units in which they, or the variances, are all about 1.
    """
    names, _, deviations, correlation = inputs
    n = len(names)
    unit = float(deviations.min()) / deviations if within is None else within.inside
    spread = unit * deviations / float((unit * deviations).max())
    scaling = np.outer(spread, spread)
    cone = np.empty((0, n)) if within is None else within.cone * unit
    rows = np.vstack([-np.eye(n), cone / np.linalg.norm(cone, axis=1)[:, None]])
    solution = minimise(scaling * _definite(correlation), unit, rows, np.zeros(len(rows)), np.ones(n))
    u = solution.point
    u[[row for row in solution.active if row < n]] = 0.0
    u = np.maximum(u, 0.0)
    _check(scaling * correlation, unit, rows, u, solution.multipliers, names)
    weights = u * unit
    return np.asarray(weights / weights.sum(), dtype=np.float64)


def _definite(correlation: NDArray[np.float64]) -> NDArray[np.float64]:
    """The matrix, with some of its rounding error added to the diagonal where it is singular."""
    try:
        pivots = np.linalg.cholesky(correlation).diagonal()
    except np.linalg.LinAlgError:
        pivots = np.zeros(1)
    if float(pivots.min()) ** 2 > 1e3 * EPSILON:
        return correlation
    n = len(correlation)
    return np.asarray(correlation + 256.0 * n * EPSILON * np.eye(n), dtype=np.float64)


def _check(
    matrix: NDArray[np.float64],
    unit: NDArray[np.float64],
    rows: NDArray[np.float64],
    u: NDArray[np.float64],
    multipliers: NDArray[np.float64],
    names: Sequence[str],
) -> None:
    """Stationarity ``Mu - g + R'm = 0`` relative to g, or to the rounding of what its terms add up to."""
    residual = np.abs(matrix @ u - unit + multipliers @ rows)
    terms = np.abs(matrix) @ u + unit + np.abs(multipliers) @ np.abs(rows)
    allowed = np.maximum(TOLERANCE * unit, 16.0 * EPSILON * len(names) * terms)
    if not np.all(residual <= allowed):
        worst = int((residual / allowed).argmax())
        raise SolverFailed(
            f"the least variance was found to {residual[worst] / unit[worst]:.3g} only, not {TOLERANCE:g}: "
            f"{names[worst]} is furthest off",
            remedy="Report this covariance; nothing was traded on it.",
        )
