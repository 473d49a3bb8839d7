"""Irregular price rounds, sampled on a regular grid without ever looking ahead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from keeper.domain.errors import InvalidSetting
from keeper.domain.evidence import PriceBars
from keeper.domain.market import Round
from keeper.domain.prices import Candle


def sample(
    rounds: Mapping[str, Sequence[Round]],
    symbols: Sequence[str],
    as_of: int,
    bar_seconds: int,
    history_s: int,
    max_gap_s: int,
    decimals: int = 8,
) -> PriceBars:
    """Closes on the grid of whole multiples of ``bar_seconds`` in (as_of - history_s, as_of].

    A close is the last answer updated at or before it, if that is not older than ``max_gap_s``; otherwise
    NaN. Answers that are not positive are no prices. The grid does not move with ``as_of``, so every cycle
    within a bar sees the same closes. Raises InvalidSetting for a grid without a bar.
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
        closes[:, column] = _closes(rounds.get(symbol, ()), times, max_gap_s, decimals)
    return PriceBars(tuple(symbols), bar_seconds, times, closes)


def filled(bars: PriceBars, candles: Mapping[str, Sequence[Candle]]) -> PriceBars:
    """The bars with closes from elsewhere where an asset's feed does not reach back far enough.

    Only what is NaN BEFORE an asset's first close from rounds is taken from its ``candles`` (by symbol, any order), at
    exactly that time of the grid; nothing at or after the first close is touched, and an asset without any close from
    rounds stays without. The feed is what the vault trades on: two sources mixed inside would turn every change of the
    basis between them into a return. Filled like this there is one such step, where the feed begins.
    """
    closes = bars.closes.copy()
    for column, symbol in enumerate(bars.symbols):
        from_rounds = np.flatnonzero(np.isfinite(bars.closes[:, column]))
        found = on_grid(candles.get(symbol, ()), bars.bar_seconds)
        if found and from_rounds.size:
            before = slice(0, int(from_rounds[0]))
            closes[before, column] = [
                found[time].close if time in found else np.nan for time in bars.times[before].tolist()
            ]
    return replace(bars, closes=closes)


def on_grid(candles: Sequence[Candle], bar_seconds: int) -> dict[int, Candle]:
    """By the second at which they closed, those whose length is ``bar_seconds`` or divides it; of several that close
    together the longest, so that candles of one length are not interrupted by those of another."""
    fitting = [one for one in candles if bar_seconds % one.seconds == 0]
    return {one.closed_at: one for one in sorted(fitting, key=lambda one: one.seconds)}


def _closes(
    rounds: Sequence[Round], times: NDArray[np.int64], max_gap_s: int, decimals: int
) -> NDArray[np.float64]:
    valid = [one for one in rounds if one.answer > 0]
    closes = np.full(times.size, np.nan)
    if not valid:
        return closes
    updated = np.array([one.updated_at for one in valid], dtype=np.int64)
    answers = np.array([one.answer for one in valid], dtype=np.float64) / 10**decimals
    if np.any(np.diff(updated) < 0):
        order = np.argsort(updated, kind="stable")
        updated, answers = updated[order], answers[order]
    position = np.searchsorted(updated, times, side="right") - 1
    known = (position >= 0) & (times - updated[np.maximum(position, 0)] <= max_gap_s)
    closes[known] = answers[position[known]]
    return closes
