"""An hour of the world around a vault: new prices on every feed, one block, and an option market that follows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from keeper.devnet.deribit_server import deribit_server
from keeper.devnet.history import MarketHistory
from keeper.devnet.local_chain import LocalChain
from tests.faults.fixtures import BASE_FEE_WEI, Trial
from tests.faults.market_block import Published, push_rounds
from tests.servers.geth_proxy import BLOCK_TIME_S
from tests.servers.http_faults import HttpFaults, http_faults

HOUR = 3_600
RISKY = ("WBTC", "WETH", "LINK", "UNI")
OF_RISK, OF_CASH = 0.0015, 0.0001
"""Standard deviations of an hour's price around its level. The pools stay where they are, so it must be less than a trade
may lose."""
SAID_BEFORE_S = 60
"""So long before an hour ends its price is published, so that it is that hour's close."""
READ_AFTER_S = 40
FINAL = 2
"""More blocks, after which what was mined before is final."""
WIGGLE = 0.001
INDEX_HOURS = 100
"""So many hours of the volatility index are there to ask for: more than the keeper looks back."""


class MovingHistory:
    """What the option market answers from: the newest hours before ``at``, at a volatility that hardly moves."""

    def __init__(self, history: MarketHistory) -> None:
        self._history = history
        self._levels = {path.underlying: float(path.volatility[-1]) for path in history.implied}

    def move_to(self, now: int) -> None:
        newest = now - now % HOUR
        times = np.arange(newest - INDEX_HOURS * HOUR, newest + 1, HOUR, dtype=np.int64)
        wiggle = np.asarray(1 + WIGGLE * (times // HOUR % 7), dtype=np.float64)
        implied = tuple(
            replace(
                path,
                times=times,
                volatility=self._levels[path.underlying] * wiggle,
            )
            for path in self._history.implied
        )
        self._history = replace(self._history, at=newest, implied=implied)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._history, name)


@dataclass
class SoakMarket:
    """``levels`` are the prices that every hour's prices are near, ``prices`` the newest. ``silent`` are feeds that
    say nothing now. ``options`` stands between the keeper and the option market."""

    trial: Trial
    options: HttpFaults
    history: MovingHistory
    generator: np.random.Generator
    levels: dict[str, float]
    prices: dict[str, float]
    silent: set[str] = field(default_factory=set)
    now: int = 0
    _told_until: dict[str, int] = field(default_factory=dict)

    @property
    def world(self) -> LocalChain:
        return self.trial.world

    def pass_hours(self, hours: int = 1) -> None:
        """Up to the first minute of a later hour. Every feed that is not silent has a new round for each hour since its
        last one, as a live feed has."""
        proxy = self.trial.proxy
        latest = int(proxy.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16)
        ends = latest - latest % HOUR + hours * HOUR
        rounds = []
        for symbol in sorted(self.levels.keys() - self.silent):
            last = self._told_until.get(symbol, latest - latest % HOUR)
            closes = range(last + HOUR, ends + 1, HOUR)
            rounds += [Published(symbol, self._next_price(symbol), end - SAID_BEFORE_S) for end in closes]
            self._told_until[symbol] = ends
        push_rounds(self.trial, rounds)
        # Else it falls to nothing with so many blocks that are nearly empty.
        proxy.rpc("anvil_setNextBlockBaseFeePerGas", hex(BASE_FEE_WEI))
        proxy.pass_time(ends + READ_AFTER_S - latest)
        proxy.rpc("anvil_mine", hex(FINAL), hex(BLOCK_TIME_S))
        waiting = proxy.rpc("eth_getTransactionCount", self.world.owner, "pending")
        assert proxy.rpc("eth_getTransactionCount", self.world.owner, "latest") == waiting, (
            "a round is not mined"
        )
        self.now = ends + READ_AFTER_S + FINAL * BLOCK_TIME_S
        self.history.move_to(self.now)

    def _next_price(self, symbol: str) -> float:
        scale = OF_RISK if symbol in RISKY else OF_CASH
        self.prices[symbol] = self.levels[symbol] * float(np.exp(self.generator.normal(scale=scale)))
        return self.prices[symbol]

    def jump(self, factor: float) -> None:
        """Every risk asset's price moves at once, on its feed and in its pools."""
        for symbol in RISKY:
            self.levels[symbol] *= factor
            self.prices[symbol] = self.levels[symbol]
            with self.trial.automine():
                self.world.set_price(symbol, self.levels[symbol])


@contextmanager
def soak_market(trial: Trial, history: MarketHistory, seed: int) -> Iterator[SoakMarket]:
    moving: Any = MovingHistory(history)
    prices = {symbol: trial.world.spot(symbol) for symbol in (*RISKY, "USDC")}
    now = trial.world.now()
    moving.move_to(now)
    made: list[SoakMarket] = []
    with (
        deribit_server(moving, lambda: made[0].now, lambda symbol: made[0].prices[symbol]) as deribit,
        http_faults(deribit) as options,
    ):
        generator = np.random.default_rng(seed)
        market = SoakMarket(trial, options, moving, generator, dict(prices), prices=prices, now=now)
        made.append(market)
        yield market
