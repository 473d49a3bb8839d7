"""Correlations from running sums that bars enter and leave, at a cost that does not depend on the window."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from keeper.risk.compiled.decorators import checked

F = NDArray[np.float64]


@checked
def enter(sums: F, r: F, decays: F) -> None:
    """A new complete bar of returns (n,). ``sums`` (K, 1 or 3, n, n): for each of the K decays the weighted sums of
    r_i r_j and, where correlations are shrunk, of r_i² r_j² and r_i³ r_j."""
    for k in range(decays.size):
        _add(sums[k], r, decays[k], 1.0)


@checked
def leave(sums: F, r: F, decays: F, bars: int) -> None:
    """A bar falls out of the window, in which ``bars`` younger complete ones remain."""
    for k in range(decays.size):
        _add(sums[k], r, 1.0, -(decays[k] ** bars))


@checked
def _add(sums: F, r: F, decay: float, weight: float) -> None:
    """Below and on the diagonal alone for the first two, which are symmetric."""
    n = r.size
    for i in range(n):
        a = weight * r[i]
        for j in range(i + 1):
            sums[0, i, j] = decay * sums[0, i, j] + a * r[j]
    if sums.shape[0] == 1:
        return
    for i in range(n):
        a = weight * r[i] * r[i]
        for j in range(i + 1):
            sums[1, i, j] = decay * sums[1, i, j] + a * r[j] * r[j]
        for j in range(n):
            sums[2, i, j] = decay * sums[2, i, j] + a * r[i] * r[j]


@checked
def totals(bars: int, decays: F, shares: F) -> float:
    """Writes ``1 / (K sum w)`` of each decay's weights over so many bars, and returns ``sum w²`` of their mean."""
    for k in range(decays.size):
        shares[k] = (1.0 - decays[k]) / (1.0 - decays[k] ** bars) / decays.size
    squares = 0.0
    for k in range(decays.size):
        for other in range(decays.size):
            both = decays[k] * decays[other]
            squares += (1.0 - both**bars) / (1.0 - both) * shares[k] * shares[other]
    return squares


@checked
def mix(sums: F, shares: F, moments: F) -> None:
    """The mean of the K normalised sums."""
    n = moments.shape[1]
    for kind in range(moments.shape[0]):
        for i in range(n):
            for j in range(n if kind == 2 else i + 1):
                moments[kind, i, j] = 0.0
                for k in range(shares.size):
                    moments[kind, i, j] += shares[k] * sums[k, kind, i, j]


@checked
def correlate(moments: F, squares: float, inverse: F, correlation: F) -> None:
    """As ``keeper.risk.correlation``: writes the (n, n) correlation, shrunk where the higher moments are there.
    ``inverse`` (n,) is scratch."""
    n = moments.shape[1]
    for i in range(n):
        variance = moments[0, i, i]
        inverse[i] = 1.0 / math.sqrt(variance) if variance > 0.0 else 0.0
        correlation[i, i] = 1.0
        for j in range(i):
            rho = min(1.0, max(-1.0, moments[0, i, j] * inverse[i] * inverse[j]))
            correlation[i, j] = rho
            correlation[j, i] = rho
    if moments.shape[0] == 1 or n < 2:
        return
    intensity = _shrinkage(moments, squares, correlation)
    mean = (correlation.sum() - n) / (n * (n - 1))
    for i in range(n):
        for j in range(n):
            if i != j:
                correlation[i, j] = (1.0 - intensity) * correlation[i, j] + intensity * mean


@checked
def _shrinkage(moments: F, squares: float, correlation: F) -> float:
    n = moments.shape[1]
    mean = (correlation.sum() - n) / (n * (n - 1))
    gamma = pi = own = theta = 0.0
    for i in range(n):
        vi = moments[0, i, i]
        for j in range(n):
            vj = moments[0, j, j]
            if vi <= 0.0 or vj <= 0.0:
                continue
            rho = correlation[i, j]
            spread = moments[1, max(i, j), min(i, j)] / (vi * vj) - rho * rho
            pi += spread
            if i == j:
                own += spread
            else:
                gamma += (rho - mean) * (rho - mean)
                theta += moments[2, i, j] / (vi * math.sqrt(vi * vj)) - rho
    if gamma == 0.0:
        return 0.0
    return float(min(1.0, max(0.0, (pi - own - mean * theta) / gamma * squares)))


@checked
def smallest_pivot(correlation: F, work: F) -> float:
    """Of the Cholesky factor, squared; not positive where the matrix is not positive definite."""
    n = correlation.shape[0]
    smallest = math.inf
    for j in range(n):
        pivot = correlation[j, j]
        for k in range(j):
            pivot -= work[j, k] * work[j, k]
        smallest = min(smallest, pivot)
        if pivot <= 0.0:
            return float(pivot)
        work[j, j] = math.sqrt(pivot)
        for i in range(j + 1, n):
            left = correlation[i, j]
            for k in range(j):
                left -= work[i, k] * work[j, k]
            work[i, j] = left / work[j, j]
    return smallest
