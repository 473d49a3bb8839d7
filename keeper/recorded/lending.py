"""What borrowing USDC cost on Aave V2, where that is recorded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from keeper.recorded.stable import STABLE
from keeper.recorded.table import HOUR, last_known, read_columns

LENDING_FILE = "lending_usdc_aave2_compound_hourly.csv"
VARIABLE_RATE = "aave_v2_usdc_variable_borrow_apr"
MAX_RATE_AGE_S = 6 * HOUR
"""The record has a row every 300 blocks, about 67 minutes."""


def borrow_rate_at(data_dir: Path, at: NDArray[np.int64]) -> tuple[NDArray[np.float64], str]:
    """Yearly variable rate as last recorded at each moment, NaN where none is; and a sentence on it."""
    nothing = f"{STABLE} borrow rate: the venue's curve, none is recorded"
    if not (data_dir / LENDING_FILE).is_file():
        return np.full(at.size, np.nan), nothing
    times, rates = read_columns(data_dir / LENDING_FILE, "ts_utc", (VARIABLE_RATE,))
    known = ~np.isnan(rates[:, 0])
    values, _ = last_known(times[known], rates[known, 0], at, max_age_s=MAX_RATE_AGE_S)
    recorded = int(np.count_nonzero(~np.isnan(values)))
    if not recorded:
        return values, nothing
    others = at.size - recorded
    note = f"{STABLE} borrow rate: Aave V2's in {recorded} hours, median {np.nanmedian(values):.1%}"
    return values, note + (f"; the venue's curve in the other {others}" if others else "")
