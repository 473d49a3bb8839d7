"""Log returns from price bars. A bar without a price is not a return of zero."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def log_returns(closes: NDArray[np.float64]) -> NDArray[np.float64]:
    """``ln(P_t / P_{t-1})`` of closes (T, n): shape (T - 1, n), NaN where either close is missing."""
    return np.asarray(np.diff(np.log(closes), axis=0), dtype=np.float64)


def bridged(closes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log returns (T - 1,) of one asset's closes (T,), of which at least one is known.

    A move r over a gap of k bars becomes k parts ``r / sqrt(k)``. The squares of the parts sum to the square of the
    move, so a crash during an outage counts in full, once. NaN before the first price and after the last one.
    """
    returns = np.full(closes.size - 1, np.nan)
    known = np.flatnonzero(np.isfinite(closes))
    spans = np.diff(known)
    moves = np.diff(np.log(closes[known])) / np.sqrt(spans)
    returns[known[0] : known[-1]] = np.repeat(moves, spans)
    return returns
