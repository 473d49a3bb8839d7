"""Hourly closes and lows of the risk assets in USD, stamped with the END of their bar."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from keeper.domain.errors import BadInput
from keeper.domain.units import USD
from keeper.recorded.table import read_columns

PRICE_FILE = "hourly_close.csv"
CLOSED = "ts_close_utc"
COLUMNS = {
    "WBTC": "BTC",
    "WETH": "ETH",
    "LINK": "LINK",
    "UNI": "UNI",
    "SOL": "SOL",
    "AAVE": "AAVE",
    "LDO": "LDO",
}
"""Vault token -> what it is recorded as."""

WICK = 0.5
"""A low under this share of min(open, close) of its bar is an empty order book, not a price."""


def column(symbol: str) -> str:
    """Raises BadInput for a token whose price is not recorded."""
    if symbol not in COLUMNS:
        raise BadInput(
            f"assets: no price of {symbol} is recorded", remedy=f"Choose from {', '.join(COLUMNS)}."
        )
    return COLUMNS[symbol]


def read_closes(
    data_dir: Path, symbols: Sequence[str], start: int | None = None, end: int | None = None
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Times (T,) and closes (T, n) with start < time <= end, to the 8 decimals of a feed; NaN: not recorded."""
    names = [column(symbol) for symbol in symbols]
    times, closes = read_columns(data_dir / PRICE_FILE, CLOSED, names, start=start, end=end)
    return times, _price(closes)


def read_lows(
    data_dir: Path, symbol: str, start: int, end: int
) -> tuple[NDArray[np.int64], NDArray[np.float64], int] | None:
    """Times and lows with start < time <= end, without wicks; and how many wicks. None where no lows are recorded."""
    path = data_dir / f"hourly_ohlc_{column(symbol)}.csv"
    if not path.is_file():
        return None
    times, bars = read_columns(path, CLOSED, ("open", "low", "close"), start=start, end=end)
    first, low, last = bars.T
    wick = low < WICK * np.fmin(first, last)
    return times[~wick], _price(low[~wick]), int(np.count_nonzero(wick))


def _price(values: NDArray[np.float64]) -> NDArray[np.float64]:
    rounded = np.rint(values * USD) / USD
    return np.where(rounded > 0.0, rounded, np.nan)
