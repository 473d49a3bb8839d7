"""Deribit's volatility index, known at the END of its candle. The files have percent."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from keeper.domain.path import ImpliedPath
from keeper.recorded.series import SeriesForm
from keeper.recorded.table import DAY, HOUR, read_columns

UNDERLYINGS = ("BTC", "ETH")
DVOL_HOURLY_FILE = "dvol_hourly.csv"
DVOL_DAILY_FILE = "dvol_daily.csv"


def read_implied(
    data_dir: Path, underlying: str, start: int | None, end: int
) -> tuple[ImpliedPath | None, tuple[str, ...]]:
    """Values known at start < time <= end: hourly closes; where a day's last hour is missing, that day's close.

    None where nothing is recorded. And notes on what was repaired.
    """
    known: dict[int, float] = {}
    notes: tuple[str, ...] = ()
    for file, stamp, candle in ((DVOL_DAILY_FILE, "date_utc", DAY), (DVOL_HOURLY_FILE, "ts_open_utc", HOUR)):
        if not (data_dir / file).is_file():
            continue
        opened_after = None if start is None else start - candle
        name = f"{underlying.lower()}_close"
        form = SeriesForm((name,), required=(name,), stamp=stamp, seconds=candle)
        candles = read_columns(data_dir / file, form, start=opened_after, end=end - candle)
        notes += candles.notes
        recorded = ~np.isnan(candles.values[:, 0])
        ends, fractions = candles.times[recorded] + candle, candles.values[recorded, 0] / 100.0
        known.update(zip(ends.tolist(), fractions.tolist(), strict=True))
    if not known:
        return None, notes
    times = np.array(sorted(known), dtype=np.int64)
    return ImpliedPath(underlying, times, np.array([known[time] for time in times.tolist()])), notes
