"""A market's price history for backtests and evaluations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RECORDED = "recorded"


@dataclass(frozen=True, slots=True, eq=False)
class ImpliedPath:
    """30-day implied volatility of one option underlying, annualised fractions. Each is known from its time on."""

    underlying: str
    times: NDArray[np.int64]
    volatility: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class MarketPath:
    """Bars on a regular grid. ``times`` (T,): Unix seconds at which the bars closed, ``bar_seconds`` apart. Bars that
    closed by ``decide_after`` are history: an estimate may use them, nothing is decided at them.

    ``closes`` (T, n): USD, the last price known at the close; NaN where that price is too old.
    ``lows`` (T, n): lowest USD price within the bar, without wicks; the close where no low is recorded.
    ``at_closes``: assets without any recorded low.
    ``stable`` (T,): the debt asset in USD. ``borrow_rate`` (T,): its yearly variable rate as known at the close, NaN
    where none is recorded. ``gas_price_wei`` (T,): known at the close. ``native_usd`` (T,): the coin in which gas is
    paid, USD, as ``closes``.
    ``source``: ``RECORDED``, or how it was generated. ``notes``: where each series comes from and what was repaired.
    """

    source: str
    symbols: tuple[str, ...]
    stable_symbol: str
    bar_seconds: int
    times: NDArray[np.int64]
    decide_after: int
    closes: NDArray[np.float64]
    lows: NDArray[np.float64]
    at_closes: tuple[str, ...]
    stable: NDArray[np.float64]
    borrow_rate: NDArray[np.float64]
    implied: tuple[ImpliedPath, ...]
    gas_price_wei: NDArray[np.int64]
    native_usd: NDArray[np.float64]
    notes: tuple[str, ...]

    @property
    def recorded(self) -> bool:
        return self.source == RECORDED
