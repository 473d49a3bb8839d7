"""Closes of a market as a feed that publishes slowly shows them, and as an exchange does."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from keeper.domain.evidence import PriceBars
from keeper.domain.market import Round
from keeper.domain.units import USD
from keeper.risk.bars import sampled_bars
from tests.factories import DAY, HOUR

Rule = tuple[float, int]
"""Deviation threshold and heartbeat."""
RULES: dict[str, tuple[Rule, ...]] = {
    "2 %, 24 h": ((0.02, DAY),) * 4,
    "1 %, 24 h": ((0.01, DAY),) * 4,
    "BTC, ETH 0.5 %, 1 h; LINK, UNI 2 %, 24 h": ((0.005, HOUR),) * 2 + ((0.02, DAY),) * 2,
}


def published_bars(bars: PriceBars, rules: Sequence[Rule], max_gap_s: int) -> PriceBars:
    """The bars of feeds that publish these closes, each by its rule."""
    rounds = {
        symbol: _answers(bars.times.tolist(), bars.closes[:, column].tolist(), rule)
        for column, (symbol, rule) in enumerate(zip(bars.symbols, rules, strict=True))
    }
    found = sampled_bars(
        rounds,
        bars.symbols,
        int(bars.times[-1]),
        bar_seconds=bars.bar_seconds,
        history_s=int(bars.times[-1] - bars.times[0]) + bars.bar_seconds,
        max_gap_s=max_gap_s,
    )
    np.testing.assert_array_equal(bars.times, found.times)
    return found


def another_exchange(closes: NDArray[np.float64], generator: np.random.Generator) -> NDArray[np.float64]:
    """The closes, each up to about 10 bps off, without one hour in 200."""
    elsewhere = closes * np.exp(0.0005 * generator.standard_normal(closes.shape))
    elsewhere[generator.random(closes.shape) < 0.005] = np.nan
    return elsewhere


def _answers(times: list[int], closes: list[float], rule: Rule) -> list[Round]:
    deviation, heartbeat_s = rule
    found: list[Round] = []
    last, at = np.inf, -heartbeat_s
    for time, close in zip(times, closes, strict=True):
        if abs(close / last - 1.0) >= deviation or (time - at >= heartbeat_s and np.isfinite(close)):
            last, at = close, time
            found.append(Round(len(found) + 1, round(close * USD), time))
    return found
