"""A recorded market path: every series on one hourly grid, each value as it was known at the bar's close."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from keeper.domain.errors import BadInput
from keeper.domain.path import MarketPath
from keeper.recorded.gas import gas_price_at
from keeper.recorded.implied import UNDERLYINGS, read_implied
from keeper.recorded.lending import borrow_rate_at
from keeper.recorded.prices import PRICE_FILE, column, read_closes, read_lows
from keeper.recorded.stable import STABLE, stable_at
from keeper.recorded.table import HOUR, last_known


def recorded_path(
    data_dir: Path,
    symbols: Sequence[str],
    since: datetime | None,
    until: datetime | None,
    max_gap_s: int,
) -> MarketPath:
    """Hourly bars that lie within [since, until] (no zone: UTC; None: as far as recorded).

    Closes are carried over holes as ``keeper.risk.bars.sampled_bars`` carries answers: up to ``max_gap_s`` after the
    last, then NaN. Implied volatility reaches back before ``since``. Raises BadInput for a token that is not recorded
    and for a range that is not.
    """
    recorded, rows = read_closes(data_dir, symbols)
    times = _grid(recorded, since, until)
    start, end = int(times[0]) - HOUR, int(times[-1])
    closes = np.empty((times.size, len(symbols)))
    lows = np.empty_like(closes)
    notes: list[str] = []
    at_closes: list[str] = []
    for i, symbol in enumerate(symbols):
        known = ~np.isnan(rows[:, i])
        closes[:, i], carried = last_known(recorded[known], rows[known, i], times, max_age_s=max_gap_s)
        lows[:, i], wicks = _lows(data_dir, symbol, start, end=end, times=times, closes=closes[:, i])
        at_closes += [symbol] if wicks is None else []
        notes.append(_note(symbol, closes[:, i], carried, wicks=wicks))
    if np.isnan(closes).all():
        raise BadInput(
            f"from, to: no price of {', '.join(symbols)} is recorded from {_iso(start)} to {_iso(end)}",
            remedy="Choose a later range or other assets.",
        )
    stable, stable_note = stable_at(data_dir, times)
    borrow_rate, rate_note = borrow_rate_at(data_dir, times)
    gas_price_wei, gas_note = gas_price_at(data_dir, times)
    implied = tuple(
        path for name in UNDERLYINGS if (path := read_implied(data_dir, name, None, end=end)) is not None
    )
    notes += [stable_note, rate_note, gas_note]
    notes += [
        f"implied volatility {series.underlying} from {_iso(int(series.times[0]))}" for series in implied
    ]
    notes += [
        f"implied volatility {name}: none recorded by {_iso(end)}"
        for name in UNDERLYINGS
        if name not in {series.underlying for series in implied}
    ]
    return MarketPath(
        source="recorded",
        symbols=tuple(symbols),
        stable_symbol=STABLE,
        bar_seconds=HOUR,
        times=times,
        closes=closes,
        lows=lows,
        at_closes=tuple(at_closes),
        stable=stable,
        borrow_rate=borrow_rate,
        implied=implied,
        gas_price_wei=gas_price_wei,
        notes=tuple(notes),
    )


def _grid(recorded: NDArray[np.int64], since: datetime | None, until: datetime | None) -> NDArray[np.int64]:
    if recorded.size == 0:
        raise BadInput(f"{PRICE_FILE} has no rows", remedy="Restore the recorded file.")
    first, last = int(recorded[0]) - HOUR, int(recorded[-1])
    start = first if since is None else _seconds(since)
    end = last if until is None else _seconds(until)
    if start < first or end > last or end // HOUR <= -(-start // HOUR):
        raise BadInput(
            f"from, to: {_iso(start)} to {_iso(end)} is not a range of recorded prices",
            remedy=f"Choose a range within {_iso(first)} to {_iso(last)}.",
        )
    return np.arange(-(-start // HOUR) * HOUR + HOUR, end + 1, HOUR, dtype=np.int64)


def _lows(
    data_dir: Path,
    symbol: str,
    start: int,
    end: int,
    times: NDArray[np.int64],
    closes: NDArray[np.float64],
) -> tuple[NDArray[np.float64], int | None]:
    """The close where a bar has no low; and the number of wicks, None where no lows are recorded."""
    lows = closes.copy()
    recorded = read_lows(data_dir, symbol, start, end=end)
    if recorded is None:
        return lows, None
    at, values, wicks = recorded
    _, here, there = np.intersect1d(times, at, assume_unique=True, return_indices=True)
    lows[here] = np.minimum(closes[here], np.where(np.isnan(values[there]), closes[here], values[there]))
    return lows, wicks


def _note(symbol: str, closes: NDArray[np.float64], carried: NDArray[np.bool_], wicks: int | None) -> str:
    unknown = int(np.isnan(closes).sum())
    lows = "lows are the closes" if wicks is None else f"{wicks} wicks left out of the lows"
    return (
        f"{symbol}: {column(symbol)} in {PRICE_FILE}, {closes.size} hours, {int(carried.sum())} carried over holes, "
        f"{unknown} without a price; {lows}"
    )


def _seconds(moment: datetime) -> int:
    return int(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp())


def _iso(time: int) -> str:
    return f"{datetime.fromtimestamp(time, UTC):%Y-%m-%d %H:%M} UTC"
