"""What goes wrong at an exchange: limits, failures, rows that are no candles."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.domain.errors import FeedUnavailable, RateLimited
from keeper.domain.prices import Candle
from keeper.feeds.binance import Binance
from keeper.feeds.candle_venue import CandleVenue
from keeper.feeds.coinbase import Coinbase
from keeper.feeds.kraken import Kraken
from tests.feeds.venues import (
    EVERY,
    GOOD,
    HISTORY,
    HOUR,
    NOW,
    Make,
    Watch,
    answering,
    body_of,
    flat,
    row_of,
)
from tests.properties import examples
from tests.servers.http_faults import HttpFaults

pytestmark = pytest.mark.faults  # a server on this machine answers as the exchanges do


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
@examples(40)
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
