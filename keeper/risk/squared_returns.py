"""Means of squared returns, at the last bar or at every bar of a path. Each estimator is written once, for both.

``WindowSquares`` sees the closes up to now, as the live keeper does. ``PathSquares`` gives for every bar what a window
of closes that ends there would give, at a cost that does not grow with the window.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from keeper.risk import ewma
from keeper.risk.returns import bridged, log_returns


class SquaredReturns(Protocol):
    """Squared log returns per bar of n assets, gaps bridged."""

    def decayed(self, half_life_bars: float) -> NDArray[np.float64]:
        """Their exponentially weighted mean: (n,) of a window, (T, n) along a path."""

    def mean(self, bars: int | None) -> NDArray[np.float64]:
        """Their plain mean over the last ``bars``, or as many as there are; None means the whole window."""


class WindowSquares:
    """``SquaredReturns`` of closes (T, n) with at least two prices per asset; results have shape (n,)."""

    def __init__(self, closes: NDArray[np.float64]) -> None:
        returns = log_returns(closes)
        self._complete = np.square(returns) if np.isfinite(returns).all() else None
        self._columns = [] if self._complete is not None else [_squares(column) for column in closes.T]

    def decayed(self, half_life_bars: float) -> NDArray[np.float64]:
        if self._complete is not None:
            return _weighted(self._complete, half_life_bars)
        return np.array([_weighted(column, half_life_bars) for column in self._columns])

    def mean(self, bars: int | None) -> NDArray[np.float64]:
        last = slice(None) if bars is None else slice(-bars, None)
        if self._complete is not None:
            return np.asarray(self._complete[last].mean(axis=0))
        return np.array([column[last].mean() for column in self._columns])


class PathSquares:
    """``SquaredReturns`` of the ``window`` closes up to each bar of closes (T, n); results have shape (T, n).

    NaN where a window holds fewer than two prices of an asset.
    """

    def __init__(self, closes: NDArray[np.float64], window: int) -> None:
        known = np.isfinite(closes)
        bars = np.arange(closes.shape[0])[:, None]
        self._last = np.maximum.accumulate(np.where(known, bars, -1), axis=0)
        following = np.where(known, bars, closes.shape[0])
        following = np.minimum.accumulate(following[::-1], axis=0)[::-1]
        self._first = np.take_along_axis(following, np.maximum(bars - window + 1, 0), axis=0)
        self._count = np.where(self._last > self._first, self._last - self._first, 0)
        self._values = np.zeros(closes.shape)
        for column in range(closes.shape[1]):
            moves = bridged(closes[:, column])
            self._values[1:, column] = np.square(np.where(np.isfinite(moves), moves, 0.0))

    def decayed(self, half_life_bars: float) -> NDArray[np.float64]:
        lam = ewma.decay(half_life_bars)
        count = np.minimum(self._count, ewma.reach(half_life_bars))
        older = lam ** count.astype(np.float64)
        sums = self._between(ewma.decayed_sums(self._values, half_life_bars), count, older)
        with np.errstate(invalid="ignore"):
            return np.asarray(sums * (1.0 - lam) / (1.0 - older))

    def mean(self, bars: int | None) -> NDArray[np.float64]:
        count = self._count if bars is None else np.minimum(self._count, bars)
        # Extended precision, because a quiet day is a small difference of two large sums.
        sums = self._between(
            np.cumsum(self._values, axis=0, dtype=np.longdouble), count, np.ones(count.shape)
        )
        with np.errstate(invalid="ignore"):
            return np.asarray(sums / count, dtype=np.float64)

    def _between(
        self, sums: NDArray[np.floating], count: NDArray[np.int64], older: NDArray[np.float64]
    ) -> NDArray[np.floating]:
        """The sum over the last ``count`` squares: the running sum at their end less the one before their start."""
        end = np.maximum(self._last, 0)
        upper = np.take_along_axis(sums, end, axis=0)
        lower = np.take_along_axis(sums, np.maximum(end - count, 0), axis=0)
        # Where a price stood still for a whole window, rounding is left, which may be negative.
        return np.where(count > 0, np.maximum(upper - older * lower, 0.0), np.nan)


def _squares(closes: NDArray[np.float64]) -> NDArray[np.float64]:
    moves = bridged(closes)
    return np.asarray(np.square(moves[np.isfinite(moves)]))


def _weighted(squares: NDArray[np.float64], half_life_bars: float) -> NDArray[np.float64]:
    w = ewma.weights(squares.shape[0], half_life_bars)
    return np.asarray(w @ squares[-w.size :])
