"""Irregular price rounds, sampled on a regular grid without ever looking ahead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from keeper.domain.errors import InvalidSetting
from keeper.domain.evidence import PriceBars
from keeper.domain.market import Round
from keeper.domain.prices import Candle, exchange_series
from keeper.domain.units import USD


def sampled_bars(
    rounds: Mapping[str, Sequence[Round]],
    symbols: Sequence[str],
    as_of: int,
    *,
    bar_seconds: int,
    history_s: int,
    max_gap_s: int,
) -> PriceBars:
    """Closes on the grid of whole multiples of ``bar_seconds`` in (as_of - history_s, as_of].

    A close is the last answer updated at or before it, if that is not older than ``max_gap_s``; otherwise
    NaN. An answer that is not positive is no price. The grid does not move with ``as_of``, so every cycle
    within a bar sees the same closes. A history begins with a feed's first round, if that is the first of ``rounds``.
    Raises InvalidSetting for a grid without a bar.
    """
    if bar_seconds <= 0 or history_s < bar_seconds:
        raise InvalidSetting(
            f"estimate.history_s is {history_s} s and estimate.bar_seconds {bar_seconds} s: not one bar fits",
            remedy="Set estimate.bar_seconds to a positive number and estimate.history_s to many times it.",
        )
    last = as_of - as_of % bar_seconds
    first = (as_of - history_s) // bar_seconds * bar_seconds + bar_seconds
    times = np.arange(first, last + 1, bar_seconds, dtype=np.int64)
    closes = np.full((times.size, len(symbols)), np.nan)
    for column, symbol in enumerate(symbols):
        closes[:, column] = _closes(rounds.get(symbol, ()), times, max_gap_s)
    begun = {
        symbol: rounds[symbol][0].updated_at
        for symbol in symbols
        if rounds.get(symbol) and rounds[symbol][0].is_first
    }
    return PriceBars(tuple(symbols), bar_seconds, times, closes=closes, begun=begun)


def with_earlier_candles(bars: PriceBars, candles: Mapping[str, Sequence[Candle]]) -> PriceBars:
    """The bars with closes from ``candles`` (by symbol, in any order) before an asset's first close from rounds.

    A candle counts only at exactly a time of the grid. Closes at or after the first one from rounds never change, and
    an asset without any close from rounds stays without. The vault trades on the feed: if two sources alternated, every
    change of the basis between them would look like a return. Here there is one such step, where the feed begins.
    """
    closes = bars.closes.copy()
    for column, symbol in enumerate(bars.symbols):
        from_rounds = np.flatnonzero(np.isfinite(bars.closes[:, column]))
        candle_at = candles_on_grid(candles.get(symbol, ()), bars.bar_seconds)
        if candle_at and from_rounds.size:
            before = slice(0, int(from_rounds[0]))
            closes[before, column] = [
                candle_at[time].close if time in candle_at else np.nan for time in bars.times[before].tolist()
            ]
    return replace(bars, closes=closes)


def with_exchange_closes(bars: PriceBars, candles: Mapping[str, Sequence[Candle]]) -> PriceBars:
    """The bars with the closes of each exchange whose candles are in ``candles`` under ``exchange_series``.

    A candle counts only at exactly a time of the grid. Exchanges are in alphabetical order.
    """
    names = sorted({name for _, _, name in (series.partition("@") for series in candles) if name})
    return replace(bars, exchanges={name: _exchange_closes(bars, candles, name) for name in names})


def _exchange_closes(
    bars: PriceBars, candles: Mapping[str, Sequence[Candle]], exchange: str
) -> NDArray[np.float64]:
    closes = np.full_like(bars.closes, np.nan)
    for column, symbol in enumerate(bars.symbols):
        candle_at = candles_on_grid(candles.get(exchange_series(symbol, exchange), ()), bars.bar_seconds)
        if candle_at:
            closes[:, column] = [
                candle_at[time].close if time in candle_at else np.nan for time in bars.times.tolist()
            ]
    return closes


def candles_on_grid(candles: Sequence[Candle], bar_seconds: int) -> dict[int, Candle]:
    """Candles by the second at which they closed, those whose length divides ``bar_seconds``.

    Of several that close together the longest counts, so that candles of one length form a series without others in it.
    """
    fitting = [candle for candle in candles if bar_seconds % candle.seconds == 0]
    return {candle.closed_at: candle for candle in sorted(fitting, key=lambda candle: candle.seconds)}


def _closes(rounds: Sequence[Round], times: NDArray[np.int64], max_gap_s: int) -> NDArray[np.float64]:
    valid = [round_ for round_ in rounds if round_.answer > 0]
    closes = np.full(times.size, np.nan)
    if not valid:
        return closes
    updated = np.array([round_.updated_at for round_ in valid], dtype=np.int64)
    answers = np.array([round_.answer for round_ in valid], dtype=np.float64) / USD
    if np.any(np.diff(updated) < 0):
        order = np.argsort(updated, kind="stable")
        updated, answers = updated[order], answers[order]
    position = np.searchsorted(updated, times, side="right") - 1
    known = (position >= 0) & (times - updated[np.maximum(position, 0)] <= max_gap_s)
    closes[known] = answers[position[known]]
    return closes
