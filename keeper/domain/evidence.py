"""What is known about risk when the block was made: price bars and implied volatility, nothing younger than
the block."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class PriceBars:
    """Closes sampled on a regular grid with the last value known at each bar's close.

    ``closes`` has shape (T, n), float64 USD, NaN where the asset has no price there (before its first round,
    or in a gap longer than the stated carry). ``times`` has shape (T,), the Unix second at which each bar
    closed, ascending.
    """

    symbols: tuple[str, ...]
    bar_seconds: int
    times: NDArray[np.int64]
    closes: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ImpliedReading:
    """Implied volatility of an option underlying: annualised fraction (0.62 = 62 %) known at ``observed_at``.

    ``volatility`` is None when the source gave none; ``reason`` then says why.
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
