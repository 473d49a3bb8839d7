"""EWMA covariances as compiled loops: the last one of a history, and the same one bar later in O(n^2).

All agree with ``keeper.risk.ewma.covariance`` to 1e-12.
"""

from __future__ import annotations

import math

import numpy as np

from keeper.risk.compiled.decorators import F, loops
from keeper.risk.ewma import NEGLIGIBLE_WEIGHT, decay

_CHUNK = 256  # so many bars of a dozen assets stay in the first-level cache


def covariance(returns: F, half_life_bars: float) -> F:
    """``sum_t w_t r_t r_t'`` of returns (T, n) without gaps: (n, n) per bar, weights normalised to sum 1.

    Reads the last ``log(1e-12) / log(lambda)`` bars only, so the cost does not grow with T.
    """
    bars = min(returns.shape[0], reach(half_life_bars))
    recent = np.ascontiguousarray(returns[returns.shape[0] - bars :], dtype=np.float64)
    return last_covariance(recent, decay(half_life_bars))


def reach(half_life_bars: float) -> int:
    """Bars that show in the result: those whose weight relative to the last one is at least 1e-12."""
    return math.ceil(math.log(NEGLIGIBLE_WEIGHT) / math.log(decay(half_life_bars)))


@loops
def last_covariance(returns: F, lam: float) -> F:
    """The covariance (n, n) of all the returns (T, n) given, oldest first."""
    bars, n = returns.shape
    weighted, part = np.empty((_CHUNK, n)), np.empty((n, n))
    covariance = np.zeros((n, n))
    weight = (1.0 - lam) / (1.0 - lam**bars)
    for end in range(bars, 0, -_CHUNK):
        first = max(0, end - _CHUNK)
        for t in range(end - 1, first - 1, -1):
            for i in range(n):
                weighted[t - first, i] = weight * returns[t, i]
            weight *= lam
        np.dot(weighted[: end - first].T, returns[first:end], part)
        covariance += part
    return covariance


@loops
def update(covariance: F, r: F, lam: float) -> None:
    """RiskMetrics' recursion in place: ``S <- lam S + (1 - lam) r r'`` for the next returns ``r`` (n,)."""
    _blend(covariance, r, lam, 1.0 - lam)


@loops
def grow(covariance: F, r: F, lam: float, bars: int) -> None:
    """One more bar enters: from the covariance of ``bars`` returns, which may be 0, to that of ``bars + 1``."""
    total = 1.0 - lam ** (bars + 1)
    _blend(covariance, r, lam * (1.0 - lam**bars) / total, (1.0 - lam) / total)


@loops
def slide(covariance: F, entering: F, leaving: F, lam: float, oldest: float) -> None:
    """A bar enters a window of T returns and the oldest leaves; the weights go on to sum 1.

    ``oldest`` is ``lam**T``, what the leaving bar now weighs relative to the entering one.
    """
    gain = (1.0 - lam) / (1.0 - oldest)
    n = entering.size
    for i in range(n):
        enters, leaves = gain * entering[i], gain * oldest * leaving[i]
        for j in range(n):
            covariance[i, j] = lam * covariance[i, j] + (enters * entering[j] - leaves * leaving[j])


@loops
def _blend(covariance: F, r: F, kept: float, gain: float) -> None:
    n = r.size
    for i in range(n):
        enters = gain * r[i]
        for j in range(n):
            covariance[i, j] = kept * covariance[i, j] + enters * r[j]
