"""Where a trade should stop when its cost grows with its size: at the edge of a region around the target."""

from __future__ import annotations

from collections.abc import MutableSequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keeper.decision.measures import Matrix, Vector
from keeper.domain.errors import InvalidCovariance, SolverFailed

TOLERANCE = 1e-12
SWEEPS_A_ROUND = 4
MAX_ROUNDS = 25_000


def edge_of_no_trade_region(
    weights: ArrayLike, target: ArrayLike, covariance: ArrayLike, strength: float, costs: ArrayLike
) -> NDArray[np.float64]:
    """Weights (n,) that minimise ``g (x - t)' S (x - t) / 2 + sum c_i |x_i - w_i|``, none negative.

    ``weights`` w and ``target`` t (n,), ``covariance`` S (n, n) positive definite, ``strength`` g the risk aversion
    times the horizon in years, ``costs`` c (n,) per unit of weight traded. For one asset the region's half-width is
    ``c / (g S)``. The single-period convex programme of Boyd et al. (2017): coordinate descent finds which assets are
    traded and which way, a linear system then where they end. Raises InvalidCovariance, SolverFailed.
    """
    now, aim = np.asarray(weights, dtype=np.float64), np.asarray(target, dtype=np.float64)
    curvature = strength * np.asarray(covariance, dtype=np.float64)
    width = np.asarray(costs, dtype=np.float64)
    if not (np.isfinite(curvature).all() and (np.diagonal(curvature) > 0.0).all()):
        raise InvalidCovariance(
            "the covariance times risk aversion and horizon is not finite and positive on its diagonal",
            remedy="Check the risk model, decision.risk_aversion and decision.horizon_s.",
        )
    start, rows, kinks = now.tolist(), curvature.tolist(), width.tolist()
    x, slope = list(start), (curvature @ (now - aim)).tolist()
    for _ in range(MAX_ROUNDS):
        largest = 0.0
        for _ in range(SWEEPS_A_ROUND):
            largest = sweep(x, slope, start, rows, kinks)
        enough = TOLERANCE * max(1.0, max(x, default=0.0))
        if largest <= enough:
            return np.array(x)
        exact = _solved(np.array(x), now, aim, curvature, width)
        if exact is not None and _largest_step(exact, now, aim, curvature, width) <= enough:
            return exact
    raise SolverFailed(
        f"the no-trade region's edge was not found in {MAX_ROUNDS * SWEEPS_A_ROUND} sweeps",
        remedy="Report this covariance; nothing was traded on it.",
    )


def sweep(
    x: MutableSequence[float], slope: MutableSequence[float], now: Vector, curvature: Matrix, costs: Vector
) -> float:
    """One round of exact minimisations, coordinate by coordinate, in place; the largest change.

    ``slope`` is ``curvature @ (x - target)`` and stays it.
    """
    largest = 0.0
    for i in range(len(x)):
        row = curvature[i]
        free, reach = x[i] - slope[i] / row[i], costs[i] / row[i]
        best = free - reach if free - now[i] > reach else free + reach if now[i] - free > reach else now[i]
        best = max(best, 0.0)
        change = best - x[i]
        if change != 0.0:
            for j in range(len(x)):
                slope[j] += row[j] * change
            x[i] = best
            largest = max(largest, abs(change))
    return largest


def _solved(
    x: NDArray[np.float64],
    now: NDArray[np.float64],
    aim: NDArray[np.float64],
    curvature: NDArray[np.float64],
    costs: NDArray[np.float64],
) -> NDArray[np.float64] | None:
    """The optimum if each asset is traded the way it is in ``x``; None where that has none."""
    free = np.flatnonzero((x != now) & (x > 0.0))
    exact = x.copy()
    exact[free] = aim[free]
    pull = costs[free] * np.sign(x[free] - now[free]) + curvature[free] @ (exact - aim)
    try:
        exact[free] -= np.linalg.solve(curvature[np.ix_(free, free)], pull)
    except np.linalg.LinAlgError:
        return None
    return exact


def _largest_step(
    x: NDArray[np.float64],
    now: NDArray[np.float64],
    aim: NDArray[np.float64],
    curvature: NDArray[np.float64],
    costs: NDArray[np.float64],
) -> float:
    """How far a single coordinate would still move: 0 at the optimum, and only there."""
    steepness = np.diagonal(curvature)
    free = x - curvature @ (x - aim) / steepness - now
    best = np.maximum(0.0, now + np.sign(free) * np.maximum(0.0, np.abs(free) - costs / steepness))
    return float(np.abs(best - x).max(initial=0.0))
