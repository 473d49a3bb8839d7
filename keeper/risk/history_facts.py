"""What a look knows of price history: the feeds' bars, and the candles of exchanges that help slow feeds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from keeper.domain.evidence import PriceBars
from keeper.domain.information import Fact
from keeper.domain.policy import EstimatePolicy
from keeper.domain.prices import asset_of_series
from keeper.risk.exchanges import CANDLES, ExchangeBars
from keeper.risk.standstill import longest_standstill, standstill

BARS = "bars:"
CANDLE_MOVEMENT = "candle_movement:"
LONGEST_HEARTBEAT_S = 86_400
"""Of price feeds. In a market that stands still a feed gives no price for so long."""


def bar_facts(bars: PriceBars, as_of: int, policy: EstimatePolicy) -> Iterator[tuple[Fact, bool]]:
    """Facts about the price history, and whether each is enough. A bar in which a market was closed is neither missing
    nor history; the newest bar is the newest in which it was open."""
    spaced = bool((np.diff(bars.times) == bars.bar_seconds).all())
    newest = bars.times.size > 0 and 0 <= as_of - int(bars.times[-1]) < bars.bar_seconds
    for column, symbol in enumerate(bars.symbols):
        closes, closed = bars.closes[:, column], bars.closed_at(symbol)
        known = np.isfinite(closes)
        count = int(known.sum())
        since = max(as_of - policy.history_s, bars.begun.get(symbol, 0))
        tradable = (as_of - since) // policy.bar_seconds - int(closed[bars.times > since].sum())
        enough = policy.min_history * tradable
        yield Fact(f"{BARS}{symbol}", float(count)), _covered(known[~closed], policy) >= enough
        is_known = spaced and newest and bool(known[~closed][-1:].all())
        yield Fact(f"newest_bar:{symbol}", float(is_known)), is_known
        longest, moves = standstill(closes[~closed])
        yield Fact(f"movement:{symbol}", -float(longest)), moves


def candle_facts(
    symbols: Sequence[str], exchanges: Sequence[ExchangeBars], candles: Mapping[str, NDArray[np.float64]]
) -> Iterator[tuple[Fact, bool]]:
    """The number of exchanges that help each slow feed, and how long each of their prices stood still.

    None is no shortfall, because an operator may allow no exchange. Exchanges that contradict each other are one.
    """
    helping = Counter(asset_of_series(name) for name in candles)
    for symbol in symbols:
        agree = not any(symbol in each.contradicted for each in exchanges)
        yield Fact(f"{CANDLES}{symbol}", float(helping[symbol])), agree
    for name, closes in candles.items():
        yield Fact(f"{CANDLE_MOVEMENT}{name}", -float(longest_standstill(closes))), True


def _covered(known: NDArray[np.bool_], policy: EstimatePolicy) -> int:
    """Number of bars (T,) with a close, or without one no longer than a feed that still works may be silent."""
    silent = max(0, LONGEST_HEARTBEAT_S - policy.max_gap_s) // policy.bar_seconds
    places = np.flatnonzero(known)
    between = np.diff(places) - 1
    return int(places.size + between[between <= silent].sum())
