"""How much of the bar grid has a price, and from which source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from keeper.domain.evidence import PriceBars
from keeper.risk.ewma import SECONDS_PER_DAY
from keeper.risk.returns import log_returns

RECENT_DAYS = 7
SLOW_SHARE = 0.5
"""A feed that publishes in fewer of the bars hides common moves from products of the same bar."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """Counts of one asset's bars.

    ``expected`` on the grid; with a close ``from_rounds`` and ``from_candles``; ``returns`` between neighbours, which
    an estimate can use. ``gap``: first and last second of the longest run without a close, None without any;
    ``oldest``: the second at which the first bar with a close ended, None without any.
    """

    symbol: str
    expected: int
    from_rounds: int
    from_candles: int
    returns: int
    gap: tuple[int, int] | None
    oldest: int | None

    @property
    def missing(self) -> int:
        return self.expected - self.from_rounds - self.from_candles


def coverage(from_rounds: PriceBars, merged: PriceBars) -> tuple[Coverage, ...]:
    """Per asset; ``merged`` are the same bars after ``with_earlier_candles``."""
    known = np.isfinite(merged.closes)
    returns = np.isfinite(log_returns(merged.closes)).sum(axis=0)
    return tuple(
        Coverage(
            symbol=symbol,
            expected=merged.times.size,
            from_rounds=int(np.isfinite(from_rounds.closes[:, column]).sum()),
            from_candles=int((known[:, column] & np.isnan(from_rounds.closes[:, column])).sum()),
            returns=int(returns[column]),
            gap=_longest_gap(merged.times, known[:, column]),
            oldest=int(merged.times[np.argmax(known[:, column])]) if known[:, column].any() else None,
        )
        for column, symbol in enumerate(merged.symbols)
    )


def returns_together(bars: PriceBars) -> int:
    """Number of bars at which every asset has a return. Correlations are estimated from these."""
    return int(np.isfinite(log_returns(bars.closes)).all(axis=1).sum())


def slow_feeds(bars: PriceBars) -> dict[str, float]:
    """By symbol the part of the last 7 days' bars with a new price, for assets with a new price in less than half of
    them. Bars in which a market was closed do not count."""
    returns = log_returns(bars.closes[-(RECENT_DAYS * SECONDS_PER_DAY // bars.bar_seconds) - 1 :])
    if not len(returns):
        return {}
    moved = np.isfinite(returns) & (returns != 0.0)
    shares = [
        float(moved[~bars.closed_at(symbol)[-len(returns) :], column].mean())
        for column, symbol in enumerate(bars.symbols)
    ]
    return {symbol: share for symbol, share in zip(bars.symbols, shares, strict=True) if share < SLOW_SHARE}


def is_enough(coverages: Sequence[Coverage], together: int, min_bars: int) -> bool:
    """Whether ``estimate`` accepts these bars; ``together`` from ``returns_together``."""
    return together >= min_bars and all(asset.returns >= min_bars for asset in coverages)


def _longest_gap(times: NDArray[np.int64], known: NDArray[np.bool_]) -> tuple[int, int] | None:
    edges = np.diff(np.concatenate(([0], (~known).astype(np.int8), [0])))
    begins, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    if begins.size == 0:
        return None
    longest = int(np.argmax(ends - begins))
    return int(times[begins[longest]]), int(times[ends[longest] - 1])
