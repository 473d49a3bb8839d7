"""A path on a coarser grid, as a strategy with longer bars needs it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from keeper.backtest.longer_bars import with_longer_bars
from keeper.domain.errors import BadInput
from tests.backtest.paths import HOUR, a_path

FOUR = 4 * HOUR


def test_a_longer_bar_closes_as_its_last_and_is_as_low_as_its_lowest() -> None:
    path = a_path(bars=50)
    lows = path.lows.copy()
    lows[9, 2] = 0.01  # in the bar that ends at hour 12
    lows[10, 2] = np.nan
    longer = with_longer_bars(replace(path, lows=lows), FOUR)
    assert longer.bar_seconds == FOUR
    assert (longer.times % FOUR == 0).all()
    assert longer.times.size == 12
    np.testing.assert_array_equal(longer.closes, path.closes[3::4])
    np.testing.assert_array_equal(longer.native_usd, path.native_usd[3::4])
    assert longer.lows[2, 2] == 0.01
    assert longer.lows[5, 1] == path.lows[20:24, 1].min()


def test_a_bar_that_the_range_cuts_has_the_low_of_its_rest() -> None:
    path = a_path(bars=50)
    rest = replace(path, times=path.times[2:], closes=path.closes[2:], lows=path.lows[2:])
    assert with_longer_bars(rest, FOUR).lows[0, 0] == path.lows[2:4, 0].min()


def test_the_same_length_is_the_same_path() -> None:
    path = a_path(bars=50)
    assert with_longer_bars(path, HOUR) is path


@pytest.mark.parametrize("seconds", [60, 5_400, 365 * 86_400])
def test_other_lengths_are_refused_by_name(seconds: int) -> None:
    with pytest.raises(BadInput, match=str(seconds)):
        with_longer_bars(a_path(bars=50), seconds)
