"""Risk parity from a covariance: the contract of ``keeper.risk.budgets.risk_parity``, at compiled speed."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from keeper.risk import budgets as plain
from keeper.risk.compiled.decorators import F, checked
from keeper.risk.compiled.scaling import TOLERANCE, WORK_ROWS, cholesky, scale, workspace

CHECKED_BY_LOOPS = 256
_PLAINLY_DEFINITE = plain.PLAINLY_DEFINITE
_NOTHING_CANCELS = plain.NOTHING_CANCELS
_NOWHERE = np.zeros(0)


def risk_parity(
    covariance: ArrayLike,
    budgets: ArrayLike,
    symbols: Sequence[str] | None = None,
    start: ArrayLike | None = None,
) -> F:
    """Weights (n,), positive, sum 1, with ``w_i (S w)_i / (w' S w) = b_i`` to 1e-10 for every asset.

    As ``keeper.risk.budgets.risk_parity``, with the same errors; whatever is not plainly in order here is handed to
    it. ``start`` (n,) are weights to begin from, such as those of the bar before: they change the time it takes, not
    the result.
    """
    sigma = np.ascontiguousarray(covariance, dtype=np.float64)
    b = np.ascontiguousarray(budgets, dtype=np.float64)
    begin = _NOWHERE if start is None else np.ascontiguousarray(start, dtype=np.float64)
    if sigma.ndim == 2 and b.ndim == 1 and begin.ndim == 1:
        weights: F
        if b.size <= CHECKED_BY_LOOPS:
            weights, solved = _solve(sigma, b, begin)
        else:
            weights, solved = _solve_many(sigma, b, begin, symbols)
        if solved and (symbols is None or len(symbols) == b.size):
            return weights
    return plain.risk_parity(covariance, budgets, symbols)


def _solve_many(sigma: F, budgets: F, begin: F, symbols: Sequence[str] | None) -> tuple[F, bool]:
    """With more assets than this, factorising by LAPACK in the plain checks is faster than by loops."""
    inputs = plain.checked_inputs(sigma, budgets, symbols)
    x = begin * inputs.deviations if begin.size == budgets.size else np.zeros(budgets.size)
    solved = _solved(inputs.correlation, inputs.budgets, x, workspace(x.size))
    return x / inputs.deviations / np.sum(x / inputs.deviations), solved


@checked
def _solve(sigma: F, budgets: F, begin: F) -> tuple[F, bool]:
    """The weights, and whether everything about them is in order; which thing is not, the plain function says."""
    n = budgets.size
    weights = begin.copy() if begin.size == n else np.zeros(n)
    if n == 0 or sigma.shape != (n, n):
        return weights, False
    rows = np.empty((2 * n + 2 + WORK_ROWS, n))
    correlation, factor, b, deviations = rows[:n], rows[n : 2 * n], rows[2 * n], rows[2 * n + 1]
    work = rows[2 * n + 2 :]
    if not _in_order(sigma, budgets, b, deviations):
        return weights, False
    for i in range(n):
        weights[i] *= deviations[i]
        for j in range(i):
            correlation[i, j] = sigma[i, j] / (deviations[i] * deviations[j])
            factor[i, j] = correlation[i, j]
        correlation[i, i] = 1.0
        factor[i, i] = 1.0
    if not _plainly_definite(factor) or not _solved(correlation, b, weights, work):
        return weights, False
    total = 0.0
    for i in range(n):
        weights[i] /= deviations[i]
        total += weights[i]
    for i in range(n):
        weights[i] /= total
    return weights, True


@checked
def _in_order(sigma: F, budgets: F, b: F, deviations: F) -> bool:
    """Finite, symmetric, positive where it must be; writes the budgets scaled to sum 1 and the deviations."""
    n = budgets.size
    total = 0.0
    for i in range(n):
        if not (0.0 < budgets[i] < math.inf and 0.0 < sigma[i, i] < math.inf):
            return False
        total += budgets[i]
        deviations[i] = math.sqrt(sigma[i, i])
        for j in range(i):
            if not (sigma[i, j] == sigma[j, i] and abs(sigma[i, j]) < math.inf):
                return False
    for i in range(n):
        b[i] = budgets[i] / total
    return True


@checked
def _plainly_definite(correlation: F) -> bool:
    if not cholesky(correlation):
        return False
    weakest = math.inf
    for i in range(correlation.shape[0]):
        weakest = min(weakest, correlation[i, i])
    return weakest > _PLAINLY_DEFINITE


@checked
def _solved(correlation: F, b: F, x: F, work: F) -> bool:
    if not scale(correlation, b, x, work) <= TOLERANCE:
        return False
    total, least = 0.0, math.inf
    for i in range(x.size):
        total += x[i]
        least = min(least, b[i])
    # As in the plain check: the terms of a contribution must be too small to lose its digits in their sum.
    return total * total <= _NOTHING_CANCELS * least
