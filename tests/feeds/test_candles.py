"""Candles of exchanges: pages, bounds, open bars, lengths and instruments."""

from __future__ import annotations

from itertools import pairwise

import pytest

from keeper.domain.errors import FeedUnavailable
from keeper.feeds.binance import Binance
from keeper.feeds.candle_venue import CandleVenue
from keeper.feeds.coinbase import Coinbase
from keeper.feeds.kraken import Kraken
from tests.feeds.venues import (
    EVERY,
    HISTORY,
    HOUR,
    NOW,
    Make,
    Watch,
    answering,
    flat,
)
from tests.servers.http_faults import HttpFaults

pytestmark = pytest.mark.faults  # a server on this machine answers as the exchanges do
CLOSES = dict(zip(HISTORY.price("WETH").times.tolist(), HISTORY.price("WETH").prices.tolist(), strict=True))


@pytest.mark.parametrize(
    ("kind", "sizes"),
    [(Coinbase, [300, 300, 100]), (Kraken, [700]), (Binance, [700])],
    ids=lambda it: str(it),
)
def test_pages_come_oldest_first_and_hold_every_hour_once(
    make: Make, proxy: HttpFaults, kind: type[CandleVenue], sizes: list[int]
) -> None:
    until = HISTORY.at
    pages = list(make(kind).candles("ETH", HOUR, until - 700 * HOUR, until))
    assert sizes == [len(page) for page in pages]
    assert len(sizes) == len(proxy.asked)
    found = flat(iter(pages))
    assert [until - n * HOUR for n in reversed(range(700))] == [candle.closed_at for candle in found]
    assert all(candle.close == pytest.approx(CLOSES[candle.closed_at], rel=1e-6) for candle in found)
    assert all(before.close == pytest.approx(after.open, rel=1e-9) for before, after in pairwise(found))


def test_more_than_one_page_at_binance_and_what_kraken_does_not_have(make: Make, proxy: HttpFaults) -> None:
    since = HISTORY.at - 2_500 * HOUR
    assert [1_000, 1_000, 500] == [
        len(page) for page in make(Binance).candles("BTC", HOUR, since, HISTORY.at)
    ]
    proxy.asked.clear()
    (page,) = make(Kraken).candles("BTC", HOUR, since, HISTORY.at)
    # Of its 720 the open one is no candle yet.
    assert (719, HISTORY.at, 1) == (len(page), page[-1].closed_at, len(proxy.asked))


@pytest.mark.parametrize("kind", EVERY)
def test_the_open_bar_is_never_yielded_and_the_bounds_are_half_open(
    make: Make, kind: type[CandleVenue]
) -> None:
    last = HISTORY.at // HOUR * HOUR
    found = flat(make(kind).candles("ETH", HOUR, last - 3 * HOUR, NOW))
    assert [last - 2 * HOUR, last - HOUR, last] == [candle.closed_at for candle in found]
    assert [last] == [c.closed_at for c in flat(make(kind).candles("ETH", HOUR, last - HOUR, last))]
    assert [] == flat(make(kind).candles("ETH", HOUR, last - HOUR, last - 1))
    assert [] == flat(make(kind).candles("ETH", HOUR, last, last))


@pytest.mark.parametrize("kind", EVERY)
def test_asked_for_the_future_it_still_yields_nothing_that_is_open(
    proxy: HttpFaults, kind: type[CandleVenue]
) -> None:
    venue = kind(proxy.url, wait=Watch().wait, now=lambda: NOW + 0.5)
    found = flat(venue.candles("ETH", HOUR, HISTORY.at - 2 * HOUR, NOW + 900 * HOUR))
    assert HISTORY.at // HOUR * HOUR == found[-1].closed_at
    venue.close()


def test_kraken_says_itself_which_row_is_open() -> None:
    rows = [[at, "1", "1", "1", "1", "1", "5", 1] for at in (0, HOUR, 2 * HOUR)]
    for last in ({"last": HOUR}, {}):
        venue = answering(Kraken, {"error": [], "result": {"XETHZUSD": rows, **last}})
        assert [HOUR, 2 * HOUR] == [
            candle.closed_at for candle in flat(venue.candles("ETH", HOUR, 0, 9 * HOUR))
        ]


@pytest.mark.parametrize("kind", EVERY)
def test_minutes_are_candles_too(make: Make, kind: type[CandleVenue]) -> None:
    found = flat(make(kind).candles("UNI", 60, NOW - 600, NOW))
    assert 10 == len(found)
    assert all(candle.close == pytest.approx(HISTORY.last_price("UNI"), rel=1e-6) for candle in found)


@pytest.mark.parametrize("kind", EVERY)
def test_a_length_that_the_venue_does_not_have_is_refused(make: Make, kind: type[CandleVenue]) -> None:
    with pytest.raises(FeedUnavailable, match="no candles of 7 s"):
        list(make(kind).candles("ETH", 7, 0, NOW))


def test_names_of_instruments() -> None:
    names = [[kind("http://none").instrument(name) for name in ("ETH", "BTC", "LINK")] for kind in EVERY]
    assert [
        ["ETH-USD", "BTC-USD", "LINK-USD"],
        ["ETHUSD", "XBTUSD", "LINKUSD"],
        ["ETHUSDT", "BTCUSDT", "LINKUSDT"],
    ] == names
    assert ("USDCUSD", "USDCUSDT") == (
        Kraken("http://none").instrument("USDC"),
        Binance("http://none").instrument("USDC"),
    )
    with pytest.raises(FeedUnavailable, match="USDC"):
        Coinbase("http://none").instrument("USDC")
