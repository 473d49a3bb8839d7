"""Small convex quadratic programmes, exactly: a primal active-set method."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from keeper.domain.errors import SolverFailed

MAX_STEPS = 1_000
ORDERLY_AFTER = 100
PARALLEL = 1e-10
ROUNDING = 1e-15
NEGATIVE_MULTIPLIER = 1e-12


class Minimum(NamedTuple):
    """``point`` (n,), one multiplier per row (m,), and the rows that are active."""

    point: NDArray[np.float64]
    multipliers: NDArray[np.float64]
    active: tuple[int, ...]


def minimise(
    hessian: NDArray[np.float64],
    linear: NDArray[np.float64],
    rows: NDArray[np.float64],
    limits: NDArray[np.float64],
    start: NDArray[np.float64],
    tried: Sequence[int] = (),
) -> Minimum:
    """The minimum of ``x'Hx/2 - g'x`` over ``rows @ x <= limits``, from a feasible ``start``.

    ``hessian`` (n, n) positive definite, ``linear`` g (n,), ``rows`` (m, n) of length about 1, ``limits``
    (m,). ``tried`` are independent rows, active from the first step where ``start`` exhausts them. Another row
    becomes active only where it blocks a step along those that are, so they stay independent whatever the
    rows given (Nocedal and Wright 2006, algorithm 16.3). Raises SolverFailed.
    """
    x, reach = start, float(np.linalg.norm(start))
    active = [row for row in tried if limits[row] - float(rows[row] @ x) <= ROUNDING * reach]
    smallest = -NEGATIVE_MULTIPLIER * float(np.abs(linear).max(initial=0.0))
    for taken in range(MAX_STEPS):
        aim, multipliers = _minimum_on(hessian, linear, rows[active], limits[active])
        move = aim - x
        reach = max(reach, float(np.linalg.norm(aim)))
        length, blocking = _way(rows, limits, x, move, active, ROUNDING * reach)
        if blocking is not None:
            x = x + length * move
            active.append(blocking)
            continue
        x = aim
        negative = np.flatnonzero(multipliers < smallest)
        if negative.size == 0:
            every = np.zeros(len(rows))
            every[active] = multipliers
            return Minimum(x, every, tuple(sorted(active)))
        # The least index cannot cycle, the most negative multiplier is quicker.
        orderly = min(negative, key=active.__getitem__)
        active.pop(int(orderly if taken > ORDERLY_AFTER else multipliers.argmin()))
    raise SolverFailed(
        f"a quadratic programme of {len(start)} assets and {len(rows)} limits was not solved in {MAX_STEPS} steps",
        remedy="Report this covariance and these caps; nothing was traded on it.",
    )


def _minimum_on(
    hessian: NDArray[np.float64],
    linear: NDArray[np.float64],
    rows: NDArray[np.float64],
    limits: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The minimum where the rows hold with equality, and their multipliers."""
    n, k = len(linear), len(rows)
    system = np.zeros((n + k, n + k))
    system[:n, :n], system[:n, n:], system[n:, :n] = hessian, rows.T, rows
    right = np.concatenate([linear, limits])
    solution = np.linalg.solve(system, right)
    # Once refined, units that differ by orders of magnitude cost no digits.
    solution += np.linalg.solve(system, right - system @ solution)
    return solution[:n], solution[n:]


def _way(
    rows: NDArray[np.float64],
    limits: NDArray[np.float64],
    x: NDArray[np.float64],
    move: NDArray[np.float64],
    active: list[int],
    rounding: float,
) -> tuple[float, int | None]:
    """How far along ``move`` every row holds, up to 1, and the row that ends it."""
    if len(rows) == 0:
        return 1.0, None
    rates = rows @ move
    rates[active] = 0.0
    room = np.full(len(rows), np.inf)
    # A row that depends on active ones comes nearer by rounding only.
    towards = rates > PARALLEL * float(np.linalg.norm(move)) + rounding
    room[towards] = np.maximum(limits[towards] - rows[towards] @ x, 0.0) / rates[towards]
    first = int(room.argmin())
    return (float(room[first]), first) if room[first] < 1.0 else (1.0, None)
