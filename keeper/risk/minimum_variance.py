"""The long-only weights of minimum variance, with or without caps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keeper.domain.errors import SolverFailed
from keeper.risk.budgets import EPSILON
from keeper.risk.caps import FeasibleCaps
from keeper.risk.inputs import AllocationInputs, checked_inputs
from keeper.risk.quadratic import Minimum, minimise

TOLERANCE = 1e-12
"""Largest relative error of a marginal variance, where rounding allows it."""
SINGULAR_PIVOT = 1e3 * EPSILON
"""A squared Cholesky pivot below this may be rounding alone."""
REGULARISATION = 256.0 * EPSILON
"""Added to the diagonal of a singular matrix, times n: a few times its rounding error, and below TOLERANCE."""
RESIDUAL_ROUNDING = 16.0 * EPSILON
"""Rounding of a residual, times n and the size of its terms."""


def minimum_variance(
    covariance: ArrayLike, budgets: ArrayLike, symbols: Sequence[str] | None = None
) -> NDArray[np.float64]:
    """Weights (n,), none negative, sum 1, that minimise ``w' S w``. Budgets are only checked.

    Exact by an active-set method, then checked: the marginal variance ``(S w)_i`` is the portfolio's variance
    for every asset held and not below it for the others, to 1e-12 of it or its rounding floor. Where several
    weights have the same variance (perfectly correlated twins of one volatility), nearly the most even of them.
    Raises InvalidCovariance, InvalidBudgets, SolverFailed.
    """
    return _solved(checked_inputs(covariance, budgets, symbols), None)


def capped_minimum_variance(
    covariance: ArrayLike, budgets: ArrayLike, symbols: Sequence[str] | None, *, caps: FeasibleCaps
) -> NDArray[np.float64]:
    """The same among the weights within the caps. Raises as ``minimum_variance`` does."""
    return _solved(checked_inputs(covariance, budgets, symbols), caps)


@dataclass(frozen=True, slots=True)
class _ConeProgramme:
    """``min u'Mu/2 - g'u`` over ``rows @ u <= 0``."""

    matrix: NDArray[np.float64]
    linear: NDArray[np.float64]
    rows: NDArray[np.float64]


def _solved(inputs: AllocationInputs, caps: FeasibleCaps | None) -> NDArray[np.float64]:
    """Minimises ``y'Sy/2 - sum y`` over a cone: the direction of y is that of the weights.

    The unknowns u are y in units in which y, or the variances, are all about 1.
    """
    names, _, deviations, correlation = inputs
    n = len(names)
    unit = float(deviations.min()) / deviations if caps is None else caps.interior
    spread = unit * deviations / float((unit * deviations).max())
    scaling = np.outer(spread, spread)
    cone = np.empty((0, n)) if caps is None else caps.cone * unit
    rows = np.vstack([-np.eye(n), cone / np.linalg.norm(cone, axis=1)[:, None]])
    minimum = minimise(
        hessian=scaling * _definite(correlation),
        linear=unit,
        rows=rows,
        limits=np.zeros(len(rows)),
        start=np.ones(n),
    )
    u = minimum.point
    u[[row for row in minimum.active if row < n]] = 0.0
    u = np.maximum(u, 0.0)
    _require_optimal(_ConeProgramme(scaling * correlation, unit, rows), minimum._replace(point=u), names)
    weights = u * unit
    return np.asarray(weights / weights.sum(), dtype=np.float64)


def _definite(correlation: NDArray[np.float64]) -> NDArray[np.float64]:
    """The matrix, with some of its rounding error added to the diagonal where it is singular."""
    try:
        pivots = np.linalg.cholesky(correlation).diagonal()
    except np.linalg.LinAlgError:
        pivots = np.zeros(1)
    if float(pivots.min()) ** 2 > SINGULAR_PIVOT:
        return correlation
    n = len(correlation)
    return np.asarray(correlation + n * REGULARISATION * np.eye(n), dtype=np.float64)


def _require_optimal(programme: _ConeProgramme, minimum: Minimum, names: Sequence[str]) -> None:
    """Stationarity ``Mu - g + R'm = 0`` relative to g, or to the rounding of the sum of its terms."""
    matrix, linear, rows = programme.matrix, programme.linear, programme.rows
    u, multipliers = minimum.point, minimum.multipliers
    residual = np.abs(matrix @ u - linear + multipliers @ rows)
    terms = np.abs(matrix) @ u + linear + np.abs(multipliers) @ np.abs(rows)
    allowed = np.maximum(TOLERANCE * linear, RESIDUAL_ROUNDING * len(names) * terms)
    if not np.all(residual <= allowed):
        worst = int((residual / allowed).argmax())
        raise SolverFailed(
            f"the minimum variance was solved to {residual[worst] / linear[worst]:.3g} only, not {TOLERANCE:g}: "
            f"{names[worst]} is furthest off",
            remedy="Report this covariance; nothing was traded on it.",
        )
