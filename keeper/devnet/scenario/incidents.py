"""Incidents that need no recorded history: each is a few changes to a market that otherwise moves as it did before."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from keeper.devnet import history
from keeper.devnet.history import MarketHistory
from keeper.devnet.local_chain import BASE_FEE_WEI
from keeper.devnet.scenario.path import ScenarioPath
from keeper.recorded.table import HOUR

SEED = 20_261_201
DRAWN_FROM_HOURS = 30 * 24
GWEI = 10**9


@dataclass(frozen=True, slots=True)
class PriceFall:
    """The market price of these symbols (none: of every risk asset) goes to ``factor`` of what it would be, evenly in
    logarithms between two hours, and stays there."""

    factor: float
    from_hour: int
    to_hour: int
    symbols: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WrongFeed:
    """The feeds of these symbols (none: of every risk asset) answer ``factor`` times the market's price from one moment
    to another."""

    factor: float
    from_hour: float
    until_hour: float
    symbols: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PinnedFeed:
    """The feed of a symbol never answers less than this part of its first price."""

    symbol: str
    floor: float


@dataclass(frozen=True, slots=True)
class GasSpike:
    """The base fee is ``factor`` times as high between two hours."""

    factor: float
    from_hour: int
    until_hour: int


@dataclass(frozen=True, slots=True)
class ReserveRun:
    """Whoever lends a reserve on Aave takes out all that is not lent: half of it at ``from_hour``, the rest an hour
    later. Then its LTV is 0, unless it ``keeps_ltv``. At ``until_hour`` both are undone."""

    symbol: str
    from_hour: int
    until_hour: int
    keeps_ltv: bool = False


@dataclass(frozen=True, slots=True)
class Incident:
    """``hours`` is how long it is played. All hours count from its beginning."""

    name: str
    title: str
    hours: int
    falls: tuple[PriceFall, ...] = ()
    wrong_feeds: tuple[WrongFeed, ...] = ()
    pinned: tuple[PinnedFeed, ...] = ()
    gas: tuple[GasSpike, ...] = ()
    runs: tuple[ReserveRun, ...] = ()

    def market_factor(self, symbol: str, hour: float) -> float:
        """What the market's price is multiplied by."""
        factor = 1.0
        for fall in self.falls:
            if symbol in (fall.symbols or history.RISK_SYMBOLS):
                part = (hour - fall.from_hour) / (fall.to_hour - fall.from_hour)
                factor *= fall.factor ** min(max(part, 0.0), 1.0)
        return factor

    def feed_price(self, symbol: str, hour: float, market: float, *, first: float) -> float:
        """What the feed of a symbol observes where the market's price is ``market`` and was ``first`` in the
        beginning."""
        price = market
        for wrong in self.wrong_feeds:
            if symbol in (wrong.symbols or history.RISK_SYMBOLS):
                price *= wrong.factor if wrong.from_hour <= hour < wrong.until_hour else 1.0
        floors = [pin.floor * first for pin in self.pinned if pin.symbol == symbol]
        return max(price, *floors) if floors else price

    def gas_factor(self, hour: float) -> float:
        factor = 1.0
        for spike in self.gas:
            factor *= spike.factor if spike.from_hour <= hour < spike.until_hour else 1.0
        return factor


NOTHING = Incident("none", "nothing but the market", 0)

INCIDENTS = (
    Incident(
        "oracle-step",
        "Every feed of a risk asset steps by −2.85 % at once, for six hours, while the market stands where it was",
        hours=14,
        wrong_feeds=(WrongFeed(0.9715, 4.0, 10.0),),
    ),
    Incident(
        "dry-reserve",
        "WETH on Aave is lent to the last wei within two hours and its LTV is 0, while every price falls by 30 %",
        hours=20,
        falls=(PriceFall(0.70, 3, 8),),
        runs=(ReserveRun("WETH", 3, 14),),
    ),
    Incident(
        "dry-reserve-ltv-kept",
        "WETH on Aave is lent to the last wei within two hours, its LTV stays, and every price falls by 30 %",
        hours=16,
        falls=(PriceFall(0.70, 3, 8),),
        runs=(ReserveRun("WETH", 2, 13, keeps_ltv=True),),
    ),
    Incident(
        "dry-reserve-crash",
        "WETH on Aave is lent to the last wei within two hours and its LTV is 0, while every price falls by 55 %",
        hours=14,
        falls=(PriceFall(0.45, 3, 9),),
        runs=(ReserveRun("WETH", 2, 12),),
    ),
    Incident(
        "pinned-feed",
        "LINK falls by 60 % within six hours; its feed never answers less than 80 % of its first price",
        hours=16,
        falls=(PriceFall(0.40, 3, 9, symbols=("LINK",)),),
        pinned=(PinnedFeed("LINK", 0.80),),
    ),
    Incident(
        "gas-spike",
        "Gas costs fifty times as much for six hours, while every price falls by 45 %",
        hours=18,
        falls=(PriceFall(0.55, 3, 9),),
        gas=(GasSpike(50.0, 3, 9),),
    ),
)


def incident_named(name: str) -> Incident | None:
    return next((incident for incident in INCIDENTS if incident.name == name), None)


def calm_path(incident: Incident, start: MarketHistory) -> ScenarioPath:
    """The hours after a generated history: each has the joint returns of an hour that a seeded generator draws from the
    history's last 30 days, so volatilities and correlations stay what they were. The incident is not in it."""
    symbols = start.symbols
    logs = np.column_stack(
        [np.log(start.price(symbol).prices[-DRAWN_FROM_HOURS - 1 :]) for symbol in symbols]
    )
    drawn = np.random.Generator(np.random.PCG64(SEED)).integers(0, DRAWN_FROM_HOURS, incident.hours)
    returns = np.diff(logs, axis=0)[drawn]
    closes = np.exp(np.vstack([logs[-1], logs[-1] + np.cumsum(returns, axis=0)]))
    times = start.at // HOUR * HOUR + HOUR * np.arange(incident.hours + 1, dtype=np.int64)
    return ScenarioPath(
        name=incident.name,
        start=start,
        implied=start.implied,
        symbols=symbols,
        times=times,
        closes=closes,
        base_fee_wei=np.full(times.size, BASE_FEE_WEI, dtype=np.int64),
        recorded_rounds={},
        notes=(
            *start.notes,
            f"hours drawn from the last 30 days of that history, seed {SEED}",
            f"base fee: {BASE_FEE_WEI / GWEI:g} gwei",
        ),
    )


def with_incident(path: ScenarioPath, incident: Incident) -> ScenarioPath:
    """The path with the incident's falls in its prices and its gas in its base fees."""
    factors = [
        [incident.market_factor(symbol, hour) for symbol in path.symbols] for hour in range(path.times.size)
    ]
    gas = np.array([incident.gas_factor(hour) for hour in range(path.times.size)])
    return replace(
        path,
        closes=path.closes * np.array(factors),
        base_fee_wei=np.rint(path.base_fee_wei * gas).astype(np.int64),
    )
