"""The exchanges' doubles, for the tests of candles and of prices."""

from __future__ import annotations

from tests.feeds.venues import make, proxy, url, watch

__all__ = ["make", "proxy", "url", "watch"]
