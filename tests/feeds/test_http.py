"""One GET of JSON against a real socket that does everything wrong. Whatever happens is a FeedUnavailable, in time."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.devnet.exchange_server import exchange_server
from keeper.devnet.history import load
from keeper.domain.errors import FeedUnavailable, HttpRefusal, RateLimited
from keeper.feeds.http import JsonSource, decimal, number
from tests.servers.http_faults import HttpFaults, http_faults

pytestmark = pytest.mark.faults  # a proxy on this machine spoils the answers

HISTORY = load(None, None)
PATH = "/api/v3/klines"
PARAMS: dict[str, str | int] = {
    "symbol": "ETHUSDT",
    "interval": "1h",
    "startTime": (HISTORY.at - 7_200) * 1_000,
}


@pytest.fixture
def proxy() -> Iterator[HttpFaults]:
    with exchange_server(HISTORY, lambda: HISTORY.at) as url, http_faults(url) as faults:
        yield faults


@pytest.fixture
def source(proxy: HttpFaults) -> Iterator[JsonSource]:
    made = JsonSource(proxy.url, "Example", timeout_s=5.0)
    yield made
    made.close()


def answering(response: httpx.Response, **limits: Any) -> JsonSource:
    return JsonSource(
        "http://example", "Example", transport=httpx.MockTransport(lambda _: response), **limits
    )


def test_an_answer_is_its_json_and_the_parameters_arrive(proxy: HttpFaults, source: JsonSource) -> None:
    rows = source.get(PATH, PARAMS, "candles")
    assert 3 == len(rows)
    assert f"{PATH}?symbol=ETHUSDT&interval=1h&startTime={PARAMS['startTime']}" == proxy.asked[0]


@pytest.mark.parametrize("how", ["drop", "truncate", "garble"])
def test_what_breaks_on_the_way_is_unavailable_and_the_next_request_is_not_harmed(
    proxy: HttpFaults, source: JsonSource, how: str
) -> None:
    proxy.fault(how)
    with pytest.raises(FeedUnavailable, match="candles: ") as caught:
        source.get(PATH, PARAMS, "candles")
    assert "check Example" in caught.value.remedy
    assert 3 == len(source.get(PATH, PARAMS, "candles"))


@pytest.mark.parametrize("how", ["delay", "trickle", "trickle_headers"])
def test_a_request_has_one_deadline_however_its_time_is_spent(proxy: HttpFaults, how: str) -> None:
    proxy.fault(how)
    impatient = JsonSource(proxy.url, "Example", timeout_s=0.2)
    started = time.monotonic()
    with pytest.raises(FeedUnavailable, match="candles: timed out"):
        impatient.get(PATH, PARAMS, "candles")
    assert time.monotonic() - started < 2.0
    impatient.close()


@pytest.mark.parametrize("status", [429, 418])
@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, 1.0),
        ("7", 7.0),
        ("0", 0.0),
        ("0.5", 0.5),
        ("3600", 60.0),
        ("-3", 1.0),
        ("nan", 1.0),
        ("inf", 1.0),
        ("Wed, 21 Oct 2026 07:28:00 GMT", 1.0),
        ("9" * 30, 60.0),
        ("9" * 400, 1.0),
    ],
)
def test_a_rate_limit_says_how_long_to_stay_away(
    proxy: HttpFaults, source: JsonSource, status: int, header: str | None, seconds: float
) -> None:
    proxy.rate_limit(1, header, status=status)
    with pytest.raises(RateLimited, match="rate limit") as caught:
        source.get(PATH, PARAMS, "candles")
    assert seconds == caught.value.retry_after_s


def test_another_status_carries_the_answer(source: JsonSource) -> None:
    with pytest.raises(HttpRefusal, match="candles: HTTP 400") as caught:
        source.get(PATH, {"symbol": "NONE", "interval": "1h"}, "candles")
    assert (400, {"code": -1121, "msg": "Invalid symbol."}) == (caught.value.status, caught.value.answer)


def test_a_redirection_is_not_followed() -> None:
    moved = httpx.Response(302, headers={"location": "http://elsewhere"}, json={})
    with pytest.raises(HttpRefusal, match="HTTP 302"):
        answering(moved).get("/", {}, "x")


@pytest.mark.parametrize(
    "text", ["NaN", "[Infinity]", '{"a": -Infinity}', "", "{", "[" * 100_000, "1" * 5_000]
)
def test_what_is_not_json_is_refused(text: str) -> None:
    with pytest.raises(FeedUnavailable):
        answering(httpx.Response(200, text=text)).get("/", {}, "x")


def test_an_answer_larger_than_the_limit_is_refused() -> None:
    with pytest.raises(FeedUnavailable, match="larger than 100 bytes"):
        answering(httpx.Response(200, json=[1] * 100), max_response_bytes=100).get("/", {}, "x")


def test_an_unreachable_host_is_unavailable(proxy: HttpFaults) -> None:
    nobody = JsonSource("http://127.0.0.1:9", "Example", timeout_s=1.0)
    with pytest.raises(FeedUnavailable, match=r"no answer \(ConnectError\)"):
        nobody.get("/", {}, "x")
    nobody.close()


def test_threads_share_a_source(source: JsonSource) -> None:
    lengths: list[int] = []
    threads = [
        threading.Thread(target=lambda: lengths.append(len(source.get(PATH, PARAMS, "x")))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [3] * 8 == lengths


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_survives_as_number_and_as_text(value: float) -> None:
    assert value == number(value) == decimal(value) == decimal(f"{value!r}")


@given(
    st.one_of(
        st.none(), st.booleans(), st.lists(st.integers()), st.just(10**400), st.text("+_ xeEnaif", max_size=6)
    )
)
def test_what_is_no_number_is_none(value: object) -> None:
    assert number(value) is None
    assert decimal(value) is None


@given(st.binary(max_size=200))
def test_any_body_is_an_answer_or_unavailable(body: bytes) -> None:
    try:
        found = answering(httpx.Response(200, content=body)).get("/", {}, "x")
    except FeedUnavailable:
        return
    assert json.loads(body) == found
