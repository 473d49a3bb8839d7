"""Hourly closes and lows of the risk assets in USD, stamped with the END of their bar.

A folder has one file of closes, ``hourly_close.csv`` or ``.parquet``, in one of two shapes: a column for each asset, or
a row for each asset and hour with the columns ``symbol``, ``closed_at``, ``close`` and perhaps ``low``, as
``keeper data export`` writes it. Lows of the first shape are in ``hourly_ohlc_NAME``, and so are the closes of an asset
that has no column.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from keeper.domain.errors import BadInput
from keeper.domain.units import USD
from keeper.recorded.file_rows import file_rows
from keeper.recorded.series import SeriesForm, read_series
from keeper.recorded.stamps import STAMPS
from keeper.recorded.table import HOUR, columns_of, read_columns

CLOSES = "hourly_close"
OHLC = "hourly_ohlc_"
FORMATS = (".csv", ".parquet")
ALIASES = {"WBTC": "BTC", "WETH": "ETH"}
"""Vault token -> another name that its price may have. Its own name counts first."""
GAS_COIN = "WETH"
"""Gas is paid in it, so its price is needed whatever the strategy holds."""
NO_ASSETS = {*STAMPS, "source", "volume", "symbol"}

WICK = 0.5
"""A low under this share of min(open, close) of its bar is an empty order book, not a price."""


@dataclass(frozen=True, slots=True, eq=False)
class RecordedPrices:
    """Times (T,); closes and lows (T, n) to the 8 decimals of a feed, NaN where none is recorded, lows without wicks.

    ``names``: what each asset is called in ``file``. ``wicks``: how many of its lows were left out, None for an asset
    without any low. ``alone`` are the names of assets whose closes are in a file of their own.
    """

    file: str
    names: tuple[str, ...]
    times: NDArray[np.int64]
    closes: NDArray[np.float64]
    lows: NDArray[np.float64]
    wicks: tuple[int | None, ...]
    notes: tuple[str, ...]
    alone: frozenset[str] = frozenset()

    def file_of(self, name: str) -> str:
        """The file with the asset's closes."""
        return f"{OHLC}{name}" if name in self.alone else self.file


def price_file(data_dir: Path) -> Path | None:
    """The folder's file of closes; CSV first."""
    return _file(data_dir, CLOSES)


def read_prices(
    data_dir: Path, symbols: Sequence[str], start: int | None = None, end: int | None = None
) -> RecordedPrices:
    """Rows with start < time <= end. Raises BadInput for an asset that is not in the file, and as ``read_series``."""
    path = price_file(data_dir)
    if path is None:
        raise BadInput(
            f"{data_dir}: there is no {CLOSES}.csv in it",
            remedy="Point KEEPER_DATA_DIR at the folder of recorded market history (docs/data.md has its format).",
        )
    if "close" in file_rows(path).header:
        return _long(path, symbols, start=start, end=end)
    return _wide(path, symbols, start=start, end=end)


def _wide(path: Path, symbols: Sequence[str], *, start: int | None, end: int | None) -> RecordedPrices:
    """A column for each asset."""
    written = file_rows(path).written
    assets = [name for name in written if name.lower() not in NO_ASSETS]
    alone = {symbol for symbol in symbols if _has_own_file(path, symbol, assets)}
    names = tuple(symbol if symbol in alone else _name(symbol, assets, path) for symbol in symbols)
    columns = tuple(name.lower() for name in names)
    recorded = read_columns(path, SeriesForm(columns, seconds=HOUR, prices=columns), start=start, end=end)
    lows = np.full(recorded.values.shape, np.nan)
    wicks: list[int | None] = []
    notes = list(recorded.notes)
    for place, name in enumerate(names):
        bars = _file(path.parent, f"{OHLC}{name}")
        if bars is None:
            wicks.append(None)
            continue
        is_alone = symbols[place] in alone
        form = SeriesForm(
            ("open", "low", "close"),
            required=("low", "close") if is_alone else ("low",),
            seconds=HOUR,
            prices=("close",) if is_alone else (),
        )
        ohlc = read_columns(bars, form, start=start, end=end)
        notes += ohlc.notes
        kept, count = _without_wicks(*ohlc.values.T)
        _, here, there = np.intersect1d(recorded.times, ohlc.times, assume_unique=True, return_indices=True)
        if is_alone:
            recorded.values[here, place] = ohlc.values[there, 2]
        lows[here, place] = kept[there]
        wicks.append(count)
    unused = [name for name in assets if name not in names]
    if unused:
        notes.append(f"{path.name} also has {', '.join(unused)}, which the strategy does not hold")
    return RecordedPrices(
        path.name,
        names,
        recorded.times,
        closes=_price(recorded.values),
        lows=_price(lows),
        wicks=tuple(wicks),
        notes=tuple(notes),
        alone=frozenset(alone),
    )


def _has_own_file(path: Path, symbol: str, assets: Sequence[str]) -> bool:
    """Whether an asset has no column among the closes, but a file of its own with them."""
    names = (symbol, ALIASES.get(symbol, symbol))
    return not any(name in assets for name in names) and _file(path.parent, f"{OHLC}{symbol}") is not None


def _long(path: Path, symbols: Sequence[str], *, start: int | None, end: int | None) -> RecordedPrices:
    """A row for each asset and hour."""
    form = SeriesForm(
        ("open", "low", "close"),
        required=("symbol", "close"),
        filled=("close",),
        seconds=HOUR,
        by_symbol=True,
        prices=("close",),
    )
    recorded = read_series(path, form)
    names = tuple(_name(symbol, list(recorded.series), path) for symbol in symbols)
    series = [columns_of(recorded, name, len(form.names), start=start, end=end) for name in names]
    times = np.unique(np.concatenate([column.times for column in series]))
    closes, lows = np.full((times.size, len(names)), np.nan), np.full((times.size, len(names)), np.nan)
    wicks: list[int | None] = []
    for place, column in enumerate(series):
        rows = np.searchsorted(times, column.times)
        closes[rows, place] = column.values[:, 2]
        lows[rows, place], count = _without_wicks(*column.values.T)
        wicks.append(count if np.isfinite(column.values[:, 1]).any() else None)
    unused = [name for name in recorded.series if name not in names]
    also = (f"{path.name} also has {', '.join(unused)}, which the strategy does not hold",) if unused else ()
    return RecordedPrices(
        path.name,
        names,
        times,
        closes=_price(closes),
        lows=_price(lows),
        wicks=tuple(wicks),
        notes=recorded.notes + also,
    )


def _name(symbol: str, names: Sequence[str], path: Path) -> str:
    """What the asset is called in the file. Raises BadInput if it is not there."""
    for name in (symbol, ALIASES.get(symbol, symbol)):
        if name in names:
            return name
    if symbol == GAS_COIN:
        raise BadInput(
            f"{path.name} has no price of ETH or WETH, in which gas is paid",
            remedy=f"It has {', '.join(names) or 'no asset'}. Add the prices of ETH, whatever the strategy holds.",
        )
    raise BadInput(
        f"assets: {path.name} has no price of {symbol}",
        remedy=f"It has {', '.join(names) or 'no asset'}. Add its prices, or leave it out of the strategy.",
    )


def _file(data_dir: Path, stem: str) -> Path | None:
    return next((path for ending in FORMATS if (path := data_dir / f"{stem}{ending}").is_file()), None)


def _without_wicks(
    first: NDArray[np.float64], low: NDArray[np.float64], last: NDArray[np.float64]
) -> tuple[NDArray[np.float64], int]:
    wick = low < WICK * np.fmin(first, last)
    return np.where(wick, np.nan, low), int(np.count_nonzero(wick))


def _price(values: NDArray[np.float64]) -> NDArray[np.float64]:
    rounded = np.rint(values * USD) / USD
    return np.where(rounded > 0.0, rounded, np.nan)
