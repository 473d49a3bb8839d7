"""How often, and how far, target leverage rises where one part of a look is missing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from tests.cycle.degradations import ALL_ASSETS, Degradation
from tests.cycle.information_properties import ROUNDING, Comparison, compared, informed_look_at
from tests.cycle.market_states import MarketState
from tests.factories import HOUR


def _one(name: str, hours: float = 1, symbol: str = ALL_ASSETS, place: float = 0.5) -> Degradation:
    return Degradation(name, symbol, round(hours * HOUR), place)


ONE_PART_MISSING: Final[dict[str, tuple[Degradation, ...]]] = {
    "last 24 h of bars missing, all assets": (_one("newest bars dropped", 24),),
    "last 24 h of bars missing, one asset": (_one("newest bars dropped", 24, "WETH"),),
    "first half of the history missing": (_one("history cut short"),),
    "wildest 72 h missing": (_one("wildest bars dropped", 72),),
    "one asset frozen for 12 h, its last price carried": (_one("newest bars frozen", 12, "WBTC"),),
    "all assets frozen for 1 h": (_one("newest bars frozen", 1),),
    "all assets frozen for 12 h": (_one("newest bars frozen", 12),),
    "implied volatility without a number": (_one("implied without a number"),),
    "implied volatility NaN": (_one("implied NaN"),),
    "implied volatility one second in the future": (_one("implied from the future", 1 / 3600),),
    "implied volatility 26 h old": (_one("implied late", 23),),
    "no implied volatility": (_one("implied dropped"),),
    "no implied volatility, all assets frozen for 12 h": (
        _one("implied dropped"),
        _one("newest bars frozen", 12),
    ),
}


class Rises:
    """Counts the looks of ``ONE_PART_MISSING`` in which something rises."""

    def __init__(self) -> None:
        self._rises: dict[str, list[float]] = defaultdict(list)
        self._violated: dict[str, int] = defaultdict(int)

    @property
    def counterexamples(self) -> int:
        return sum(self._violated.values())

    def look_at(self, state: MarketState) -> Iterator[tuple[str, Comparison]]:
        """Yields the looks in which a bound, a weight or a volatility rises, by row."""
        informed = informed_look_at(state)
        for row, degradations in ONE_PART_MISSING.items():
            comparison = compared(state, degradations, informed)
            self._rises[row].append(comparison.rise)
            if comparison.violations:
                self._violated[row] += 1
                yield row, comparison

    def lines(self) -> Iterator[str]:
        yield "| what is missing | looks | target leverage rises in | worst | a bound, weight or volatility rises in |"
        yield "|---|---|---|---|---|"
        for row, rises in self._rises.items():
            count = sum(rise > ROUNDING for rise in rises)
            worst = max(0.0, *rises) if count else 0.0
            share = f"{count / len(rises):.1%} ({count})"
            yield f"| {row} | {len(rises)} | {share} | {worst:+.2%} | {self._violated[row]} |"
