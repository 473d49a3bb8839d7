"""How well volatility was held, and what the distance comes from."""

from __future__ import annotations

import math

import numpy as np
import pytest

from keeper.backtest.held_volatility import WINDOW_DAYS, held_volatility, log_distances
from tests.backtest.test_statistics import a_result

HOURS = 24 * 40


def a_path_of(volatility: float) -> np.ndarray:
    """NAV that goes up and down each day, with this sample volatility over any 30 days."""
    move = volatility / math.sqrt(365.0) * math.sqrt((WINDOW_DAYS - 1) / WINDOW_DAYS)
    days = np.exp(move * (np.arange(HOURS // 24 + 1) % 2))
    return np.repeat(days, 24)[: HOURS + 1]


def test_the_parts_are_of_forecast_waiting_and_bounds() -> None:
    bars = HOURS + 1
    result = a_result(
        a_path_of(0.6), forecast_volatility=np.full(bars, 0.5), target_volatility=np.full(bars, 0.7)
    )
    held = held_volatility(result)
    assert held.whole.mean == pytest.approx(math.log(0.6 / 0.8))
    assert held.forecast.mean == pytest.approx(math.log(0.6 / 0.5))
    assert held.waiting.mean == pytest.approx(math.log(0.5 / 0.7))
    assert held.bounds.mean == pytest.approx(math.log(0.7 / 0.8))
    assert held.whole.root_mean_square == pytest.approx(abs(held.whole.mean))


def test_where_nothing_moves_or_too_few_days_there_is_no_distance() -> None:
    assert np.isnan(log_distances(np.zeros(40), 0.8)).all()
    assert math.isnan(held_volatility(a_result(np.ones(24 * 10 + 1))).whole.root_mean_square)
