"""A market path on a coarser grid, for strategies that estimate from longer bars."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from keeper.domain.errors import BadInput
from keeper.domain.path import MarketPath


def with_longer_bars(path: MarketPath, bar_seconds: int) -> MarketPath:
    """The path on bars of ``bar_seconds`` that end at its multiples. What is known at a bar's close is that of its last
    short bar, its low the lowest of them. Raises BadInput unless ``bar_seconds`` is a multiple of the path's."""
    if bar_seconds % path.bar_seconds:
        raise BadInput(
            f"estimate.bar_seconds is {bar_seconds}, and the market's bars have {path.bar_seconds} s",
            remedy=f"Set estimate.bar_seconds to a multiple of {path.bar_seconds}.",
        )
    ends = np.flatnonzero(path.times % bar_seconds == 0)
    if bar_seconds == path.bar_seconds:
        return path
    if ends.size == 0:
        raise BadInput(f"the range has no bar of {bar_seconds} s", remedy="Choose a longer one.")
    begins = np.concatenate([[0], ends[:-1] + 1])
    whole = slice(0, int(ends[-1]) + 1)
    hours = f"{bar_seconds / path.bar_seconds:g} bars of {path.bar_seconds} s make one"
    return replace(
        path,
        bar_seconds=bar_seconds,
        times=path.times[ends],
        closes=path.closes[ends],
        lows=np.fmin.reduceat(path.lows[whole], begins, axis=0),
        stable=path.stable[ends],
        borrow_rate=path.borrow_rate[ends],
        gas_price_wei=path.gas_price_wei[ends],
        native_usd=path.native_usd[ends],
        notes=(*path.notes, hours),
    )
