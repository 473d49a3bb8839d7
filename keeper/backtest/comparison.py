"""Compares the Sharpe ratios of two results day by day. What both earned on the same day cancels, so the error of the
difference is a fraction of each ratio's own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from keeper.backtest.result import BacktestResult
from keeper.backtest.sharpe import sharpe
from keeper.backtest.statistics import DAYS_A_YEAR, daily_closes, simple_returns

BLOCK_DAYS = 20
"""Returns within a block keep their order, and with it their volatility clusters."""
MIN_BLOCKS = 5
DRAWS = 4_000
SEED = 20_190_120
ERRORS = 2.0
"""A difference of fewer errors is no difference."""


@dataclass(frozen=True, slots=True)
class SharpeDifference:
    """Annualised Sharpe ratio of the strategy minus that of ``other``, and the standard error of this difference."""

    other: str
    difference: float
    error: float

    @property
    def verdict(self) -> str:
        """From the strategy's side; "" where nothing could be measured."""
        if math.isnan(self.error):
            return ""
        if abs(self.difference) < ERRORS * self.error or self.difference == 0.0:
            return "no difference"
        return "better" if self.difference > 0.0 else "worse"


def sharpe_differences(results: Sequence[BacktestResult]) -> tuple[SharpeDifference, ...]:
    """Of the first result, the strategy, from each other one, in their order."""
    return tuple(sharpe_difference(results[0], other) for other in results[1:])


def sharpe_difference(strategy: BacktestResult, other: BacktestResult) -> SharpeDifference:
    """Over the days that both have. The error is that of a circular block bootstrap which draws the same days for both
    (Politis and Romano 1992); NaN for fewer than five blocks. Equal results give equal bits."""
    pairs = _common_returns(strategy, other)
    mine, theirs = (sharpe(returns).ratio for returns in pairs)
    error = math.nan
    if pairs.shape[1] >= MIN_BLOCKS * BLOCK_DAYS and math.isfinite(mine) and math.isfinite(theirs):
        drawn = _redrawn_ratios(pairs)
        error = float(np.nanstd(drawn[0] - drawn[1], ddof=1))
    year = math.sqrt(DAYS_A_YEAR)
    return SharpeDifference(other.name, (mine - theirs) * year, error * year)


def _common_returns(strategy: BacktestResult, other: BacktestResult) -> NDArray[np.float64]:
    """Simple daily returns (2, D)."""
    _, mine, theirs = np.intersect1d(
        strategy.times[daily_closes(strategy)][1:],
        other.times[daily_closes(other)][1:],
        assume_unique=True,
        return_indices=True,
    )
    return np.stack([simple_returns(strategy)[mine], simple_returns(other)[theirs]])


def _redrawn_ratios(pairs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sharpe ratios (2, draws) of days drawn in blocks that wrap around the end; NaN where nothing moved in any."""
    days = pairs.shape[1]
    blocks = -(-days // BLOCK_DAYS)
    starts = np.random.default_rng(SEED).integers(days, size=(DRAWS, blocks))
    drawn = (starts[:, :, None] + np.arange(BLOCK_DAYS)).reshape(DRAWS, -1)[:, :days] % days
    means = np.stack([returns[drawn].mean(axis=1) for returns in pairs])
    deviations = np.stack([returns[drawn].std(axis=1, ddof=1) for returns in pairs])
    return np.asarray(np.divide(means, deviations, out=np.full_like(means, np.nan), where=deviations > 0.0))
