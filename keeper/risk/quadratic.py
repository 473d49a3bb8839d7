"""Small convex quadratic programmes, solved exactly by a primal active-set method."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from keeper.domain.errors import SolverFailed

MAX_STEPS = 1_000
"""Changes of the active set. A programme of n assets and m rows usually needs about n + m."""
BLAND_AFTER = 100
"""Steps after which the first row with a negative multiplier leaves, which cannot cycle (Bland's rule)."""
PARALLEL = 1e-10
"""A row that approaches slower than this part of the move depends on the active rows; its approach is rounding."""
ROUNDING = 1e-15
"""Rounding of ``row @ x`` in units of the length of x."""
NEGATIVE_MULTIPLIER = 1e-12
"""A multiplier is negative beyond this part of the largest entry of g."""


class Minimum(NamedTuple):
    """``point`` (n,), one multiplier per row (m,), and the indices of the active rows."""

    point: NDArray[np.float64]
    multipliers: NDArray[np.float64]
    active: tuple[int, ...]


def minimise(
    *,
    hessian: NDArray[np.float64],
    linear: NDArray[np.float64],
    rows: NDArray[np.float64],
    limits: NDArray[np.float64],
    start: NDArray[np.float64],
    first_active: Sequence[int] = (),
) -> Minimum:
    """The minimum of ``x'Hx/2 - g'x`` over ``rows @ x <= limits``, from a feasible ``start``.

    ``hessian`` H (n, n) positive definite, ``linear`` g (n,), ``rows`` (m, n) of length about 1, ``limits``
    (m,). ``first_active`` are independent rows, active from the first step where ``start`` exhausts them. Another
    row becomes active only where it blocks a step along the active ones, so they stay independent whatever the
    rows given (Nocedal and Wright 2006, algorithm 16.3). Raises SolverFailed.
    """
    region = _Region(rows, limits)
    x, size = start, float(np.linalg.norm(start))
    active = [row for row in first_active if limits[row] - float(rows[row] @ x) <= ROUNDING * size]
    smallest = -NEGATIVE_MULTIPLIER * float(np.abs(linear).max(initial=0.0))
    for taken in range(MAX_STEPS):
        aim, multipliers = _minimum_on(hessian, linear, region.only(active))
        move = aim - x
        size = max(size, float(np.linalg.norm(aim)))
        length, blocking = region.step(x, move, active, rounding=ROUNDING * size)
        if blocking is not None:
            x = x + length * move
            active.append(blocking)
            continue
        x = aim
        negative = np.flatnonzero(multipliers < smallest)
        if negative.size == 0:
            all_multipliers = np.zeros(len(rows))
            all_multipliers[active] = multipliers
            return Minimum(x, all_multipliers, tuple(sorted(active)))
        # The most negative multiplier is quicker; only the smallest index is sure not to cycle.
        smallest_index = min(negative, key=active.__getitem__)
        active.pop(int(smallest_index if taken > BLAND_AFTER else multipliers.argmin()))
    raise SolverFailed(
        f"a quadratic programme of {len(start)} assets and {len(rows)} limits was not solved in {MAX_STEPS} steps",
        remedy="Report this covariance and these caps; nothing was traded on it.",
    )


@dataclass(frozen=True, slots=True)
class _Region:
    """``rows @ x <= limits``."""

    rows: NDArray[np.float64]
    limits: NDArray[np.float64]

    def only(self, active: list[int]) -> _Region:
        return _Region(self.rows[active], self.limits[active])

    def step(
        self, x: NDArray[np.float64], move: NDArray[np.float64], active: list[int], *, rounding: float
    ) -> tuple[float, int | None]:
        """The part of ``move`` along which every row holds, at most 1, and the row that ends it."""
        if len(self.rows) == 0:
            return 1.0, None
        rates = self.rows @ move
        rates[active] = 0.0
        parts = np.full(len(self.rows), np.inf)
        towards = rates > PARALLEL * float(np.linalg.norm(move)) + rounding
        slack = np.maximum(self.limits[towards] - self.rows[towards] @ x, 0.0)
        parts[towards] = slack / rates[towards]
        first = int(parts.argmin())
        return (float(parts[first]), first) if parts[first] < 1.0 else (1.0, None)


def _minimum_on(
    hessian: NDArray[np.float64], linear: NDArray[np.float64], face: _Region
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The minimum where the rows of ``face`` hold with equality, and their multipliers."""
    n, k = len(linear), len(face.rows)
    system = np.zeros((n + k, n + k))
    system[:n, :n], system[:n, n:], system[n:, :n] = hessian, face.rows.T, face.rows
    right = np.concatenate([linear, face.limits])
    solution = np.linalg.solve(system, right)
    # One refinement restores the digits that units of very different size cost.
    solution += np.linalg.solve(system, right - system @ solution)
    return solution[:n], solution[n:]
