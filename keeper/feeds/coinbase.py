"""Public candles of Coinbase Exchange, in dollars. An interval without a trade has no candle."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from urllib.parse import quote

from keeper.feeds.candle_venue import Bar, CandleVenue, checked

LENGTHS = {length: str(length) for length in (60, 300, 900, 3_600, 21_600, 86_400)}


class Coinbase(CandleVenue):
    """GET /products/{id}/candles: [[time, low, high, open, close, volume]...], newest first."""

    name = "coinbase"
    min_interval_s = 0.15
    lengths = LENGTHS
    page_candles = 300

    def instrument(self, reference: str) -> str:
        """ETH -> "ETH-USD". Raises FeedUnavailable for USDC, which Coinbase treats as the dollar."""
        if reference == "USDC":
            raise self._unavailable(reference, "it is not traded against the dollar there")
        return f"{reference}-USD"

    def _page(self, instrument: str, seconds: int, first: int, last: int) -> Iterable[Bar | None]:
        path = f"/products/{quote(instrument, safe='')}/candles"
        params = {"granularity": self.lengths[seconds], "start": _iso(first), "end": _iso(last)}
        answer = self._get(path, params, instrument)
        if not isinstance(answer, list):
            raise self._unavailable(instrument, "not a list of candles")
        return [_bar(row) for row in answer]


def _bar(row: object) -> Bar | None:
    if not isinstance(row, list) or len(row) < 6:
        return None
    opened, low, high, first, last, volume = row[:6]
    return checked(opened, (first, high, low, last), volume)


def _iso(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
