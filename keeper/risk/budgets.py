"""The weights at which each asset carries its share of the portfolio's risk, solved and checked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keeper.domain.errors import InvalidBudgets, InvalidCovariance, SolverFailed

TOLERANCE = 1e-10
LARGEST_ROUNDING_FLOOR = 1e-4
MAX_STEPS = 200
SCALING_STEPS = 3
ASYMMETRY = 1e-9
INDEFINITE = -1e-10
NULL_EIGENVALUE = 1e-13
PLAINLY_DEFINITE = 1e-3
FULL_STEP_DECREMENT = 1.0 / 16.0
LAST_STEP_DECREMENT = 1e-12
SHORTEST_STEP = 1e-12
STEPS_AT_ROUNDING = 4
SMALLEST_START = 1e-8
NOTHING_CANCELS = 1e6
EPSILON = float(np.finfo(np.float64).eps)
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
    names, b, deviations, correlation = checked_inputs(covariance, budgets, symbols)
    x = _minimise(correlation, b)
    if not _gap(correlation, b, x) <= TOLERANCE or _much_cancels(b, x):
        x = _least_rounded(correlation, b, x)
        _check(correlation, b, x, names)
    weights = x / deviations
    return np.asarray(weights / np.add.reduce(weights), dtype=np.float64)


# -------------------------------------------------------------------- checks


class Inputs(NamedTuple):
    """What every allocation works with, checked: budgets sum to 1, correlations positive semi-definite."""

    names: tuple[str, ...]
    budgets: NDArray[np.float64]
    deviations: NDArray[np.float64]
    correlation: NDArray[np.float64]


def checked_inputs(covariance: ArrayLike, budgets: ArrayLike, symbols: Sequence[str] | None) -> Inputs:
    """Raises InvalidCovariance and InvalidBudgets, naming the asset and why."""
    sigma = np.asarray(covariance, dtype=np.float64)
    names = checked_names(sigma, symbols)
    b = checked_budgets(budgets, names)
    deviations = checked_deviations(sigma, names)
    return Inputs(names, b, deviations, checked_correlation(sigma, deviations, names))


def checked_names(sigma: NDArray[np.float64], symbols: Sequence[str] | None) -> tuple[str, ...]:
    """The assets' names, one per row. Raises InvalidCovariance for a shape that is not (n, n) or not theirs."""
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


def checked_budgets(budgets: ArrayLike, names: Sequence[str]) -> NDArray[np.float64]:
    """Budgets scaled to sum 1. Raises InvalidBudgets naming the asset whose budget is not positive."""
    b = np.asarray(budgets, dtype=np.float64)
    if b.shape != (len(names),):
        raise InvalidBudgets(
            f"{b.size} risk budgets in shape {b.shape} for {len(names)} assets",
            remedy="Give each asset exactly one budget.",
        )
    if not (np.minimum.reduce(b) > 0.0 and math.isfinite(total := float(np.add.reduce(b)))):
        raise _bad_budget(b, names)
    return np.asarray(b / total, dtype=np.float64)


def _bad_budget(b: NDArray[np.float64], names: Sequence[str]) -> InvalidBudgets:
    for name, budget in zip(names, b, strict=True):
        if not (np.isfinite(budget) and budget > 0.0):
            return InvalidBudgets(
                f"the risk budget of {name} is {budget}, not a positive number",
                remedy=f"Give {name} a positive budget, or leave it out of the assets.",
            )
    return InvalidBudgets("the risk budgets sum to infinity", remedy="Scale them to sum to 1.")


def checked_deviations(sigma: NDArray[np.float64], names: Sequence[str]) -> NDArray[np.float64]:
    """Standard deviations (n,). Raises InvalidCovariance naming what is not finite, positive or symmetric."""
    finite = np.isfinite(sigma)
    if not np.logical_and.reduce(finite, axis=None):
        for i, j in np.argwhere(~finite):
            raise InvalidCovariance(
                f"the covariance of {names[i]} and {names[j]} is {sigma[i, j]}", remedy=_COVARIANCE_REMEDY
            )
    variances = sigma.diagonal()
    if np.minimum.reduce(variances) <= 0.0:
        place = int(np.argmax(variances <= 0.0))
        raise InvalidCovariance(
            f"the variance of {names[place]} is {variances[place]}, not a positive number",
            remedy=f"Give {names[place]} a volatility floor, or budget it apart from the risk assets.",
        )
    deviations = np.sqrt(variances)
    if np.logical_or.reduce(sigma != sigma.T, axis=None):
        _require_symmetric(sigma, deviations, names)
    return np.asarray(deviations, dtype=np.float64)


def _require_symmetric(
    sigma: NDArray[np.float64], deviations: NDArray[np.float64], names: Sequence[str]
) -> None:
    gaps = np.abs(sigma - sigma.T) / deviations[:, None] / deviations[None, :]
    if gaps.max() > ASYMMETRY:
        i, j = divmod(int(gaps.argmax()), len(names))
        raise InvalidCovariance(
            f"the covariance is not symmetric: {names[i]} and {names[j]} have {sigma[i, j]} "
            f"one way and {sigma[j, i]} the other",
            remedy=_COVARIANCE_REMEDY,
        )


def checked_correlation(
    sigma: NDArray[np.float64], deviations: NDArray[np.float64], names: Sequence[str]
) -> NDArray[np.float64]:
    """Correlations (n, n). Raises InvalidCovariance where they contradict each other, or where assets held
    long together hedge each other completely."""
    correlation = sigma / (deviations[:, None] * deviations)
    correlation = 0.5 * (correlation + correlation.T)
    try:
        pivots = np.linalg.cholesky(correlation).diagonal()
    except np.linalg.LinAlgError:
        _require_solvable(correlation, names)
    else:
        # No pivot can be small by rounding alone here; any doubt is for the eigenvalues to settle.
        if not np.minimum.reduce(pivots) > PLAINLY_DEFINITE:
            _require_solvable(correlation, names)
    return np.asarray(correlation, dtype=np.float64)


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


# -------------------------------------------------------------------- solver


def _minimise(correlation: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Newton's method on ``x'Cx/2 - sum b ln x``.

    Divided by the least budget the objective is self-concordant: once the Newton decrement is at most 1/4,
    full steps stay positive and converge quadratically (Nesterov and Nemirovskii 1994). After a full step
    ``RC_i / b_i - 1 = -(step_i / x_i)^2`` exactly, so the last step is known before it is taken.
    """
    x = _start(correlation, b)
    least, previous = float(np.minimum.reduce(b)), math.inf
    for _ in range(MAX_STEPS):
        gradient, step = _newton_step(correlation, b, x)
        decrement = -float(gradient.dot(step)) / least
        if not decrement <= FULL_STEP_DECREMENT:
            x = x + step_length(correlation, b, x, gradient, step) * step
            continue
        x = x + step
        # In this phase the decrement falls at least fivefold a step: where it does not, rounding is all there is.
        if decrement <= LAST_STEP_DECREMENT or decrement > 0.25 * previous:
            break
        previous = decrement
    return np.asarray(x, dtype=np.float64)


def _newton_step(
    correlation: NDArray[np.float64], b: NDArray[np.float64], x: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    barrier = b / x
    gradient = correlation.dot(x) - barrier
    hessian = correlation.copy()
    hessian.reshape(-1)[:: x.size + 1] += barrier / x
    return gradient, np.linalg.solve(hessian, -gradient)


def _least_rounded(
    correlation: NDArray[np.float64], b: NDArray[np.float64], x: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Where rounding alone is left, the best of a few more steps."""
    best, least = x, _gap(correlation, b, x)
    for _ in range(STEPS_AT_ROUNDING):
        x = x + _newton_step(correlation, b, x)[1]
        if not np.minimum.reduce(x) > 0.0:
            break
        gap = _gap(correlation, b, x)
        if gap < least:
            best, least = x, gap
    return best


def _start(correlation: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """The solution for equal correlations and budgets, then steps of symmetric scaling where they are safe."""
    x = np.sqrt(b)
    for _ in range(SCALING_STEPS):
        reach = correlation.dot(x)
        if not np.minimum.reduce(reach) > 0.0:
            break
        x = np.sqrt(x * b / reach)
    return np.asarray(x / math.sqrt(max(float(x.dot(correlation.dot(x))), SMALLEST_START)), dtype=np.float64)


def step_length(
    correlation: NDArray[np.float64],
    b: NDArray[np.float64],
    x: NDArray[np.float64],
    gradient: NDArray[np.float64],
    step: NDArray[np.float64],
) -> float:
    """Part of a step from x > 0 that keeps it positive and lowers ``x'Cx/2 - sum b ln x`` in proportion: the
    largest of 1, 1/2, 1/4, ... of the step, or of 0.9 of the way to the boundary."""
    relative = step / x
    shrinking = float(-relative.min())
    length = 1.0 if shrinking < 0.9 else 0.9 / shrinking
    slope = float(gradient @ step)
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
    """``max_i |RC_i / (b_i s_p) - 1|``; inf where the variance itself is lost to rounding."""
    contributions = x * correlation.dot(x)
    variance = float(np.add.reduce(contributions))
    if variance <= 0.0:
        return math.inf
    return float(np.maximum.reduce(np.abs(contributions / (b * variance) - 1.0)))


def _much_cancels(b: NDArray[np.float64], x: NDArray[np.float64]) -> bool:
    """Whether a share of risk may be a small rest of large terms: those of RC_i are at most x_i sum(x)."""
    return float(np.add.reduce(x)) ** 2 > NOTHING_CANCELS * float(np.minimum.reduce(b))


def _check(
    correlation: NDArray[np.float64], b: NDArray[np.float64], x: NDArray[np.float64], names: Sequence[str]
) -> None:
    gap = _gap(correlation, b, x)
    unsigned = x * (np.abs(correlation) @ x)
    variance = max(float(x @ correlation @ x), float(np.finfo(np.float64).tiny))
    floor = 2.0 * EPSILON * len(names) * float((unsigned / b).max()) / variance
    if floor > LARGEST_ROUNDING_FLOOR:
        raise _no_solution(_involved(unsigned, names))
    if not gap <= max(TOLERANCE, floor):
        contributions = x * (correlation @ x)
        worst = int(np.abs(contributions / (b * contributions.sum()) - 1.0).argmax())
        raise SolverFailed(
            f"risk budgets solved to {gap:.3g} only, not {TOLERANCE:g}: {names[worst]} is furthest off",
            remedy="Report this covariance; nothing was traded on it.",
        )
