"""What is missing is fetched, nothing twice, and nothing is lost when it breaks off."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.app.backfill import from_file, is_file, now, open_for_bars
from keeper.app.venue_bars import WINDOW, BarRequest, backfill
from keeper.domain.errors import BadInput, FeedUnavailable
from keeper.domain.prices import Candle
from keeper.journal.bars import Added, StoredBars
from keeper.journal.store import Journal
from keeper.settings.schema import Settings
from tests.properties import examples

HOUR = 3_600
START = 450_000


def a_candle(hour: int, factor: float = 1.0) -> Candle:
    close = (100.0 + hour % 977) * factor
    return Candle(hour * HOUR, HOUR, close, close * 1.01, close * 0.99, close)


class FakeVenue:
    """Has ``hours``; gives pages of ``page`` bars, the newest first if so; gives out after ``pages`` of them."""

    def __init__(
        self, hours: Sequence[int], *, page: int = 100, newest_first: bool = False, pages: int = 10**6
    ) -> None:
        self.name = "fake"
        self.hours = set(hours)
        self.page = page
        self.newest_first = newest_first
        self.pages = pages
        self.asked: list[tuple[int, int]] = []
        self.error: BaseException = FeedUnavailable("the venue is gone", remedy="Wait.")

    def candles(self, reference: str, seconds: int, since: int, until: int) -> Iterator[tuple[Candle, ...]]:
        assert (reference, seconds) == ("ETH", HOUR)
        self.asked.append((since // HOUR - START, until // HOUR - START))
        found = [hour for hour in range(since // HOUR + 1, until // HOUR + 1) if hour in self.hours]
        pages = [found[first : first + self.page] for first in range(0, len(found), self.page)]
        for page in reversed(pages) if self.newest_first else pages:
            if self.pages == 0:
                raise self.error
            self.pages -= 1
            yield tuple(a_candle(hour) for hour in page)


def hours(first: int, last: int) -> range:
    return range(START + first, START + last + 1)


def run(venue: FakeVenue, stored: StoredBars, first: int, last: int) -> tuple[Added, str]:
    """From hour ``first`` to hour ``last``, both included."""
    since, until = (START + first - 1) * HOUR, (START + last) * HOUR + 17
    filled = backfill(venue, stored, BarRequest("WETH", "ETH", seconds=HOUR, since=since, until=until))
    return filled.added, filled.failure


def stored_hours(stored: StoredBars) -> list[int]:
    return [one.closed_at // HOUR - START for one in stored.closes(["WETH"], 0).get("WETH", ())]


@pytest.fixture
def stored(tmp_path: Path) -> Iterator[StoredBars]:
    with Journal.open(f"sqlite:///{tmp_path / 'keeper.db'}") as journal:
        yield StoredBars(journal)


@pytest.mark.parametrize("newest_first", [False, True])
def test_a_first_import_takes_all_there_is(stored: StoredBars, newest_first: bool) -> None:
    venue = FakeVenue(hours(1, 2_500), newest_first=newest_first)
    told: list[tuple[int, int]] = []
    filled = backfill(
        venue,
        stored,
        BarRequest("WETH", "ETH", seconds=HOUR, since=START * HOUR, until=(START + 2_500) * HOUR),
        lambda done, of: told.append((done, of)),
    )
    assert filled.added == Added(2_500, 0, 0)
    assert filled.span == ((START + 1) * HOUR, (START + 2_500) * HOUR)
    assert stored_hours(stored) == list(range(1, 2_501))
    assert told == [(1_000, 2_500), (2_000, 2_500), (2_500, 2_500)]


def test_a_second_run_asks_for_nothing(stored: StoredBars) -> None:
    run(FakeVenue(hours(1, 300)), stored, 1, 300)
    again = FakeVenue(hours(1, 300))
    assert run(again, stored, 1, 300) == (Added(0, 0, 0), "")
    assert again.asked == []


def test_only_windows_in_which_something_is_missing_are_asked_for(stored: StoredBars) -> None:
    run(FakeVenue(hours(1, 400)), stored, 100, 200)
    venue = FakeVenue(hours(1, 3_000))
    assert run(venue, stored, 50, 1_300)[0] == Added(1_150, 101, 0)
    assert venue.asked == [(300, 1_300), (49, 300)]
    assert stored_hours(stored) == list(range(50, 1_301))


def test_a_venue_that_goes_no_further_back_is_asked_once_more_only(stored: StoredBars) -> None:
    venue = FakeVenue(hours(9_000, 9_720))
    assert run(venue, stored, 1, 9_720)[0].new == 721
    assert len(venue.asked) == 2
    again = FakeVenue(hours(9_000, 9_720))
    run(again, stored, 1, 9_720)
    assert len(again.asked) == 1


@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize("error", [FeedUnavailable("gone", remedy=""), KeyboardInterrupt()])
def test_an_interruption_loses_no_page_and_leaves_no_hole(
    stored: StoredBars, newest_first: bool, error: BaseException
) -> None:
    venue = FakeVenue(hours(1, 2_500), newest_first=newest_first, pages=7)
    venue.error = error
    if isinstance(error, FeedUnavailable):
        assert run(venue, stored, 1, 2_500) == (Added(700, 0, 0), "gone")
    else:
        with pytest.raises(KeyboardInterrupt):
            run(venue, stored, 1, 2_500)
    assert len(stored_hours(stored)) == 700
    after = FakeVenue(hours(1, 2_500), newest_first=newest_first)
    assert run(after, stored, 1, 2_500)[0].new == 1_800
    assert stored_hours(stored) == list(range(1, 2_501))


@pytest.mark.slow
@given(st.data())
@examples(10)
def test_whatever_breaks_off_in_the_end_everything_is_there(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    outages = data.draw(st.lists(st.tuples(st.integers(1, 3_000), st.integers(1, 200)), max_size=4))
    there = [
        hour
        for hour in range(1, 3_001)
        if not any(first <= hour < first + length for first, length in outages)
    ]
    url = f"sqlite:///{tmp_path_factory.mktemp('journal') / 'keeper.db'}"
    with Journal.open(url) as journal:
        stored = StoredBars(journal)
        for _ in range(data.draw(st.integers(0, 4))):
            first = data.draw(st.integers(1, 3_000))
            venue = FakeVenue(
                [START + hour for hour in there],
                page=data.draw(st.integers(50, 400)),
                newest_first=data.draw(st.booleans()),
                pages=data.draw(st.integers(0, 12)),
            )
            run(venue, stored, first, data.draw(st.integers(first, 3_000)))
        run(FakeVenue([START + hour for hour in there]), stored, 1, 3_000)
        assert stored_hours(stored) == there
        journal.verify()


def test_a_venue_that_lost_an_asset_long_ago_still_gives_what_it_had(stored: StoredBars) -> None:
    assert run(FakeVenue(hours(1, 500)), stored, 1, 4_000)[0].new == 500


def test_a_hole_that_the_venue_has_too_is_no_reason_to_stop(stored: StoredBars) -> None:
    with_hole = [*hours(1, 500), *hours(520, 2_600)]
    run(FakeVenue(with_hole), stored, 1, 2_600)
    venue = FakeVenue(with_hole)
    assert run(venue, stored, 1, 2_700) == (Added(0, 0, 0), "")
    assert run(FakeVenue(hours(1, 2_700)), stored, 1, 2_700)[0].new == 119
    assert stored_hours(stored) == list(range(1, 2_701))


def test_another_sources_word_on_a_known_hour_is_counted_and_left(stored: StoredBars) -> None:
    stored.add("WETH", "other", tuple(a_candle(hour, 1.001) for hour in hours(10, 20) if hour % 2))
    added, _ = run(FakeVenue(hours(1, 30)), stored, 1, 30)
    assert (added.new, added.same, added.different) == (25, 0, 5)
    assert len(stored_hours(stored)) == 30


def test_bars_of_another_length_do_not_count_as_known(stored: StoredBars) -> None:
    day = (START + 23) // 24 * 24
    stored.add("WETH", "daily", (Candle(day * HOUR, 24 * HOUR, 1.0, 1.0, 1.0, 1.0),))
    assert run(FakeVenue(hours(1, 30)), stored, 1, 30)[0] == Added(30, 0, 0)


def test_a_window_is_never_longer_than_it_may_be(stored: StoredBars) -> None:
    stored.add("WETH", "other", tuple(a_candle(hour) for hour in hours(1, 4_000) if hour % 3))
    venue = FakeVenue(hours(1, 4_000))
    run(venue, stored, 1, 4_000)
    assert max(last - first for first, last in venue.asked) <= WINDOW
    assert len(venue.asked) <= 5


def test_a_file_of_one_asset_needs_to_be_told_which(stored: StoredBars) -> None:
    candles = {"": [a_candle(hour) for hour in hours(1, 3)]}
    with pytest.raises(BadInput, match="no column symbol"):
        from_file(stored, "prices.csv", candles, ("WETH", "UNI"), 0)
    (filled,) = from_file(stored, "prices.csv", candles, ("UNI",), (START + 1) * HOUR)
    assert (filled.symbol, filled.source, filled.added.new) == ("UNI", "prices.csv", 2)


def test_a_file_of_others_is_refused(stored: StoredBars) -> None:
    with pytest.raises(BadInput, match="DOGE"):
        from_file(stored, "prices.csv", {"DOGE": [a_candle(1)]}, ("UNI",), 0)


def test_bars_are_stored_beside_a_running_keeper(journal_url: str) -> None:
    with Journal.open(journal_url) as keepers, open_for_bars(journal_url) as ours:
        StoredBars(ours).add("UNI", "x", (a_candle(START),))
        assert StoredBars(keepers).span("UNI") == (START * HOUR, START * HOUR)
        assert keepers.verify() == 1


def test_a_journal_that_is_not_there_yet_is_made(journal_url: str) -> None:
    with open_for_bars(journal_url) as journal:
        StoredBars(journal).add("UNI", "x", (a_candle(START),))
    with Journal.open(journal_url) as journal:
        assert journal.verify() == 1


@pytest.mark.faults
def test_without_a_node_that_answers_the_time_is_this_machines(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda _: None)
    told: list[str] = []
    assert abs(now(Settings(), told.append) - time.time()) < 60
    assert told == []
    address = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
    named = Settings(rpc_url="http://127.0.0.1:9", chain_id=31337, vault=address, quoter=address)
    assert abs(now(named, told.append) - time.time()) < 60
    assert "this machine's clock" in told[0]


def test_a_source_is_a_name_or_a_file() -> None:
    assert [is_file(name) for name in ("rounds", "coinbase", "prices.csv")] == [False, False, True]
    with pytest.raises(BadInput, match="coinbas "):
        is_file("coinbas")
