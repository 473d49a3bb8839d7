"""Columns of a CSV file whose rows are stamped in UTC."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from keeper.domain.errors import BadInput
from keeper.runtime.text_files import text_of

HOUR = 3_600
DAY = 86_400

STAMP = "%Y-%m-%dT%H:%M:%SZ"
DATE = "%Y-%m-%d"


def read_columns(
    path: Path, stamp: str, names: Sequence[str], start: int | None = None, end: int | None = None
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Rows with ``start`` < time <= ``end`` (Unix seconds): times (T,) and values (T, len(names)), empty cells NaN.

    ``stamp``: the column of ISO 8601 stamps, whole days where it is ``date_utc``. The file ascends in time. Raises
    BadInput for a missing file or column and for a cell that is no number.
    """
    form = DATE if stamp == "date_utc" else STAMP
    # ISO 8601 stamps sort as text: rows outside the range are never parsed.
    first = "" if start is None else datetime.fromtimestamp(start, UTC).strftime(form)
    last = "~" if end is None else datetime.fromtimestamp(end, UTC).strftime(form)
    stamps: list[str] = []
    cells: list[list[str]] = []
    if not path.is_file():
        raise BadInput(
            f"{path.name} is not in {path.parent}",
            remedy="Point KEEPER_DATA_DIR at the folder of recorded market history.",
        )
    rows = csv.reader(StringIO(text_of(path, "KEEPER_DATA_DIR"), newline=""))
    header = next(rows, [])
    at = _position(header, stamp, path)
    columns = [_position(header, name, path) for name in names]
    for row in rows:
        if len(row) != len(header):
            raise BadInput(
                f"{path.name}, line {rows.line_num}: {len(row)} cells, the header has {len(header)}",
                remedy="Restore the recorded file.",
            )
        if row[at] > last:
            break
        if row[at] > first:
            stamps.append(row[at])
            cells.append([row[column] or "nan" for column in columns])
    try:
        times = np.array([text.removesuffix("Z") for text in stamps], dtype="datetime64[s]").astype(np.int64)
        values = np.array(cells, dtype=np.float64).reshape(len(stamps), len(names))
    except ValueError as error:
        raise BadInput(f"{path.name}: {error}", remedy="Restore the recorded file.") from error
    return times, values


def _position(header: Sequence[str], name: str, path: Path) -> int:
    if name not in header:
        raise BadInput(
            f"{path.name}: there is no column {name}", remedy=f"It has {', '.join(header) or 'no header'}."
        )
    return header.index(name)


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
