from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.pool import NullPool

from keeper.cycle.history_references import digest, references
from keeper.domain.errors import JournalCorrupt, JournalUnwritable
from keeper.domain.prices import Candle
from keeper.journal.bars import Added, StoredBars
from keeper.journal.store import Journal

HOUR = 3_600


@pytest.fixture
def journal(journal_url: str) -> Iterator[Journal]:
    with Journal.open(journal_url) as opened:
        yield opened


@pytest.fixture
def stored(journal: Journal) -> StoredBars:
    return StoredBars(journal)


def a_candle(number: int, **changes: float) -> Candle:
    candle = Candle(number * HOUR, HOUR, 100.1 + number, 103.0 + number, 99.0 + number, 101.7 + number)
    return replace(candle, **changes)  # type: ignore[arg-type]


def some_candles(first: int, last: int) -> tuple[Candle, ...]:
    return tuple(a_candle(number) for number in range(first, last + 1))


def test_candles_come_back_oldest_first_to_the_bit(stored: StoredBars) -> None:
    candles = (a_candle(1, close=math.nextafter(0.1, 1)), a_candle(2, close=1 / 3), a_candle(3, close=5e-324))
    assert stored.add("LINK", "coinbase", tuple(reversed(candles))) == Added(3, 0, 0)
    assert stored.closes(["LINK"], 0) == {"LINK": candles}


def test_only_what_was_asked_for_comes_back(stored: StoredBars) -> None:
    stored.add("LINK", "coinbase", some_candles(1, 5))
    stored.add("UNI", "coinbase", some_candles(3, 4))
    assert stored.closes(["UNI", "WETH"], 4 * HOUR) == {"UNI": some_candles(4, 4)}
    assert stored.closes([], 0) == {}
    assert (stored.span("LINK"), stored.span("WETH")) == ((HOUR, 5 * HOUR), None)


def test_a_known_bar_is_left_as_it_is_and_counted(stored: StoredBars) -> None:
    stored.add("LINK", "coinbase", some_candles(1, 3))
    offered = (
        a_candle(1),
        a_candle(2, close=103.7 * (1 + 1e-12)),
        a_candle(3, close=104.7 * 1.000_001),
        a_candle(4),
    )
    assert stored.add("LINK", "kraken", offered) == Added(new=1, same=2, different=1)
    assert stored.closes(["LINK"], 0)["LINK"] == some_candles(1, 4)
    assert set(stored.sources("LINK", 3 * HOUR).items()) == {
        ((HOUR, 3 * HOUR), "coinbase"),
        ((HOUR, 4 * HOUR), "kraken"),
    }


def test_what_comes_twice_in_one_page_is_stored_once(stored: StoredBars) -> None:
    assert stored.add("LINK", "x", (a_candle(1), a_candle(1), a_candle(1, close=7.0))) == Added(1, 1, 1)


def test_bars_of_two_lengths_that_close_together_are_two_bars(stored: StoredBars) -> None:
    day = Candle(24 * HOUR, 24 * HOUR, 1.0, 2.0, 0.5, 1.5)
    assert stored.add("LINK", "x", (day, a_candle(24))) == Added(2, 0, 0)
    assert [one.seconds for one in stored.closes(["LINK"], 0)["LINK"]] == [HOUR, 24 * HOUR]


def test_a_source_that_only_knows_closes_agrees_with_one_that_knows_more(stored: StoredBars) -> None:
    bare = a_candle(1, open=math.nan, high=math.nan, low=math.nan)
    assert stored.add("LINK", "file", (bare,)) == Added(1, 0, 0)
    assert stored.add("LINK", "coinbase", (a_candle(1),)) == Added(0, 1, 0)
    (found,) = stored.closes(["LINK"], 0)["LINK"]
    assert (found.close, math.isnan(found.open)) == (a_candle(1).close, True)


@pytest.mark.parametrize(
    "wrong", [a_candle(2, closed_at=2 * HOUR + 1), a_candle(2, close=0.0), a_candle(2, close=math.nan)]
)
def test_a_bar_off_its_grid_or_without_a_price_is_refused_with_its_whole_page(
    stored: StoredBars, wrong: Candle
) -> None:
    with pytest.raises(JournalUnwritable):
        stored.add("LINK", "x", (a_candle(1), wrong))
    assert stored.closes(["LINK"], 0) == {}


def test_each_import_is_an_entry_of_the_chain_and_a_changed_price_is_found(
    journal: Journal, journal_url: str
) -> None:
    stored = StoredBars(journal)
    stored.add("LINK", "x", some_candles(1, 3))
    stored.add("LINK", "x", some_candles(2, 6))
    stored.add("LINK", "x", some_candles(2, 6))
    assert journal.verify() == 2
    address = make_url(journal_url)
    if "postgresql" in journal_url:
        address = address.set(drivername="postgresql+psycopg")
    with create_engine(address, poolclass=NullPool).begin() as connection:
        connection.execute(text(f"UPDATE bars SET close = close * 1.01 WHERE closed_at = {5 * HOUR}"))
    with pytest.raises(JournalCorrupt, match="bars"):
        journal.verify()


def test_a_reference_finds_its_candles_again_whatever_was_added_since(stored: StoredBars) -> None:
    stored.add("LINK", "x", some_candles(20, 30))
    stored.add("LINK", "x", some_candles(2, 9))
    (reference,) = references(stored.closes(["LINK"], 5 * HOUR))
    kept = (*some_candles(5, 9), *some_candles(20, 30))
    assert (reference.since, reference.until, reference.count) == (5 * HOUR, 30 * HOUR, 16)
    stored.add("LINK", "y", some_candles(10, 40))
    stored.add("LINK", "y", (Candle(24 * HOUR, 24 * HOUR, 1.0, 2.0, 0.5, 1.5),))
    assert stored.referred(reference) == kept
    assert digest(kept) == reference.sha256


def test_a_digest_sees_one_bit() -> None:
    nudged = a_candle(1, close=math.nextafter(a_candle(1).close, 0))
    assert digest([a_candle(1)]) != digest([nudged])


def test_a_journal_that_does_not_exist_has_no_bars(journal_url: str) -> None:
    with Journal.open_if_there(journal_url) as empty:
        assert StoredBars(empty).closes(["LINK"], 0) == {}


@pytest.mark.slow
def test_a_long_history_is_stored_in_one_go(stored: StoredBars) -> None:
    assert stored.add("LINK", "x", some_candles(1, 20_000)).new == 20_000
    assert stored.add("LINK", "x", some_candles(1, 20_000)).same == 20_000
