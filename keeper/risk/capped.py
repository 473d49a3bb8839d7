"""Allocations within caps on assets and groups."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keeper.domain.errors import SolverFailed
from keeper.risk.budgets import STALLED_DECREMENT_RATIO, TINY, TOLERANCE, RiskBudgetObjective
from keeper.risk.caps import FeasibleCaps
from keeper.risk.inputs import checked_inputs
from keeper.risk.quadratic import minimise

MAX_STEPS = 200
"""Quadratic programmes. Usual covariances need 6 to 8."""
FULL_STEP_DECREMENT = 1.0 / 400.0
"""Squared Newton decrement up to which a full step is taken. Far below that without caps, because the active rows may
still change."""
LAST_STEP_DECREMENT = 1e-14
"""Squared Newton decrement after whose full step the optimality conditions hold far below TOLERANCE."""


def capped_risk_parity(
    covariance: ArrayLike, budgets: ArrayLike, symbols: Sequence[str] | None, *, caps: FeasibleCaps
) -> NDArray[np.float64]:
    """Weights (n,), positive, sum 1, within the caps: those that maximise ``sum b_i ln(w_i / s_p)``.

    Constrained risk budgeting (after Richard and Roncalli 2019) in the form ``min y'Sy/2 - sum b_i ln y_i``
    over the cone ``(A - c 1') y <= 0``: convex, with one solution, and ``w = y / sum y`` obeys ``A w <= c``.
    Uncapped assets carry the unused budgets of the capped ones in proportion to their weights; where no cap
    binds it is ``risk_parity``. Sequential quadratic programming; the optimality conditions hold to 1e-10 of
    each budget, checked. Raises InvalidCovariance, InvalidBudgets, SolverFailed.
    """
    _, b, deviations, correlation = checked_inputs(covariance, budgets, symbols)
    # In units of weights inside the caps, scaled to variance 1, every number is about 1.
    unit = caps.interior * deviations
    matrix = correlation * np.outer(unit, unit)
    unit_volatility = math.sqrt(max(float(matrix.sum()), TINY))
    matrix = matrix / unit_volatility**2
    cone = caps.cone * caps.interior
    rows = cone / np.linalg.norm(cone, axis=1)[:, None]
    weights = caps.interior * _minimise(RiskBudgetObjective(matrix, b), rows)
    return np.asarray(weights / weights.sum(), dtype=np.float64)


def nearest_within_caps(weights: NDArray[np.float64], caps: FeasibleCaps) -> NDArray[np.float64]:
    """The weights v within the caps that are nearest by ``sum (v_i - w_i)^2 / w_i``; ``weights`` w positive.

    That distance keeps proportions: what a cap cuts off goes to the assets without a binding cap in proportion
    to their weights. Raises SolverFailed.
    """
    n = len(weights)
    unit = caps.interior
    cone = caps.cone * unit
    rows = np.vstack([-np.eye(n), cone / np.linalg.norm(cone, axis=1)[:, None]])
    minimum = minimise(
        hessian=np.diag(unit**2 / weights),
        linear=unit,
        rows=rows,
        limits=np.zeros(len(rows)),
        start=np.ones(n),
    )
    nearest = unit * np.maximum(minimum.point, 0.0)
    return np.asarray(nearest / nearest.sum(), dtype=np.float64)


def _minimise(objective: RiskBudgetObjective, rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Newton steps from 1, each the exact minimum of the local quadratic within ``rows @ u <= 0``."""
    u = np.ones_like(objective.budgets)
    min_budget, zeros = float(objective.budgets.min()), np.zeros(len(rows))
    previous, active = math.inf, tuple[int, ...]()
    for _ in range(MAX_STEPS):
        gradient, hessian = objective.derivatives(u)
        minimum = minimise(
            hessian=hessian,
            linear=2.0 * (objective.budgets / u),
            rows=rows,
            limits=zeros,
            start=u,
            first_active=active,
        )
        active = minimum.active
        step = minimum.point - u
        decrement = float(step @ hessian @ step) / min_budget
        if not decrement <= FULL_STEP_DECREMENT:
            u = u + objective.step_length(u, gradient, step) * step
            continue
        u = minimum.point
        if decrement <= LAST_STEP_DECREMENT or decrement > STALLED_DECREMENT_RATIO * previous:
            _require_optimal(objective, rows, u, multipliers=minimum.multipliers)
            return u
        previous = decrement
    raise _failed(math.inf)


def _require_optimal(
    objective: RiskBudgetObjective,
    rows: NDArray[np.float64],
    u: NDArray[np.float64],
    *,
    multipliers: NDArray[np.float64],
) -> None:
    """Stationarity ``u_i (Mu + R'm)_i = b_i`` relative to b_i, ``Ru <= 0`` and ``m >= 0``."""
    slope = objective.matrix @ u + multipliers @ rows
    residual = float(np.abs(u * slope / objective.budgets - 1.0).max())
    excess = float((rows @ u).max(initial=0.0)) / float(np.abs(u).max())
    smallest_multiplier = float(multipliers.min(initial=0.0))
    if not (residual <= TOLERANCE and excess <= TOLERANCE and smallest_multiplier >= -TOLERANCE):
        raise _failed(max(residual, excess))


def _failed(residual: float) -> SolverFailed:
    return SolverFailed(
        f"risk budgets within caps solved to {residual:.3g} only, not {TOLERANCE:g}",
        remedy="Report this covariance and these caps; nothing was traded on it.",
    )
