"""What a forecaster is shown, and what came: nothing of the second is in the first."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from keeper.domain.errors import InvalidSetting
from keeper.domain.path import MarketPath
from keeper.evaluate.history import PointInTimeHistory, midnights, of_assets, realised_outcome
from tests.evaluate.markets import day, market
from tests.factories import DAY

UNDERLYINGS = ("BTC", "ETH", None)


def altered_from(path: MarketPath, when: int) -> MarketPath:
    later = path.times > when
    closes = np.where(later[:, None], path.closes * 3.0, path.closes)
    implied = tuple(
        replace(one, volatility=np.where(one.times > when, 9.0, one.volatility)) for one in path.implied
    )
    return replace(path, closes=closes, lows=closes, implied=implied)


def test_later_data_is_not_given() -> None:
    path = market(60)
    altered = altered_from(path, day(40))
    seen, same = (PointInTimeHistory(one, 20 * DAY, UNDERLYINGS).at(40) for one in (path, altered))
    np.testing.assert_array_equal(seen.evidence.bars.closes, same.evidence.bars.closes)
    np.testing.assert_array_equal(seen.daily_closes, same.daily_closes)
    np.testing.assert_array_equal(seen.daily_implied, same.daily_implied)
    assert seen.evidence.implied == same.evidence.implied
    assert seen.evidence.as_of == day(40) == seen.evidence.bars.times[-1]


def test_the_window_is_as_long_as_the_live_keepers() -> None:
    bars = PointInTimeHistory(market(60), 20 * DAY, UNDERLYINGS).at(40).evidence.bars
    assert bars.closes.shape == (20 * 24, 3)
    assert bars.times[0] == day(20) + 3_600


def test_the_reading_is_the_last_one_known() -> None:
    path = market(60)
    btc = path.implied[0]
    old = replace(btc, times=btc.times[: 30 * 24], volatility=btc.volatility[: 30 * 24])
    seen = PointInTimeHistory(replace(path, implied=(old,)), 20 * DAY, UNDERLYINGS).at(40)
    (reading,) = seen.evidence.implied
    assert (reading.underlying, reading.observed_at) == ("BTC", day(30) - 3_600)
    assert np.isnan(seen.daily_implied[:, 1:]).all()


def test_the_outcome_is_the_return_and_the_realised_covariance_of_the_days_after() -> None:
    path = market(30)
    came = realised_outcome(path, 7)
    at = midnights(path)
    start, end = at[10], at[17]
    moves = np.diff(np.log(path.closes[start : end + 1]), axis=0)
    np.testing.assert_allclose(moves.sum(axis=0), came.returns[10], rtol=1e-9)
    np.testing.assert_allclose(moves.T @ moves, came.covariance[10], rtol=1e-6, atol=1e-12)
    assert np.isnan(came.returns[-7:]).all()
    assert np.isnan(came.covariance[-7:]).all()


def test_a_day_without_a_price_has_no_outcome() -> None:
    path = market(30, late_days=12)
    came = realised_outcome(path, 1)
    assert np.isnan(came.returns[11, 2])
    assert np.isnan(came.covariance[11]).all()
    assert np.isfinite(came.returns[12]).all()


def test_an_asset_that_is_not_in_the_path_is_named() -> None:
    assert of_assets(market(10), ("LINK", "WBTC")).symbols == ("LINK", "WBTC")
    with pytest.raises(InvalidSetting, match="no UNI, only WBTC, WETH, LINK"):
        of_assets(market(10), ("UNI",))
