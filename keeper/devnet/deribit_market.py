"""What Deribit's public API answers, from the local market's volatility and the local chain's clock.

Volatility candles are the history's: an hour without a recorded value has no candle (the hourly file lacks
whole days, and ETH before June 2022 has one value a day, which is that day's last candle). After the
history's end the index stays where it was until ``set_volatility``. Option books are made from the index by
``deribit_options``.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from keeper.devnet.deribit_options import (
    Option,
    expiries,
    forward_price,
    listed_options,
    mark,
    parse_name,
    tick,
)
from keeper.devnet.history import MarketHistory
from keeper.domain.errors import BadInput
from keeper.domain.path import ImpliedPath

MAX_CANDLES = 1_000
RESOLUTIONS = {"1": 1, "60": 60, "3600": 3_600, "43200": 43_200, "1D": 86_400}
INDEX_SYMBOLS = {"btc_usd": "WBTC", "eth_usd": "WETH"}
CURRENCIES = ("BTC", "ETH")
KINDS = ("future", "option", "spot", "future_combo", "option_combo")
HOUR = 3_600

Json = dict[str, Any]
Clock = Callable[[], int]
Spot = Callable[[str], float]


class DeribitError(Exception):
    """An error as Deribit answers it. ``status`` is the HTTP one."""

    def __init__(self, code: int, message: str, data: Json | None = None, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data
        self.status = status


def invalid(param: str, reason: str) -> DeribitError:
    return DeribitError(-32602, "Invalid params", {"reason": reason, "param": param})


def method_not_found() -> DeribitError:
    return DeribitError(-32601, "Method not found")


def instrument_not_found() -> DeribitError:
    return DeribitError(13020, "not_found")


def too_many_requests() -> DeribitError:
    return DeribitError(10028, "too_many_requests", status=429)


# ------------------------------------------------------------------ the market


@dataclass(slots=True, eq=False)
class DeribitMarket:
    """What the API answers from. ``now`` is the chain's time in seconds, ``spot`` a symbol's USD price."""

    history: MarketHistory
    now: Clock
    spot: Spot
    _levels: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    _refusals: int = 0

    def __post_init__(self) -> None:
        for series in self.history.implied:
            self._levels[series.underlying] = _as_levels(series)

    def set_volatility(self, currency: str, volatility: float) -> None:
        """From now on the 30-day index of ``currency`` is ``volatility`` (an annualised fraction)."""
        if currency not in CURRENCIES or not volatility > 0:
            raise BadInput(
                f"volatility: {currency} {volatility!r} is not a volatility index level",
                remedy="use BTC or ETH and a positive fraction such as 0.8",
            )
        self._levels.setdefault(currency, []).append((self.now(), volatility))

    def refuse(self, requests: int) -> None:
        """Answer the next ``requests`` requests with too_many_requests."""
        self._refusals = requests

    def call(self, method: str, params: Mapping[str, str]) -> Any:
        """The result of a public method; raises RpcError."""
        if self._refusals > 0:
            self._refusals -= 1
            raise too_many_requests()
        answers: dict[str, Callable[[Mapping[str, str]], Any]] = {
            "public/get_time": self._time,
            "public/get_index_price": self._index_price,
            "public/get_volatility_index_data": self._volatility_index_data,
            "public/get_instruments": self._instruments,
            "public/get_book_summary_by_currency": self._book_summaries,
            "public/ticker": self._ticker,
        }
        if method not in answers:
            raise method_not_found()
        return answers[method](params)

    def _time(self, _: Mapping[str, str]) -> int:
        return self.now() * 1_000

    def _index_price(self, params: Mapping[str, str]) -> Json:
        name = _choice_of(params, "index_name", tuple(INDEX_SYMBOLS))
        price = round(self.spot(INDEX_SYMBOLS[name]), 2)
        return {"index_price": price, "estimated_delivery_price": price}

    def _volatility_index_data(self, params: Mapping[str, str]) -> Json:
        currency = _choice_of(params, "currency", CURRENCIES)
        start = _integer(params, "start_timestamp")
        end = _integer(params, "end_timestamp")
        seconds = RESOLUTIONS[_choice_of(params, "resolution", tuple(RESOLUTIONS))]
        if start > end:
            raise invalid("start_timestamp", "must not be after end_timestamp")
        now = self.now()
        first, last = max(start // 1_000, 0), min(end // 1_000, now)
        known = candles(
            self._levels.get(currency, []), self.history.at, seconds, first=first, last=last, now=now
        )
        in_range = [candle for candle in known if start <= candle[0] <= end]
        page = in_range[-MAX_CANDLES:]
        older = in_range[: -len(page)] if page else []
        return {"data": page, "continuation": older[-1][0] if older else None}

    def _instruments(self, params: Mapping[str, str]) -> list[Json]:
        currency = _choice_of(params, "currency", CURRENCIES)
        kind = _optional(params, "kind", KINDS)
        expired = _optional(params, "expired", ("true", "false"))
        if kind not in (None, "option") or expired == "true":
            return []
        return [_instrument(number, option) for number, option in enumerate(self._listed(currency), start=1)]

    def _book_summaries(self, params: Mapping[str, str]) -> list[Json]:
        currency = _choice_of(params, "currency", CURRENCIES)
        if _optional(params, "kind", KINDS) not in (None, "option"):
            return []
        now = self.now()
        volatility = self._level(currency, now)
        if volatility is None:
            return []
        index = self._index(currency)
        return [
            _summary(option, index, volatility, now=now)
            for option in listed_options(currency, index, volatility, now=now)
        ]

    def _ticker(self, params: Mapping[str, str]) -> Json:
        name = _required(params, "instrument_name")
        option = parse_name(name)
        if option is None:
            raise invalid("instrument_name", "wrong format")
        now = self.now()
        volatility = self._level(option.currency, now)
        if volatility is None or option.expiry not in expiries(now):
            raise instrument_not_found()
        return self._quote(option, volatility, now)

    def _listed(self, currency: str) -> tuple[Option, ...]:
        now = self.now()
        volatility = self._level(currency, now)
        if volatility is None:
            return ()
        return listed_options(currency, self._index(currency), volatility, now=now)

    def _index(self, currency: str) -> float:
        return self.spot(INDEX_SYMBOLS[f"{currency.lower()}_usd"])

    def _level(self, currency: str, now: int) -> float | None:
        levels = self._levels.get(currency, [])
        position = bisect.bisect_right(levels, now, key=lambda level: level[0]) - 1
        return levels[position][1] if position >= 0 else None

    def _quote(self, option: Option, volatility: float, now: int) -> Json:
        index = self._index(option.currency)
        worth = mark(option, index, volatility, now=now)
        bid, ask = _spread(worth.price)
        return {
            "timestamp": now * 1_000,
            "state": "open",
            "stats": {"high": None, "low": None, "price_change": None, "volume": 0.0, "volume_usd": 0.0},
            "greeks": {
                "delta": round(worth.delta, 5),
                "gamma": round(worth.gamma, 5),
                "vega": round(worth.vega, 5),
                "theta": round(worth.theta, 5),
                "rho": round(worth.rho, 5),
            },
            "index_price": round(index, 2),
            "instrument_name": option.name,
            "last_price": None,
            "settlement_price": None,
            "min_price": 0.0001,
            "max_price": round(worth.price + 0.05, 4),
            "open_interest": _open_interest(option, worth.delta),
            "mark_price": round(worth.price, 4),
            "best_bid_price": 0.0 if bid is None else bid,
            "best_ask_price": ask,
            "interest_rate": 0.0,
            "mark_iv": round(worth.iv * 100, 2),
            "bid_iv": 0.0 if bid is None else round(worth.iv * 100 - 1, 2),
            "ask_iv": round(worth.iv * 100 + 1, 2),
            "underlying_price": round(forward_price(index, option.expiry, now), 4),
            "underlying_index": _underlying_index(option, now),
            "estimated_delivery_price": round(index, 2),
            "best_ask_amount": 10.0,
            "best_bid_amount": 0.0 if bid is None else 10.0,
        }


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


def candles(
    levels: Sequence[tuple[int, float]], end_of_history: int, seconds: int, first: int, last: int, now: int
) -> list[list[float]]:
    """[[opened_ms, open, high, low, close]] in percent, of the candles opened in [first, last], oldest first.

    ``levels`` are (known since, fraction), ascending. A value known at the end of an hour is that hour's
    close. Candles finer than an hour repeat the last known value; the last candle is still open at ``now``.
    """
    if not levels:
        return []
    times = [since for since, _ in levels]
    if seconds < HOUR:
        opened = range(-(-max(first, times[0]) // seconds) * seconds, last + 1, seconds)
        steps = [(at, levels[bisect.bisect_right(times, at) - 1][1]) for at in opened]
        return [[at * 1_000, *(round(value * 100, 2),) * 4] for at, value in steps]
    closes = _hourly_closes(levels, times, end_of_history, now=now)
    made: list[list[float]] = []
    previous: float | None = None
    for at, value in closes:
        opened_at = at // seconds * seconds
        percent = round(value * 100, 2)
        if made and made[-1][0] == opened_at * 1_000:
            candle = made[-1]
            candle[2], candle[3], candle[4] = max(candle[2], percent), min(candle[3], percent), percent
        else:
            begin = percent if previous is None else previous
            made.append([opened_at * 1_000, begin, max(begin, percent), min(begin, percent), percent])
        previous = percent
    return [candle for candle in made if first <= candle[0] / 1_000 <= last]


def _hourly_closes(
    levels: Sequence[tuple[int, float]], times: Sequence[int], end_of_history: int, now: int
) -> list[tuple[int, float]]:
    """(hour opened, value): the recorded ones, then every hour up to the open one at the last level set."""
    recorded = {
        (since - 1) // HOUR * HOUR: value for since, value in levels if since <= min(end_of_history, now)
    }
    for opened in range(end_of_history // HOUR * HOUR, now + 1, HOUR):
        known = bisect.bisect_right(times, min(opened + HOUR, now)) - 1
        recorded[opened] = levels[known][1]
    return sorted(recorded.items())


def _as_levels(series: ImpliedPath) -> list[tuple[int, float]]:
    return list(zip(series.times.tolist(), series.volatility.tolist(), strict=True))


def _instrument(number: int, option: Option) -> Json:
    return {
        "base_currency": option.currency,
        "block_trade_commission": 0.0003,
        "block_trade_min_trade_amount": 25 if option.currency == "BTC" else 250,
        "block_trade_tick_size": 0.0001,
        "contract_size": 1.0,
        "counter_currency": "USD",
        "creation_timestamp": (option.expiry - 30 * 86_400) * 1_000,
        "expiration_timestamp": option.expiry * 1_000,
        "instrument_id": number,
        "instrument_name": option.name,
        "instrument_type": "reversed",
        "is_active": True,
        "kind": "option",
        "maker_commission": 0.0003,
        "min_trade_amount": 0.1 if option.currency == "BTC" else 1.0,
        "option_type": "call" if option.kind == "C" else "put",
        "price_index": f"{option.currency.lower()}_usd",
        "quote_currency": option.currency,
        "settlement_currency": option.currency,
        "settlement_period": "month",
        "state": "open",
        "strike": float(option.strike),
        "taker_commission": 0.0003,
        "tick_size": 0.0001,
        "tick_size_steps": [{"above_price": 0.005, "tick_size": 0.0005}],
    }


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


def _optional(params: Mapping[str, str], name: str, allowed: Sequence[str]) -> str | None:
    return _choice_of(params, name, allowed) if name in params else None


def _integer(params: Mapping[str, str], name: str) -> int:
    value = _required(params, name)
    if not value.isdecimal():
        raise invalid(name, "must be an integer")
    return int(value)
