"""Public candles of Kraken, in dollars. Kraken has only the newest 720 candles of each length."""

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
    min_interval_s = 1.0
    lengths = MINUTES
    page_candles = 720
    single_page = True

    def instrument(self, reference: str) -> str:
        """ETH -> "ETHUSD", BTC -> "XBTUSD"."""
        return f"{OWN_NAMES.get(reference, reference)}USD"

    def _page(self, instrument: str, seconds: int, first: int, last: int) -> Iterable[Bar | None]:
        # ``since`` excludes its own second, so ask from one second earlier.
        params: dict[str, str | int] = {
            "pair": instrument,
            "interval": self.lengths[seconds],
            "since": max(first - 1, 0),
        }
        answer = self._get("/0/public/OHLC", params, instrument)
        if not isinstance(answer, dict):
            raise self._unavailable(instrument, "the answer is not an object")
        self._require_no_error(answer.get("error"), instrument)
        result = answer.get("result")
        result = result if isinstance(result, dict) else {}
        # Kraken has its own pair names (XETHZUSD). The answer holds only the pair of the request.
        rows = next((rows for pair, rows in result.items() if pair != "last"), None)
        if not isinstance(rows, list):
            raise self._unavailable(instrument, "no candles in the answer")
        bars = _mark_open_bar([bar for bar in map(_bar, rows) if bar is not None], result.get("last"))
        return [bar for bar in bars if bar.opened <= last]

    def _require_no_error(self, errors: object, instrument: str) -> None:
        if not isinstance(errors, list) or not errors:
            return
        text = f"{errors[0]!s:.80}"
        if text.startswith(RATE_LIMITS):
            raise self._source.rate_limited(f"{self.name} {instrument}", text)
        raise self._unavailable(instrument, text)


def _bar(row: object) -> Bar | None:
    if not isinstance(row, list) or len(row) < 7:
        return None
    return checked(row[0], row[1:5], row[6])


def _mark_open_bar(bars: list[Bar], last: object) -> list[Bar]:
    """Marks the bar of the open interval, which is always the newest row. ``last`` says which bars are closed."""
    closed_until = number(last)
    newest = max((bar.opened for bar in bars), default=0)
    return [
        replace(bar, partial=bar.opened > closed_until if closed_until is not None else bar.opened == newest)
        for bar in bars
    ]
