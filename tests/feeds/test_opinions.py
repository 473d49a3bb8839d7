"""Several exchanges asked at once: an opinion each, in order, in time, and never an exception."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import closing

import pytest

from keeper.devnet.deribit_server import deribit_server
from keeper.devnet.exchange_server import exchange_server
from keeper.devnet.history import load
from keeper.domain.errors import FeedUnavailable
from keeper.feeds.deribit_index import DeribitIndex
from keeper.feeds.opinions import CANDLE_VENUES, Exchanges
from tests.servers.http_faults import http_faults

AS_OF = 1_700_000_000
REFERENCES = {"WETH": "ETH", "WBTC": "BTC", "USDC": "USDC"}


class FakeVenue:
    def __init__(self, name: str, answer: Callable[[str, int], tuple[float, int]]) -> None:
        self.name = name
        self.price = answer
        self.closed = False

    def close(self) -> None:
        self.closed = True


def fixed(name: str, price: float = 5.0, age_s: int = 0) -> FakeVenue:
    return FakeVenue(name, lambda _, as_of: (price, as_of - age_s))


def test_symbols_in_the_order_given_and_of_each_the_venues_as_configured() -> None:
    started = threading.Barrier(6, timeout=10)

    def together(_: str, as_of: int) -> tuple[float, int]:
        started.wait()  # breaks unless all six are asked at the same time
        return 2.0, as_of

    found = Exchanges([FakeVenue("b", together), FakeVenue("a", together)], max_age_s=300).read(
        REFERENCES, AS_OF
    )
    assert [(symbol, venue) for symbol in REFERENCES for venue in ("b", "a")] == [
        (o.symbol, o.source) for o in found
    ]
    assert {(2.0, AS_OF, "")} == {(o.price_usd, o.observed_at, o.reason) for o in found}


def test_nothing_asked_nothing_said() -> None:
    assert () == Exchanges([], max_age_s=300).read(REFERENCES, AS_OF)
    assert () == Exchanges([fixed("a")], max_age_s=300).read({}, AS_OF)


@pytest.mark.parametrize(
    ("age_s", "counts"), [(0, True), (300, True), (301, False), (-60, True), (-61, False)]
)
def test_what_is_old_or_from_the_future_is_no_word(age_s: int, counts: bool) -> None:
    (found,) = Exchanges([fixed("a", age_s=age_s)], max_age_s=300).read({"X": "X"}, AS_OF)
    assert (5.0 if counts else None, AS_OF - age_s, not counts) == (
        found.price_usd,
        found.observed_at,
        bool(found.reason),
    )


@pytest.mark.parametrize("price", [0.0, -1.0, float("nan"), float("inf")])
def test_what_is_no_price_is_none(price: float) -> None:
    (found,) = Exchanges([fixed("a", price)], max_age_s=300).read({"X": "X"}, AS_OF)
    assert found.price_usd is None
    assert "not a price" in found.reason


@pytest.mark.parametrize(
    "error", [FeedUnavailable("it is down", remedy="wait"), RuntimeError("a bug"), KeyError("x")]
)
def test_whatever_a_venue_raises_is_a_reason(error: Exception) -> None:
    def broken(_: str, __: int) -> tuple[float, int]:
        raise error

    bad, good = Exchanges([FakeVenue("bad", broken), fixed("good")], max_age_s=300).read({"X": "X"}, AS_OF)
    assert (None, AS_OF) == (bad.price_usd, bad.observed_at)
    assert str(error) in bad.reason
    assert 5.0 == good.price_usd


def test_who_is_late_is_not_waited_for() -> None:
    released = threading.Event()

    def late(_: str, as_of: int) -> tuple[float, int]:
        released.wait(30)
        return 1.0, as_of

    started = time.monotonic()
    # More late ones than threads: the last are never begun.
    venues = [fixed("quick"), *(FakeVenue(f"late {n}", late) for n in range(10))]
    found = Exchanges(venues, max_age_s=300, deadline_s=0.2).read({"X": "X"}, AS_OF)
    assert time.monotonic() - started < 5
    released.set()
    assert [5.0] + [None] * 10 == [opinion.price_usd for opinion in found]
    assert {"no answer in 0.2 s"} == {opinion.reason.split(": ")[1] for opinion in found[1:]}


@pytest.mark.faults
def test_three_exchanges_and_an_index_of_which_two_misbehave() -> None:
    history = load(None, None)
    now = history.at + 100
    with (
        exchange_server(history, lambda: now) as exchanges,
        deribit_server(history, lambda: now) as deribit,
        http_faults(exchanges) as proxy,
    ):
        proxy.fault("drop", "/products/", count=-1)
        proxy.lie(
            lambda rows: [[*row[:4], str(3 * float(row[4])), *row[5:]] for row in rows], "klines?symbol=BTC"
        )
        venues = [venue(proxy.url, wait=lambda _: None) for venue in CANDLE_VENUES.values()]
        index = DeribitIndex(deribit)
        with closing(Exchanges([*venues, index], max_age_s=300)) as every:
            found = every.read(REFERENCES, now)
    by = {(opinion.symbol, opinion.source): opinion for opinion in found}
    assert 12 == len(by)
    weth = pytest.approx(history.last_price("WETH"), rel=1e-4)
    assert [None, weth, weth, weth] == [opinion.price_usd for opinion in found[:4]]
    assert "no answer" in by["WETH", "coinbase"].reason
    # Three times the price lies above its own high: no such row.
    assert (None, True) == (by["WBTC", "binance"].price_usd, "no trade" in by["WBTC", "binance"].reason)
    assert "not traded" in by["USDC", "coinbase"].reason
    assert by["USDC", "kraken"].price_usd is not None
    assert by["USDC", "deribit"].price_usd is None


def test_closing_closes_every_venue() -> None:
    venues = [fixed("a"), fixed("b")]
    Exchanges(venues, max_age_s=300).close()
    assert [True, True] == [venue.closed for venue in venues]
