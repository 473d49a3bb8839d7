"""The edge of the no-trade region, where a trade stops whose cost grows with its size."""

from __future__ import annotations

from collections.abc import MutableSequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keeper.decision.measures import Matrix, Vector
from keeper.domain.errors import InvalidCovariance, SolverFailed

SWEEPS = 2
MAX_STEPS = 10_000
TOLERANCE = 1e-13
"""Of a slope, relative to its terms."""


def edge_of_no_trade_region(
    weights: ArrayLike,
    target: ArrayLike,
    covariance: ArrayLike,
    strength: float,
    costs: ArrayLike,
    impacts: ArrayLike | None = None,
) -> NDArray[np.float64]:
    """Weights (n,) that minimise ``g (x - t)' S (x - t) / 2 + sum c_i |x_i - w_i| + sum q_i (x_i - w_i)^2 / 2``, none
    negative.

    ``weights`` w and ``target`` t (n,), ``covariance`` S (n, n) positive definite, ``strength`` g the risk aversion
    times the horizon in years, ``costs`` c (n,) per unit of weight traded, ``impacts`` q (n,) not negative, per unit
    squared. For one asset the region's half-width is ``c / (g S)`` for any q: impact shortens a trade, it does not
    prevent one. This is the single-period convex programme of Boyd et al. (2017). Coordinate descent guesses which
    assets are bought and sold, an active-set method then solves it to rounding. Raises InvalidCovariance, SolverFailed.
    """
    held = np.asarray(weights, dtype=np.float64)
    curvature = strength * np.asarray(covariance, dtype=np.float64)
    if not (np.isfinite(curvature).all() and (np.diagonal(curvature) > 0.0).all()):
        raise InvalidCovariance(
            "the covariance times risk aversion and horizon is not finite and positive on its diagonal",
            remedy="Check the risk model, decision.risk_aversion and decision.horizon_s.",
        )
    programme = _NoTradeProgramme(
        held=held,
        target=np.asarray(target, dtype=np.float64),
        curvature=curvature,
        costs=np.asarray(costs, dtype=np.float64),
    )
    try:
        if impacts is not None and np.any(impacts):
            programme = _without_impacts(programme, np.asarray(impacts, dtype=np.float64))
        return _solved(programme, _guess(programme))
    except np.linalg.LinAlgError:
        raise InvalidCovariance(
            "the covariance is singular for the assets to be traded",
            remedy="Check the risk model: two assets may be the same.",
        ) from None


@dataclass(frozen=True, slots=True)
class _NoTradeProgramme:
    """Minimise ``(x - t)' A (x - t) / 2 + sum c_i |x_i - w_i|`` over x >= 0: held weights w, target t, costs c (n,),
    curvature A (n, n)."""

    held: NDArray[np.float64]
    target: NDArray[np.float64]
    curvature: NDArray[np.float64]
    costs: NDArray[np.float64]


def _without_impacts(programme: _NoTradeProgramme, impacts: NDArray[np.float64]) -> _NoTradeProgramme:
    """The same problem without impacts: with ``A = g S + diag(q)`` the two squares are that of A around
    ``t + A^-1 q (w - t)``, and a constant."""
    curvature = programme.curvature + np.diag(impacts)
    shift = np.linalg.solve(curvature, impacts * (programme.held - programme.target))
    return replace(programme, curvature=curvature, target=programme.target + shift)


def _guess(programme: _NoTradeProgramme) -> NDArray[np.float64]:
    held, rows, costs = programme.held.tolist(), programme.curvature.tolist(), programme.costs.tolist()
    x, slope = list(held), (programme.curvature @ (programme.held - programme.target)).tolist()
    for _ in range(SWEEPS):
        sweep(x, slope, held, curvature=rows, costs=costs)
    return np.array(x)


def _solved(programme: _NoTradeProgramme, x: NDArray[np.float64]) -> NDArray[np.float64]:
    """The optimum, from any ``x`` without negative weights.

    An asset is free on one side of its held weight (``side`` +1 bought, -1 sold), or rests there or at zero (0). Each
    step goes to the optimum of the free assets, or to the first that would change side, which then rests. At that
    optimum the asset with the largest pull is set free. Raises LinAlgError for a curvature that is singular but for
    rounding.
    """
    held, target, curvature = programme.held, programme.target, programme.curvature
    side = np.where(x > 0.0, np.sign(x - held), 0.0)
    noise = TOLERANCE * float(np.abs(curvature).max() * max(1.0, np.abs(target).max(), held.max()))
    idle: list[int] = []
    last = -1
    for _ in range(MAX_STEPS):
        part, first = _step(programme, x, side)
        if first >= 0:
            side[first] = 0.0
        if first >= 0 and first == last and part <= 0.0:
            # It is set free and at once rests again, so it waits until another step moves.
            idle.append(first)
            last = -1
        elif last >= 0:
            idle.clear()
        if first >= 0:
            continue
        slope = curvature @ (x - target)
        at_zero = (x == 0.0) & (held > 0.0)
        pull = np.where(
            at_zero,
            programme.costs - slope,
            np.where(held > 0.0, np.abs(slope), -slope) - programme.costs,
        )
        pull[side != 0.0] = -np.inf
        pull[idle] = -np.inf
        last = int(pull.argmax())
        if pull[last] <= noise:
            if idle:
                raise np.linalg.LinAlgError("an asset pulls, and rounding alone decides where it would go")
            return x
        side[last] = 1.0 if slope[last] < 0.0 and not at_zero[last] else -1.0
    raise SolverFailed(
        f"the no-trade region's edge was not found in {MAX_STEPS} steps",
        remedy="Report this covariance; nothing was traded on it.",
    )


def _step(
    programme: _NoTradeProgramme, x: NDArray[np.float64], side: NDArray[np.float64]
) -> tuple[float, int]:
    """Moves ``x`` towards the optimum of the free assets. Returns the part of that move made, and the asset that ended
    it or -1."""
    free = np.flatnonzero(side)
    if free.size == 0:
        return 0.0, -1
    held, curvature = programme.held[free], programme.curvature[free]
    pull = programme.costs[free] * side[free] + curvature @ (x - programme.target)
    move = -np.linalg.solve(curvature[:, free], pull)
    bought, up = side[free] > 0.0, move > 0.0
    distance = np.where(
        up, np.where(bought, np.inf, held - x[free]), np.where(bought, x[free] - held, x[free])
    )
    ends = np.where(up | bought, held, 0.0)
    parts = np.full(free.size, np.inf)
    with np.errstate(over="ignore"):  # a move too small to divide by never ends the step
        np.divide(distance, np.abs(move), out=parts, where=move != 0.0)
    first = int(parts.argmin())
    if parts[first] >= 1.0:
        x[free] += move
        return 1.0, -1
    x[free] += parts[first] * move
    x[free[first]] = ends[first]
    return float(parts[first]), int(free[first])


def sweep(
    x: MutableSequence[float], slope: MutableSequence[float], held: Vector, curvature: Matrix, costs: Vector
) -> float:
    """One round of exact minimisations, coordinate by coordinate, in place. Returns the largest change.

    ``slope`` is ``curvature @ (x - target)`` and is kept so.
    """
    largest = 0.0
    for i in range(len(x)):
        row = curvature[i]
        free, reach = x[i] - slope[i] / row[i], costs[i] / row[i]
        best = free - reach if free - held[i] > reach else free + reach if held[i] - free > reach else held[i]
        best = max(best, 0.0)
        change = best - x[i]
        if change != 0.0:
            for j in range(len(x)):
                slope[j] += row[j] * change
            x[i] = best
            largest = max(largest, abs(change))
    return largest
