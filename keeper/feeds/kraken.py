"""Public candles of Kraken, in dollars. Only the newest 720 of a length exist there, whatever is asked for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from keeper.feeds.candle_venue import Bar, CandleVenue, checked
from keeper.feeds.http import number

MINUTES = {minutes * 60: str(minutes) for minutes in (1, 5, 15, 30, 60, 240, 1_440)}
OWN_NAMES = {"BTC": "XBT", "DOGE": "XDG"}
RATE_LIMITS = ("EGeneral:Too many requests", "EAPI:Rate limit exceeded")


class Kraken(CandleVenue):
    """GET /0/public/OHLC: {"error": [], "result": {pair: [[time, "open", "high", "low", "close", "vwap", "volume",
    count]...], "last": time of the newest that is closed}}, oldest first. Errors come with HTTP 200."""

    name = "kraken"
    public_url = "https://api.kraken.com"
    least_interval_s = 1.0
    lengths = MINUTES
    page_candles = 720
    one_page = True

    def instrument(self, reference: str) -> str:
        """ETH -> "ETHUSD", BTC -> "XBTUSD"."""
        return f"{OWN_NAMES.get(reference, reference)}USD"

    def _page(self, instrument: str, seconds: int, first: int, last: int) -> Iterable[Bar | None]:
        # ``since`` excludes its own second; one before the first is right either way.
        params: dict[str, str | int] = {
            "pair": instrument,
            "interval": self.lengths[seconds],
            "since": max(first - 1, 0),
        }
        answer = self._get("/0/public/OHLC", params, instrument)
        if not isinstance(answer, dict):
            raise self._unavailable(instrument, "the answer is not an object")
        self._require_no_error(answer.get("error"), instrument)
        found = answer.get("result")
        found = found if isinstance(found, dict) else {}
        # The venue names pairs in its own way (XETHZUSD): whatever pair comes is the one asked for.
        rows = next((rows for pair, rows in found.items() if pair != "last"), None)
        if not isinstance(rows, list):
            raise self._unavailable(instrument, "no candles in the answer")
        bars = _with_the_open_one([bar for bar in map(_bar, rows) if bar is not None], found.get("last"))
        return [bar for bar in bars if bar.opened <= last]

    def _require_no_error(self, errors: object, instrument: str) -> None:
        if not isinstance(errors, list) or not errors:
            return
        said = f"{errors[0]!s:.80}"
        if said.startswith(RATE_LIMITS):
            raise self._source.rate_limited(f"{self.name} {instrument}", said)
        raise self._unavailable(instrument, said)


def _bar(row: object) -> Bar | None:
    if not isinstance(row, list) or len(row) < 7:
        return None
    return checked(row[0], row[1:5], row[6])


def _with_the_open_one(bars: list[Bar], last: object) -> list[Bar]:
    """The newest row is always that of the open interval; ``last`` tells which are closed."""
    closed_until = number(last)
    newest = max((bar.opened for bar in bars), default=0)
    return [
        replace(bar, partial=bar.opened > closed_until if closed_until is not None else bar.opened == newest)
        for bar in bars
    ]
