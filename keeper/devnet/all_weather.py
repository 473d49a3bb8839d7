"""The universe of deploy/strategies/all-weather-onchain.toml: bitcoin, staked ETH, gold and a dollar that earns.

Gold is recorded per ounce where the data is there, else generated: a random walk of 12 % a year. It has no price while
its market is closed. Staked ETH and the dollar are priced by their rates, as Aave's oracle prices them: each grows
evenly from the rate it had at the beginning of the history.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from keeper.devnet import history
from keeper.devnet.generator import SEED
from keeper.devnet.history import MarketHistory, PriceSeries
from keeper.devnet.market_hours import CLOSED
from keeper.devnet.tokens import SavingsTerms
from keeper.devnet.universe import UniverseName
from keeper.domain.errors import BadInput
from keeper.domain.units import HOURS_PER_YEAR, SECONDS_PER_YEAR
from keeper.recorded.prices import read_prices
from keeper.recorded.stable import STABLE
from keeper.recorded.table import DAY

GOLD, STAKED, DOLLAR, COIN = "XAUt", "wstETH", "sDAI", "WETH"
SYMBOLS = ("WBTC", STAKED, GOLD, DOLLAR)
"""What the vault holds."""
RECORDED_GOLD = "XAUUSD"
GENERATED_GOLD_USD = 1_850.0
GOLD_VOLATILITY = 0.12
STAKED_RATE, STAKING_YIELD = 1.11, 0.035
DOLLAR_RATE, DOLLAR_YIELD = 1.02, 0.03


def load(universe: UniverseName, at: datetime | None, data_dir: Path | None) -> MarketHistory:
    """``history.load``, with the assets of the universe. Raises BadInput as it does."""
    base = history.load(at, data_dir)
    return base if universe is UniverseName.FOUR_TOKENS else _all_weather(base, data_dir)


def savings(market: MarketHistory) -> Mapping[str, SavingsTerms]:
    """The terms of the dollar's share, which goes on from the market's last price."""
    if DOLLAR not in market.symbols:
        return {}
    return {DOLLAR: SavingsTerms(market.last_price(DOLLAR), market.at, DOLLAR_YIELD)}


def _all_weather(base: MarketHistory, data_dir: Path | None) -> MarketHistory:
    coin, stable = base.price(COIN), base.price(STABLE)
    gold, source = _gold(base, data_dir)
    growing = PriceSeries(DOLLAR, stable.times, _rate(stable.times, DOLLAR_RATE, DOLLAR_YIELD))
    staked = PriceSeries(STAKED, coin.times, coin.prices * _rate(coin.times, STAKED_RATE, STAKING_YIELD))
    return replace(
        base,
        prices=(base.price("WBTC"), staked, gold, growing, coin, stable),
        unheld=(COIN,),
        left_out=tuple(left for left in base.left_out if left.name not in history.RISK_SYMBOLS),
        notes=(
            *base.notes,
            source,
            f"{STAKED} is {COIN} times a rate that grows by {STAKING_YIELD:.1%} a year; no lost peg is in these prices",
            f"{DOLLAR} is a dollar times a rate that grows by {DOLLAR_YIELD:.1%} a year",
        ),
    )


def _gold(base: MarketHistory, data_dir: Path | None) -> tuple[PriceSeries, str]:
    """Prices of the hours in which gold trades, and where they come from."""
    if base.source is history.Source.RECORDED and data_dir is not None:
        try:
            recorded = read_prices(
                data_dir, (RECORDED_GOLD,), base.at - history.WINDOW_DAYS * DAY, end=base.at
            )
        except BadInput as error:
            if f"no price of {RECORDED_GOLD}" not in str(error):
                raise
        else:
            known = ~np.isnan(recorded.closes[:, 0])
            if known.any():
                series = PriceSeries(GOLD, recorded.times[known], recorded.closes[known, 0])
                return _in_hours(
                    series
                ), f"{GOLD} is an ounce of gold as recorded in {recorded.file_of(RECORDED_GOLD)}"
    times = base.price(COIN).times
    random = np.random.Generator(np.random.PCG64((SEED, 2)))
    path = np.cumsum(random.standard_normal(times.size)) * GOLD_VOLATILITY / math.sqrt(HOURS_PER_YEAR)
    series = PriceSeries(GOLD, times, GENERATED_GOLD_USD * np.exp(path - path[-1]))
    return _in_hours(series), f"{GOLD} is generated, seed {SEED}"


def _in_hours(series: PriceSeries) -> PriceSeries:
    is_open = np.array([CLOSED[series.symbol].is_open(int(at)) for at in series.times])
    return replace(series, times=series.times[is_open], prices=series.prices[is_open])


def _rate(times: NDArray[np.int64], first: float, yearly: float) -> NDArray[np.float64]:
    return np.asarray(first * (1.0 + yearly) ** ((times - times[0]) / SECONDS_PER_YEAR), dtype=np.float64)


def next_closure(at: int) -> tuple[int, int]:
    """Begin and end of the closure of gold's market that begins next, Unix seconds."""
    return next((start, end) for start, end in CLOSED[GOLD].between(at, at + 8 * DAY) if start > at)
