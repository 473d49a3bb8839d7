"""Means of squared returns: the only form in which volatility estimators see prices."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from keeper.risk import ewma
from keeper.risk.returns import bridged, log_returns


class SquaredReturns:
    """Squared log returns per bar, gaps bridged, of closes (T, n) with at least two prices per asset."""

    def __init__(self, closes: NDArray[np.float64]) -> None:
        returns = log_returns(closes)
        self._complete = np.square(returns) if np.isfinite(returns).all() else None
        self._columns = [] if self._complete is not None else [_squares(column) for column in closes.T]

    def decayed(self, half_life_bars: float) -> NDArray[np.float64]:
        """Their exponentially weighted mean (n,)."""
        if self._complete is not None:
            return _weighted(self._complete, half_life_bars)
        return np.array([_weighted(column, half_life_bars) for column in self._columns])

    def mean(self, bars: int | None) -> NDArray[np.float64]:
        """Their plain mean (n,) over the last ``bars``, or as many as there are; None means all."""
        last = slice(None) if bars is None else slice(-bars, None)
        if self._complete is not None:
            return np.asarray(self._complete[last].mean(axis=0))
        return np.array([column[last].mean() for column in self._columns])


def _squares(closes: NDArray[np.float64]) -> NDArray[np.float64]:
    moves = bridged(closes)
    return np.asarray(np.square(moves[np.isfinite(moves)]))


def _weighted(squares: NDArray[np.float64], half_life_bars: float) -> NDArray[np.float64]:
    w = ewma.weights(squares.shape[0], half_life_bars)
    return np.asarray(w @ squares[-w.size :])
