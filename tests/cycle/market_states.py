"""Random vaults in random markets, and what every one of them knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from keeper.cycle.pipeline import Assessment, assess
from keeper.domain.evidence import ImpliedReading, PriceBars
from keeper.domain.information import NOTHING_REMEMBERED, InformationMemory
from keeper.domain.market import MarketSnapshot
from keeper.domain.observation import Observation
from keeper.domain.policy import Policy
from keeper.risk.coverage import returns_together
from keeper.settings.load import load_strategy
from keeper.settings.policy import policy as policy_of
from tests.factories import (
    DAY,
    HOUR,
    NOW,
    RISK_SYMBOLS,
    a_reading,
    a_snapshot,
    some_bars,
    with_block,
    with_depths,
    with_redemptions,
    with_vault,
    with_vault_policy,
)
from tests.risk.slow_rules import Rule, another_exchange, published_bars

SLOW_RULES: Final[tuple[Rule, ...]] = ((0.02, DAY), (0.01, DAY))
EXCHANGES: Final = ("binance", "coinbase", "kraken")
STRATEGY: Final = Path(__file__).parents[2] / "keeper.toml"


@dataclass(frozen=True, slots=True)
class MarketState:
    """Everything that a look is given. ``opinions`` counts the second opinions of each token."""

    snapshot: MarketSnapshot
    bars: PriceBars
    implied: tuple[ImpliedReading, ...]
    opinions: Mapping[str, int]

    def earlier(self, hours: int) -> MarketState:
        """The same vault ``hours`` ago. It knows only the history until then."""
        block = self.snapshot.block
        return replace(
            self,
            snapshot=with_block(self.snapshot, timestamp=block.timestamp - hours * HOUR),
            bars=self.bars_until(-hours),
            implied=tuple(
                replace(reading, observed_at=reading.observed_at - hours * HOUR) for reading in self.implied
            ),
        )

    def bars_until(self, stop: int) -> PriceBars:
        """The bars before the row ``stop``, which counts from the end where it is negative."""
        bars = self.bars
        return replace(
            bars,
            times=bars.times[:stop],
            closes=bars.closes[:stop],
            exchanges={name: closes[:stop] for name, closes in bars.exchanges.items()},
        )

    def assessed(self, memory: InformationMemory = NOTHING_REMEMBERED) -> Assessment:
        observation = Observation(
            self.snapshot, implied=self.implied, second_opinions=self.opinions, information=memory
        )
        return assess(observation, self.bars, shipped_policy())


@cache
def shipped_policy() -> Policy:
    return policy_of(load_strategy(STRATEGY))


def a_market_state(seed: int) -> MarketState:
    """A vault of any size and leverage, after a history with regimes and common crashes, with everything known.

    The feeds of every third one publish slowly; up to three exchanges help them.
    """
    generator = np.random.default_rng(seed)
    is_fast = seed % 3 > 0
    leverage = generator.choice(
        [0.0, generator.uniform(0.2, 1.0), generator.uniform(1.0, 1.6), generator.uniform(1.5, 2.2)]
    )
    snapshot = a_snapshot(
        weights=tuple(generator.dirichlet(np.ones(len(RISK_SYMBOLS)) * generator.choice([1.0, 5.0, 50.0]))),
        leverage=float(leverage),
        idle=0.01,
        nav_usd=float(10 ** generator.uniform(4.7, 6.5)),
    )
    snapshot = with_vault_policy(with_depths(snapshot), max_loss_bps=100)
    since = int(generator.choice([2 * HOUR, 2 * DAY, 20 * DAY]))
    snapshot = with_vault(snapshot, last_rebalance=NOW - since)
    if generator.random() < 0.3:
        snapshot = with_redemptions(snapshot, float(generator.uniform(0.0, 0.4)))
    bars = _history(generator)
    return MarketState(
        snapshot=snapshot,
        bars=bars if is_fast else _published_slowly(bars, generator),
        implied=(
            a_reading("BTC", float(generator.uniform(0.3, 1.5))),
            a_reading("ETH", float(generator.uniform(0.4, 1.8))),
        ),
        opinions={symbol: int(generator.integers(1, 5)) for symbol in snapshot.symbols},
    )


def _history(generator: np.random.Generator) -> PriceBars:
    bars = some_bars(seed=int(generator.integers(1_000_000_000)))
    returns = np.diff(np.log(bars.closes), axis=0)
    regimes = np.cumsum(generator.standard_normal(len(returns)) * 0.03)
    regimes -= regimes.mean()
    returns *= np.exp(np.clip(regimes, -1.5, 1.5))[:, None] * generator.uniform(0.5, 1.6)
    for _ in range(generator.poisson(1.5)):
        _crash(returns, generator)
    path = np.vstack([np.zeros(returns.shape[1]), np.cumsum(returns, axis=0)])
    return replace(bars, closes=np.exp(path - path[-1]) * bars.closes[-1])


def _published_slowly(bars: PriceBars, generator: np.random.Generator) -> PriceBars:
    """The bars of feeds of which two or all publish slowly, last at the newest bar. Up to three exchanges have the
    closes, but for noise and for a few hours."""
    columns = generator.permutation(len(bars.symbols))[: generator.choice([2, len(bars.symbols)])]
    rule = SLOW_RULES[generator.integers(len(SLOW_RULES))]
    estimate = shipped_policy().estimate
    closes = bars.closes.copy()
    slow = published_bars(bars, (rule,) * len(bars.symbols), estimate.max_gap_s).closes
    closes[:-1, columns] = slow[:-1, columns]
    if returns_together(replace(bars, closes=closes)) < estimate.min_bars:
        return bars  # in a market this quiet slow feeds allow no estimate
    exchanges = {}
    for name in EXCHANGES[: generator.integers(len(EXCHANGES) + 1)]:
        exchanges[name] = another_exchange(bars.closes, generator)
        exchanges[name][: generator.choice([0, len(closes) - 720])] = np.nan
    return replace(bars, closes=closes, exchanges=exchanges)


def _crash(returns: NDArray[np.float64], generator: np.random.Generator) -> None:
    begin, length = generator.integers(0, len(returns)), generator.integers(1, 12)
    returns[begin : begin + length] += (
        generator.normal(-0.25, 0.2) / length * generator.uniform(0.7, 1.3, returns.shape[1])
    )
