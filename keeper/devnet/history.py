"""Prices and implied volatility up to a date: recorded where the data is there, generated where it is not.

Nothing later than the date is ever loaded. A bar belongs to the moment it closes; a candle that is open at
the date is not known yet. Hours without a recorded price stay holes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from keeper.devnet import generator
from keeper.domain.errors import BadInput
from keeper.domain.path import ImpliedPath
from keeper.recorded.implied import UNDERLYINGS, read_implied
from keeper.recorded.prices import price_file, read_prices
from keeper.recorded.stable import STABLE, stable_at
from keeper.recorded.table import DAY, HOUR

DEFAULT_AT = datetime(2022, 6, 10, tzinfo=UTC)
"""When no date is asked for: two days before the fall of June 2022. Also where a generated history ends."""

RECORDED_AT = datetime(2023, 3, 10, tzinfo=UTC)
"""Where the local chains of the commands begin if there is recorded history: the shipped strategy levers then."""
WINDOW_DAYS = 180
MIN_MARKET_DAYS = 120
MIN_ASSET_DAYS = 30

MAX_LAST_CLOSE_AGE = DAY

RISK_SYMBOLS = ("WBTC", "WETH", "LINK", "UNI")
DVOL_START = datetime(2021, 3, 24, tzinfo=UTC)


class Source(StrEnum):
    RECORDED = "recorded"
    GENERATED = "generated"


@dataclass(frozen=True, slots=True, eq=False)
class PriceSeries:
    """Hourly closes of one asset in USD. ``times``: Unix seconds at which the bars closed, ascending."""

    symbol: str
    times: NDArray[np.int64]
    prices: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An asset, or an underlying's implied volatility, that this history does not have, and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class MarketHistory:
    """Everything known at ``at`` (Unix seconds). ``prices``: risk assets in a fixed order, then USDC. The vault
    does not hold ``unheld``."""

    at: int
    source: Source
    prices: tuple[PriceSeries, ...]
    implied: tuple[ImpliedPath, ...]
    left_out: tuple[LeftOut, ...]
    notes: tuple[str, ...]
    unheld: tuple[str, ...] = ()

    @property
    def symbols(self) -> tuple[str, ...]:
        return tuple(series.symbol for series in self.prices)

    @property
    def risk_symbols(self) -> tuple[str, ...]:
        return tuple(symbol for symbol in self.symbols if symbol not in (STABLE, *self.unheld))

    def price(self, symbol: str) -> PriceSeries:
        for series in self.prices:
            if series.symbol == symbol:
                return series
        raise BadInput(
            f"symbol: this history has no {symbol}", remedy=f"choose one of {', '.join(self.symbols)}"
        )

    def last_price(self, symbol: str) -> float:
        """USD at the last close."""
        return float(self.price(symbol).prices[-1])


def load(at: datetime | None, data_dir: Path | None) -> MarketHistory:
    """The history that ends at ``at`` (no zone: UTC; None: ``DEFAULT_AT``).

    Recorded when ``data_dir`` holds ``hourly_close.csv``, else generated. Raises BadInput when ``at`` lies
    outside what is recorded.
    """
    moment = DEFAULT_AT if at is None else at.replace(tzinfo=at.tzinfo or UTC)
    if data_dir is None or price_file(data_dir) is None:
        return _generated(int(moment.timestamp()))
    return _recorded(int(moment.timestamp()), data_dir)


# ------------------------------------------------------------------- recorded


def _recorded(at: int, data_dir: Path) -> MarketHistory:
    start = at - WINDOW_DAYS * DAY
    recorded_prices = read_prices(data_dir, RISK_SYMBOLS, start, end=at)
    hours, closes = recorded_prices.times, recorded_prices.closes
    left_out: list[LeftOut] = []
    prices: list[PriceSeries] = []
    for column, symbol in enumerate(RISK_SYMBOLS):
        recorded = ~np.isnan(closes[:, column])
        series = PriceSeries(symbol, hours[recorded], closes[recorded, column])
        days = len(series.times) / 24
        ended = not days or series.times[-1] < at - MAX_LAST_CLOSE_AGE
        if symbol in ("WBTC", "WETH") and (ended or days < MIN_MARKET_DAYS):
            _reject_date(at, data_dir)
        if days < MIN_ASSET_DAYS:
            reason = f"{days:.0f} days of hourly prices before {_iso(at)}, {MIN_ASSET_DAYS} needed"
            left_out.append(LeftOut(symbol, reason))
        elif ended:
            left_out.append(LeftOut(symbol, f"no recorded price in the 24 hours before {_iso(at)}"))
        else:
            prices.append(series)
    stable, note = stable_at(data_dir, prices[0].times)
    prices.append(PriceSeries(STABLE, prices[0].times, stable))
    implied: list[ImpliedPath] = []
    for underlying in UNDERLYINGS:
        index, _ = read_implied(data_dir, underlying, start, end=at)
        if index is None:
            left_out.append(LeftOut(f"implied volatility {underlying}", _no_implied_reason(at)))
        else:
            implied.append(index)
    return MarketHistory(
        at=at,
        source=Source.RECORDED,
        prices=tuple(prices),
        implied=tuple(implied),
        left_out=tuple(left_out),
        notes=(*recorded_prices.notes, note),
    )


def _no_implied_reason(at: int) -> str:
    if at <= DVOL_START.timestamp():
        return f"Deribit's index begins on {DVOL_START:%Y-%m-%d}"
    return f"no recorded index in the {WINDOW_DAYS} days before {_iso(at)}"


def _reject_date(at: int, data_dir: Path) -> None:
    prices = read_prices(data_dir, ("WBTC",))
    known = prices.times[~np.isnan(prices.closes[:, 0])].tolist()
    choice = "point KEEPER_DATA_DIR elsewhere to run on generated prices"
    if known:
        first, last = (datetime.fromtimestamp(hour, UTC) for hour in (known[0], known[-1]))
        first += timedelta(days=MIN_MARKET_DAYS + 1)
        choice = f"choose a date from {first:%Y-%m-%d} to {last:%Y-%m-%d}, or {choice}"
    raise BadInput(f"at: {_iso(at)} does not follow {MIN_MARKET_DAYS} days of recorded prices", remedy=choice)


# ------------------------------------------------------------------ generated


def _generated(at: int) -> MarketHistory:
    market = generator.generate(WINDOW_DAYS * 24)
    last = at - at % HOUR
    times = last + HOUR * np.arange(-WINDOW_DAYS * 24, 1, dtype=np.int64)
    return MarketHistory(
        at=at,
        source=Source.GENERATED,
        prices=tuple(PriceSeries(symbol, times, path) for symbol, path in market.prices.items()),
        implied=tuple(ImpliedPath(name, times, path) for name, path in market.implied.items()),
        left_out=(),
        notes=(f"generated market, seed {generator.SEED}",),
    )


def _iso(time: int) -> str:
    return f"{datetime.fromtimestamp(time, UTC):%Y-%m-%d %H:%M} UTC"
