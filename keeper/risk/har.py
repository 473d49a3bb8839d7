"""Log-HAR: tomorrow's variance from those of the day, the week, the month and the whole history (Corsi 2009)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from keeper.domain.errors import InvalidSetting
from keeper.risk.ewma import SECONDS_PER_DAY
from keeper.risk.squared_returns import SquaredReturns

SPANS_DAYS = (1, 7, 30, None)
"""None: the whole window. It stands for the level that volatility returns to; a constant would not fit an asset
that the coefficients were not fitted on."""


def components(squares: SquaredReturns, bar_seconds: int, smallest: float) -> list[NDArray[np.float64]]:
    """Logs of the mean variance per bar over each span, none under ``log(smallest)``."""
    spans = (None if days is None else days * SECONDS_PER_DAY // bar_seconds for days in SPANS_DAYS)
    return [np.log(np.maximum(squares.mean(bars), smallest)) for bars in spans]


def har(
    squares: SquaredReturns, weights: Sequence[float], scale: float, bar_seconds: int, smallest: float
) -> NDArray[np.float64]:
    """``scale * exp(sum_k w_k ln v_k)`` per bar; one weight per span, meant to sum to 1. Raises InvalidSetting."""
    if len(weights) != len(SPANS_DAYS):
        raise InvalidSetting(
            f"estimate.har_weights has {len(weights)} numbers",
            remedy=f"Give it {len(SPANS_DAYS)}: for the day, the week, the month and the whole history.",
        )
    logs = components(squares, bar_seconds, smallest)
    return np.asarray(scale * np.exp(sum(w * log for w, log in zip(weights, logs, strict=True))))
