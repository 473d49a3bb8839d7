"""Where a trade should stop when its cost grows with its size: at the edge of a region around the target."""

from __future__ import annotations

from collections.abc import MutableSequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keeper.decision.measures import Matrix, Vector
from keeper.domain.errors import InvalidCovariance, SolverFailed

SWEEPS = 2
MAX_STEPS = 10_000
TOLERANCE = 1e-13
"""Of a slope, relative to what it is made of."""


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
    squared. For one asset the region's half-width is ``c / (g S)``, whatever q: impact shortens the way, it does not
    keep one from going. The single-period convex programme of Boyd et al. (2017): coordinate descent guesses which
    assets are traded and which way, an active-set method settles it exactly. Raises InvalidCovariance, SolverFailed.
    """
    now, aim = np.asarray(weights, dtype=np.float64), np.asarray(target, dtype=np.float64)
    curvature = strength * np.asarray(covariance, dtype=np.float64)
    width = np.asarray(costs, dtype=np.float64)
    if not (np.isfinite(curvature).all() and (np.diagonal(curvature) > 0.0).all()):
        raise InvalidCovariance(
            "the covariance times risk aversion and horizon is not finite and positive on its diagonal",
            remedy="Check the risk model, decision.risk_aversion and decision.horizon_s.",
        )
    try:
        if impacts is not None and np.any(impacts):
            curvature, aim = _with_impacts(now, aim, curvature, np.asarray(impacts, dtype=np.float64))
        guess = _guess(now, aim, curvature, width)
        return _settled(guess, now, aim, curvature, width)
    except np.linalg.LinAlgError:
        raise InvalidCovariance(
            "the covariance is singular for the assets to be traded",
            remedy="Check the risk model: two assets may be the same.",
        ) from None


def _with_impacts(
    now: NDArray[np.float64],
    aim: NDArray[np.float64],
    curvature: NDArray[np.float64],
    impacts: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The same problem without impacts: with ``A = g S + diag(q)`` the two squares are that of A around
    ``t + A^-1 q (w - t)``, and a constant."""
    steeper = curvature + np.diag(impacts)
    return steeper, aim + np.linalg.solve(steeper, impacts * (now - aim))


def _guess(
    now: NDArray[np.float64],
    aim: NDArray[np.float64],
    curvature: NDArray[np.float64],
    costs: NDArray[np.float64],
) -> NDArray[np.float64]:
    start, rows, kinks = now.tolist(), curvature.tolist(), costs.tolist()
    x, slope = list(start), (curvature @ (now - aim)).tolist()
    for _ in range(SWEEPS):
        sweep(x, slope, start, rows, kinks)
    return np.array(x)


def _settled(
    x: NDArray[np.float64],
    now: NDArray[np.float64],
    aim: NDArray[np.float64],
    curvature: NDArray[np.float64],
    costs: NDArray[np.float64],
) -> NDArray[np.float64]:
    """The optimum, from any ``x`` without negative weights. An asset is free on one side of where it is held (``side``
    +1 bought, -1 sold), or rests there or at zero (0). Each step goes to the optimum of the free ones, or to the first
    that would change side, which then rests; at that optimum the one that pulls hardest is set free."""
    side = np.where(x > 0.0, np.sign(x - now), 0.0)
    noise = TOLERANCE * float(np.abs(curvature).max() * max(1.0, np.abs(aim).max(), now.max()))
    idle: list[int] = []
    last = -1
    for _ in range(MAX_STEPS):
        free = np.flatnonzero(side)
        part, first = _step(x, free, side, now, aim, curvature, costs)
        if first >= 0:
            side[first] = 0.0
        if first >= 0 and first == last and part <= 0.0:
            # Set free by rounding alone: it rests until another step has gone somewhere.
            idle.append(first)
            last = -1
        elif last >= 0:
            idle.clear()
        if first >= 0:
            continue
        slope = curvature @ (x - aim)
        at_zero = (x == 0.0) & (now > 0.0)
        pull = np.where(at_zero, costs - slope, np.where(now > 0.0, np.abs(slope), -slope) - costs)
        pull[free] = -np.inf
        pull[idle] = -np.inf
        last = int(pull.argmax())
        if pull[last] <= noise:
            return x
        side[last] = 1.0 if slope[last] < 0.0 and not at_zero[last] else -1.0
    raise SolverFailed(
        f"the no-trade region's edge was not found in {MAX_STEPS} steps",
        remedy="Report this covariance; nothing was traded on it.",
    )


def _step(
    x: NDArray[np.float64],
    free: NDArray[np.intp],
    side: NDArray[np.float64],
    now: NDArray[np.float64],
    aim: NDArray[np.float64],
    curvature: NDArray[np.float64],
    costs: NDArray[np.float64],
) -> tuple[float, int]:
    """Moves ``x`` towards the optimum of the free assets; the part of the way gone, and who ended it, or -1."""
    if free.size == 0:
        return 0.0, -1
    pull = costs[free] * side[free] + curvature[free] @ (x - aim)
    move = -np.linalg.solve(curvature[free][:, free], pull)
    bought, up = side[free] > 0.0, move > 0.0
    room = np.where(
        up, np.where(bought, np.inf, now[free] - x[free]), np.where(bought, x[free] - now[free], x[free])
    )
    ends = np.where(up | bought, now[free], 0.0)
    parts = np.full(free.size, np.inf)
    with np.errstate(over="ignore"):  # a move too small to divide by is never the one that ends the way
        np.divide(room, np.abs(move), out=parts, where=move != 0.0)
    first = int(parts.argmin())
    if parts[first] >= 1.0:
        x[free] += move
        return 1.0, -1
    x[free] += parts[first] * move
    x[free[first]] = ends[first]
    return float(parts[first]), int(free[first])


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
