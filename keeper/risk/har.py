"""Log-HAR: the next day's variance from those of the day, the week, the month and the whole history (Corsi 2009)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from keeper.domain.errors import InvalidSetting
from keeper.risk.ewma import SECONDS_PER_DAY
from keeper.risk.squared_returns import SquaredReturns

SPANS_DAYS = (1, 7, 30, None)
"""Day, week, month and, as None, the whole window. The window stands for the level to which volatility returns. A
constant would not fit an asset on which the coefficients were not fitted."""


def components(
    squares: SquaredReturns, bar_seconds: int, min_variance: float | NDArray[np.float64]
) -> list[NDArray[np.float64]]:
    """Logs of the mean variance per bar over each span, none under ``log(min_variance)``, of all or of each asset
    (n,)."""
    return [np.log(np.maximum(squares.mean(bars), min_variance)) for bars in _spans(bar_seconds)]


def har(
    squares: SquaredReturns,
    *,
    weights: Sequence[float],
    scale: float,
    bar_seconds: int,
    min_variance: float | NDArray[np.float64],
) -> NDArray[np.float64]:
    """``scale * exp(sum_k w_k ln v_k)`` per bar; one weight per span, meant to sum to 1. Raises InvalidSetting."""
    _require_weights(weights)
    logs = components(squares, bar_seconds, min_variance)
    return np.asarray(scale * np.exp(sum(w * log for w, log in zip(weights, logs, strict=True))))


def span_weights(bars: int, *, weights: Sequence[float], bar_seconds: int) -> NDArray[np.float64]:
    """Of each of ``bars`` squared returns in the variance, oldest first, sum 1, where all spans have the same variance.

    Raises InvalidSetting.
    """
    _require_weights(weights)
    summed = np.zeros(bars)
    for weight, span in zip(weights, _spans(bar_seconds), strict=True):
        count = bars if span is None else min(span, bars)
        summed[bars - count :] += weight / count
    return np.asarray(summed / summed.sum())


def _spans(bar_seconds: int) -> list[int | None]:
    """In bars; None means all."""
    return [None if days is None else days * SECONDS_PER_DAY // bar_seconds for days in SPANS_DAYS]


def _require_weights(weights: Sequence[float]) -> None:
    if len(weights) != len(SPANS_DAYS):
        raise InvalidSetting(
            f"estimate.har_weights has {len(weights)} numbers",
            remedy=f"Give it {len(SPANS_DAYS)}: for the day, the week, the month and the whole history.",
        )
