"""Prices and implied volatility up to a date: recorded where the data is there, generated where it is not.

Nothing later than the date is ever loaded. A bar belongs to the moment it closes; a candle that is open at
the date is not known yet. Hours without a recorded price stay holes.
"""

from __future__ import annotations

import bisect
import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from keeper.devnet import generator
from keeper.domain.errors import BadInput

DEFAULT_AT = datetime(2022, 6, 10, tzinfo=UTC)
"""When no date is asked for: two days before the fall of June 2022. Also where a generated history ends."""

WINDOW_DAYS = 180
MIN_MARKET_DAYS = 120
MIN_ASSET_DAYS = 30

HOUR = 3_600
DAY = 86_400
MAX_LAST_CLOSE_AGE = DAY

STABLE = "USDC"
PRICE_COLUMNS = {"WBTC": "BTC", "WETH": "ETH", "LINK": "LINK", "UNI": "UNI"}
UNDERLYINGS = ("BTC", "ETH")
DVOL_START = datetime(2021, 3, 24, tzinfo=UTC)

PRICE_FILE = "hourly_close.csv"
DVOL_HOURLY_FILE = "dvol_hourly.csv"
DVOL_DAILY_FILE = "dvol_daily.csv"
STABLE_ROUNDS_FILE = "chainlink_rounds_usdc_usd.csv"
STABLE_POOL_FILE = "univ3_usdc_usdt_1bp_hourly.csv"
STABLE_MAX_ROUND_AGE = 90_000  # the feed's heartbeat is 86,400 s and was seen up to 208 s late
STABLE_MAX_POOL_AGE = 3 * HOUR


class Source(StrEnum):
    RECORDED = "recorded"
    GENERATED = "generated"


@dataclass(frozen=True, slots=True, eq=False)
class PriceSeries:
    """Hourly closes of one asset in USD. ``times``: Unix seconds at which the bars closed, ascending."""

    symbol: str
    times: NDArray[np.int64]
    prices: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class ImpliedSeries:
    """30-day implied volatility of an option underlying, annualised fractions, known from their times on."""

    underlying: str
    times: NDArray[np.int64]
    volatility: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An asset, or an underlying's implied volatility, that this history does not have, and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class MarketHistory:
    """Everything known at ``at`` (Unix seconds). ``prices``: risk assets in a fixed order, then USDC."""

    at: int
    source: Source
    prices: tuple[PriceSeries, ...]
    implied: tuple[ImpliedSeries, ...]
    left_out: tuple[LeftOut, ...]
    notes: tuple[str, ...]

    @property
    def symbols(self) -> tuple[str, ...]:
        return tuple(series.symbol for series in self.prices)

    @property
    def risk_symbols(self) -> tuple[str, ...]:
        return tuple(symbol for symbol in self.symbols if symbol != STABLE)

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

    def implied_of(self, underlying: str) -> ImpliedSeries | None:
        return next((series for series in self.implied if series.underlying == underlying), None)


def load(at: datetime | None, data_dir: Path | None) -> MarketHistory:
    """The history that ends at ``at`` (no zone: UTC; None: ``DEFAULT_AT``).

    Recorded when ``data_dir`` holds ``hourly_close.csv``, else generated. Raises BadInput when ``at`` lies
    outside what is recorded.
    """
    moment = DEFAULT_AT if at is None else at.replace(tzinfo=at.tzinfo or UTC)
    if data_dir is None or not (data_dir / PRICE_FILE).is_file():
        return _generated(int(moment.timestamp()))
    return _recorded(int(moment.timestamp()), data_dir)


# ------------------------------------------------------------------- recorded


def _recorded(at: int, data_dir: Path) -> MarketHistory:
    start = at - WINDOW_DAYS * DAY
    closes = _read_closes(data_dir / PRICE_FILE, start, at)
    left_out: list[LeftOut] = []
    prices: list[PriceSeries] = []
    for symbol, rows in closes.items():
        days = len(rows) / 24
        ended = not rows or rows[-1][0] < at - MAX_LAST_CLOSE_AGE
        if symbol in ("WBTC", "WETH") and (ended or days < MIN_MARKET_DAYS):
            _reject_date(at, data_dir / PRICE_FILE)
        if days < MIN_ASSET_DAYS:
            reason = f"{days:.0f} days of hourly prices before {_iso(at)}, {MIN_ASSET_DAYS} needed"
            left_out.append(LeftOut(symbol, reason))
        elif ended:
            left_out.append(LeftOut(symbol, f"no recorded price in the 24 hours before {_iso(at)}"))
        else:
            prices.append(_series(symbol, rows))
    stable, note = _read_stable(data_dir, prices[0].times)
    prices.append(stable)
    implied: list[ImpliedSeries] = []
    for underlying in UNDERLYINGS:
        series = _read_implied(data_dir, underlying, start, at)
        if series is None:
            left_out.append(LeftOut(f"implied volatility {underlying}", _no_implied_reason(at)))
        else:
            implied.append(series)
    return MarketHistory(
        at=at,
        source=Source.RECORDED,
        prices=tuple(prices),
        implied=tuple(implied),
        left_out=tuple(left_out),
        notes=(note,),
    )


def _read_closes(path: Path, start: int, at: int) -> dict[str, list[tuple[int, float]]]:
    rows: dict[str, list[tuple[int, float]]] = {symbol: [] for symbol in PRICE_COLUMNS}
    for row in _rows_between(path, "ts_close_utc", start, at):
        time = _seconds(row["ts_close_utc"])
        for symbol, column in PRICE_COLUMNS.items():
            if price := row.get(column):
                rows[symbol].append((time, float(price)))
    return rows


def _read_stable(data_dir: Path, hours: NDArray[np.int64]) -> tuple[PriceSeries, str]:
    """USDC/USD at each hour: Chainlink's last round, else the USDC/USDT pool with USDT at a dollar, else 1.

    The recorded exchange series is not used: outside the depeg of March 2023 it scatters by 0.3 %, more than
    the feed did.
    """
    rounds = _last_known(data_dir / STABLE_ROUNDS_FILE, _read_round, STABLE_MAX_ROUND_AGE)
    pool = _last_known(data_dir / STABLE_POOL_FILE, _read_pool_hour, STABLE_MAX_POOL_AGE)
    counts = {"Chainlink USDC/USD rounds": 0, "Uniswap USDC/USDT with USDT at 1": 0, "one dollar": 0}
    values: list[tuple[int, float]] = []
    for hour in hours.tolist():
        from_rounds, from_pool = rounds(hour), pool(hour)
        if from_rounds is not None:
            rule, value = "Chainlink USDC/USD rounds", from_rounds
        elif from_pool is not None:
            rule, value = "Uniswap USDC/USDT with USDT at 1", from_pool
        else:
            rule, value = "one dollar", 1.0
        counts[rule] += 1
        values.append((hour, value))
    used = ", ".join(f"{rule} ({count} hours)" for rule, count in counts.items() if count)
    return _series(STABLE, values), f"USDC/USD from {used}"


def _read_implied(data_dir: Path, underlying: str, start: int, at: int) -> ImpliedSeries | None:
    """Hourly closes; where a day's last hour is not recorded, that day's close. Percent in the files."""
    known: dict[int, float] = {}
    column = f"{underlying.lower()}_close"
    daily, hourly = data_dir / DVOL_DAILY_FILE, data_dir / DVOL_HOURLY_FILE
    if daily.is_file():
        for row in _rows_between(daily, "date_utc", start - DAY, at - DAY):
            if row[column]:
                known[_seconds(row["date_utc"]) + DAY] = float(row[column]) / 100.0
    if hourly.is_file():
        for row in _rows_between(hourly, "ts_open_utc", start - HOUR, at - HOUR):
            if row[column]:
                known[_seconds(row["ts_open_utc"]) + HOUR] = float(row[column]) / 100.0
    if not known:
        return None
    times = sorted(known)
    return ImpliedSeries(
        underlying, np.array(times, dtype=np.int64), np.array([known[time] for time in times])
    )


def _no_implied_reason(at: int) -> str:
    if at <= DVOL_START.timestamp():
        return f"Deribit's index begins on {DVOL_START:%Y-%m-%d}"
    return f"no recorded index in the {WINDOW_DAYS} days before {_iso(at)}"


def _read_round(row: dict[str, str]) -> tuple[int, float]:
    return int(row["updated_at"]), int(row["answer"]) / 1e8


def _read_pool_hour(row: dict[str, str]) -> tuple[int, float]:
    return _seconds(row["ts_utc"]), float(row["usdc_in_usdt"])


def _last_known(
    path: Path, parse: Callable[[dict[str, str]], tuple[int, float]], max_age: int
) -> Callable[[int], float | None]:
    """The file's series as a function of time: the last value then known, if not older than ``max_age``."""
    series: list[tuple[int, float]] = []
    if path.is_file():
        with path.open(newline="") as file:
            # A phase change of the feed steps back once, so the file's order is not the order of time.
            series = sorted(parse(row) for row in csv.DictReader(file))
    times = [time for time, _ in series]

    def value(time: int) -> float | None:
        position = bisect.bisect_right(times, time) - 1
        if position < 0 or time - times[position] > max_age:
            return None
        return series[position][1]

    return value


def _rows_between(path: Path, column: str, start: int, end: int) -> Iterator[dict[str, str]]:
    """Rows with start < time <= end. ISO 8601 stamps sort as text, so most rows are never parsed."""
    with path.open(newline="") as file:
        reader = csv.DictReader(file)
        pattern = "%Y-%m-%d" if column == "date_utc" else "%Y-%m-%dT%H:%M:%SZ"
        first = datetime.fromtimestamp(start, UTC).strftime(pattern)
        for row in reader:
            if row[column] < first:
                continue
            time = _seconds(row[column])
            if time > end:
                return
            if time > start:
                yield row


def _reject_date(at: int, path: Path) -> None:
    with path.open(newline="") as file:
        stamps = [row["ts_close_utc"] for row in csv.DictReader(file) if row["BTC"]]
    first = datetime.fromisoformat(stamps[0]) + timedelta(days=MIN_MARKET_DAYS + 1)
    raise BadInput(
        f"at: {_iso(at)} does not follow {MIN_MARKET_DAYS} days of recorded prices",
        remedy=f"choose a date from {first:%Y-%m-%d} to {stamps[-1][:10]}, "
        "or point KEEPER_DATA_DIR elsewhere to run on generated prices",
    )


# ------------------------------------------------------------------ generated


def _generated(at: int) -> MarketHistory:
    market = generator.generate(WINDOW_DAYS * 24)
    last = at - at % HOUR
    times = last + HOUR * np.arange(-WINDOW_DAYS * 24, 1, dtype=np.int64)
    return MarketHistory(
        at=at,
        source=Source.GENERATED,
        prices=tuple(PriceSeries(symbol, times, path) for symbol, path in market.prices.items()),
        implied=tuple(ImpliedSeries(name, times, path) for name, path in market.implied.items()),
        left_out=(),
        notes=(f"generated market, seed {generator.SEED}",),
    )


# ----------------------------------------------------------------------- form


def _series(symbol: str, rows: list[tuple[int, float]]) -> PriceSeries:
    return PriceSeries(
        symbol,
        np.array([time for time, _ in rows], dtype=np.int64),
        np.array([price for _, price in rows], dtype=np.float64),
    )


def _seconds(stamp: str) -> int:
    return int(datetime.fromisoformat(stamp).replace(tzinfo=UTC).timestamp())


def _iso(time: int) -> str:
    return f"{datetime.fromtimestamp(time, UTC):%Y-%m-%d %H:%M} UTC"
