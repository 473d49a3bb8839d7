"""A market's path as point-in-time data: what was known at each midnight, and separately what happened after it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from keeper.domain.errors import InvalidSetting
from keeper.domain.evidence import Evidence, ImpliedReading, PriceBars
from keeper.domain.path import RECORDED, ImpliedPath, MarketPath
from keeper.risk.returns import log_returns

DAY = 86_400
DAYS_A_YEAR = 365


@dataclass(frozen=True, slots=True, eq=False)
class PointInTimeData:
    """Everything known at one midnight.

    ``daily_closes`` (D, n): closes at all midnights up to and with this one. ``daily_implied`` (D, n): implied
    volatility then known of each asset's own options, NaN where there was none.
    """

    evidence: Evidence
    daily_closes: NDArray[np.float64]
    daily_implied: NDArray[np.float64]


def of_assets(path: MarketPath, symbols: Sequence[str]) -> MarketPath:
    """The same path with these assets alone. Raises InvalidSetting for one that it does not have."""
    for symbol in symbols:
        if symbol not in path.symbols:
            raise InvalidSetting(
                f"assets: the market's path has no {symbol}, only {', '.join(path.symbols)}",
                remedy="Leave it out of the strategy, or add its prices to the data.",
            )
    columns = [path.symbols.index(symbol) for symbol in symbols]
    return replace(
        path,
        symbols=tuple(symbols),
        closes=path.closes[:, columns],
        lows=path.lows[:, columns],
        at_closes=tuple(symbol for symbol in path.at_closes if symbol in symbols),
    )


def midnights(path: MarketPath) -> NDArray[np.int64]:
    """Indices of the bars that closed at 00:00 UTC."""
    return np.flatnonzero(path.times % DAY == 0)


class PointInTimeHistory:
    """Gives what was known at a midnight, never more.

    ``underlyings``: the option underlying of each asset of the path, None without one.
    """

    def __init__(self, path: MarketPath, history_s: int, underlyings: Sequence[str | None]) -> None:
        self._path = path
        self._bars = math.ceil(history_s / path.bar_seconds)
        self._midnights = midnights(path)
        by_name = {implied.underlying: implied for implied in path.implied}
        self._implied = {name: by_name[name] for name in underlyings if name is not None and name in by_name}
        times = path.times[self._midnights]
        self._daily_implied = np.full((times.size, len(path.symbols)), np.nan)
        for column, name in enumerate(underlyings):
            if name in self._implied:
                self._daily_implied[:, column] = _last_known(self._implied[name], times)

    def at(self, day: int) -> PointInTimeData:
        """What was known at midnight number ``day``."""
        path, index = self._path, int(self._midnights[day])
        now = int(path.times[index])
        window = slice(max(0, index + 1 - self._bars), index + 1)
        bars = PriceBars(
            symbols=path.symbols,
            bar_seconds=path.bar_seconds,
            times=path.times[window],
            closes=path.closes[window],
        )
        readings = (_reading(implied, now) for implied in self._implied.values())
        return PointInTimeData(
            evidence=Evidence(now, bars, tuple(reading for reading in readings if reading is not None)),
            daily_closes=path.closes[self._midnights[: day + 1]],
            daily_implied=self._daily_implied[: day + 1],
        )


@dataclass(frozen=True, slots=True, eq=False)
class RealisedOutcome:
    """What happened in the ``horizon`` days after each midnight; NaN where a price is missing or the path ends.

    ``returns`` (D, n): log returns from close to close. ``covariance`` (D, n, n): sums of the bars' ``r r'``.
    """

    horizon: int
    returns: NDArray[np.float64]
    covariance: NDArray[np.float64]


def realised_outcome(path: MarketPath, horizon: int) -> RealisedOutcome:
    """Over the ``horizon`` days after every midnight of the path."""
    at = midnights(path)
    days, n = at.size, len(path.symbols)
    moves = np.vstack([np.full((1, n), np.nan), log_returns(path.closes)])
    products = np.cumsum(np.nan_to_num(moves[:, :, None] * moves[:, None, :]), axis=0)
    returns, covariance = np.full((days, n), np.nan), np.full((days, n, n), np.nan)
    if days > horizon:
        logs = np.log(path.closes[at])
        returns[:-horizon] = logs[horizon:] - logs[:-horizon]
        covariance[:-horizon] = products[at[horizon:]] - products[at[:-horizon]]
        covariance[~np.isfinite(returns).all(axis=1)] = np.nan
    return RealisedOutcome(horizon, returns, covariance)


def _last_known(implied: ImpliedPath, times: NDArray[np.int64]) -> NDArray[np.float64]:
    position = np.searchsorted(implied.times, times, side="right") - 1
    return np.where(position >= 0, implied.volatility[np.maximum(position, 0)], np.nan)


def _reading(implied: ImpliedPath, now: int) -> ImpliedReading | None:
    position = int(np.searchsorted(implied.times, now, side="right")) - 1
    if position < 0:
        return None
    return ImpliedReading(
        underlying=implied.underlying,
        volatility=float(implied.volatility[position]),
        observed_at=int(implied.times[position]),
        source=RECORDED,
        reason="",
    )
