"""What Deribit's public API answers, from the local market's volatility and the local chain's clock.

Volatility candles are the history's: an hour without a recorded value has no candle (the hourly file lacks
whole days, and ETH before June 2022 has one value a day, which is that day's last candle). After the
history's end the index stays where it was. Option books are made from the index by ``deribit_options``. Only
the methods that the keeper asks are answered.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keeper.devnet.deribit_options import (
    Option,
    expiries,
    listed_options,
    mark,
    tick,
)
from keeper.devnet.history import MarketHistory

MAX_CANDLES = 1_000
INDEX_SYMBOLS = {"btc_usd": "WBTC", "eth_usd": "WETH"}
CURRENCIES = ("BTC", "ETH")
HOUR = 3_600

Json = dict[str, Any]
Clock = Callable[[], int]
Spot = Callable[[str], float]


class DeribitError(Exception):
    """An error as Deribit answers it, with HTTP status 400."""

    def __init__(self, code: int, message: str, data: Json | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data


def invalid(param: str, reason: str) -> DeribitError:
    return DeribitError(-32602, "Invalid params", {"reason": reason, "param": param})


def method_not_found() -> DeribitError:
    return DeribitError(-32601, "Method not found")


# ------------------------------------------------------------------ the market


@dataclass(slots=True, eq=False)
class DeribitMarket:
    """What the API answers from. ``now`` is the chain's time in seconds, ``spot`` a symbol's USD price."""

    history: MarketHistory
    now: Clock
    spot: Spot

    def call(self, method: str, params: Mapping[str, str]) -> Any:
        """The result of a public method; raises DeribitError."""
        answers: dict[str, Callable[[Mapping[str, str]], Any]] = {
            "public/get_index_price": self._index_price,
            "public/get_volatility_index_data": self._volatility_index_data,
            "public/get_book_summary_by_currency": self._book_summaries,
        }
        if method not in answers:
            raise method_not_found()
        return answers[method](params)

    def _index_price(self, params: Mapping[str, str]) -> Json:
        name = _choice_of(params, "index_name", tuple(INDEX_SYMBOLS))
        price = round(self.spot(INDEX_SYMBOLS[name]), 2)
        return {"index_price": price, "estimated_delivery_price": price}

    def _volatility_index_data(self, params: Mapping[str, str]) -> Json:
        currency = _choice_of(params, "currency", CURRENCIES)
        start = _integer(params, "start_timestamp")
        end = _integer(params, "end_timestamp")
        _choice_of(params, "resolution", (str(HOUR),))
        if start > end:
            raise invalid("start_timestamp", "must not be after end_timestamp")
        opened, closes = hourly_closes(*self._levels(currency), self.history.at, self.now())
        first = int(np.searchsorted(opened * 1_000, start))
        last = int(np.searchsorted(opened * 1_000, end, side="right"))
        begin = max(first, last - MAX_CANDLES)
        older = begin > first
        return {
            "data": candles(opened, closes, begin=begin, end=last),
            "continuation": int(opened[begin - 1]) * 1_000 if older else None,
        }

    def _book_summaries(self, params: Mapping[str, str]) -> list[Json]:
        currency = _choice_of(params, "currency", CURRENCIES)
        _choice_of(params, "kind", ("option",))
        now = self.now()
        volatility = self._level(currency, now)
        if volatility is None:
            return []
        index = self.spot(INDEX_SYMBOLS[f"{currency.lower()}_usd"])
        return [
            _summary(option, index, volatility, now=now)
            for option in listed_options(currency, index, volatility, now=now)
        ]

    def _levels(self, currency: str) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Known since (ascending), and fractions; empty without a recorded index."""
        series = [series for series in self.history.implied if series.underlying == currency]
        return (
            np.concatenate([np.empty(0, dtype=np.int64), *(each.times for each in series)]),
            np.concatenate([np.empty(0), *(each.volatility for each in series)]),
        )

    def _level(self, currency: str, now: int) -> float | None:
        times, levels = self._levels(currency)
        position = int(np.searchsorted(times, now, side="right")) - 1
        return float(levels[position]) if position >= 0 else None


def _summary(option: Option, index: float, volatility: float, now: int) -> Json:
    worth = mark(option, index, volatility, now=now)
    bid, ask = _spread(worth.price)
    return {
        "ask_price": ask,
        "base_currency": option.currency,
        "bid_price": bid,
        "creation_timestamp": now * 1_000,
        "estimated_delivery_price": round(index, 2),
        "high": None,
        "instrument_name": option.name,
        "interest_rate": 0,
        "last": None,
        "low": None,
        "mark_iv": round(worth.iv * 100, 2),
        "mark_price": round(worth.price, 8),
        "mid_price": None if bid is None else round((bid + ask) / 2, 8),
        "open_interest": _open_interest(option, worth.delta),
        "price_change": None,
        "quote_currency": option.currency,
        "underlying_index": _underlying_index(option, now),
        "underlying_price": round(worth.forward, 4),
        "volume": 0.0,
        "volume_usd": 0.0,
    }


def hourly_closes(
    times: NDArray[np.int64], levels: NDArray[np.float64], end_of_history: int, now: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """When each hour so far that has a value opened, ascending, and its last value.

    ``levels`` are fractions known since ``times`` (ascending). A value known at the end of an hour is that hour's
    close. The last hour is still open at ``now``, and an hour after the recorded ones has the last known value.
    """
    if not len(times):
        return times, levels
    recorded = times <= min(end_of_history, now)
    after = np.arange(end_of_history // HOUR * HOUR, now + 1, HOUR, dtype=np.int64)
    known = np.searchsorted(times, np.minimum(after + HOUR, now), side="right") - 1
    opened = np.concatenate([(times[recorded] - 1) // HOUR * HOUR, after])
    closes = np.concatenate([levels[recorded], levels[known]])
    last_of_hour = np.append(opened[1:] != opened[:-1], True)
    return opened[last_of_hour], closes[last_of_hour]


def candles(
    opened: NDArray[np.int64], closes: NDArray[np.float64], begin: int, end: int
) -> list[list[float]]:
    """[[opened_ms, open, high, low, close]] in percent of the hours ``begin`` to ``end``, ``end`` not included.

    Each opens where the hour before it closed.
    """
    made: list[list[float]] = []
    percents = [round(close * 100, 2) for close in closes[max(begin - 1, 0) : end].tolist()]
    before = percents[0] if percents else 0.0
    for at, close in zip(opened[begin:end].tolist(), percents[min(begin, 1) :], strict=True):
        made.append([at * 1_000, before, max(before, close), min(before, close), close])
        before = close
    return made


def _spread(price: float) -> tuple[float | None, float]:
    """Bid and ask two percent around the mark, on the tick; no bid under one tick."""
    step = tick(price)
    bid = math.floor(price * 0.98 / step) * step
    ask = math.ceil(price * 1.02 / step) * step
    return (round(bid, 4) if bid > 0 else None), round(max(ask, step), 4)


def _open_interest(option: Option, delta: float) -> float:
    out_of_the_money = delta if option.kind == "C" else -delta
    return round(1_000 * max(0.0, 0.5 - abs(out_of_the_money - 0.25)), 1)


def _underlying_index(option: Option, now: int) -> str:
    """Same-day options refer to the index, those with a listed future to it, others to a synthetic one."""
    if option.expiry - now < 86_400:
        return "index_price"
    later = [expiry for expiry in expiries(now) if expiry - now > 21 * 86_400]
    return option.future if option.expiry in later else f"SYN.{option.future}"


# -------------------------------------------------------------- its parameters


def _required(params: Mapping[str, str], name: str) -> str:
    if not params.get(name):
        raise invalid(name, "value required")
    return params[name]


def _choice_of(params: Mapping[str, str], name: str, allowed: Sequence[str]) -> str:
    value = _required(params, name)
    if value not in allowed:
        raise invalid(name, "value not allowed")
    return value


def _integer(params: Mapping[str, str], name: str) -> int:
    value = _required(params, name)
    if not value.isdecimal():
        raise invalid(name, "must be an integer")
    return int(value)
