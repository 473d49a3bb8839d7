"""Bars of one or several assets in a file, for the journal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from keeper.domain.prices import Candle
from keeper.recorded.series import SeriesForm, read_series

PRICES = ("open", "high", "low", "close")


@dataclass(frozen=True, slots=True)
class FileBars:
    """What a file holds, ascending, by symbol ("" where it has no such column), and a note on each kind of repair."""

    candles: Mapping[str, tuple[Candle, ...]]
    notes: tuple[str, ...]


def read(path: Path, seconds: int, now: int, stamped: str | None = None) -> FileBars:
    """Bars of ``seconds`` that closed by ``now`` (Unix seconds); opens, highs and lows that are not there are NaN.

    ``stamped`` says whether a column ``time`` is the bar's "open" or its "close". Raises BadInput.
    """
    form = SeriesForm(
        names=PRICES,
        required=("close",),
        filled=("close",),
        seconds=seconds,
        stamped=stamped,
        by_symbol=True,
        prices=("close",),
    )
    recorded = read_series(path, form)
    bars = {
        symbol: [Candle(at, seconds, *values) for at, values in zip(series.times, series.values, strict=True)]
        for symbol, series in recorded.series.items()
    }
    unfinished = sum(bar.closed_at > now for of_symbol in bars.values() for bar in of_symbol)
    left_out = (f"{path.name}: {unfinished:,} bars had not closed yet and were left out",)
    closed = {
        symbol: tuple(bar for bar in of_symbol if bar.closed_at <= now) for symbol, of_symbol in bars.items()
    }
    return FileBars(
        {symbol: of_symbol for symbol, of_symbol in closed.items() if of_symbol},
        recorded.notes + (left_out if unfinished else ()),
    )
