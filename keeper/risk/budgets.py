"""The weights at which each asset carries its share of the portfolio's risk, solved and checked."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keeper.domain.errors import InvalidBudgets, InvalidCovariance, SolverFailed

TOLERANCE = 1e-10
LARGEST_ROUNDING_FLOOR = 1e-4
MAX_STEPS = 200
ASYMMETRY = 1e-9
INDEFINITE = -1e-10
NULL_EIGENVALUE = 1e-13
QUADRATIC_PHASE = 1e-6
FULL_STEP_DECREMENT = 1e-4
SHORTEST_STEP = 1e-12
SMALLEST_START = 1e-8
_COVARIANCE_REMEDY = "Check the price history it was estimated from."


def risk_parity(
    covariance: ArrayLike, budgets: ArrayLike, symbols: Sequence[str] | None = None
) -> NDArray[np.float64]:
    """Weights (n,), positive, sum 1, with ``w_i (S w)_i / (w' S w) = b_i`` for every asset.

    ``covariance`` (n, n), ``budgets`` (n,) positive in any scale. Minimises ``y'Sy/2 - sum b_i ln y_i``
    (Spinu 2013) by damped Newton steps in correlation space, then checks ``max_i |RC_i / (b_i s_p) - 1| <=
    1e-10``, or the rounding floor of that expression itself where assets hedge each other. Raises
    InvalidCovariance, InvalidBudgets, SolverFailed.
    """
    sigma = np.asarray(covariance, dtype=np.float64)
    names = _names(sigma, symbols)
    b = checked_budgets(budgets, names)
    deviations = checked_deviations(sigma, names)
    correlation = sigma / deviations[:, None] / deviations[None, :]
    correlation = 0.5 * (correlation + correlation.T)
    _require_solvable(correlation, names)
    x = _minimise(correlation, b)
    _check(correlation, b, x, names)
    weights = x / deviations
    return np.asarray(weights / weights.sum(), dtype=np.float64)


def checked_budgets(budgets: ArrayLike, names: Sequence[str]) -> NDArray[np.float64]:
    """Budgets scaled to sum 1. Raises InvalidBudgets naming the asset whose budget is not positive."""
    b = np.asarray(budgets, dtype=np.float64)
    if b.shape != (len(names),):
        raise InvalidBudgets(
            f"{b.size} risk budgets in shape {b.shape} for {len(names)} assets",
            remedy="Give each asset exactly one budget.",
        )
    for name, budget in zip(names, b, strict=True):
        if not (np.isfinite(budget) and budget > 0.0):
            raise InvalidBudgets(
                f"the risk budget of {name} is {budget}, not a positive number",
                remedy=f"Give {name} a positive budget, or leave it out of the assets.",
            )
    return np.asarray(b / b.sum(), dtype=np.float64)


def checked_deviations(sigma: NDArray[np.float64], names: Sequence[str]) -> NDArray[np.float64]:
    """Standard deviations (n,). Raises InvalidCovariance naming what is not finite, positive or symmetric."""
    for i, j in np.argwhere(~np.isfinite(sigma)):
        raise InvalidCovariance(
            f"the covariance of {names[i]} and {names[j]} is {sigma[i, j]}", remedy=_COVARIANCE_REMEDY
        )
    variances = np.diagonal(sigma)
    for name, variance in zip(names, variances, strict=True):
        if variance <= 0.0:
            raise InvalidCovariance(
                f"the variance of {name} is {variance}, not a positive number",
                remedy=f"Give {name} a volatility floor, or budget it apart from the risk assets.",
            )
    deviations = np.sqrt(variances)
    gaps = np.abs(sigma - sigma.T) / deviations[:, None] / deviations[None, :]
    if gaps.max() > ASYMMETRY:
        i, j = divmod(int(gaps.argmax()), len(names))
        raise InvalidCovariance(
            f"the covariance is not symmetric: {names[i]} and {names[j]} have {sigma[i, j]} "
            f"one way and {sigma[j, i]} the other",
            remedy=_COVARIANCE_REMEDY,
        )
    return np.asarray(deviations, dtype=np.float64)


def _names(sigma: NDArray[np.float64], symbols: Sequence[str] | None) -> tuple[str, ...]:
    if sigma.ndim != 2 or sigma.shape[0] != sigma.shape[1] or sigma.shape[0] == 0:
        raise InvalidCovariance(
            f"the covariance has shape {sigma.shape}, not (n, n)",
            remedy="Give one row and one column per asset.",
        )
    names = tuple(symbols) if symbols is not None else tuple(f"asset {i}" for i in range(sigma.shape[0]))
    if len(names) != sigma.shape[0]:
        raise InvalidCovariance(
            f"the covariance has {sigma.shape[0]} rows for {len(names)} assets: {', '.join(names)}",
            remedy="Give one row and one column per asset.",
        )
    return names


def _require_solvable(correlation: NDArray[np.float64], names: Sequence[str]) -> None:
    eigenvalues, vectors = np.linalg.eigh(correlation)
    smallest, vector = float(eigenvalues[0]), vectors[:, 0]
    involved = _involved(np.abs(vector), names)
    if smallest < INDEFINITE:
        raise InvalidCovariance(
            f"the covariance is indefinite: the correlations between {involved} contradict each other "
            f"(eigenvalue {smallest:.3g})",
            remedy="Estimate all correlations from the same bars.",
        )
    if smallest < NULL_EIGENVALUE * len(names) and (np.all(vector >= -1e-9) or np.all(vector <= 1e-9)):
        raise _no_solution(involved)


def _involved(sizes: NDArray[np.float64], names: Sequence[str]) -> str:
    return ", ".join(name for name, size in zip(names, sizes, strict=True) if size > 0.1 * sizes.max())


def _no_solution(involved: str) -> InvalidCovariance:
    return InvalidCovariance(
        f"no weights can be computed: {involved} held long together hedge each other (all but) completely, "
        "so their shares of risk are undefined",
        remedy="Leave one of them out, or shrink their correlation.",
    )


def _minimise(correlation: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Newton's method on ``x'Cx/2 - sum b ln x``, each step shortened until it stays positive and pays."""
    root = np.sqrt(b)
    x = root / np.sqrt(max(float(root @ correlation @ root), SMALLEST_START))
    best, best_gap = x, _gap(correlation, b, x)
    stalled = 0
    diagonal = np.diag_indices_from(correlation)
    for _ in range(MAX_STEPS):
        gradient = correlation @ x - b / x
        hessian = correlation.copy()
        hessian[diagonal] += b / np.square(x)
        step = np.linalg.solve(hessian, -gradient)
        x = x + _step_length(correlation, b, x, gradient, step) * step
        gap = _gap(correlation, b, x)
        stalled = 0 if gap < 0.5 * best_gap else stalled + 1
        if gap < best_gap:
            best, best_gap = x, gap
        # Once quadratic, only rounding stops progress; earlier the gap may rest while the value still falls.
        if best_gap == 0.0 or (stalled >= 2 and best_gap < QUADRATIC_PHASE):
            break
    return np.asarray(best, dtype=np.float64)


def _step_length(
    correlation: NDArray[np.float64],
    b: NDArray[np.float64],
    x: NDArray[np.float64],
    gradient: NDArray[np.float64],
    step: NDArray[np.float64],
) -> float:
    """The largest of 1, 1/2, 1/4, ... of the way to the boundary that lowers the objective in proportion."""
    relative = step / x
    shrinking = float(-relative.min())
    length = 1.0 if shrinking < 0.9 else 0.9 / shrinking
    slope = float(gradient @ step)
    if -slope < FULL_STEP_DECREMENT * float(b.min()):
        return length
    bend = float(step @ correlation @ step)
    while length > SHORTEST_STEP:
        # ln(1 + p) - p keeps its digits where the objective's difference would lose them.
        barrier = float(b @ (np.log1p(length * relative) - length * relative))
        change = length * slope + 0.5 * length**2 * bend - barrier
        if change <= 0.1 * length * slope:
            return length
        length *= 0.5
    return length


def _gap(correlation: NDArray[np.float64], b: NDArray[np.float64], x: NDArray[np.float64]) -> float:
    contributions = x * (correlation @ x)
    variance = float(contributions.sum())
    if variance <= 0.0:
        return float("inf")
    return float(np.abs(contributions / (b * variance) - 1.0).max())


def _check(
    correlation: NDArray[np.float64], b: NDArray[np.float64], x: NDArray[np.float64], names: Sequence[str]
) -> None:
    gap = _gap(correlation, b, x)
    variance = float(x @ correlation @ x)
    unsigned = x * (np.abs(correlation) @ x)
    gross = unsigned / (b * max(variance, np.finfo(float).tiny))
    floor = float(2.0 * np.finfo(float).eps * gross.max() * len(names))
    if floor > LARGEST_ROUNDING_FLOOR:
        raise _no_solution(_involved(unsigned, names))
    if not gap <= max(TOLERANCE, floor):
        worst = int(np.abs(x * (correlation @ x) / (b * variance) - 1.0).argmax())
        raise SolverFailed(
            f"risk budgets solved to {gap:.3g} only, not {TOLERANCE:g}: {names[worst]} is furthest off",
            remedy="Report this covariance; nothing was traded on it.",
        )
