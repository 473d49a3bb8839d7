"""Inputs of the risk model: price bars and implied volatility, nothing younger than the block."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class PriceBars:
    """Closes on a regular grid: the last price that was known when each bar closed.

    ``closes`` has shape (T, n), float64 USD. It is NaN before an asset's first round and in a gap longer than
    ``EstimatePolicy.max_gap_s``. ``times`` has shape (T,): the Unix second at which each bar closed, ascending.

    ``exchanges`` are closes (T, n) of the same grid by exchange, NaN where the exchange has none. ``begun`` has, by
    symbol, the Unix second of an asset's first price ever, where that is known: before it there is no history to miss.
    ``closed`` has, by symbol, the bars (T,) in which an asset's market was closed; they have no close.
    """

    symbols: tuple[str, ...]
    bar_seconds: int
    times: NDArray[np.int64]
    closes: NDArray[np.float64]
    exchanges: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    begun: Mapping[str, int] = field(default_factory=dict)
    closed: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)

    def closed_at(self, symbol: str) -> NDArray[np.bool_]:
        """Whether the asset's market was closed in each bar (T,)."""
        return self.closed.get(symbol, np.zeros(self.times.size, dtype=np.bool_))


@dataclass(frozen=True, slots=True)
class ImpliedReading:
    """Implied volatility of an option underlying at ``observed_at``, an annualised fraction (0.62 is 62 %).

    ``volatility`` is None when the source gave none; ``reason`` says why.
    """

    underlying: str
    volatility: float | None
    observed_at: int
    source: str
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """Input of ``estimate``. ``implied`` has at most one reading per underlying; ``as_of`` is the block's
    timestamp."""

    as_of: int
    bars: PriceBars
    implied: tuple[ImpliedReading, ...]
