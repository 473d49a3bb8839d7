"""Candles and prices of the exchanges: read from the devnet's server through a proxy that misbehaves, and in their own JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.devnet.exchange_server import exchange_server
from keeper.devnet.history import load
from keeper.domain.errors import FeedUnavailable
from keeper.domain.prices import Candle
from keeper.feeds.binance import Binance
from keeper.feeds.candle_venue import CandleVenue
from keeper.feeds.coinbase import Coinbase
from keeper.feeds.deribit_index import DeribitIndex
from keeper.feeds.http import RateLimited
from keeper.feeds.kraken import Kraken
from keeper.feeds.opinions import CANDLE_VENUES
from tests.servers.http_faults import HttpFaults, http_faults

pytestmark = pytest.mark.faults  # a server on this machine answers as the exchanges do

HOUR = 3_600
HISTORY = load(None, None)
NOW = HISTORY.at + 1_234
"""The open hour has begun with the history's end."""
EVERY = tuple(CANDLE_VENUES.values())
CLOSES = dict(zip(HISTORY.price("WETH").times.tolist(), HISTORY.price("WETH").prices.tolist(), strict=True))

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


# --------------------------------------------------------------------- candles


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


# -------------------------------------------------------------- what goes wrong


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (Coinbase, "coinbase DOGE-USD: HTTP 404: NotFound"),
        (Kraken, "kraken XDGUSD: EQuery:Unknown asset pair"),
        (Binance, "binance DOGEUSDT: HTTP 400: Invalid symbol."),
    ],
)
def test_an_unknown_instrument_is_named_in_the_venues_words(
    make: Make, kind: type[CandleVenue], said: str
) -> None:
    for ask in (
        lambda it: list(it.candles("DOGE", HOUR, NOW - 9 * HOUR, NOW)),
        lambda it: it.price("DOGE", NOW),
    ):
        with pytest.raises(FeedUnavailable) as caught:
            ask(make(kind))
        assert said == caught.value.message


@pytest.mark.parametrize("kind", EVERY)
def test_a_rate_limit_is_waited_out_by_candles(
    make: Make, proxy: HttpFaults, watch: Watch, kind: type[CandleVenue]
) -> None:
    proxy.rate_limit(3, "7")
    assert 5 == len(flat(make(kind).candles("ETH", HOUR, HISTORY.at - 5 * HOUR, HISTORY.at)))
    assert (4, [7.0] * 3) == (len(proxy.asked), watch.waits)


@pytest.mark.parametrize("kind", EVERY)
def test_but_not_for_ever_and_never_by_price(
    make: Make, proxy: HttpFaults, watch: Watch, kind: type[CandleVenue]
) -> None:
    proxy.rate_limit(-1, "3600", status=418)
    with pytest.raises(RateLimited):
        make(kind).price("ETH", NOW)
    assert (1, []) == (len(proxy.asked), watch.waits)
    with pytest.raises(RateLimited):
        list(make(kind).candles("ETH", HOUR, HISTORY.at - 5 * HOUR, HISTORY.at))
    assert (5, [60.0] * 3) == (len(proxy.asked), watch.waits)


@pytest.mark.parametrize("said", ["EGeneral:Too many requests", "EAPI:Rate limit exceeded"])
def test_kraken_limits_with_status_200(make: Make, proxy: HttpFaults, watch: Watch, said: str) -> None:
    proxy.lie(lambda _: {"error": [said]}, count=2)
    assert 5 == len(flat(make(Kraken).candles("ETH", HOUR, HISTORY.at - 5 * HOUR, HISTORY.at)))
    assert (3, [1.0, 1.0]) == (len(proxy.asked), watch.waits)


@pytest.mark.parametrize("kind", EVERY)
def test_requests_keep_their_distance(
    make: Make, proxy: HttpFaults, watch: Watch, kind: type[CandleVenue]
) -> None:
    venue = make(kind)
    for _ in range(4):
        venue.price("ETH", NOW)
    assert [kind.min_interval_s] * 3 == pytest.approx(watch.waits)
    watch.seconds += 100.0
    venue.price("ETH", NOW)
    assert 3 == len(watch.waits)


@pytest.mark.parametrize("kind", EVERY)
@pytest.mark.parametrize("how", ["drop", "truncate", "garble", "status"])
def test_a_page_that_fails_ends_the_candles_after_those_before_it(
    make: Make, proxy: HttpFaults, kind: type[CandleVenue], how: str
) -> None:
    pages = make(kind).candles("ETH", HOUR, HISTORY.at - 1_500 * HOUR, HISTORY.at)
    first = next(pages)
    proxy.fault(how, count=-1)
    assert first
    rest = make(kind).candles("ETH", HOUR, HISTORY.at - HOUR, HISTORY.at) if kind.single_page else pages
    with pytest.raises(FeedUnavailable):
        next(rest)


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


BAD_VALUES: list[Any] = [None, True, "x", "", "NaN", -1.0, 0.0, [], "1e999", 1e300]


@pytest.mark.parametrize("kind", EVERY)
def test_rows_that_are_not_prices_are_left_out(kind: type[CandleVenue]) -> None:
    spoiled = [
        {**GOOD, name: value}
        for name in GOOD
        for value in BAD_VALUES
        if not (name == "high" and value == 1e300)
    ]
    bad: list[Any] = [row_of(kind, 2 * HOUR, of) for of in spoiled]
    bad += [
        None,
        5,
        "row",
        [],
        [2 * HOUR],
        row_of(kind, None, GOOD),
        row_of(kind, "x", GOOD),
        row_of(kind, True, GOOD),
    ]
    bad += [row_of(kind, 2 * HOUR + 7, GOOD), row_of(kind, 99 * HOUR, GOOD), row_of(kind, -HOUR, GOOD)]
    venue = answering(kind, body_of(kind, [*bad, row_of(kind, 3 * HOUR, GOOD), row_of(kind, HOUR, GOOD)]))
    found = flat(venue.candles("ETH", HOUR, 0, 9 * HOUR))
    assert [Candle(at, HOUR, 10.0, 12.0, 9.0, 11.0) for at in (2 * HOUR, 4 * HOUR)] == found


@pytest.mark.parametrize("kind", EVERY)
@pytest.mark.parametrize(
    "body", [None, 5, "x", {}, {"result": []}, {"error": [], "result": {"last": 5}}, {"error": 7}]
)
def test_an_answer_of_another_kind_is_unavailable(kind: type[CandleVenue], body: Any) -> None:
    with pytest.raises(FeedUnavailable):
        answering(kind, body).price("ETH", NOW)
    with pytest.raises(FeedUnavailable):
        list(answering(kind, body).candles("ETH", HOUR, NOW - 5 * HOUR, NOW))


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False)
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=8)
        | st.dictionaries(st.sampled_from(["error", "result", "P", "last"]), inner)
    ),
    max_leaves=30,
)


@given(
    kind=st.sampled_from(EVERY),
    rows=st.lists(st.lists(JSON, min_size=6, max_size=8), max_size=6),
    other=st.none() | JSON,
)
def test_whatever_comes_every_candle_is_a_possible_one(
    kind: type[CandleVenue], rows: list[Any], other: Any
) -> None:
    serve = httpx.MockTransport(
        lambda _: httpx.Response(200, text=json.dumps(body_of(kind, rows) if other is None else other))
    )
    venue = kind("http://none", transport=serve, wait=Watch().wait)
    try:
        found = flat(venue.candles("ETH", HOUR, 0, 50 * HOUR))
    except FeedUnavailable:
        return
    for candle in found:
        assert (
            0 < candle.low <= min(candle.open, candle.close) <= max(candle.open, candle.close) <= candle.high
        )
        assert 0 < candle.closed_at <= 50 * HOUR
    assert sorted({candle.closed_at for candle in found}) == [candle.closed_at for candle in found]


# ----------------------------------------------------------------------- price


@pytest.mark.parametrize("kind", EVERY)
def test_the_price_is_the_newest_trade_and_true_now_while_its_minute_is_open(
    make: Make, kind: type[CandleVenue]
) -> None:
    price, at = make(kind).price("ETH", NOW)
    assert price == pytest.approx(HISTORY.last_price("WETH"), rel=1e-6)
    assert at == NOW


@pytest.mark.parametrize("kind", EVERY)
def test_a_price_is_as_old_as_the_minute_of_the_last_trade(kind: type[CandleVenue]) -> None:
    as_of = 100 * 60 + 30
    rows = [row_of(kind, 60 * minute, {**GOOD, "close": 9.0 + minute / 100}) for minute in (96, 97, 98, 101)]
    rows[2][5 if kind is not Kraken else 6] = (
        0 if kind is Coinbase else "0.0"
    )  # nothing was traded in minute 98
    venue = answering(kind, body_of(kind, rows))
    price, at = venue.price("ETH", as_of)
    assert price == pytest.approx(9.97)
    assert at == 98 * 60


@pytest.mark.parametrize("kind", EVERY)
def test_without_a_trade_in_the_last_hour_there_is_no_price(kind: type[CandleVenue]) -> None:
    as_of = 1_000 * 60
    rows = [row_of(kind, 60 * minute, GOOD) for minute in (10, 940, 1_001)]
    with pytest.raises(FeedUnavailable, match="no trade"):
        answering(kind, body_of(kind, rows)).price("ETH", as_of)


def index(answer: Any) -> DeribitIndex:
    return DeribitIndex(
        "http://example", transport=httpx.MockTransport(lambda _: httpx.Response(200, json=answer))
    )


def test_deribits_index_is_a_price_of_the_block() -> None:
    assert (1_234.5, NOW) == index({"result": {"index_price": 1_234.5}}).price("ETH", NOW)
    assert "link_usd" == index({}).instrument("LINK")


@pytest.mark.parametrize("price", [None, 0, -1, "5", True, [], 10**400])
def test_an_index_without_a_price_is_unavailable(price: Any) -> None:
    with pytest.raises(FeedUnavailable):
        index({"result": {"index_price": price}}).price("ETH", NOW)
