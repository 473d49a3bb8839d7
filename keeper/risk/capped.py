"""Allocations within caps on assets and groups."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keeper.domain.errors import SolverFailed
from keeper.risk.budgets import TOLERANCE, checked_inputs, step_length
from keeper.risk.caps import Limits
from keeper.risk.quadratic import minimise

MAX_STEPS = 200
FULL_STEP_DECREMENT = 1.0 / 400.0
LAST_STEP_DECREMENT = 1e-14


def capped_risk_parity(
    covariance: ArrayLike, budgets: ArrayLike, symbols: Sequence[str] | None, within: Limits
) -> NDArray[np.float64]:
    """Weights (n,), positive, sum 1, within the caps: those that maximise ``sum b_i ln(w_i / s_p)``.

    Constrained risk budgeting (after Richard and Roncalli 2019) in the form ``min y'Sy/2 - sum b_i ln y_i``
    over the cone ``(A - c 1') y <= 0``: convex, with one solution, and ``w = y / sum y`` obeys ``A w <= c``.
    What capped assets leave of their budgets the others carry in proportion to their weights; where no cap
    binds it is ``risk_parity``. Sequential quadratic programming; the optimality conditions hold to 1e-10 of
    each budget, checked. Raises InvalidCovariance, InvalidBudgets, SolverFailed.
    """
    _, b, deviations, correlation = checked_inputs(covariance, budgets, symbols)
    # In units of weights inside the caps, scaled to variance 1, every number is about 1.
    unit = within.inside * deviations
    matrix = correlation * np.outer(unit, unit)
    unit_volatility = math.sqrt(max(float(matrix.sum()), np.finfo(np.float64).tiny))
    matrix = matrix / unit_volatility**2
    cone = within.cone * within.inside
    rows = cone / np.linalg.norm(cone, axis=1)[:, None]
    u = _minimise(matrix, b, rows)
    weights = within.inside * u
    return np.asarray(weights / weights.sum(), dtype=np.float64)


def _minimise(
    matrix: NDArray[np.float64], b: NDArray[np.float64], rows: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Newton steps on ``u'Mu/2 - sum b ln u`` from 1, each the exact minimum within ``rows @ u <= 0``."""
    u = np.ones_like(b)
    least, zeros, previous, active = float(b.min()), np.zeros(len(rows)), math.inf, tuple[int, ...]()
    for _ in range(MAX_STEPS):
        barrier = b / u
        gradient = matrix @ u - barrier
        hessian = matrix + np.diag(barrier / u)
        found = minimise(hessian, 2.0 * barrier, rows, zeros, u, active)
        active = found.active
        step = found.point - u
        decrement = float(step @ hessian @ step) / least
        if not decrement <= FULL_STEP_DECREMENT:
            u = u + step_length(matrix, b, u, gradient, step) * step
            continue
        u = found.point
        if decrement <= LAST_STEP_DECREMENT or decrement > 0.25 * previous:
            _check(matrix, b, rows, u, found.multipliers)
            return u
        previous = decrement
    raise _failed(math.inf)


def _check(
    matrix: NDArray[np.float64],
    b: NDArray[np.float64],
    rows: NDArray[np.float64],
    u: NDArray[np.float64],
    multipliers: NDArray[np.float64],
) -> None:
    """Stationarity ``u_i (Mu + R'm)_i = b_i`` relative to b_i, and ``Ru <= 0``."""
    residual = float(np.abs(u * (matrix @ u + multipliers @ rows) / b - 1.0).max())
    excess = float((rows @ u).max(initial=0.0)) / float(np.abs(u).max())
    if not (
        residual <= TOLERANCE and excess <= TOLERANCE and float(multipliers.min(initial=0.0)) >= -TOLERANCE
    ):
        raise _failed(max(residual, excess))


def _failed(residual: float) -> SolverFailed:
    return SolverFailed(
        f"risk budgets within caps solved to {residual:.3g} only, not {TOLERANCE:g}",
        remedy="Report this covariance and these caps; nothing was traded on it.",
    )


def nearest_within_caps(weights: NDArray[np.float64], within: Limits) -> NDArray[np.float64]:
    """The weights within the caps that are nearest by ``sum (v_i - w_i)^2 / w_i``; ``weights`` w positive.

    That distance keeps proportions: what a cap cuts off goes to the assets that no cap touches in proportion
    to their weights. Raises SolverFailed.
    """
    n = len(weights)
    unit = within.inside
    cone = within.cone * unit
    rows = np.vstack([-np.eye(n), cone / np.linalg.norm(cone, axis=1)[:, None]])
    found = minimise(np.diag(unit**2 / weights), unit, rows, np.zeros(len(rows)), np.ones(n))
    nearest = unit * np.maximum(found.point, 0.0)
    return np.asarray(nearest / nearest.sum(), dtype=np.float64)
