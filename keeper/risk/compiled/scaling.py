"""Risk parity as symmetric matrix scaling, compiled: find x > 0 with ``x_i (R x)_i = b_i``.

Marshall and Olkin (1968) show that there is exactly one such x for a positive definite R; Knight and Ruiz (2013) take
inexact Newton steps to it; Spinu (2013) damps them. Nothing here allocates, so a backtest can solve at every bar.
"""

from __future__ import annotations

import math

import numpy as np

from keeper.risk.compiled.decorators import F, checked, loops

TOLERANCE = 1e-10
"""Residual at which a solution counts as exact, as in ``keeper.risk.budgets``."""
WORK_ROWS = 9

# Rows of the workspace. All vectors live in one array and are named by row: a view of each would cost more time than
# a product of ten assets.
_X, _REACH, _REST, _MOVE, _MOVED, _ALONG, _XP, _IMAGE, _INVERSE = range(WORK_ROWS)

_AIM = 9e-11
_ATTEMPTS = 2
_PRODUCTS = 60
_FULL_STEP = 0.5
_CONTRACTION = 0.3
_MOST_STARTS = 4
_MOST_STEPS = 200
_NEGLIGIBLE = 1e-14
_SMALLEST_VARIANCE = 1e-8


def workspace(assets: int) -> F:
    """Scratch rows for ``scale``: allocate once, pass to every call of the same number of assets."""
    return np.zeros((WORK_ROWS, assets))


@checked
def scale(correlation: F, budgets: F, x: F, work: F) -> float:
    """Writes to ``x`` (n,) the solution of ``x_i (R x)_i = b_i`` and returns its residual, NaN or infinite where there
    is none: ``max_i |x_i (R x)_i / (b_i x'R x) - 1|``. Divided by the volatilities, x is proportional to the weights.

    ``correlation`` (n, n) C-contiguous, symmetric, positive semidefinite with unit diagonal; ``budgets`` (n,) positive
    with sum 1. On entry ``x`` is where to start, such as the solution of the bar before; any x with an entry that is
    not a positive number means nowhere in particular. ``work`` comes from ``workspace(n)``. Above ``TOLERANCE`` the
    caller must not use the result, unless it accounts for the rounding floor of hedged assets. Raises ValueError for
    arrays of different sizes.
    """
    n = budgets.size
    if correlation.shape != (n, n) or x.size != n or work.shape != (WORK_ROWS, n):
        raise ValueError("correlation (n, n), budgets (n,), x (n,) and workspace(n) must have the same n")
    for i in range(n):
        work[_X, i] = x[i]
    residual = math.inf
    if _prepare(correlation, budgets, work):
        for _ in range(_ATTEMPTS):
            if _newton(correlation, budgets, work, _PRODUCTS + n):
                residual = _residual(correlation, budgets, work)
            if residual <= TOLERANCE:
                break
    if not residual <= TOLERANCE:
        residual = _by_factorisation(correlation, budgets, work)
    for i in range(n):
        x[i] = work[_X, i]
    return residual


@loops
def product(matrix: F, rows: F, x: int, y: int) -> None:
    """Row y of ``rows`` (k, n) becomes A times row x, for a symmetric A (n, n) of which the lower triangle is read."""
    n = matrix.shape[0]
    for i in range(n):
        rows[y, i] = 0.0
    blocked = n - n % 4
    for i in range(0, blocked, 4):
        x0, x1, x2, x3 = rows[x, i], rows[x, i + 1], rows[x, i + 2], rows[x, i + 3]
        s0, s1, s2, s3 = 0.0, 0.0, 0.0, 0.0
        for j in range(i):
            a0, a1, a2, a3 = matrix[i, j], matrix[i + 1, j], matrix[i + 2, j], matrix[i + 3, j]
            xj = rows[x, j]
            s0 += a0 * xj
            s1 += a1 * xj
            s2 += a2 * xj
            s3 += a3 * xj
            rows[y, j] += a0 * x0 + a1 * x1 + a2 * x2 + a3 * x3
        a10, a20, a21 = matrix[i + 1, i], matrix[i + 2, i], matrix[i + 2, i + 1]
        a30, a31, a32 = matrix[i + 3, i], matrix[i + 3, i + 1], matrix[i + 3, i + 2]
        rows[y, i] = s0 + matrix[i, i] * x0 + a10 * x1 + a20 * x2 + a30 * x3
        rows[y, i + 1] = s1 + a10 * x0 + matrix[i + 1, i + 1] * x1 + a21 * x2 + a31 * x3
        rows[y, i + 2] = s2 + a20 * x0 + a21 * x1 + matrix[i + 2, i + 2] * x2 + a32 * x3
        rows[y, i + 3] = s3 + a30 * x0 + a31 * x1 + a32 * x2 + matrix[i + 3, i + 3] * x3
    for i in range(blocked, n):
        xi = rows[x, i]
        s = 0.0
        for j in range(i):
            s += matrix[i, j] * rows[x, j]
            rows[y, j] += matrix[i, j] * xi
        rows[y, i] = s + matrix[i, i] * xi


# ------------------------------------------------------------------- start


@loops
def _prepare(correlation: F, b: F, work: F) -> bool:
    """Scales the start to unit variance and leaves ``R x`` in REACH."""
    warm = True
    for i in range(b.size):
        if not 0.0 < work[_X, i] < math.inf:
            warm = False
    if not warm:
        for i in range(b.size):
            work[_X, i] = math.sqrt(b[i])
    if not _to_unit_variance(correlation, work):
        return False
    if not warm:
        _contract(correlation, b, work)
    return True


@loops
def _to_unit_variance(correlation: F, work: F) -> bool:
    n = correlation.shape[0]
    product(correlation, work, _X, _REACH)
    variance, alone = 0.0, 0.0
    for i in range(n):
        variance += work[_X, i] * work[_REACH, i]
        alone += work[_X, i] * work[_X, i]
    if not _SMALLEST_VARIANCE * alone < variance < math.inf:
        return False
    factor = 1.0 / math.sqrt(variance)
    for i in range(n):
        work[_X, i] *= factor
        work[_REACH, i] *= factor
    return True


@loops
def _contract(correlation: F, b: F, work: F) -> None:
    """Solves every asset's own equation with the others held, all at once, for as long as that gains much.

    With many assets that move together each such step is as good as a step of conjugate gradients; where assets hedge
    each other it would lead away.
    """
    before = math.inf
    for _ in range(_MOST_STARTS):
        gap, least = 0.0, math.inf
        for i in range(b.size):
            gap = max(gap, abs(work[_X, i] * work[_REACH, i] / b[i] - 1.0))
            least = min(least, work[_REACH, i] - work[_X, i])
        if least <= 0.0 or gap > _CONTRACTION * before or gap <= _AIM:
            return
        before = gap
        for i in range(b.size):
            others = work[_REACH, i] - work[_X, i]
            work[_X, i] = 2.0 * b[i] / (others + math.sqrt(others * others + 4.0 * b[i]))
        if not _to_unit_variance(correlation, work):
            return


# ------------------------------------------------------------------ Newton


@loops
def _newton(correlation: F, b: F, work: F, most_products: int) -> bool:
    """Newton steps on ``x'Rx/2 - sum b ln x`` in relative moves z = dx/x, each solved by conjugate gradients.

    ``R x`` is carried along in REACH. False when products run out or the numbers do.
    """
    while most_products > 0:
        if _gradient(b, work) <= _AIM:
            return True
        largest, products = _step(correlation, b, work, most_products)
        if not largest < math.inf:
            return False
        most_products -= products
        _move(b.size, largest, work)
    return False


@loops
def _gradient(b: F, work: F) -> float:
    """What each contribution lacks of its budget, in REST; returns the largest as a share of the budget."""
    gap = 0.0
    for i in range(b.size):
        work[_REST, i] = b[i] - work[_X, i] * work[_REACH, i]
        gap = max(gap, abs(work[_REST, i]) / b[i])
    return gap


@loops
def _move(n: int, largest: float, work: F) -> None:
    """A full step once moves are small, otherwise Spinu's damped one, which always descends."""
    length = 1.0 if largest <= _FULL_STEP else 1.0 / (1.0 + largest)
    for i in range(n):
        work[_X, i] *= 1.0 + length * work[_MOVE, i]
        work[_REACH, i] += length * work[_MOVED, i]


@loops
def _step(correlation: F, b: F, work: F, most_products: int) -> tuple[float, int]:
    """Solves ``(X R X + diag b) z = r`` for r in REST, X = diag x, by conjugate gradients preconditioned with the
    diagonal.

    Leaves z in MOVE and ``R X z`` in MOVED; returns the largest ``|z_i|`` and the products taken. After a full step
    solved up to a rest r, ``x_i (R x)_i / b_i - 1 = -z_i^2 - r_i (1 + z_i) / b_i`` exactly: so there is no point in
    a rest much below z^2, and none in going on when both are below the aim.
    """
    n = b.size
    energy = 0.0
    for i in range(n):
        work[_INVERSE, i] = 1.0 / (work[_X, i] * work[_X, i] + b[i])
        work[_ALONG, i] = work[_REST, i] * work[_INVERSE, i]
        work[_XP, i] = work[_X, i] * work[_ALONG, i]
        work[_MOVE, i] = 0.0
        work[_MOVED, i] = 0.0
        energy += work[_REST, i] * work[_ALONG, i]
    for products in range(1, most_products + 1):
        product(correlation, work, _XP, _IMAGE)
        curvature = 0.0
        for i in range(n):
            curvature += work[_IMAGE, i] * work[_XP, i] + b[i] * work[_ALONG, i] * work[_ALONG, i]
        if not curvature > 0.0:
            return math.inf, products
        length = energy / curvature
        squares, rests, left = 0.0, 0.0, 0.0
        for i in range(n):
            work[_MOVE, i] += length * work[_ALONG, i]
            work[_MOVED, i] += length * work[_IMAGE, i]
            work[_REST, i] -= length * (work[_X, i] * work[_IMAGE, i] + b[i] * work[_ALONG, i])
            squares += work[_MOVE, i] * work[_MOVE, i]
            rests += (work[_REST, i] / b[i]) * (work[_REST, i] / b[i])
            left += work[_REST, i] * work[_REST, i] * work[_INVERSE, i]
        # Sums are quicker than maxima, which are only looked up where these sums allow them to be small enough.
        if rests <= n * max(squares * squares, 0.25 * _AIM * _AIM):
            largest, rest = _maxima(work, b)
            if rest <= max(largest * largest, 0.5 * _AIM):
                return largest, products
        ratio = left / energy
        energy = left
        for i in range(n):
            work[_ALONG, i] = work[_REST, i] * work[_INVERSE, i] + ratio * work[_ALONG, i]
            work[_XP, i] = work[_X, i] * work[_ALONG, i]
    return math.inf, most_products


@loops
def _maxima(work: F, b: F) -> tuple[float, float]:
    largest, rest = 0.0, 0.0
    for i in range(b.size):
        largest = max(largest, abs(work[_MOVE, i]))
        rest = max(rest, abs(work[_REST, i]) / b[i])
    return largest, rest


@checked
def _residual(correlation: F, b: F, work: F) -> float:
    """``max_i |x_i (R x)_i / (b_i x'R x) - 1|``, from a fresh product; NaN where x is not positive and finite."""
    product(correlation, work, _X, _REACH)
    variance = 0.0
    for i in range(b.size):
        if not 0.0 < work[_X, i] < math.inf:
            return math.nan
        variance += work[_X, i] * work[_REACH, i]
    if not 0.0 < variance < math.inf:
        return math.nan
    worst = 0.0
    for i in range(b.size):
        off = abs(work[_X, i] * work[_REACH, i] / (b[i] * variance) - 1.0)
        if not off <= worst:
            worst = off
        if worst != worst:
            return math.nan
    return worst


# ----------------------------------------------------------- factorisation


@loops
def _by_factorisation(correlation: F, b: F, work: F) -> float:
    """The same Newton steps, each with a Cholesky factor: slower, and not put off by any condition number.

    Allocates, being needed only where assets hedge each other almost completely.
    """
    n = b.size
    factor, best = np.empty((n, n)), np.empty(n)
    for i in range(n):
        work[_X, i] = math.sqrt(b[i])
    if not _to_unit_variance(correlation, work):
        for i in range(n):
            work[_X, i] = math.sqrt(b[i] / _SMALLEST_VARIANCE)
    least, idle, largest = math.inf, 0, math.inf
    # Full steps converge quadratically: when two in a row gain nothing, rounding is all that is left.
    for _ in range(_MOST_STEPS):
        residual = _residual(correlation, b, work)
        if residual < least:
            least, idle = residual, 0
            best[:] = work[_X]
        elif largest <= _FULL_STEP:
            idle += 1
        if least <= _NEGLIGIBLE or idle == 2:
            break
        _gradient(b, work)
        if not _factorised(correlation, b, work, factor):
            break
        largest, _rest = _maxima(work, b)
        _move(n, largest, work)
    if least < math.inf:
        work[_X, :n] = best
    return least


@loops
def _factorised(correlation: F, b: F, work: F, factor: F) -> bool:
    """Solves ``(X R X + diag b) z = r``, scaled to unit diagonal; False where that is not positive definite."""
    n = b.size
    for i in range(n):
        work[_MOVE, i] = 1.0 / math.sqrt(work[_X, i] * work[_X, i] + b[i])
    for i in range(n):
        for j in range(i):
            factor[i, j] = correlation[i, j] * (work[_X, i] * work[_MOVE, i]) * (work[_X, j] * work[_MOVE, j])
        factor[i, i] = 1.0
        work[_REST, i] *= work[_MOVE, i]
    if not cholesky(factor):
        return False
    for i in range(n):
        s = work[_REST, i]
        for j in range(i):
            s -= factor[i, j] * work[_REST, j]
        work[_REST, i] = s / factor[i, i]
    for i in range(n - 1, -1, -1):
        work[_REST, i] /= factor[i, i]
        for j in range(i):
            work[_REST, j] -= factor[i, j] * work[_REST, i]
    for i in range(n):
        work[_MOVE, i] *= work[_REST, i]
    return True


@loops
def cholesky(a: F) -> bool:
    """Overwrites the lower triangle of a (n, n) with its Cholesky factor; False where it has none."""
    for i in range(a.shape[0]):
        for j in range(i):
            s = a[i, j]
            for k in range(j):
                s -= a[i, k] * a[j, k]
            a[i, j] = s / a[j, j]
        pivot = a[i, i]
        for k in range(i):
            pivot -= a[i, k] * a[i, k]
        if not pivot > 0.0:
            return False
        a[i, i] = math.sqrt(pivot)
    return True
