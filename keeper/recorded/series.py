"""Judges the series in a file as a live feed is judged: what is wrong is refused with its row, what is repaired is
counted."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from keeper.recorded.file_rows import EMPTY, FileRows, file_rows, refuse
from keeper.recorded.stamps import moment, shown, stamp_column, stamped_end

JUMP = 3.0
"""A price that moves by this factor from one row to the next has jumped."""
JUMP_ROWS = 24
"""A price that jumps and jumps back within so many rows is an error, not a market."""
DATE = "date_utc"


@dataclass(frozen=True, slots=True)
class SeriesForm:
    """What a file should be. ``names`` are the columns to read, in lower case; a missing one is empty unless it is
    ``required``. Cells of ``filled`` columns are never empty. ``seconds``: rows are so far apart, on a grid; None where
    they are not. ``stamp``: the column with the times; None: that of a bar, by any of its names, and then times are the
    ends of bars. ``by_symbol``: a column ``symbol`` says whose row it is. ``prices``: columns of prices, which do not
    jump and jump back.
    """

    names: tuple[str, ...]
    required: tuple[str, ...] = ()
    filled: tuple[str, ...] = ()
    seconds: int | None = None
    stamp: str | None = None
    stamped: str | None = None
    by_symbol: bool = False
    prices: tuple[str, ...] = ()
    zero_allowed: bool = False


@dataclass(slots=True)
class Repairs:
    """How many rows were put right, and what else an owner of the file should know."""

    repeated: int = 0
    disordered: int = 0
    without_zone: int = 0
    jumps: list[str] = field(default_factory=list)

    def notes(self, path: Path) -> tuple[str, ...]:
        """A sentence for each kind that occurred."""
        counted = (
            (self.without_zone, "rows name no time zone and were read as UTC"),
            (self.repeated, "rows were repeated, with the same values"),
            (self.disordered, "rows were out of order and were sorted"),
        )
        return (*(f"{path.name}: {count:,} {what}" for count, what in counted if count), *self.jumps)


@dataclass(frozen=True, slots=True)
class Series:
    """Rows of one symbol, ascending: Unix seconds and a value for each name, NaN where the cell is empty."""

    times: tuple[int, ...]
    values: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True)
class FileSeries:
    """``series`` by symbol; "" where the file has no such column. ``header`` as written."""

    series: Mapping[str, Series]
    header: tuple[str, ...]
    repairs: Repairs
    path: Path

    @property
    def notes(self) -> tuple[str, ...]:
        return self.repairs.notes(self.path)


Row = tuple[int, str, tuple[float, ...]]
"""Time, where it is, values."""


def read_series(path: Path, form: SeriesForm) -> FileSeries:
    """Reads and judges the whole file. Raises BadInput that names the row, the value and what to do."""
    rows = file_rows(path)
    columns = _Columns(rows, form)
    repairs, by_symbol = Repairs(), dict[str, list[Row]]()
    for where, cells in rows.rows:
        at, zoned = columns.time(cells, where)
        repairs.without_zone += not zoned
        by_symbol.setdefault(columns.symbol(cells), []).append((at, where, columns.values(cells, where)))
    series = {symbol: _judged(by_symbol[symbol], path, form, repairs=repairs) for symbol in sorted(by_symbol)}
    return FileSeries(series, rows.written, repairs, path=path)


class _Columns:
    """Where the cells of a row are, and what they say."""

    def __init__(self, rows: FileRows, form: SeriesForm) -> None:
        header, self._form = rows.header, form
        stamp = form.stamp if form.stamp is not None else stamp_column(header)
        missing = [name for name in form.required if name not in header]
        if stamp is None or stamp not in header or missing:
            needed = [*form.required, form.stamp or "one of closed_at, ts_close_utc, open_time, time"]
            refuse(
                f"{rows.path.name}: its columns are {', '.join(rows.written)}",
                f"It needs {', '.join(needed)}.",
            )
        self._stamp_name, self._stamp = stamp, header.index(stamp)
        self._places = [(name, header.index(name) if name in header else None) for name in form.names]
        self._symbol = header.index("symbol") if form.by_symbol and "symbol" in header else None

    def time(self, cells: Sequence[str], where: str) -> tuple[int, bool]:
        form, text = self._form, cells[self._stamp]
        end = None if form.stamp is not None else stamped_end(self._stamp_name, form.stamped, where)
        at, zoned = moment(text, where)
        if form.seconds is not None and at % form.seconds:
            refuse(
                f"{where}: {text} is not on the grid of {form.seconds} s",
                "Move it to the end of its bar. If the bars have another length, say how long they are.",
            )
        # A date is a day of UTC by its name.
        return at + (form.seconds or 0 if end == "open" else 0), zoned or self._stamp_name == DATE

    def symbol(self, cells: Sequence[str]) -> str:
        return "" if self._symbol is None else cells[self._symbol]

    def values(self, cells: Sequence[str], where: str) -> tuple[float, ...]:
        return tuple(
            [  # a list is quicker than a generator, and a file has a quarter of a million cells
                math.nan if place is None else self._value(name, cells[place], where)
                for name, place in self._places
            ]
        )

    def _value(self, name: str, text: str, where: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if 0.0 < value < math.inf:
            return value
        if text in EMPTY and name not in self._form.filled:
            return math.nan
        if not (value == 0.0 and self._form.zero_allowed):
            kind = "positive price" if name in self._form.prices else "positive number"
            refuse(f"{where}: {name} {text!r:.40} is not a {kind}", _remedy(name, self._form))
        return value


def _remedy(name: str, form: SeriesForm) -> str:
    if name in form.filled:
        return "Correct the line or take it out."
    return "Correct the cell, or empty it: an empty cell is a hole."


def _judged(rows: list[Row], path: Path, form: SeriesForm, *, repairs: Repairs) -> Series:
    repairs.disordered += sum(later[0] < earlier[0] for earlier, later in pairwise(rows))
    kept: dict[int, Row] = {}
    for row in sorted(rows, key=lambda row: row[0]):
        first = kept.setdefault(row[0], row)
        if first is not row:
            repairs.repeated += 1
            if not _equal(first[2], row[2]):
                refuse(
                    f"{first[1]} and {row[1].removeprefix(f'{path.name}, ')} contradict each other about "
                    f"{shown(row[0])}: {_written(first[2])} and {_written(row[2])}",
                    "Take the wrong one out.",
                )
    ordered = list(kept.values())
    _require_step(path, [row[0] for row in ordered], form.seconds)
    for name in form.prices:
        _require_no_spike(ordered, form.names.index(name), name, repairs=repairs)
    return Series(tuple(row[0] for row in ordered), tuple(row[2] for row in ordered))


def _require_step(path: Path, times: Sequence[int], seconds: int | None) -> None:
    """Daily rows read as hourly ones would be one bar and 23 gaps each."""
    steps = Counter(later - earlier for earlier, later in pairwise(times))
    usual = min(steps, key=lambda step: (-steps[step], step), default=seconds)
    if seconds is not None and usual != seconds:
        refuse(
            f"{path.name}: most of its rows are {usual} s apart, not {seconds} s",
            f"Bring bars of {seconds} s; with `keeper data backfill`, say --seconds {usual} if they are so long.",
        )


def _require_no_spike(rows: Sequence[Row], place: int, name: str, *, repairs: Repairs) -> None:
    """A jump is told. A jump there and back within a day is an error of whoever recorded it."""
    known = [(number, row) for number, row in enumerate(rows) if not math.isnan(row[2][place])]
    last: tuple[int, bool, Row] | None = None
    for (_, before), (number, row) in pairwise(known):
        factor = row[2][place] / before[2][place]
        if 1.0 / JUMP < factor < JUMP:
            continue
        up = factor > 1.0
        if last is not None and number - last[0] <= JUMP_ROWS and last[1] != up:
            refuse(
                f"{last[2][1]}: {name} {last[2][2][place]:g} is a spike: it jumps by a factor of {JUMP:g} or more, and "
                f"back by {shown(row[0])}",
                "Correct the cell, or empty it: an empty cell is a hole.",
            )
        last = number, up, row
        repairs.jumps.append(
            f"{row[1]}: {name} moves from {before[2][place]:g} to {row[2][place]:g}; it was kept"
        )


def _equal(values: Sequence[float], others: Sequence[float]) -> bool:
    pairs = zip(values, others, strict=True)
    return all(a == b or (math.isnan(a) and math.isnan(b)) for a, b in pairs)


def _written(values: Sequence[float]) -> str:
    return "/".join("" if math.isnan(value) else f"{value:g}" for value in values)
