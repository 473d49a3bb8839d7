"""Differences of Sharpe ratios: what two results share cancels, and too little evidence is no difference."""

from __future__ import annotations

import math

import numpy as np
import pytest

from keeper.backtest.comparison import sharpe_difference, sharpe_differences
from keeper.backtest.result import BacktestResult
from tests.backtest.test_statistics import a_result

DAYS = 1_000
ANNUAL = math.sqrt(365)


def daily(returns: np.ndarray, name: str = "made up") -> BacktestResult:
    """A result whose NAV steps once a day."""
    nav = np.concatenate([[1.0], np.cumprod(1.0 + returns)])
    times = 1_640_995_200 + 86_400 * np.arange(nav.size, dtype=np.int64)
    return a_result(nav, times=times, bar_seconds=86_400, name=name)


def noise(seed: int, days: int = DAYS) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(days) * 0.03


def test_equal_results_do_not_differ() -> None:
    found = sharpe_difference(daily(noise(1)), daily(noise(1), "other"))
    assert (found.other, found.difference, found.error, found.verdict) == ("other", 0.0, 0.0, "no difference")


def test_a_small_steady_lead_counts_although_each_ratio_is_uncertain() -> None:
    market = noise(2)
    found = sharpe_difference(daily(market + 0.0003), daily(market))
    assert found.difference == pytest.approx(0.0003 / 0.03 * ANNUAL, rel=0.05)
    assert found.error < 0.02
    assert found.verdict == "better"
    assert sharpe_difference(daily(market), daily(market + 0.0003)).verdict == "worse"


def test_two_results_of_luck_have_the_error_of_two_independent_ratios() -> None:
    found = sharpe_difference(daily(noise(3)), daily(noise(4)))
    assert found.error == pytest.approx(math.sqrt(2 / DAYS) * ANNUAL, rel=0.15)
    assert found.verdict == "no difference"


def test_runs_of_good_and_bad_days_make_the_error_larger() -> None:
    moods = np.repeat(np.random.default_rng(5).standard_normal(DAYS // 10), 10) * 0.03
    alone = sharpe_difference(daily(noise(6)), daily(noise(7))).error
    assert sharpe_difference(daily(moods), daily(noise(7))).error > 1.5 * alone


def test_the_same_results_give_the_same_bits() -> None:
    pair = daily(noise(8)), daily(noise(9))
    assert sharpe_difference(*pair) == sharpe_difference(*pair)


def test_only_days_that_both_have_count() -> None:
    market = noise(10)
    long, short = daily(market), daily(market[:500])
    assert sharpe_difference(long, short).difference == 0.0


def test_too_few_days_have_no_error_and_no_verdict() -> None:
    (found,) = sharpe_differences([daily(noise(11, days=90)), daily(noise(12, days=90))])
    assert math.isfinite(found.difference)
    assert math.isnan(found.error)
    assert found.verdict == ""


def test_a_result_that_never_moves_has_no_difference_to_measure() -> None:
    assert sharpe_difference(daily(noise(13)), daily(np.zeros(DAYS))).verdict == ""
