"""A recorded market path: every series on one hourly grid, each value as it was known at the bar's close."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from keeper.domain.errors import BadInput
from keeper.domain.path import RECORDED, ImpliedPath, MarketPath
from keeper.recorded.gas import gas_price_at
from keeper.recorded.implied import UNDERLYINGS, read_implied
from keeper.recorded.lending import borrow_rate_at
from keeper.recorded.prices import GAS_COIN, RecordedPrices, read_prices
from keeper.recorded.stable import STABLE, stable_at
from keeper.recorded.table import HOUR, last_known


def recorded_path(
    data_dir: Path,
    symbols: Sequence[str],
    since: datetime | None,
    until: datetime | None,
    max_gap_s: int,
    warm_up_s: int = 0,
) -> MarketPath:
    """Hourly bars that lie within [since, until] (no zone: UTC; None: as far as recorded), and before them as much of
    ``warm_up_s`` as is recorded.

    Closes are carried over holes as ``keeper.risk.bars.sampled_bars`` carries answers: up to ``max_gap_s`` after the
    last, then NaN. Raises BadInput for a token that is not recorded, ``GAS_COIN`` among them, and for a range that is
    not.
    """
    prices = read_prices(data_dir, tuple(dict.fromkeys((*symbols, GAS_COIN))))
    times, decide_after = _grid(prices, since, until, warm_up_s=warm_up_s)
    closes = np.empty((times.size, len(symbols)))
    lows = np.empty_like(closes)
    notes: list[str] = []
    for i, symbol in enumerate(symbols):
        known = ~np.isnan(prices.closes[:, i])
        closes[:, i], carried = last_known(
            prices.times[known], prices.closes[known, i], times, max_age_s=max_gap_s
        )
        lows[:, i] = _lows(prices, i, times, closes=closes[:, i])
        notes.append(_note(symbol, prices, i, closes=closes[:, i], carried=int(carried.sum())))
    coin = len(symbols) if GAS_COIN not in symbols else list(symbols).index(GAS_COIN)
    known = ~np.isnan(prices.closes[:, coin])
    native_usd, _ = last_known(prices.times[known], prices.closes[known, coin], times, max_age_s=max_gap_s)
    if np.isnan(closes).all():
        raise BadInput(
            f"from, to: no price of {', '.join(symbols)} is recorded by {_iso(int(times[-1]))}",
            remedy="Choose a later range or other assets.",
        )
    stable, stable_note = stable_at(data_dir, times)
    borrow_rate, rate_notes = borrow_rate_at(data_dir, times)
    gas_price_wei, gas_notes = gas_price_at(data_dir, times)
    implied, implied_notes = _implied(data_dir, end=int(times[-1]))
    return MarketPath(
        source=RECORDED,
        symbols=tuple(symbols),
        stable_symbol=STABLE,
        bar_seconds=HOUR,
        times=times,
        decide_after=decide_after,
        closes=closes,
        lows=lows,
        at_closes=tuple(
            symbol for symbol, wicks in zip(symbols, prices.wicks, strict=False) if wicks is None
        ),
        stable=stable,
        borrow_rate=borrow_rate,
        implied=implied,
        gas_price_wei=gas_price_wei,
        native_usd=native_usd,
        notes=(*notes, *prices.notes, stable_note, *rate_notes, *gas_notes, *implied_notes),
    )


def _implied(data_dir: Path, end: int) -> tuple[tuple[ImpliedPath, ...], list[str]]:
    """What is recorded by ``end``, also before the range, and notes on it."""
    series, notes = [], list[str]()
    for name in UNDERLYINGS:
        path, repairs = read_implied(data_dir, name, None, end=end)
        notes += repairs
        if path is None:
            notes.append(f"implied volatility {name}: none recorded by {_iso(end)}")
        else:
            series.append(path)
            notes.append(f"implied volatility {name} from {_iso(int(path.times[0]))}")
    return tuple(series), list(dict.fromkeys(notes))


def _grid(
    prices: RecordedPrices, since: datetime | None, until: datetime | None, *, warm_up_s: int
) -> tuple[NDArray[np.int64], int]:
    """Closing times of the bars, and the moment after which the range begins."""
    recorded = prices.times
    if recorded.size == 0:
        raise BadInput(f"{prices.file} has no rows", remedy="Bring a file with prices.")
    first, last = int(recorded[0]) - HOUR, int(recorded[-1])
    start = first if since is None else _seconds(since)
    end = last if until is None else _seconds(until)
    if start < first or end > last or end // HOUR <= -(-start // HOUR):
        raise BadInput(
            f"from, to: {_iso(start)} to {_iso(end)} is not a range of recorded prices",
            remedy=f"Choose a range within {_iso(first)} to {_iso(last)}.",
        )
    begin = -(-start // HOUR) * HOUR
    history = max(first, begin - warm_up_s // HOUR * HOUR)
    return np.arange(history + HOUR, end + 1, HOUR, dtype=np.int64), begin


def _lows(
    prices: RecordedPrices, place: int, times: NDArray[np.int64], *, closes: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The close where a bar has no low."""
    lows = closes.copy()
    _, here, there = np.intersect1d(times, prices.times, assume_unique=True, return_indices=True)
    recorded = prices.lows[there, place]
    lows[here] = np.minimum(closes[here], np.where(np.isnan(recorded), closes[here], recorded))
    return lows


def _note(
    symbol: str, prices: RecordedPrices, place: int, *, closes: NDArray[np.float64], carried: int
) -> str:
    unknown, wicks, name = int(np.isnan(closes).sum()), prices.wicks[place], prices.names[place]
    lows = "no lows, so it is checked at closes" if wicks is None else f"{wicks} wicks left out of the lows"
    return (
        f"{symbol}: {name} in {prices.file_of(name)}, {closes.size} hours, {carried} carried over holes, "
        f"{unknown} without a price; {lows}"
    )


def _seconds(moment: datetime) -> int:
    return int(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp())


def _iso(time: int) -> str:
    return f"{datetime.fromtimestamp(time, UTC):%Y-%m-%d %H:%M} UTC"
