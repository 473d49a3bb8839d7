"""Public candles of Binance. Prices are in USDT, so they are off by as much as USDT is off the dollar."""

from __future__ import annotations

from collections.abc import Iterable

from keeper.feeds.candle_venue import Bar, CandleVenue, checked

NAMES = {
    60: "1m",
    180: "3m",
    300: "5m",
    900: "15m",
    1_800: "30m",
    3_600: "1h",
    7_200: "2h",
    14_400: "4h",
    21_600: "6h",
    28_800: "8h",
    43_200: "12h",
    86_400: "1d",
}


class Binance(CandleVenue):
    """GET /api/v3/klines: [[openTime ms, "open", "high", "low", "close", "volume", closeTime ms, ...]...],
    oldest first."""

    name = "binance"
    min_interval_s = 0.1
    lengths = NAMES
    page_candles = 1_000

    def instrument(self, reference: str) -> str:
        """ETH -> "ETHUSDT"."""
        return f"{reference}USDT"

    def _page(self, instrument: str, seconds: int, first: int, last: int) -> Iterable[Bar | None]:
        params: dict[str, str | int] = {
            "symbol": instrument,
            "interval": self.lengths[seconds],
            "startTime": first * 1_000,
            "endTime": last * 1_000,
            "limit": self.page_candles,
        }
        answer = self._get("/api/v3/klines", params, instrument)
        if not isinstance(answer, list):
            raise self._unavailable(instrument, "not a list of candles")
        return [_bar(row) for row in answer]


def _bar(row: object) -> Bar | None:
    if not isinstance(row, list) or len(row) < 6:
        return None
    return checked(row[0], row[1:5], row[5], scale=1_000)
