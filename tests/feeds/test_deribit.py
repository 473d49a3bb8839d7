"""Deribit read in its own JSON, with everything that can be wrong about it. A reading never raises."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.devnet.deribit_server import deribit_server
from keeper.devnet.history import load
from keeper.domain.errors import FeedUnavailable, RateLimited
from keeper.domain.evidence import ImpliedReading
from keeper.feeds.deribit import Deribit
from tests.servers.http_faults import http_faults

AS_OF = 1_667_952_000  # 2022-11-09 00:00 UTC
HOUR = 3_600
MONTH = 30 * 86_400
DATA = Path(os.environ.get("KEEPER_DATA_DIR", "../shared/data"))

Answer = Callable[[httpx.Request], httpx.Response]


def result(value: Any) -> Answer:
    return lambda _: httpx.Response(200, json={"jsonrpc": "2.0", "result": value, "testnet": False})


def error(code: int, message: str, status: int = 400) -> Answer:
    return lambda _: httpx.Response(
        status, json={"jsonrpc": "2.0", "error": {"code": code, "message": message}}
    )


def text(body: str, status: int = 200) -> Answer:
    return lambda _: httpx.Response(status, text=body)


def candles(*closes: float | None, last_open: int = AS_OF - HOUR) -> Answer:
    """Hourly candles, the last opened at ``last_open``."""
    first = last_open - (len(closes) - 1) * HOUR
    rows = [[(first + i * HOUR) * 1_000, 50.0, 90.0, 40.0, close] for i, close in enumerate(closes)]
    return result({"data": rows, "continuation": None})


def book(iv: float, made_at: int = AS_OF) -> Answer:
    names = ["BTC-9DEC22-18000-C", "BTC-9DEC22-18000-P"]
    return result(
        [
            {
                "instrument_name": name,
                "mark_iv": iv,
                "underlying_price": 18_000.0,
                "creation_timestamp": made_at * 1_000,
            }
            for name in names
        ]
    )


def read(index: Answer, options: Answer, asked: list[httpx.Request] | None = None) -> ImpliedReading:
    def serve(request: httpx.Request) -> httpx.Response:
        if asked is not None:
            asked.append(request)
        return index(request) if "volatility_index" in request.url.path else options(request)

    source = Deribit("https://deribit.example", transport=httpx.MockTransport(serve))
    (reading,) = source.read(["BTC"], AS_OF, MONTH)
    return reading


NOTHING = result([])


def test_the_book_to_the_horizon_is_preferred_and_dvol_told_beside_it() -> None:
    reading = read(candles(60.0), book(55.0))
    assert 0.55 == pytest.approx(reading.volatility)
    assert ("BTC", AS_OF, "DVOL 60.0%") == (reading.underlying, reading.observed_at, reading.reason)
    assert "option book" in reading.source


def test_percent_becomes_a_fraction_and_only_a_closed_candle_counts() -> None:
    # The last candle opens at the block's hour: still open.
    reading = read(candles(47.5, 99.0, last_open=AS_OF), NOTHING)
    assert reading.volatility == pytest.approx(0.475)
    assert reading.observed_at == AS_OF
    assert "Deribit DVOL" == reading.source
    assert reading.reason.startswith("option book BTC")


def test_it_asks_for_nothing_after_the_block() -> None:
    asked: list[httpx.Request] = []
    read(candles(60.0), NOTHING, asked)
    assert str(AS_OF * 1_000) == asked[0].url.params["end_timestamp"]
    assert "/api/v2/public/get_volatility_index_data" == asked[0].url.path


def test_candles_after_the_block_are_not_believed() -> None:
    reading = read(candles(47.5, 80.0, 90.0, last_open=AS_OF + HOUR), NOTHING)
    assert 0.475 == pytest.approx(reading.volatility)


def test_a_book_made_well_after_the_block_does_not_count() -> None:
    assert "Deribit DVOL" == read(candles(60.0), book(55.0, made_at=AS_OF + 61)).source
    within = read(candles(60.0), book(55.0, made_at=AS_OF + 60))
    assert ("option book" in within.source, AS_OF) == (True, within.observed_at)


def test_when_book_and_index_contradict_each_other_the_higher_counts() -> None:
    assert 0.99 == pytest.approx(read(candles(60.0), book(99.0)).volatility)
    assert 0.60 == pytest.approx(read(candles(60.0), book(30.0)).volatility)
    assert "the higher counts" in read(candles(60.0), book(30.0)).reason


def test_unusable_candles_are_passed_over_for_the_last_usable_one() -> None:
    reading = read(candles(47.5, 0.0, 500.0, None), NOTHING)
    assert reading.volatility == pytest.approx(0.475)
    assert reading.observed_at == AS_OF - 3 * HOUR


def refused(_: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("refused")


def slow(_: httpx.Request) -> httpx.Response:
    raise httpx.ReadTimeout("slow")


BROKEN = {
    "too many requests": error(10028, "too_many_requests", 429),
    "error with status 200": error(11050, "bad_request", 200),
    "server error": text("oops", 502),
    "not JSON": text("<html>"),
    "a list": text("[]"),
    "NaN": text(json.dumps({"result": {"data": [[AS_OF * 1_000 - 7_200_000, 1, 1, 1, float("nan")]]}})),
    "no result": text("{}"),
    "result of another kind": result("hello"),
    "candles of another kind": result({"data": "hello"}),
    "rows of another kind": result({"data": [None, 5, [], [1], ["a", 1, 1, 1, 1], [1, 1, 1, 1, "a"]]}),
    "no candles": result({"data": [], "continuation": None}),
    "deep": text("[" * 100_000),
    "numbers beyond floats": text(
        json.dumps({"result": {"data": [[1, 1, 1, 1, 10**400], [10**400, 1, 1, 1, 5]]}})
    ),
    "a strike beyond floats": result(
        [{"instrument_name": f"BTC-9DEC22-{'9' * 400}-C", "mark_iv": 5.0, "underlying_price": 1.0}]
    ),
    "connection refused": refused,
    "timeout": slow,
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN.keys())
def test_without_any_number_the_reading_says_why(broken: Answer) -> None:
    reading = read(broken, broken)
    assert (None, AS_OF) == (reading.volatility, reading.observed_at)
    assert "DVOL BTC: " in reading.reason
    assert "option book BTC: " in reading.reason


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN.keys())
def test_either_source_does_alone(broken: Answer) -> None:
    assert 0.60 == pytest.approx(read(candles(60.0), broken).volatility)
    assert 0.55 == pytest.approx(read(broken, book(55.0)).volatility)


def test_an_address_that_already_has_the_api_path_is_taken_as_it_is() -> None:
    asked: list[httpx.Request] = []

    def serve(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return candles(60.0)(request)

    Deribit("https://deribit.example/api/v2/", transport=httpx.MockTransport(serve)).read(
        ["BTC"], AS_OF, MONTH
    )
    assert "/api/v2/public/get_volatility_index_data" == asked[0].url.path


def test_a_recorded_answer_of_november_2022_is_understood() -> None:
    recorded = DATA / "deribit_fixtures" / "volatility_index_btc_3600_2022-11.json"
    if not recorded.exists():
        pytest.skip(f"no recorded data at {DATA}: set KEEPER_DATA_DIR")
    rows = json.loads(recorded.read_text())["result"]["data"]
    at = rows[10][0] // 1_000 + 3 * HOUR + 1_800
    serve = httpx.MockTransport(lambda _: httpx.Response(200, text=recorded.read_text()))
    (reading,) = Deribit("https://deribit.example", transport=serve).read(["BTC"], at, MONTH)
    assert (rows[12][4] / 100, rows[13][0] // 1_000) == (reading.volatility, reading.observed_at)


def hours_of(*candles_ohlc: tuple[float, float, float, float]) -> Answer:
    first = AS_OF - len(candles_ohlc) * HOUR
    return result({"data": [[(first + i * HOUR) * 1_000, *ohlc] for i, ohlc in enumerate(candles_ohlc)]})


FLAT = (60.0, 60.0, 60.0, 60.0)


def test_an_index_that_stood_still_for_six_candles_is_frozen() -> None:
    reading = read(hours_of((50.0, 61.0, 49.0, 60.0), *[FLAT] * 6), NOTHING)
    assert reading.volatility is None
    assert "DVOL BTC: frozen: 60.0%" in reading.reason
    assert 0.55 == pytest.approx(read(hours_of(*[FLAT] * 6), book(55.0)).volatility)


@pytest.mark.parametrize(
    "rows",
    [
        [FLAT] * 5,
        [*[FLAT] * 5, (60.0, 60.1, 60.0, 60.0)],
        [(60.0, 60.0, 59.9, 60.0), *[FLAT] * 5],
        [(59.0,) * 4, *[FLAT] * 5],
    ],
)
def test_any_move_within_six_candles_shows_that_it_lives(
    rows: list[tuple[float, float, float, float]],
) -> None:
    assert 0.60 == pytest.approx(read(hours_of(*rows), NOTHING).volatility)


def test_one_candle_said_six_times_is_one_candle() -> None:
    rows = [[(AS_OF - HOUR) * 1_000, *FLAT]] * 6
    assert 0.60 == pytest.approx(read(result({"data": rows}), NOTHING).volatility)


def test_a_book_made_long_before_the_block_is_frozen() -> None:
    assert 0.55 == pytest.approx(read(NOTHING, book(55.0, made_at=AS_OF - 900)).volatility)
    reading = read(NOTHING, book(55.0, made_at=AS_OF - 901))
    assert reading.volatility is None
    assert "option book BTC: frozen: made 901 s before the block" in reading.reason
    assert "it has no time" in read(NOTHING, book(55.0, made_at=0)).reason


@pytest.mark.parametrize("status", [200, 400, 429])
def test_error_10028_is_called_a_rate_limit(status: int) -> None:
    limited = error(10028, "too_many_requests", status)
    assert 2 == read(limited, limited).reason.count("rate limit")


def test_the_slice_tells_how_the_number_came_out() -> None:
    serve = httpx.MockTransport(book(55.0))
    found = Deribit("https://deribit.example", transport=serve).slice_of("BTC", AS_OF, MONTH)
    (expiry,) = found.expiries
    assert expiry.days == pytest.approx(30.333, abs=1e-3)
    assert expiry.volatility == pytest.approx(0.55)
    assert (expiry.marks, expiry.weight) == (2, 1.0)
    assert (expiry.volatility, AS_OF) == (found.volatility, found.observed_at)
    with pytest.raises(RateLimited):
        Deribit("https://deribit.example", transport=httpx.MockTransport(error(10028, "x"))).slice_of(
            "BTC", AS_OF, MONTH
        )
    with pytest.raises(FeedUnavailable):
        Deribit("https://deribit.example", transport=httpx.MockTransport(NOTHING)).slice_of(
            "BTC", AS_OF, MONTH
        )


@pytest.mark.faults
def test_local_books_are_read_on_a_socket_through_a_bad_line() -> None:
    history = load(None, None)
    with deribit_server(history, lambda: history.at) as url, http_faults(url) as proxy:
        deribit = Deribit(proxy.url)
        level = next(series for series in history.implied if series.underlying == "ETH")
        (sound,) = deribit.read(["ETH"], history.at, MONTH)
        assert 0.94 * level.volatility[-1] == pytest.approx(sound.volatility, rel=0.03)
        assert 2 == len(deribit.slice_of("ETH", history.at, MONTH).expiries)
        assert (
            len(
                {
                    e.expiry
                    for days in (1, 9, 60)
                    for e in deribit.slice_of("ETH", history.at, days * 86_400).expiries
                }
            )
            > 3
        )

        for how in ("drop", "truncate", "garble", "status"):
            fault = proxy.fault(how, count=-1)
            (reading,) = deribit.read(["ETH"], history.at, MONTH)
            assert reading.volatility is None
            fault.count = 0
        proxy.rate_limit(1, path="volatility_index")
        (reading,) = deribit.read(["ETH"], history.at, MONTH)
        assert (sound.volatility, True) == (reading.volatility, "rate limit" in reading.reason)
        proxy.lie(
            lambda answer: {
                **answer,
                "result": [
                    {**entry, "creation_timestamp": (history.at - 3_600) * 1_000}
                    for entry in answer["result"]
                ],
            },
            "book_summary",
        )
        (reading,) = deribit.read(["ETH"], history.at, MONTH)
        assert ("Deribit DVOL", True) == (reading.source, "frozen" in reading.reason)
        deribit.close()


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats()
    | st.sampled_from(["BTC-9DEC22-18000-C", "x"]),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(
            st.sampled_from(
                [
                    "result",
                    "data",
                    "error",
                    "code",
                    "instrument_name",
                    "mark_iv",
                    "underlying_price",
                    "creation_timestamp",
                    "bid_price",
                    "ask_price",
                ]
            ),
            inner,
        )
    ),
    max_leaves=30,
)


@given(JSON, JSON)
def test_a_reading_never_raises(index: Any, options: Any) -> None:
    wrapped = [text(json.dumps(body)) for body in (index, {"result": options}, {"result": {"data": index}})]
    for first, second in ((wrapped[0], wrapped[0]), (wrapped[2], wrapped[1])):
        reading = read(first, second)
        assert reading.volatility is None or 0.01 <= reading.volatility < 5.0
