"""What Coinbase, Kraken and Binance answer for candles, from the local market's history and the chain's clock.

Hourly candles are the history's: closes as recorded, each opening where the one before closed; hours after its end
are not known, but for the one that is open now. One-minute candles are flat at the spot price of now.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from keeper.devnet.history import MarketHistory

SYMBOLS = {"BTC": "WBTC", "ETH": "WETH", "LINK": "LINK", "UNI": "UNI", "USDC": "USDC"}
"""What exchanges call an asset -> the history's symbol."""
COINBASE_PAGE, KRAKEN_PAGE, BINANCE_PAGE = 300, 720, 1_000
MINUTE, HOUR = 60, 3_600
VOLUME = 12.5

Clock = Callable[[], int]
Spot = Callable[[str], float]
Params = Mapping[str, str]
Row = tuple[int, float, float, float, float]
"""Opened at (Unix seconds), open, high, low, close."""


class ExchangeRefusal(Exception):
    """An HTTP status and the body that the exchange sends with it."""

    def __init__(self, status: int, body: Any) -> None:
        super().__init__(str(body))
        self.status = status
        self.body = body


@dataclass(frozen=True, slots=True)
class ExchangeMarket:
    """``now`` is the chain's time in seconds, ``spot`` a symbol's USD price."""

    history: MarketHistory
    now: Clock
    spot: Spot

    def coinbase(self, product: str, params: Params) -> list[list[float]]:
        """GET /products/{product}/candles. Raises ExchangeRefusal."""
        symbol = self._symbol(product, "-USD")
        if symbol is None or symbol == "USDC":
            raise ExchangeRefusal(404, {"message": "NotFound"})
        seconds = {"60": MINUTE, "3600": HOUR}.get(params.get("granularity", ""))
        if seconds is None:
            raise ExchangeRefusal(400, {"message": "Unsupported granularity"})
        try:
            start, end = _second(params["start"]), _second(params["end"])
        except (KeyError, ValueError):
            raise ExchangeRefusal(400, {"message": "start must be a valid ISO8601 date"}) from None
        if (end - start) // seconds > COINBASE_PAGE:
            text = f"granularity too small for the requested time range: more than {COINBASE_PAGE}"
            raise ExchangeRefusal(400, {"message": text})
        rows = self._rows(symbol, seconds, start, last=end, most=COINBASE_PAGE + 1)
        return [[at, low, high, first, last, VOLUME] for at, first, high, low, last in reversed(rows)]

    def kraken(self, params: Params) -> dict[str, Any]:
        """GET /0/public/OHLC; an error is an answer."""
        pair = params.get("pair", "").replace("XBT", "BTC")
        symbol = self._symbol(pair, "USD")
        if symbol is None:
            return {"error": ["EQuery:Unknown asset pair"]}
        seconds = {"1": MINUTE, "60": HOUR}.get(params.get("interval", "1"))
        since = params.get("since", "0")
        if seconds is None or not since.isdecimal():
            return {"error": ["EGeneral:Invalid arguments"]}
        now = self.now()
        # The open interval is always there, whatever is asked for; nothing older than the newest 720 ever is.
        newest = self._rows(symbol, seconds, now - KRAKEN_PAGE * seconds + 1, last=now, most=KRAKEN_PAGE)
        requested = [row for row in newest if row[0] > int(since)] or newest[-1:]
        answer = [
            [at, *(_text(price) for price in (first, high, low, last, last)), _text(VOLUME), 3]
            for at, first, high, low, last in requested
        ]
        return {
            "error": [],
            "result": {_kraken_name(pair): answer, "last": now // seconds * seconds - seconds},
        }

    def binance(self, params: Params) -> list[list[Any]]:
        """GET /api/v3/klines. Raises ExchangeRefusal."""
        symbol = self._symbol(params.get("symbol", ""), "USDT")
        if symbol is None:
            raise ExchangeRefusal(400, {"code": -1121, "msg": "Invalid symbol."})
        seconds = {"1m": MINUTE, "1h": HOUR}.get(params.get("interval", ""))
        if seconds is None:
            raise ExchangeRefusal(400, {"code": -1120, "msg": "Invalid interval."})
        start, end = params.get("startTime", "0"), params.get("endTime", str(self.now() * 1_000))
        limit = params.get("limit", "500")
        if not (start.isdecimal() and end.isdecimal() and limit.isdecimal()):
            raise ExchangeRefusal(400, {"code": -1100, "msg": "Illegal characters found in a parameter."})
        most = min(int(limit), BINANCE_PAGE)
        rows = self._rows(symbol, seconds, -(-int(start) // 1_000), last=int(end) // 1_000, most=most)
        return [
            [
                at * 1_000,
                *(_text(price) for price in (first, high, low, last, VOLUME)),
                (at + seconds) * 1_000 - 1,
                _text(VOLUME * last),
                3,
                _text(VOLUME / 2),
                _text(VOLUME / 2 * last),
                "0",
            ]
            for at, first, high, low, last in rows
        ]

    def _symbol(self, instrument: str, quoted_in: str) -> str | None:
        symbol = SYMBOLS.get(instrument.removesuffix(quoted_in)) if instrument.endswith(quoted_in) else None
        return symbol if symbol in self.history.symbols else None

    def _rows(self, symbol: str, seconds: int, first: int, last: int, most: int) -> list[Row]:
        """Opened in [first, last] and by now, ascending, the first ``most`` of them."""
        last = min(last, self.now())
        if seconds == MINUTE:
            price = self.spot(symbol)
            opened = range(-(-first // MINUTE) * MINUTE, last + 1, MINUTE)[:most]
            return [(at, price, price, price, price) for at in opened]
        return [row for row in self._hourly(symbol, first, last) if first <= row[0] <= last][:most]

    def _hourly(self, symbol: str, first: int, last: int) -> list[Row]:
        series = self.history.price(symbol)
        begin = max(int(np.searchsorted(series.times, first, side="right")) - 1, 0)
        end = int(np.searchsorted(series.times, last + HOUR, side="right"))
        times: list[int] = series.times[begin:end].tolist()
        closes: list[float] = series.prices[begin:end].tolist()
        rows: list[Row] = []
        now = self.now()
        for position, (closed, close) in enumerate(zip(times, closes, strict=True)):
            if closed <= now:
                before = closes[position - 1] if position else close
                rows.append((closed - HOUR, before, max(before, close), min(before, close), close))
        opened = now // HOUR * HOUR
        price = self.spot(symbol)
        before = rows[-1][4] if rows else price
        return [*rows, (opened, before, max(before, price), min(before, price), price)]


def _second(text: str) -> int:
    """Of ISO 8601, UTC where it has no zone, or of Unix seconds."""
    if text.isdecimal():
        return int(text)
    moment = datetime.fromisoformat(text)
    return int(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp())


def _text(price: float) -> str:
    return f"{price:.8f}"


def _kraken_name(pair: str) -> str:
    """Old pairs have a letter for their kind: XETHZUSD."""
    return {"BTCUSD": "XXBTZUSD", "ETHUSD": "XETHZUSD"}.get(pair, pair)
