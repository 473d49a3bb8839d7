"""Exchanges' doubles behind a proxy, and candles as each of them writes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from keeper.devnet.exchange_server import exchange_server
from keeper.devnet.history import load
from keeper.domain.prices import Candle
from keeper.feeds.candle_venue import CandleVenue
from keeper.feeds.coinbase import Coinbase
from keeper.feeds.kraken import Kraken
from keeper.feeds.opinions import CANDLE_VENUES
from tests.servers.http_faults import HttpFaults, http_faults

HOUR = 3_600
HISTORY = load(None, None)
NOW = HISTORY.at + 1_234
"""The open hour has begun with the history's end."""
EVERY = tuple(CANDLE_VENUES.values())
Make = Callable[[type[CandleVenue]], CandleVenue]


class Watch:
    """A clock that only waiting moves."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.waits: list[float] = []

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.seconds += seconds

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with exchange_server(HISTORY, lambda: NOW) as base:
        yield base


@pytest.fixture
def proxy(url: str) -> Iterator[HttpFaults]:
    with http_faults(url) as faults:
        yield faults


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def make(proxy: HttpFaults, watch: Watch) -> Iterator[Make]:
    made: list[CandleVenue] = []

    def of(kind: type[CandleVenue]) -> CandleVenue:
        made.append(kind(proxy.url, timeout_s=5.0, wait=watch.wait, monotonic=watch.monotonic))
        return made[-1]

    yield of
    for venue in made:
        venue.close()


def flat(pages: Iterator[tuple[Candle, ...]]) -> list[Candle]:
    return [candle for page in pages for candle in page]


def answering(kind: type[CandleVenue], body: Any, status: int = 200) -> CandleVenue:
    watch = Watch()
    serve = httpx.MockTransport(lambda _: httpx.Response(status, json=body))
    return kind("http://none", transport=serve, wait=watch.wait, monotonic=watch.monotonic)


GOOD = {"open": 10.0, "high": 12.0, "low": 9.0, "close": 11.0}


def row_of(kind: type[CandleVenue], opened: Any, of: dict[str, Any]) -> list[Any]:
    if kind is Coinbase:
        return [opened, of["low"], of["high"], of["open"], of["close"], 5.0]
    prices = [
        of[name] if not isinstance(of[name], float) else str(of[name])
        for name in ("open", "high", "low", "close")
    ]
    if kind is Kraken:
        return [opened, *prices, "10", "5", 3]
    return [opened * 1_000 if isinstance(opened, int) else opened, *prices, "5", 0]


def body_of(kind: type[CandleVenue], rows: list[Any]) -> Any:
    return {"error": [], "result": {"P": rows, "last": 10**9}} if kind is Kraken else rows
