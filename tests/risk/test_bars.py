"""Rounds on a grid: the last value known, never a later one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.domain.errors import InvalidSetting
from keeper.domain.evidence import PriceBars
from keeper.domain.market import Round
from keeper.risk.bars import sampled_bars

HOUR = 3_600


def rounds(*pairs: tuple[int, float]) -> tuple[Round, ...]:
    return tuple(Round(number, round(price * 1e8), at) for number, (at, price) in enumerate(pairs))


def hourly(
    rounds_by_symbol: Mapping[str, Sequence[Round]],
    as_of: int,
    hours: int,
    gap: int = HOUR,
    symbols: Sequence[str] = ("LINK",),
) -> PriceBars:
    return sampled_bars(
        rounds_by_symbol, symbols, as_of, bar_seconds=HOUR, history_s=hours * HOUR, max_gap_s=gap
    )


def closes(given_rounds: tuple[Round, ...], as_of: int, hours: int = 4, gap: int = 2 * HOUR) -> list[float]:
    values: list[float] = hourly({"LINK": given_rounds}, as_of, hours, gap).closes[:, 0].tolist()
    return values


def test_a_close_is_the_last_answer_at_or_before_it() -> None:
    found = closes(rounds((HOUR - 1, 10), (HOUR, 11), (HOUR + 1, 12), (3 * HOUR + 5, 13)), 4 * HOUR)
    assert found == [11, 12, 12, 13]


def test_the_grid_is_of_whole_bars_and_ends_at_or_before_the_block() -> None:
    bars = hourly({}, 10 * HOUR + 59, 3)
    assert bars.times.tolist() == [8 * HOUR, 9 * HOUR, 10 * HOUR]
    assert bars.closes.shape == (3, 1)


def test_a_price_is_carried_up_to_the_gap_and_no_further() -> None:
    found = closes(rounds((HOUR, 10), (HOUR * 4, 12)), 4 * HOUR, gap=2 * HOUR - 1)
    np.testing.assert_array_equal([10, 10, np.nan, 12], found)
    assert closes(rounds((HOUR, 10), (HOUR * 4, 12)), 4 * HOUR, gap=2 * HOUR) == [10, 10, 10, 12]


def test_before_its_first_round_an_asset_has_no_price() -> None:
    np.testing.assert_array_equal([np.nan, np.nan, 10, 10], closes(rounds((2 * HOUR + 1, 10)), 4 * HOUR))


@pytest.mark.parametrize(("number", "begun"), [(1, {"LINK": HOUR}), ((1 << 64) | 1, {"LINK": HOUR}), (2, {})])
def test_a_history_begins_with_the_first_round_of_a_feed(number: int, begun: dict[str, int]) -> None:
    given_rounds = (Round(number, 10**9, HOUR), Round(number + 1, 10**9, 2 * HOUR))
    assert hourly({"LINK": given_rounds}, 4 * HOUR, 4).begun == begun


def test_an_asset_without_rounds_has_no_price_and_the_others_have_theirs() -> None:
    bars = hourly({"LINK": rounds((HOUR, 10))}, 2 * HOUR, 2, 2 * HOUR, ("UNI", "LINK"))
    np.testing.assert_array_equal([[np.nan, 10], [np.nan, 10]], bars.closes)


def test_an_answer_that_is_not_positive_is_no_price() -> None:
    assert closes(rounds((HOUR, 10), (2 * HOUR, 0), (3 * HOUR, -5)), 4 * HOUR, gap=9 * HOUR) == [
        10,
        10,
        10,
        10,
    ]


def test_rounds_out_of_order_are_taken_by_their_time() -> None:
    assert closes(rounds((3 * HOUR, 12), (HOUR, 10), (2 * HOUR, 11)), 4 * HOUR) == [10, 11, 12, 12]


@pytest.mark.parametrize(("bar_seconds", "history_s"), [(0, HOUR), (-1, HOUR), (HOUR, HOUR - 1)])
def test_a_grid_without_a_bar_is_refused(bar_seconds: int, history_s: int) -> None:
    with pytest.raises(InvalidSetting, match="not one bar"):
        sampled_bars({}, ["LINK"], 10 * HOUR, bar_seconds=bar_seconds, history_s=history_s, max_gap_s=HOUR)


@given(st.lists(st.integers(0, 20 * HOUR), min_size=1, max_size=30), st.integers(HOUR, 20 * HOUR))
def test_changing_any_later_round_changes_no_earlier_close(times: list[int], cut: int) -> None:
    before = tuple(Round(i, 10**9 + i, at) for i, at in enumerate(sorted(times)))
    after = tuple(replace(one, answer=one.answer * 3) if one.updated_at > cut else one for one in before)

    def sampled(given_rounds: tuple[Round, ...]) -> PriceBars:
        return hourly({"LINK": given_rounds}, 20 * HOUR, 20, 5 * HOUR)

    kept = sampled(before).times <= cut
    np.testing.assert_array_equal(sampled(before).closes[kept], sampled(after).closes[kept])


@given(st.integers(100 * HOUR, 200 * HOUR))
def test_every_moment_of_a_bar_sees_the_same_number_of_closes(as_of: int) -> None:
    assert hourly({}, as_of, 48).times.size == 48
