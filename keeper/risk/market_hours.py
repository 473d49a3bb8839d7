"""Bars of assets whose market closes: a closed market gives no new information, which is neither a quiet nor a missing
price."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from keeper.domain.evidence import PriceBars
from keeper.domain.policy import AssetPolicy
from keeper.domain.weekly_closure import WeeklyClosure


def closures(assets: Sequence[AssetPolicy]) -> Mapping[str, WeeklyClosure]:
    """By symbol, of the assets that have one."""
    return {asset.symbol: asset.closed for asset in assets if asset.closed is not None}


def closed_bars(times: NDArray[np.int64], bar_seconds: int, closure: WeeklyClosure) -> NDArray[np.bool_]:
    """Of bars that end at ``times`` (T,), ascending, those without an open second (``WeeklyClosure.open_seconds``)."""
    closed = np.zeros(times.size, dtype=np.bool_)
    if not times.size:
        return closed
    for start, end in closure.between(int(times[0]) - bar_seconds, int(times[-1])):
        closed |= (times - bar_seconds >= start) & (times <= end)
    return closed


def in_market_hours(bars: PriceBars, closed: Mapping[str, WeeklyClosure]) -> PriceBars:
    """The bars without closes where an asset's market was closed, neither its feed's nor an exchange's, and the places
    of those bars."""
    masks = {
        symbol: mask
        for symbol in bars.symbols
        if symbol in closed and (mask := closed_bars(bars.times, bars.bar_seconds, closed[symbol])).any()
    }
    if not masks:
        return bars
    return replace(
        bars,
        closes=_without(bars.closes, bars.symbols, masks),
        exchanges={name: _without(closes, bars.symbols, masks) for name, closes in bars.exchanges.items()},
        closed=masks,
    )


def _without(
    closes: NDArray[np.float64], symbols: Sequence[str], masks: Mapping[str, NDArray[np.bool_]]
) -> NDArray[np.float64]:
    open_closes = closes.copy()
    for symbol, mask in masks.items():
        open_closes[mask, symbols.index(symbol)] = np.nan
    return open_closes


def prices_to_act_at(bars: PriceBars) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Closes (T, n) at which a hold may begin, and at which it may end.

    What is held when a market closes can be sold when it opens. So a hold that ends in closed hours ends at the first
    close after them, or at the last one before them where the market is still closed; a hold that begins in them begins
    at the last close before.
    """
    begins, ends = bars.closes, bars.closes
    for symbol, mask in bars.closed.items():
        begins, ends = begins.copy(), ends.copy()
        column = bars.symbols.index(symbol)
        places = np.arange(mask.size)
        before = np.maximum.accumulate(np.where(mask, -1, places))
        after = np.minimum.accumulate(np.where(mask, mask.size, places)[::-1])[::-1]
        closes = bars.closes[:, column]
        last = np.where(before >= 0, closes[before], np.nan)
        begins[:, column] = last
        ends[:, column] = np.where(after < mask.size, closes[np.minimum(after, mask.size - 1)], last)
    return begins, ends
