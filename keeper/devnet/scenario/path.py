"""What the market does in a scenario: prices between hourly closes, the base fee, and real rounds where they are
recorded."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from keeper.devnet.history import MarketHistory, PriceSeries
from keeper.domain.path import ImpliedPath
from keeper.recorded.table import HOUR


@dataclass(frozen=True, slots=True, eq=False)
class RecordedRounds:
    """Every answer that a feed gave in the window. ``times``: Unix seconds, ascending; ``prices``: USD."""

    times: NDArray[np.int64]
    prices: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class ScenarioPath:
    """``times`` (T,) are full hours in Unix seconds, the first one is the scenario's beginning. ``closes`` (T, n) are
    USD in the order of ``symbols``, without holes. ``base_fee_wei`` (T,) holds from its hour to the next.

    ``start`` is what is known at the beginning. ``implied`` is the implied volatility of that time and of the window.
    """

    name: str
    start: MarketHistory
    implied: tuple[ImpliedPath, ...]
    symbols: tuple[str, ...]
    times: NDArray[np.int64]
    closes: NDArray[np.float64]
    base_fee_wei: NDArray[np.int64]
    recorded_rounds: Mapping[str, RecordedRounds]
    notes: tuple[str, ...]
    _logs: NDArray[np.float64] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_logs", np.log(self.closes))

    @property
    def begins(self) -> int:
        return int(self.times[0])

    @property
    def ends(self) -> int:
        return int(self.times[-1])

    def price(self, symbol: str, at: int) -> float:
        """USD at a Unix second: on the straight line between the logarithms of the two closes around it."""
        place = min(max((at - self.begins) // HOUR, 0), len(self.times) - 2)
        before, after = self._logs[place : place + 2, self.symbols.index(symbol)].tolist()
        part = (at - self.begins - place * HOUR) / HOUR
        return math.exp(before + (after - before) * min(max(part, 0.0), 1.0))

    def served(self) -> MarketHistory:
        """What the stand-in markets answer from: the beginning's history and the window. They show nothing that is
        later than the chain's clock."""
        series = []
        for place, symbol in enumerate(self.symbols):
            before = self.start.price(symbol)
            later = self.times > before.times[-1]
            times = np.concatenate([before.times, self.times[later]])
            prices = np.concatenate([before.prices, self.closes[later, place]])
            series.append(PriceSeries(symbol, times, prices))
        return replace(self.start, at=self.ends, prices=tuple(series), implied=self.implied)

    def base_fee(self, at: int) -> int:
        """Wei at a Unix second."""
        place = min(max((at - self.begins) // HOUR, 0), len(self.times) - 1)
        return int(self.base_fee_wei[place])
