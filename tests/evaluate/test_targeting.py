"""Targeting and stress: a portfolio levered by a forecast, and what it may lose before somebody acts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from keeper.evaluate.history import midnights
from keeper.evaluate.stress import breaches
from keeper.evaluate.targeting import target_weights, targeting
from tests.evaluate.markets import market
from tests.factories import DAY, HOUR

BUDGETS = np.ones(2)


def covariances(volatilities: list[float], days: int) -> np.ndarray:
    matrix = np.array([[1.0, 0.5], [0.5, 1.0]]) * np.outer(volatilities, volatilities)
    return np.repeat(matrix[None], days, axis=0)


def test_weights_meet_the_target_in_equal_parts_of_risk() -> None:
    forecast = covariances([0.4, 0.8], 3)
    weights = target_weights(forecast, BUDGETS, 0.6)
    np.testing.assert_allclose(0.6, np.sqrt(np.einsum("di,dij,dj->d", weights, forecast, weights)))
    np.testing.assert_allclose(2.0, weights[:, 0] / weights[:, 1])


def test_an_exact_forecaster_is_on_target_and_never_trades() -> None:
    forecast = covariances([0.4, 0.8], 90)
    found = targeting(target_weights(forecast, BUDGETS, 0.6), forecast / 365, 0.6)
    assert found.realised == pytest.approx(1.0)
    assert found.error == pytest.approx(0.0, abs=1e-12)
    assert found.turnover == 0.0


def test_half_the_volatility_forecast_is_twice_the_volatility_held() -> None:
    came = covariances([0.4, 0.8], 90) / 365
    found = targeting(target_weights(covariances([0.2, 0.4], 90), BUDGETS, 0.6), came, 0.6)
    assert found.realised == pytest.approx(2.0)
    assert found.error == pytest.approx(1.0)


def test_breaches_are_counted_at_the_worst_moment_of_the_hold() -> None:
    path = market(10)
    closes = np.full((241, 3), 100.0)
    closes[30] = 71.0  # down 29 % for one hour of the second day, back the next hour
    lows = closes.copy()
    lows[100] = 65.0
    path = replace(path, closes=closes, lows=lows)
    starts = midnights(path)
    weights = np.full((starts.size, 3), 1 / 3)
    half = np.full(starts.size, 0.5)
    counted = breaches(path, starts=starts, weights=weights, volatilities=half, hold_s=DAY)
    found = {result.bound: result for result in counted}
    # 50 % a year is 2.6 % a day: 10 sigmas are 26 %.
    assert found["10 σ"].starts == 10
    assert (found["10 σ"].at_closes, found["10 σ"].at_lows) == pytest.approx((0.1, 0.2))
    assert (found["30%"].at_closes, found["30%"].at_lows) == pytest.approx((0.0, 0.1))
    assert found["40%"].at_lows == 0.0


def test_a_hold_that_the_path_does_not_reach_the_end_of_is_left_out() -> None:
    path = market(10)
    starts = midnights(path)[-2:]
    weights, volatilities = np.full((2, 3), 1 / 3), np.full(2, 0.5)
    counted = breaches(path, starts=starts, weights=weights, volatilities=volatilities, hold_s=12 * HOUR)
    assert {bound.starts for bound in counted} == {1}
