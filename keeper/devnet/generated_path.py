"""A generated market as the path of a backtest, for machines without recorded history: ``generator``'s market, with
lows and gas prices added.

A bar's low is drawn from a Brownian bridge between its two closes at the regime's volatility: its exact distribution
by the reflection principle. The gas price is log-normal around the regime's median, reverting with a half-life of 12
hours.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from keeper.devnet import generator
from keeper.domain.errors import BadInput
from keeper.domain.path import ImpliedPath, MarketPath
from keeper.domain.units import HOURS_PER_YEAR, SECONDS_PER_HOUR, USD

SINCE = datetime(2019, 1, 1, tzinfo=UTC)
UNTIL = datetime(2024, 1, 1, tzinfo=UTC)

GWEI = 10**9
GAS_MEDIAN_GWEI = (18.0, 30.0, 90.0)  # per regime
GAS_LOG_DEVIATION = 0.4
GAS_HALF_LIFE_HOURS = 12.0


def generated_path(
    symbols: Sequence[str], since: datetime | None, until: datetime | None, seed: int
) -> MarketPath:
    """Hourly bars that lie within [since, until] (no zone: UTC; None: ``SINCE``, ``UNTIL``); equal arguments give
    equal bits, another length another market. Raises BadInput for other assets and for a range without a bar."""
    for symbol in symbols:
        if symbol not in generator.RISK_SYMBOLS:
            raise BadInput(
                f"assets: the generated market has no {symbol}",
                remedy=f"Choose from {', '.join(generator.RISK_SYMBOLS)}, or set KEEPER_DATA_DIR.",
            )
    times = _grid(since or SINCE, until or UNTIL)
    market = generator.generate(times.size, seed)
    low_stream, gas_stream = (
        np.random.Generator(np.random.PCG64(child)) for child in np.random.SeedSequence((seed, 1)).spawn(2)
    )
    low_of = {
        symbol: _lows(
            market.prices[symbol], market.regimes[1:], generator.VOLATILITY[symbol], random=low_stream
        )
        for symbol in generator.RISK_SYMBOLS
    }
    closes = np.column_stack([market.prices[symbol][1:] for symbol in symbols])
    lows = np.column_stack([low_of[symbol] for symbol in symbols])
    return MarketPath(
        source=f"generated, seed {seed}",
        symbols=tuple(symbols),
        stable_symbol=generator.STABLE,
        bar_seconds=SECONDS_PER_HOUR,
        times=times,
        decide_after=int(times[0]) - SECONDS_PER_HOUR,
        closes=np.rint(closes * USD) / USD,
        lows=np.floor(np.minimum(lows, closes) * USD) / USD,
        at_closes=(),
        stable=market.prices[generator.STABLE][1:],
        borrow_rate=np.full(times.size, np.nan),
        implied=tuple(ImpliedPath(name, times, path[1:]) for name, path in market.implied.items()),
        gas_price_wei=_gas_prices(market.regimes[1:], gas_stream),
        native_usd=np.rint(market.prices["WETH"][1:] * USD) / USD,
        notes=(f"every series is generated, seed {seed}: no market was ever like this one",),
    )


def _grid(since: datetime, until: datetime) -> NDArray[np.int64]:
    start, end = (int(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()) for moment in (since, until))
    first = -(-start // SECONDS_PER_HOUR) * SECONDS_PER_HOUR + SECONDS_PER_HOUR
    times = np.arange(first, end + 1, SECONDS_PER_HOUR, dtype=np.int64)
    if times.size == 0:
        raise BadInput(
            f"from, to: not one hour lies within {since:%Y-%m-%d %H:%M} and {until:%Y-%m-%d %H:%M}",
            remedy="Choose a range that ends after it begins.",
        )
    return times


def _lows(
    closes: NDArray[np.float64],
    regimes: NDArray[np.int64],
    volatility: tuple[float, float, float],
    random: np.random.Generator,
) -> NDArray[np.float64]:
    start, end = np.log(closes[:-1]), np.log(closes[1:])
    variance = np.square(np.asarray(volatility))[regimes] / HOURS_PER_YEAR
    exponential = random.standard_exponential(end.size)
    minimum = (start + end - np.sqrt(np.square(end - start) + 2.0 * variance * exponential)) / 2.0
    return np.asarray(np.exp(minimum), dtype=np.float64)


def _gas_prices(regimes: NDArray[np.int64], random: np.random.Generator) -> NDArray[np.int64]:
    noise = generator.reverting(regimes.size, 0.5 ** (1.0 / GAS_HALF_LIFE_HOURS), random)
    median = np.asarray(GAS_MEDIAN_GWEI)[regimes]
    prices: NDArray[np.float64] = median * np.exp(GAS_LOG_DEVIATION * noise) * GWEI
    return np.rint(prices).astype(np.int64)
