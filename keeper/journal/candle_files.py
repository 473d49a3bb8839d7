"""Price history in CSV files, and in Parquet files if pyarrow is installed. An error names its line, and then no row of
the file is used."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from keeper.domain.errors import BadInput
from keeper.domain.prices import Candle
from keeper.journal.table_files import is_parquet, write_table

if TYPE_CHECKING:
    pass

STAMPS = {"closed_at": "close", "ts_close_utc": "close", "open_time": "open", "time": None}
"""Columns with the time, and which end of the bar it is; None if ``--time`` must say so. The first column of these
counts."""
PRICES = ("open", "high", "low", "close")
COLUMNS = ("symbol", "closed_at", "close", "source")
MILLISECONDS_FROM = 10**11
EARLIEST = 1_230_768_000  # 2009: before it no such asset had a price, so such a number is no Unix second
_INTEGER_TEXT = re.compile(r"(\d{1,15})(\.0*)?")

Row = tuple[int, dict[str, str]]
"""A line number and its cells by lower-case column."""


@dataclass(frozen=True, slots=True)
class FileBars:
    """What a file holds, ascending, by symbol ("" where it has no such column). Left out and counted: ``repeated``
    rows, and bars that are ``unfinished``. ``without_zone``: rows whose time names no zone and was read as UTC."""

    candles: Mapping[str, tuple[Candle, ...]]
    repeated: int
    unfinished: int
    without_zone: int


@dataclass(frozen=True, slots=True)
class ExportedClose:
    """A row of an export; ``closed_at`` in Unix seconds, ``close`` in USD."""

    symbol: str
    closed_at: int
    close: float
    source: str


def read(path: Path, seconds: int, now: int, stamped: str | None = None) -> FileBars:
    """Bars of ``seconds`` that closed by ``now`` (Unix seconds); opens, highs and lows that are not there are NaN.

    ``stamped`` says whether a column ``time`` is the bar's "open" or its "close". Raises BadInput.
    """
    rows: dict[tuple[str, int], tuple[int, Candle]] = {}
    repeated = unfinished = without_zone = 0
    for line, cells in _rows(path):
        where = f"{path.name}, line {line}"
        at, zoned = _moment(cells, where, stamped)
        if at % seconds:
            _refuse(
                f"{where}: {_shown(at)} is not on the grid of {seconds} s",
                "Say how long the file's bars are with --seconds.",
            )
        closed_at = at + (seconds if _end(cells, where, stamped) == "open" else 0)
        candle = Candle(closed_at, seconds, *(_price(cells, name, where) for name in PRICES))
        without_zone += not zoned
        if closed_at > now:
            unfinished += 1
            continue
        key = (cells.get("symbol", ""), closed_at)
        first = rows.setdefault(key, (line, candle))
        if first[0] != line:
            repeated += 1
            if not _equal(first[1], candle):
                _refuse(
                    f"{path.name}: lines {first[0]} and {line} contradict each other about {_shown(closed_at)}",
                    "Take the wrong one out.",
                )
    candles: dict[str, tuple[Candle, ...]] = {}
    for symbol in sorted({symbol for symbol, _ in rows}):
        times = sorted(at for name, at in rows if name == symbol)
        _require_step(path, times, seconds)
        candles[symbol] = tuple(rows[(symbol, at)][1] for at in times)
    return FileBars(candles=candles, repeated=repeated, unfinished=unfinished, without_zone=without_zone)


def write(path: Path, rows: Sequence[ExportedClose]) -> None:
    """Columns symbol, closed_at (ISO 8601, UTC), close, source, in the order given; the ending says the format. Raises
    BadInput."""
    write_table(path, COLUMNS, [(row.symbol, _shown(row.closed_at), row.close, row.source) for row in rows])


# ------------------------------------------------------------------------- rows


def _rows(path: Path) -> Iterator[Row]:
    if not path.is_file():
        _refuse(f"{path}: there is no such file", "Name a CSV or Parquet file.")
    yield from _parquet_rows(path) if is_parquet(path) else _csv_rows(path)


def _csv_rows(path: Path) -> Iterator[Row]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = csv.reader(file, strict=True)
            header = _header(path, next(lines, []))
            for cells in lines:
                if len(cells) not in (0, len(header)):
                    _refuse(
                        f"{path.name}, line {lines.line_num}: {len(cells)} cells, the header has {len(header)}",
                        "Restore the file.",
                    )
                if cells:
                    yield lines.line_num, dict(zip(header, map(str.strip, cells), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        _refuse(f"{path.name}: not a CSV file in UTF-8 ({error})", "Restore the file.")


def _parquet_rows(path: Path) -> Iterator[Row]:
    import pandas as pd

    try:
        frame = pd.read_parquet(path, engine="pyarrow")
    except (OSError, ValueError) as error:
        _refuse(f"{path.name}: not a Parquet file ({error!s:.80})", "Restore the file.")
    if frame.index.name is not None:
        frame = frame.reset_index()
    header = _header(path, [str(name) for name in frame.columns])
    for number, cells in enumerate(frame.itertuples(index=False), start=1):
        yield number, dict(zip(header, map(str, cells), strict=True))


def _header(path: Path, names: Sequence[str]) -> list[str]:
    header = [name.strip().lower() for name in names]
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice or "close" not in header or not any(name in header for name in STAMPS):
        _refuse(
            f"{path.name}: its columns are {', '.join(header) or 'none'}",
            f"It needs a header with close and one of {', '.join(STAMPS)}, each once. It may have open, high, low and "
            "symbol.",
        )
    return header


# ------------------------------------------------------------------------ cells


def _end(cells: Mapping[str, str], where: str, stamped: str | None) -> str:
    """Which end of the bar the row's time is."""
    column = next(name for name in STAMPS if name in cells)
    known = STAMPS[column]
    if known is None and stamped is None:
        _refuse(
            f"{where}: does the column {column} say when a bar opened, or when it closed?",
            "Say --time open or --time close. The wrong one would look a bar into the future.",
        )
    if known is not None and stamped not in (None, known):
        _refuse(f"{where}: {column} is the {known} of a bar, not its {stamped}", "Leave --time out.")
    return str(known or stamped)


def _moment(cells: Mapping[str, str], where: str, stamped: str | None) -> tuple[int, bool]:
    """Unix second, and whether the row itself says of which zone."""
    _end(cells, where, stamped)
    text = next(cells[name] for name in STAMPS if name in cells)
    zoned, second = True, math.nan
    number = _INTEGER_TEXT.fullmatch(text)
    if number is not None:
        second = int(number[1])
        second = second / 1000 if second >= MILLISECONDS_FROM else second
    else:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            moment = None
        if moment is not None:
            zoned = moment.tzinfo is not None
            second = (moment if zoned else moment.replace(tzinfo=UTC)).timestamp()
    if not second >= EARLIEST:
        _refuse(f"{where}: {text!r:.40} is not a time", "Use ISO 8601, Unix seconds or milliseconds.")
    if second != int(second):
        _refuse(f"{where}: {text} is between two seconds", "Bars begin and end on whole seconds.")
    return int(second), zoned


def _price(cells: Mapping[str, str], name: str, where: str) -> float:
    text = cells.get(name, "")
    if name != "close" and text in ("", "nan", "None"):
        return math.nan
    try:
        price = float(text)
    except ValueError:
        price = math.nan
    if not 0.0 < price < math.inf:
        _refuse(f"{where}: {name} {text!r:.40} is not a positive price", "Correct the line or take it out.")
    return price


def _equal(candle: Candle, other: Candle) -> bool:
    pairs = [(getattr(candle, name), getattr(other, name)) for name in PRICES]
    return all(a == b or (math.isnan(a) and math.isnan(b)) for a, b in pairs)


def _require_step(path: Path, times: Sequence[int], seconds: int) -> None:
    """Daily rows read as hourly ones would be one bar and 23 gaps each, and off by a day if they have opening times."""
    step = min((later - earlier for earlier, later in pairwise(times)), default=seconds)
    if step != seconds:
        _refuse(
            f"{path.name}: its rows are {step} s apart, not {seconds} s",
            f"If its bars are so long, say --seconds {step}.",
        )


def _shown(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _refuse(message: str, remedy: str) -> NoReturn:
    raise BadInput(message, remedy=remedy)
