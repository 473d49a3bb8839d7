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
WORK_ROWS = 8

_AIM = 7e-11
_FULL_STEP = 0.5
_CONTRACTION = 0.15
_MOST_STARTS = 3
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
    caller must not use the result, unless it accounts for the rounding floor of hedged assets.
    """
    n = budgets.size
    if _prepare(correlation, budgets, x, work):
        for _ in range(2):
            if not _newton(correlation, budgets, x, work, 60 + n):
                break
            residual = _residual(correlation, budgets, x, work)
            if residual <= TOLERANCE:
                return residual
    return _by_factorisation(correlation, budgets, x, work)


@loops
def product(matrix: F, x: F, y: F) -> None:
    """``y = A x`` of a symmetric A (n, n), reading its lower triangle only."""
    n = x.size
    for i in range(n):
        y[i] = 0.0
    blocked = n - n % 4
    for i in range(0, blocked, 4):
        x0, x1, x2, x3 = x[i], x[i + 1], x[i + 2], x[i + 3]
        s0, s1, s2, s3 = 0.0, 0.0, 0.0, 0.0
        for j in range(i):
            a0, a1, a2, a3 = matrix[i, j], matrix[i + 1, j], matrix[i + 2, j], matrix[i + 3, j]
            xj = x[j]
            s0 += a0 * xj
            s1 += a1 * xj
            s2 += a2 * xj
            s3 += a3 * xj
            y[j] += a0 * x0 + a1 * x1 + a2 * x2 + a3 * x3
        a10, a20, a21 = matrix[i + 1, i], matrix[i + 2, i], matrix[i + 2, i + 1]
        a30, a31, a32 = matrix[i + 3, i], matrix[i + 3, i + 1], matrix[i + 3, i + 2]
        y[i] = s0 + matrix[i, i] * x0 + a10 * x1 + a20 * x2 + a30 * x3
        y[i + 1] = s1 + a10 * x0 + matrix[i + 1, i + 1] * x1 + a21 * x2 + a31 * x3
        y[i + 2] = s2 + a20 * x0 + a21 * x1 + matrix[i + 2, i + 2] * x2 + a32 * x3
        y[i + 3] = s3 + a30 * x0 + a31 * x1 + a32 * x2 + matrix[i + 3, i + 3] * x3
    for i in range(blocked, n):
        xi = x[i]
        s = 0.0
        for j in range(i):
            s += matrix[i, j] * x[j]
            y[j] += matrix[i, j] * xi
        y[i] = s + matrix[i, i] * xi


# ------------------------------------------------------------------- start


@loops
def _prepare(correlation: F, b: F, x: F, work: F) -> bool:
    """Scales the start to unit variance and leaves ``R x`` in the first row of ``work``."""
    warm = True
    for i in range(x.size):
        if not 0.0 < x[i] < math.inf:
            warm = False
    if not warm:
        for i in range(x.size):
            x[i] = math.sqrt(b[i])
    if not _to_unit_variance(correlation, x, work[0]):
        return False
    if not warm:
        _contract(correlation, b, x, work[0])
    return True


@loops
def _to_unit_variance(correlation: F, x: F, reach: F) -> bool:
    product(correlation, x, reach)
    variance = 0.0
    for i in range(x.size):
        variance += x[i] * reach[i]
    if not _SMALLEST_VARIANCE < variance < math.inf:
        return False
    factor = 1.0 / math.sqrt(variance)
    for i in range(x.size):
        x[i] *= factor
        reach[i] *= factor
    return True


@loops
def _contract(correlation: F, b: F, x: F, reach: F) -> None:
    """Solves every asset's own equation with the others held, all at once, for as long as that gains much.

    With many assets that move together each such step is as good as a step of conjugate gradients; where assets hedge
    each other it would lead away.
    """
    before = math.inf
    for _ in range(_MOST_STARTS):
        gap, least = 0.0, math.inf
        for i in range(x.size):
            gap = max(gap, abs(x[i] * reach[i] / b[i] - 1.0))
            least = min(least, reach[i] - x[i])
        if least <= 0.0 or gap > _CONTRACTION * before or gap <= _AIM:
            return
        before = gap
        for i in range(x.size):
            others = reach[i] - x[i]
            x[i] = 2.0 * b[i] / (others + math.sqrt(others * others + 4.0 * b[i]))
        if not _to_unit_variance(correlation, x, reach):
            return


# ------------------------------------------------------------------ Newton


@loops
def _newton(correlation: F, b: F, x: F, work: F, most_products: int) -> bool:
    """Newton steps on ``x'Rx/2 - sum b ln x`` in relative moves z = dx/x, each solved by conjugate gradients.

    ``R x`` is carried along in the first row of ``work``. False when products run out or the numbers do.
    """
    n = x.size
    reach, r, z, moved = work[0], work[1], work[2], work[3]
    while most_products > 0:
        gap = 0.0
        for i in range(n):
            r[i] = b[i] - x[i] * reach[i]
            gap = max(gap, abs(r[i]) / b[i])
        if gap <= _AIM:
            return True
        largest, products = _step(correlation, b, x, work, most_products)
        if not largest < math.inf:
            return False
        most_products -= products
        length = 1.0 if largest <= _FULL_STEP else 1.0 / (1.0 + largest)
        for i in range(n):
            x[i] *= 1.0 + length * z[i]
            reach[i] += length * moved[i]
    return False


@loops
def _step(correlation: F, b: F, x: F, work: F, most_products: int) -> tuple[float, int]:
    """Solves ``(X R X + diag b) z = r`` by conjugate gradients with the diagonal as preconditioner; X = diag x.

    Returns the largest ``|z_i|``, and the products taken; leaves ``R X z`` in ``moved``. After a full step solved up
    to a rest r, ``x_i (R x)_i / b_i - 1 = -z_i^2 - r_i (1 + z_i) / b_i`` exactly: so there is no point in a rest much
    below z^2, and none in going on when both are below the aim.
    """
    n = x.size
    r, z, moved, p, xp, image, inverse = work[1], work[2], work[3], work[4], work[5], work[6], work[7]
    energy = 0.0
    for i in range(n):
        inverse[i] = 1.0 / (x[i] * x[i] + b[i])
        p[i] = r[i] * inverse[i]
        xp[i] = x[i] * p[i]
        z[i] = 0.0
        moved[i] = 0.0
        energy += r[i] * p[i]
    for products in range(1, most_products + 1):
        product(correlation, xp, image)
        curvature = 0.0
        for i in range(n):
            curvature += image[i] * xp[i] + b[i] * p[i] * p[i]
        if not curvature > 0.0:
            return math.inf, products
        length = energy / curvature
        largest, rest, left = 0.0, 0.0, 0.0
        for i in range(n):
            z[i] += length * p[i]
            moved[i] += length * image[i]
            r[i] -= length * (x[i] * image[i] + b[i] * p[i])
            largest = max(largest, abs(z[i]))
            rest = max(rest, abs(r[i]) / b[i])
            left += r[i] * r[i] * inverse[i]
        if rest <= max(largest * largest, 0.5 * _AIM):
            return largest, products
        ratio = left / energy
        energy = left
        for i in range(n):
            p[i] = r[i] * inverse[i] + ratio * p[i]
            xp[i] = x[i] * p[i]
    return math.inf, most_products


@checked
def _residual(correlation: F, b: F, x: F, work: F) -> float:
    """``max_i |x_i (R x)_i / (b_i x'R x) - 1|``, from a fresh product; NaN where x is not positive and finite."""
    reach = work[0]
    product(correlation, x, reach)
    variance = 0.0
    for i in range(x.size):
        if not 0.0 < x[i] < math.inf:
            return math.nan
        variance += x[i] * reach[i]
    if not 0.0 < variance < math.inf:
        return math.nan
    worst = 0.0
    for i in range(x.size):
        off = abs(x[i] * reach[i] / (b[i] * variance) - 1.0)
        if not off <= worst:
            worst = off
        if worst != worst:
            return math.nan
    return worst


# ----------------------------------------------------------- factorisation


@loops
def _by_factorisation(correlation: F, b: F, x: F, work: F) -> float:
    """The same Newton steps, each with a Cholesky factor: slower, and not put off by any condition number.

    Allocates, being needed only where assets hedge each other almost completely.
    """
    n = x.size
    factor = np.empty((n, n))
    best = np.empty(n)
    reach, r, z = work[0], work[1], work[2]
    for i in range(n):
        x[i] = math.sqrt(b[i])
    if not _to_unit_variance(correlation, x, reach):
        for i in range(n):
            x[i] = math.sqrt(b[i] / _SMALLEST_VARIANCE)
    best[:] = x
    least, idle, largest = math.inf, 0, math.inf
    for _ in range(_MOST_STEPS):
        residual = _residual(correlation, b, x, work)
        if residual < least:
            best[:] = x
            least, idle = residual, 0
        elif largest <= _FULL_STEP:
            idle += 1
        # Full steps converge quadratically: when two in a row gain nothing, rounding is all that is left.
        if least <= _NEGLIGIBLE or idle == 2:
            break
        for i in range(n):
            r[i] = b[i] - x[i] * reach[i]
        if not _factorised(correlation, b, x, r, z, factor):
            break
        largest = 0.0
        for i in range(n):
            largest = max(largest, abs(z[i]))
        if not largest < math.inf:
            break
        length = 1.0 if largest <= _FULL_STEP else 1.0 / (1.0 + largest)
        for i in range(n):
            x[i] *= 1.0 + length * z[i]
    x[:] = best
    return _residual(correlation, b, x, work)


@loops
def _factorised(correlation: F, b: F, x: F, r: F, z: F, factor: F) -> bool:
    """Solves ``(X R X + diag b) z = r``, scaled to unit diagonal; False where that is not positive definite."""
    n = x.size
    for i in range(n):
        z[i] = 1.0 / math.sqrt(x[i] * x[i] + b[i])
    for i in range(n):
        for j in range(i):
            factor[i, j] = correlation[i, j] * (x[i] * z[i]) * (x[j] * z[j])
        factor[i, i] = 1.0
        r[i] *= z[i]
    if not cholesky(factor):
        return False
    for i in range(n):
        s = r[i]
        for j in range(i):
            s -= factor[i, j] * r[j]
        r[i] = s / factor[i, i]
    for i in range(n - 1, -1, -1):
        r[i] /= factor[i, i]
        for j in range(i):
            r[j] -= factor[i, j] * r[i]
    for i in range(n):
        z[i] *= r[i]
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
