"""When a price feed answers: after a move by its deviation threshold, and when its heartbeat is over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from keeper.devnet.feeds import answer
from keeper.devnet.market_hours import heartbeat_s
from keeper.domain.units import USD
from keeper.recorded.stable import STABLE

OBSERVED_EVERY_S = 60
"""So often a feed compares the market with its last answer."""
DEVIATION = 0.005
"""Of the feeds on Ethereum mainnet. The median move of the recorded ETH/USD rounds that no heartbeat asked for is
0.503 %, of BTC/USD 0.500 %."""
DEVIATIONS = {STABLE: 0.0025}
"""0.254 % in the recorded USDC/USD rounds."""


@dataclass(frozen=True, slots=True)
class FeedRule:
    """``deviation`` is a fraction of the last answer."""

    heartbeat_s: int
    deviation: float


@dataclass(frozen=True, slots=True)
class FeedAnswer:
    """A round of a feed: USD as the feed's integer with 8 decimals, and its Unix second."""

    units: int
    at: int

    @property
    def price(self) -> float:
        return self.units / USD


def rule_of(symbol: str) -> FeedRule:
    return FeedRule(heartbeat_s(symbol), DEVIATIONS.get(symbol, DEVIATION))


def due_answers(
    rule: FeedRule, last: FeedAnswer, price: Callable[[int], float], until: int
) -> Iterator[FeedAnswer]:
    """The answers after ``last`` up to ``until``, for a market whose price at a Unix second is ``price``.

    An answer that repeats the one before is one unit higher or lower: no live feed repeats a price to the last digit.
    """
    for at in range(last.at - last.at % OBSERVED_EVERY_S + OBSERVED_EVERY_S, until + 1, OBSERVED_EVERY_S):
        units = answer(price(at))
        moved = abs(units / last.units - 1.0) >= rule.deviation
        if not moved and at - last.at < rule.heartbeat_s:
            continue
        if units == last.units:
            units += 1 if (at // OBSERVED_EVERY_S) % 2 else -1
        last = FeedAnswer(units, at)
        yield last
