"""What Deribit's API would answer, without a server."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keeper.devnet.deribit_market import DeribitError, DeribitMarket
from keeper.devnet.history import MarketHistory, PriceSeries, Source, load
from keeper.domain.path import ImpliedPath

HOUR = 3_600
AT = int(datetime(2022, 6, 10, tzinfo=UTC).timestamp())
FIXTURES = Path(os.environ.get("KEEPER_DATA_DIR", "../shared/data")) / "deribit_fixtures"


def a_history(hours: int = 2_500, *, implied: bool = True) -> MarketHistory:
    """BTC's index rises by 0.01 percentage points an hour and ends at 80 %."""
    times = AT - HOUR * np.arange(hours - 1, -1, -1, dtype=np.int64)
    volatility = 0.80 - 0.0001 * np.arange(hours - 1, -1, -1, dtype=np.float64)
    prices = tuple(
        PriceSeries(symbol, times[-10:], np.full(10, price))
        for symbol, price in (("WBTC", 30_000.0), ("WETH", 1_800.0), ("USDC", 1.0))
    )
    series = (ImpliedPath("BTC", times, volatility),) if implied else ()
    return MarketHistory(AT, Source.GENERATED, prices, series, (), ())


class Clock:
    def __init__(self, now: int = AT) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now


def a_market(history: MarketHistory | None = None, clock: Clock | None = None) -> DeribitMarket:
    known = history or a_history()
    return DeribitMarket(known, clock or Clock(), known.last_price)


def dvol(market: DeribitMarket, start: int, end: int) -> Any:
    params = {
        "currency": "BTC",
        "start_timestamp": str(start * 1_000),
        "end_timestamp": str(end * 1_000),
        "resolution": "3600",
    }
    return market.call("public/get_volatility_index_data", params)


def test_an_hour_closes_at_the_value_known_at_its_end_in_percent() -> None:
    data = dvol(a_market(), AT - 2 * HOUR, AT - HOUR)["data"]
    assert data == [
        [(AT - 2 * HOUR) * 1_000, 79.98, 79.99, 79.98, 79.99],
        [(AT - HOUR) * 1_000, 79.99, 80.0, 79.99, 80.0],
    ]


def test_a_long_request_gets_the_newest_thousand_and_continues_to_every_older_one() -> None:
    market = a_market()
    seen: list[int] = []
    end: int | None = AT - HOUR
    pages = 0
    while end is not None:
        page = dvol(market, 0, end)
        assert len(page["data"]) <= 1_000
        seen = [candle[0] for candle in page["data"]] + seen
        end = None if page["continuation"] is None else page["continuation"] // 1_000
        pages += 1
    assert pages == 3
    assert seen == [(AT - HOUR * k) * 1_000 for k in range(2_500, 0, -1)]


def test_the_last_candle_is_the_open_one() -> None:
    clock = Clock(AT + HOUR + 900)
    data = dvol(a_market(clock=clock), AT, AT + 10 * HOUR)["data"]
    assert [candle[0] for candle in data] == [AT * 1_000, (AT + HOUR) * 1_000]
    assert data[-1][4] == 80.0, "after the history the index stays where it was"


def test_nothing_later_than_now_is_answered() -> None:
    data = dvol(a_market(clock=Clock(AT - 10 * HOUR)), 0, AT + HOUR)["data"]
    assert data[-1][0] <= (AT - 10 * HOUR) * 1_000
    assert data[-1][4] == pytest.approx(79.90)


def test_before_the_index_existed_the_answer_is_empty() -> None:
    market = a_market(a_history(implied=False))
    assert dvol(market, 0, AT) == {"data": [], "continuation": None}
    assert market.call("public/get_book_summary_by_currency", {"currency": "BTC", "kind": "option"}) == []


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"currency": "LINK"}, "currency"),
        ({"currency": ""}, "currency"),
        ({"start_timestamp": "soon"}, "start_timestamp"),
        ({"end_timestamp": "-1"}, "end_timestamp"),
        ({"resolution": "1h"}, "resolution"),
        ({"start_timestamp": "2000"}, "start_timestamp"),
    ],
)
def test_wrong_parameters_are_named(change: dict[str, str], param: str) -> None:
    params = {
        "currency": "BTC",
        "start_timestamp": "0",
        "end_timestamp": "1000",
        "resolution": "3600",
    } | change
    with pytest.raises(DeribitError) as refused:
        a_market().call("public/get_volatility_index_data", params)
    assert refused.value.code == -32602
    assert refused.value.data is not None
    assert refused.value.data["param"] == param


def test_an_unknown_method_has_its_code() -> None:
    with pytest.raises(DeribitError) as unknown:
        a_market().call("public/get_tea", {})
    assert unknown.value.code == -32601


def test_the_book_at_the_money_is_near_the_index() -> None:
    book = a_market().call("public/get_book_summary_by_currency", {"currency": "BTC", "kind": "option"})
    near = [entry for entry in book if abs(entry["underlying_price"] / 30_000 - 1) < 0.05]
    assert near
    for entry in book:
        strike = float(entry["instrument_name"].split("-")[2])
        if abs(strike / entry["underlying_price"] - 1) < 0.01:
            assert 0.9 < entry["mark_iv"] / 80.0 < 1.1


def test_the_index_price_is_the_spot() -> None:
    answer = a_market().call("public/get_index_price", {"index_name": "eth_usd"})
    assert answer == {"index_price": 1_800.0, "estimated_delivery_price": 1_800.0}


recorded = pytest.mark.skipif(not FIXTURES.is_dir(), reason="no recorded Deribit answers in KEEPER_DATA_DIR")


@recorded
@pytest.mark.parametrize(
    ("fixture", "method", "params"),
    [
        (
            "recorded_book_summary_btc_option",
            "get_book_summary_by_currency",
            {"currency": "BTC", "kind": "option"},
        ),
        ("index_price_btc_usd", "get_index_price", {"index_name": "btc_usd"}),
    ],
)
def test_answers_have_the_recorded_fields(fixture: str, method: str, params: dict[str, str]) -> None:
    theirs = json.loads((FIXTURES / f"{fixture}.json").read_text())["result"]
    ours = a_market().call(f"public/{method}", params)
    if isinstance(theirs, list):
        theirs, ours = theirs[0], ours[0]
    assert set(theirs) == set(ours)


@pytest.mark.slow
@recorded
def test_hourly_closes_are_the_recorded_candles() -> None:
    fixture = json.loads((FIXTURES / "volatility_index_btc_3600_2022-11.json").read_text())["result"]["data"]
    history = load(datetime(2022, 11, 11, tzinfo=UTC), FIXTURES.parent)
    market = DeribitMarket(history, Clock(history.at), history.last_price)
    ours = {c[0]: c[4] for c in dvol(market, fixture[0][0] // 1_000, history.at - HOUR)["data"]}
    theirs = {c[0]: c[4] for c in fixture if c[0] < history.at * 1_000}
    common = set(ours) & set(theirs)
    assert len(common) > 60
    assert all(ours[at] == pytest.approx(theirs[at], abs=0.02) for at in common)
