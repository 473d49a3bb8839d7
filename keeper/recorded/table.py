"""Columns of a recorded file as arrays."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from keeper.recorded.series import FileSeries, SeriesForm, read_series

HOUR = 3_600
DAY = 86_400


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """Unix seconds (T,), ascending; values (T, names), NaN where a cell is empty; a note on each kind of repair."""

    times: NDArray[np.int64]
    values: NDArray[np.float64]
    notes: tuple[str, ...]


def read_columns(path: Path, form: SeriesForm, start: int | None = None, end: int | None = None) -> Columns:
    """Rows with ``start`` < time <= ``end`` of a file of one series. Raises BadInput as ``read_series``."""
    return columns_of(read_series(path, form), "", len(form.names), start=start, end=end)


def columns_of(
    recorded: FileSeries, symbol: str, names: int, *, start: int | None = None, end: int | None = None
) -> Columns:
    """One symbol's rows with ``start`` < time <= ``end``; none where the file does not have it."""
    series = recorded.series.get(symbol)
    times = np.array(series.times if series else (), dtype=np.int64)
    values = np.array(series.values if series else (), dtype=np.float64).reshape(times.size, names)
    inside = np.ones(times.size, dtype=np.bool_)
    if start is not None:
        inside &= times > start
    if end is not None:
        inside &= times <= end
    return Columns(times[inside], values[inside], recorded.notes)


def last_known(
    times: NDArray[np.int64],
    values: NDArray[np.float64],
    at: NDArray[np.int64],
    max_age_s: int | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """At each moment the last value stamped at or before it, NaN if older than ``max_age_s``; and whether it is of an
    earlier moment. ``times`` ascend; of equal times the last counts."""
    values_at = np.full(at.size, np.nan)
    carried = np.zeros(at.size, dtype=np.bool_)
    if times.size == 0:
        return values_at, carried
    position = np.searchsorted(times, at, side="right") - 1
    age = at - times[np.maximum(position, 0)]
    known = position >= 0
    if max_age_s is not None:
        known &= age <= max_age_s
    values_at[known] = values[position[known]]
    carried[known] = age[known] > 0
    return values_at, carried
