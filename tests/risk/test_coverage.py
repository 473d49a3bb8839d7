"""Bars of other sources, only for the time before a feed's first round."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.domain.evidence import PriceBars
from keeper.domain.prices import Candle
from keeper.risk.bars import candles_on_grid, with_earlier_candles
from keeper.risk.coverage import coverage, is_enough, returns_together, slow_feeds

HOUR = 3_600
NAN = math.nan


def bars(*columns: list[float]) -> PriceBars:
    times = np.arange(1, len(columns[0]) + 1, dtype=np.int64) * HOUR
    symbols = ("LINK", "UNI")[: len(columns)]
    return PriceBars(symbols, HOUR, times, np.array(columns, dtype=np.float64).T)


def candles(*pairs: tuple[float, float], seconds: int = HOUR) -> tuple[Candle, ...]:
    """Hour at which it closed, and the close."""
    return tuple(Candle(round(hour * HOUR), seconds, close, close, close, close) for hour, close in pairs)


def column(found: PriceBars, number: int = 0) -> list[float | None]:
    return [None if math.isnan(close) else close for close in found.closes[:, number].tolist()]


def test_only_what_lies_before_the_first_round_is_filled() -> None:
    given_bars = bars([NAN, NAN, 12.0, NAN, 14.0, NAN])
    elsewhere = candles(*((hour, 100.0 + hour) for hour in range(1, 7)))
    assert column(with_earlier_candles(given_bars, {"LINK": elsewhere})) == [
        101.0,
        102.0,
        12.0,
        None,
        14.0,
        None,
    ]
    assert column(given_bars) == [None, None, 12.0, None, 14.0, None]


def test_gaps_of_the_other_source_stay_gaps() -> None:
    found = with_earlier_candles(bars([NAN, NAN, NAN, 13.0]), {"LINK": candles((1, 101.0), (3, 103.0))})
    assert column(found) == [101.0, None, 103.0, 13.0]


def test_an_asset_without_any_round_stays_without_a_price() -> None:
    found = with_earlier_candles(
        bars([NAN, NAN], [NAN, 5.0]), {"LINK": candles((1, 1.0)), "UNI": candles((1, 4.0))}
    )
    assert (column(found, 0), column(found, 1)) == ([None, None], [4.0, 5.0])


def test_a_candle_counts_only_where_a_bar_of_the_grid_ends() -> None:
    minutes = candles((0.5, 90.0), (1, 101.0), (1.5, 95.0), seconds=HOUR // 2)
    assert column(with_earlier_candles(bars([NAN, NAN, 13.0]), {"LINK": minutes})) == [101.0, None, 13.0]


@pytest.mark.parametrize("seconds", [24 * HOUR, 2_400, 7 * HOUR])
def test_bars_of_a_length_that_does_not_divide_the_grid_are_left_alone(seconds: int) -> None:
    found = with_earlier_candles(bars([NAN, 13.0]), {"LINK": candles((1, 101.0), seconds=seconds)})
    assert column(found) == [None, 13.0]


def test_the_longest_of_several_candles_that_close_together_counts() -> None:
    both = (*candles((1, 101.0)), *candles((1, 999.0), seconds=60))
    assert candles_on_grid(both, HOUR)[HOUR].close == candles_on_grid(both[::-1], HOUR)[HOUR].close == 101.0


@given(
    st.lists(st.one_of(st.just(NAN), st.floats(1.0, 2.0)), min_size=1, max_size=20),
    st.lists(st.tuples(st.integers(1, 20), st.floats(3.0, 4.0)), max_size=30),
)
def test_closes_from_the_first_round_on_never_change(
    closes: list[float], elsewhere: list[tuple[int, float]]
) -> None:
    before = bars(closes)
    after = with_earlier_candles(before, {"LINK": candles(*elsewhere)})
    known = np.flatnonzero(np.isfinite(before.closes[:, 0]))
    first = int(known[0]) if known.size else len(closes)
    np.testing.assert_array_equal(before.closes[first:], after.closes[first:])
    offered = {hour for hour, _ in elsewhere}
    for place in range(first):
        assert np.isfinite(after.closes[place, 0]) == (known.size > 0 and place + 1 in offered)


def test_coverage_counts_by_source_and_finds_the_longest_gap() -> None:
    from_rounds = bars([NAN, NAN, NAN, NAN, 5.0, NAN, 7.0, 8.0])
    merged = with_earlier_candles(from_rounds, {"LINK": candles((1, 1.0), (2, 2.0))})
    (found,) = coverage(from_rounds, merged)
    assert (found.expected, found.from_rounds, found.from_candles, found.missing) == (8, 3, 2, 3)
    assert (found.returns, found.gap, found.oldest) == (2, (3 * HOUR, 4 * HOUR), HOUR)


def test_coverage_of_nothing_and_of_everything() -> None:
    nothing, everything = coverage(*[bars([NAN, NAN], [1.0, 2.0])] * 2)
    assert (nothing.missing, nothing.gap, nothing.oldest) == (2, (HOUR, 2 * HOUR), None)
    assert (everything.missing, everything.gap, everything.oldest) == (0, None, HOUR)


def test_a_gap_at_the_newest_end_is_seen() -> None:
    (found,) = coverage(*[bars([1.0, NAN, 3.0, NAN, NAN])] * 2)
    assert found.gap == (4 * HOUR, 5 * HOUR)


def test_enough_is_what_the_estimate_takes() -> None:
    given_bars = bars([1.0, 2.0, 3.0, NAN], [NAN, 2.0, 3.0, 4.0])
    found, together = coverage(given_bars, given_bars), returns_together(given_bars)
    assert ([one.returns for one in found], together) == ([2, 2], 1)
    assert is_enough(found, together, 1)
    assert not is_enough(found, together, 2)


# ---------------------------------------------------------------- slow feeds


def test_a_feed_with_new_prices_in_less_than_half_of_the_bars_is_slow() -> None:
    slow = [10.0, 10.0, 10.0, 11.0, 11.0]
    prompt = [10.0, 11.0, 11.0, 12.0, 12.0]
    assert slow_feeds(bars(slow, prompt)) == {"LINK": 0.25}


def test_a_missing_bar_is_not_a_new_price() -> None:
    assert slow_feeds(bars([10.0, 11.0, NAN, 12.0, 13.0, NAN])) == {"LINK": 0.4}


def test_only_the_last_seven_days_tell_whether_a_feed_is_slow() -> None:
    earlier, week = [float(n) for n in range(1, 50)], [50.0] * 168
    assert slow_feeds(bars([*earlier, *week])) == {"LINK": pytest.approx(1 / 168)}
    assert slow_feeds(bars([10.0])) == {}
