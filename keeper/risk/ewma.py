"""Exponential weights (RiskMetrics 1996), normalised to sum 1, for moments about a zero mean."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from keeper.domain.errors import InvalidSetting

SECONDS_PER_DAY = 86_400
NEGLIGIBLE_WEIGHT = 1e-12
"""Weight relative to the newest bar below which a bar is left out."""
HALF_LIVES_PER_BLOCK = 400
"""A block of ``decayed_sums``: 2^400 is far from the largest float, and long enough to be one array operation."""


def bars_of(days: float, bar_seconds: int) -> float:
    """A half-life in days, in bars."""
    return days * SECONDS_PER_DAY / bar_seconds


def decay(half_life_bars: float) -> float:
    """``lambda = 2^(-1 / half-life)``. Raises InvalidSetting for a half-life that is not positive."""
    if not 0.0 < half_life_bars < math.inf:
        raise InvalidSetting(
            f"a half-life of {half_life_bars:g} bars", remedy="Choose one above 0 and below infinity."
        )
    return float(2.0 ** (-1.0 / half_life_bars))


def reach(half_life_bars: float) -> int:
    """``log(1e-12) / log(lambda)`` bars: older ones do not show in the result."""
    return math.ceil(math.log(NEGLIGIBLE_WEIGHT) / math.log(decay(half_life_bars)))


@lru_cache(maxsize=64)
def weights(bars: int, half_life_bars: float) -> NDArray[np.float64]:
    """Weights of ``bars`` returns, oldest first, sum 1, no bias correction; shape (min(bars, reach),), read-only."""
    count = min(bars, reach(half_life_bars))
    raw = decay(half_life_bars) ** np.arange(count - 1, -1, -1, dtype=np.float64)
    normalised = np.asarray(raw / raw.sum(), dtype=np.float64)
    normalised.setflags(write=False)
    return normalised


def mixed_weights(bars: int, half_lives_bars: Sequence[float]) -> NDArray[np.float64]:
    """Mean of the weights at several half-lives, oldest first, sum 1; as long as the longest of them."""
    each = [weights(bars, half_life) for half_life in half_lives_bars]
    mixed = np.zeros(max(w.size for w in each))
    for w in each:
        mixed[-w.size :] += w / len(each)
    return mixed


def effective_bars(w: NDArray[np.float64]) -> float:
    """Number of equally weighted bars with the same precision: ``1 / sum w²``, in the limit
    ``(1+lambda)/(1-lambda)``."""
    return float(1.0 / np.square(w).sum())


def decayed_sums(values: NDArray[np.float64], half_life_bars: float) -> NDArray[np.float64]:
    """``A_t = lambda A_{t-1} + v_t`` along the first axis of non-negative values (T, n): (T, n).

    One array operation per block: ``A_t = lambda^t sum_s v_s lambda^-s``, where nothing cancels.
    """
    lam = decay(half_life_bars)
    block = max(1, int(HALF_LIVES_PER_BLOCK * half_life_bars))
    growth = lam ** -np.arange(1.0, min(block, values.shape[0]) + 1.0)[:, None]
    sums = np.empty_like(values)
    carried = np.zeros(values.shape[1])
    for start in range(0, values.shape[0], block):
        part = values[start : start + block]
        scale = growth[: part.shape[0]]
        sums[start : start + block] = (carried + np.cumsum(part * scale, axis=0)) / scale
        carried = sums[start + part.shape[0] - 1]
    return sums
