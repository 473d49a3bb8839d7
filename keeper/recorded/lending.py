"""What borrowing USDC cost on Aave V2, where that is recorded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from keeper.recorded.series import SeriesForm
from keeper.recorded.stable import STABLE
from keeper.recorded.table import HOUR, last_known, read_columns

LENDING_FILE = "lending_usdc_aave2_compound_hourly.csv"
VARIABLE_RATE = "aave_v2_usdc_variable_borrow_apr"
MAX_RATE_AGE_S = 6 * HOUR
"""The record has a row every 300 blocks, about 67 minutes."""


def borrow_rate_at(data_dir: Path, at: NDArray[np.int64]) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """Yearly variable rate as last recorded at each moment, NaN where none is; and notes on it."""
    nothing = f"{STABLE} borrow rate: the venue's curve, none is recorded"
    if not (data_dir / LENDING_FILE).is_file():
        return np.full(at.size, np.nan), (nothing,)
    form = SeriesForm((VARIABLE_RATE,), required=(VARIABLE_RATE,), stamp="ts_utc", zero_allowed=True)
    recorded = read_columns(data_dir / LENDING_FILE, form)
    known = ~np.isnan(recorded.values[:, 0])
    values, _ = last_known(recorded.times[known], recorded.values[known, 0], at, max_age_s=MAX_RATE_AGE_S)
    hours = int(np.count_nonzero(~np.isnan(values)))
    if not hours:
        return values, (nothing, *recorded.notes)
    others = at.size - hours
    note = f"{STABLE} borrow rate: Aave V2's in {hours} hours, median {np.nanmedian(values):.1%}"
    note += f"; the venue's curve in the other {others}" if others else ""
    return values, (note, *recorded.notes)
