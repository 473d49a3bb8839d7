"""Risk parity: the weights at which each asset carries its budget of the portfolio's risk."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keeper.domain.errors import InvalidBudgets, SolverFailed
from keeper.risk.inputs import checked_inputs, no_solution

TOLERANCE = 1e-10
"""Largest ``|RC_i / (b_i s_p) - 1|`` of a solution."""
MAX_ROUNDING_FLOOR = 1e-4
"""Where rounding alone moves a share of risk by more than this part of it, the covariance does not determine it."""
MAX_STEPS = 200
"""Newton steps. Assets that fall together need 4, mixed signs up to 9, almost complete hedges about 20."""
SCALING_STEPS = 3
"""Steps of symmetric scaling at the start. Three products save two Newton steps of five for usual covariances."""
FULL_STEP_DECREMENT = 1.0 / 16.0
"""Squared Newton decrement up to which a full step is safe: the decrement is then at most 1/4."""
LAST_STEP_DECREMENT = 1e-12
"""Squared Newton decrement after whose full step every share is within 1e-12 of its budget, below TOLERANCE."""
STALLED_DECREMENT_RATIO = 0.25
"""In the phase of full steps the squared decrement falls at least fivefold a step. A smaller fall is rounding."""
BOUNDARY_SHARE = 0.9
"""Largest part of the distance to ``x_i = 0`` that a damped step goes."""
MIN_DESCENT = 0.1
"""A damped step lowers the objective by at least this part of what its slope promises (Armijo's condition)."""
MIN_STEP_LENGTH = 1e-12
"""A shorter step changes nothing within rounding, so the search stops halving."""
STEPS_AT_ROUNDING = 4
"""Further Newton steps where rounding decides; the best of them counts."""
MIN_START_VARIANCE = 1e-8
"""Variance to scale the start by where that of a hedge is lost to rounding."""
MAX_CANCELLATION = 1e6
"""Terms of a share of risk up to this many times the share lose at most 6 of 16 digits, which leaves TOLERANCE."""
EPSILON = float(np.finfo(np.float64).eps)
"""Spacing of floats at 1."""
TINY = float(np.finfo(np.float64).tiny)
"""Smallest normal float: keeps a variance that rounds to 0 from dividing."""


def risk_parity(
    covariance: ArrayLike, budgets: ArrayLike, symbols: Sequence[str] | None = None
) -> NDArray[np.float64]:
    """Weights (n,), positive, sum 1, with ``w_i (S w)_i / (w' S w) = b_i`` for every asset.

    ``covariance`` S (n, n), ``budgets`` b (n,) positive in any scale. Minimises ``y'Sy/2 - sum b_i ln y_i``
    (Spinu 2013) by damped Newton steps in correlation space, then checks ``max_i |RC_i / (b_i s_p) - 1| <=
    1e-10``, or the rounding floor of that expression where assets hedge each other. Raises InvalidCovariance,
    InvalidBudgets, SolverFailed.
    """
    names, b, deviations, correlation = checked_inputs(covariance, budgets, symbols)
    objective = RiskBudgetObjective(correlation, b)
    x = _minimise(objective)
    if not objective.gap(x) <= TOLERANCE or _digits_cancel(b, x):
        x = _refined(objective, x)
        _require_solved(objective, x, names)
    weights = x / deviations
    return np.asarray(weights / np.add.reduce(weights), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class RiskBudgetObjective:
    """``f(x) = x'Cx/2 - sum b_i ln x_i`` over x > 0; ``x_i (Cx)_i = b_i`` at its minimum (Spinu 2013).

    ``matrix`` C (n, n) symmetric, ``budgets`` b (n,) with sum 1.
    """

    matrix: NDArray[np.float64]
    budgets: NDArray[np.float64]

    def derivatives(self, x: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Gradient ``Cx - b/x`` (n,) and Hessian ``C + diag(b/x^2)`` (n, n)."""
        barrier = self.budgets / x
        hessian = self.matrix.copy()
        hessian.reshape(-1)[:: x.size + 1] += barrier / x
        return self.matrix.dot(x) - barrier, hessian

    def newton_step(self, x: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The gradient (n,) at x, and the step (n,) to the minimum of the local quadratic."""
        gradient, hessian = self.derivatives(x)
        return gradient, np.asarray(np.linalg.solve(hessian, -gradient), dtype=np.float64)

    def step_length(
        self, x: NDArray[np.float64], gradient: NDArray[np.float64], step: NDArray[np.float64]
    ) -> float:
        """Part of a descent ``step`` from x > 0 that keeps x positive and lowers f in proportion.

        The largest of 1, 1/2, 1/4, ... of the step, or of 0.9 of the distance to the boundary.
        """
        relative = step / x
        shrinking = float(-relative.min())
        length = 1.0 if shrinking < BOUNDARY_SHARE else BOUNDARY_SHARE / shrinking
        slope = float(gradient @ step)
        curvature = float(step @ self.matrix @ step)
        while (
            length > MIN_STEP_LENGTH
            and self._change(length, relative, slope, curvature=curvature) > MIN_DESCENT * length * slope
        ):
            length *= 0.5
        return length

    def _change(
        self, length: float, relative: NDArray[np.float64], slope: float, *, curvature: float
    ) -> float:
        """Change of f by this part of a step. ln(1 + p) - p keeps the digits that a difference of two f would lose."""
        barrier = float(self.budgets @ (np.log1p(length * relative) - length * relative))
        return length * slope + 0.5 * length**2 * curvature - barrier

    def gap(self, x: NDArray[np.float64]) -> float:
        """``max_i |RC_i / (b_i s_p) - 1|``; inf where the variance itself is lost to rounding."""
        contributions = x * self.matrix.dot(x)
        variance = float(np.add.reduce(contributions))
        if variance <= 0.0:
            return math.inf
        return float(np.maximum.reduce(np.abs(contributions / (self.budgets * variance) - 1.0)))


def _minimise(objective: RiskBudgetObjective) -> NDArray[np.float64]:
    """Newton's method.

    Divided by the smallest budget the objective is self-concordant: once the Newton decrement is at most 1/4,
    full steps stay positive and converge quadratically (Nesterov and Nemirovskii 1994). After a full step
    ``RC_i / b_i - 1 = -(step_i / x_i)^2`` exactly, so the last step is known before it is taken.
    """
    x = _start(objective.matrix, objective.budgets)
    min_budget, previous = float(np.minimum.reduce(objective.budgets)), math.inf
    for _ in range(MAX_STEPS):
        gradient, step = objective.newton_step(x)
        decrement = -float(gradient.dot(step)) / min_budget
        if not decrement <= FULL_STEP_DECREMENT:
            x = x + objective.step_length(x, gradient, step) * step
            continue
        x = x + step
        if decrement <= LAST_STEP_DECREMENT or decrement > STALLED_DECREMENT_RATIO * previous:
            break
        previous = decrement
    return np.asarray(x, dtype=np.float64)


def _start(correlation: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """The solution for equal correlations and budgets, then steps of symmetric scaling where they are safe."""
    x = np.sqrt(b)
    for _ in range(SCALING_STEPS):
        marginal = correlation.dot(x)
        if not np.minimum.reduce(marginal) > 0.0:
            break
        x = np.sqrt(x * b / marginal)
    variance = float(x.dot(correlation.dot(x)))
    return np.asarray(x / math.sqrt(max(variance, MIN_START_VARIANCE)), dtype=np.float64)


def _digits_cancel(b: NDArray[np.float64], x: NDArray[np.float64]) -> bool:
    """Whether a share of risk may be a small difference of large terms. The terms of RC_i are at most x_i sum(x)."""
    return float(np.add.reduce(x)) ** 2 > MAX_CANCELLATION * float(np.minimum.reduce(b))


def _refined(objective: RiskBudgetObjective, x: NDArray[np.float64]) -> NDArray[np.float64]:
    """The x with the smallest gap of a few more Newton steps, for where rounding decides."""
    best, smallest = x, objective.gap(x)
    for _ in range(STEPS_AT_ROUNDING):
        _, step = objective.newton_step(x)
        x = x + step
        gap = objective.gap(x) if np.minimum.reduce(x) > 0.0 else math.inf
        if gap < smallest:
            best, smallest = x, gap
    return best


def _require_solved(objective: RiskBudgetObjective, x: NDArray[np.float64], names: Sequence[str]) -> None:
    """Raises InvalidCovariance where the assets' hedges hide the shares of risk in rounding, InvalidBudgets where only
    a small budget does, SolverFailed where x misses the budgets."""
    correlation, b = objective.matrix, objective.budgets
    gap = objective.gap(x)
    unsigned = x * (np.abs(correlation) @ x)
    variance = max(float(x @ correlation @ x), TINY)
    rounding = 2.0 * EPSILON * len(names) * unsigned / variance
    # Equal budgets would not help either.
    if len(names) * float(rounding.max()) > MAX_ROUNDING_FLOOR:
        raise no_solution(unsigned, names)
    floor = float((rounding / b).max())
    if floor > MAX_ROUNDING_FLOOR:
        raise _too_small(b, rounding, names)
    if not gap <= max(TOLERANCE, floor):
        contributions = x * (correlation @ x)
        worst = int(np.abs(contributions / (b * contributions.sum()) - 1.0).argmax())
        raise SolverFailed(
            f"risk budgets solved to {gap:.3g} only, not {TOLERANCE:g}: {names[worst]} is furthest off",
            remedy="Report this covariance; nothing was traded on it.",
        )


def _too_small(b: NDArray[np.float64], rounding: NDArray[np.float64], names: Sequence[str]) -> InvalidBudgets:
    """The error for the budget (of n, sum 1) that is smallest against the ``rounding`` of its share of risk."""
    place = int((rounding / b).argmax())
    return InvalidBudgets(
        f"the risk budget of {names[place]} is {b[place]:.3g} of all: with this covariance rounding alone moves its "
        f"share of risk by {rounding[place] / b[place]:.2g} of that",
        remedy=f"Give {names[place]} at least {rounding[place] / MAX_ROUNDING_FLOOR:.1g} of all budgets, or leave it "
        "out of the assets.",
    )
