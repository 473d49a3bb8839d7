"""EWMA covariances as compiled loops: the last one of a history, and the same one bar later in O(n^2).

All agree with ``keeper.risk.ewma.covariance`` to 1e-12.
"""

from __future__ import annotations

import math

import numpy as np

from keeper.risk.compiled.decorators import F, loops
from keeper.risk.ewma import NEGLIGIBLE_WEIGHT, decay



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
    weighted = np.empty((bars, n))
    weight = (1.0 - lam) / (1.0 - lam**bars)
    for t in range(bars - 1, -1, -1):
        for i in range(n):
            weighted[t, i] = weight * returns[t, i]
        weight *= lam
    return np.asarray(np.dot(weighted.T, returns))


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
def slide(covariance: F, entering: F, leaving: F, lam: float, bars: int) -> None:
    """A bar enters a window of ``bars`` returns and its oldest leaves; the weights go on to sum 1."""
    last = lam**bars
    gain = (1.0 - lam) / (1.0 - last)
    n = entering.size
    for i in range(n):
        enters, leaves = gain * entering[i], gain * last * leaving[i]
        for j in range(n):
            covariance[i, j] = lam * covariance[i, j] + (enters * entering[j] - leaves * leaving[j])


@loops
def _blend(covariance: F, r: F, kept: float, gain: float) -> None:
    n = r.size
    for i in range(n):
        enters = gain * r[i]
        for j in range(n):
            covariance[i, j] = kept * covariance[i, j] + enters * r[j]
