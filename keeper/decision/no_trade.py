"""Where a trade should stop when its cost grows with its size: at the edge of a region around the target."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keeper.domain.errors import InvalidCovariance, SolverFailed

TOLERANCE = 1e-12
MAX_SWEEPS = 100_000


def edge_of_no_trade_region(
    weights: ArrayLike, target: ArrayLike, covariance: ArrayLike, strength: float, costs: ArrayLike
) -> NDArray[np.float64]:
    """Weights (n,) that minimise ``g (x - t)' S (x - t) / 2 + sum c_i |x_i - w_i|``, none negative.

    ``weights`` w and ``target`` t (n,), ``covariance`` S (n, n) positive definite, ``strength`` g the risk
    aversion times the horizon in years, ``costs`` c (n,) per unit of weight traded. For one asset the
    region's half-width is ``c / (g S)``. The single-period convex programme of Boyd et al. (2017),
    solved by cyclical coordinate descent, exact per coordinate. Raises InvalidCovariance, SolverFailed.
    """
    now, aim = np.asarray(weights, dtype=np.float64), np.asarray(target, dtype=np.float64)
    curvature = strength * np.asarray(covariance, dtype=np.float64)
    width = np.asarray(costs, dtype=np.float64)
    steepness = np.diagonal(curvature)
    if not (np.all(np.isfinite(curvature)) and np.all(steepness > 0.0)):
        raise InvalidCovariance(
            "the covariance times risk aversion and horizon is not finite and positive on its diagonal",
            remedy="Check the risk model, decision.risk_aversion and decision.horizon_s.",
        )
    x = now.copy()
    slope = curvature @ (x - aim)
    for _ in range(MAX_SWEEPS):
        largest = 0.0
        for i in range(x.size):
            free = x[i] - slope[i] / steepness[i] - now[i]
            reach = width[i] / steepness[i]
            best = max(0.0, now[i] + np.sign(free) * max(0.0, abs(free) - reach))
            change = best - x[i]
            if change != 0.0:
                slope += curvature[:, i] * change
                x[i] = best
                largest = max(largest, abs(change))
        if largest <= TOLERANCE * max(1.0, float(np.abs(x).max(initial=0.0))):
            return x
    raise SolverFailed(
        f"the no-trade region's edge was not found in {MAX_SWEEPS} sweeps",
        remedy="Report this covariance; nothing was traded on it.",
    )
