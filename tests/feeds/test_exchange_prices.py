"""The price of now from an exchange, and Deribit's index."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from keeper.domain.errors import FeedUnavailable
from keeper.feeds.candle_venue import CandleVenue
from keeper.feeds.coinbase import Coinbase
from keeper.feeds.deribit_index import DeribitIndex
from keeper.feeds.kraken import Kraken
from tests.feeds.venues import (
    EVERY,
    GOOD,
    HISTORY,
    NOW,
    Make,
    answering,
    body_of,
    row_of,
)

pytestmark = pytest.mark.faults  # a server on this machine answers as the exchanges do


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
