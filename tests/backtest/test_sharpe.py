"""Sharpe ratios, against the worked examples of the papers."""

from __future__ import annotations

import math

import numpy as np
import pytest

from keeper.backtest.sharpe import (
    Sharpe,
    deflated_sharpe,
    error,
    luckiest,
    probabilistic_sharpe,
    sharpe,
)

BEST = 2.5 / math.sqrt(250)
"""Annual 2.5 on 250 days, in days: the example of Bailey and López de Prado (2014), section "A numerical example"."""


def example() -> Sharpe:
    return Sharpe(BEST, error(BEST, 1_250, -3.0, 10.0), 1_250, -3.0, 10.0)


def spread_of_trials() -> list[float]:
    """Two ratios whose variance is the example's: 1/2 a year, so 1/500 a day."""
    half = math.sqrt(0.5 / 250) / math.sqrt(2)
    return [-half, half]


def test_luck_among_a_hundred_trials_is_that_of_the_paper() -> None:
    assert luckiest(spread_of_trials(), 100) == pytest.approx(0.1132, abs=5e-5)


def test_the_deflated_sharpe_ratio_is_that_of_the_paper() -> None:
    assert deflated_sharpe(example(), spread_of_trials(), 100) == pytest.approx(0.9004, abs=5e-4)


def test_fewer_independent_trials_deflate_less() -> None:
    assert deflated_sharpe(example(), spread_of_trials(), 46) == pytest.approx(0.9505, abs=5e-4)


def test_one_trial_is_not_deflated() -> None:
    assert deflated_sharpe(example(), [BEST], 1) == probabilistic_sharpe(example(), 0.0)


def test_the_error_of_gaussian_returns_is_lo_s() -> None:
    assert error(0.1, 1_001, 0.0, 3.0) == pytest.approx(math.sqrt((1 + 0.1**2 / 2) / 1_000))


def test_measured_moments_are_those_of_the_returns() -> None:
    returns = np.random.default_rng(1).standard_normal(200_000) * 0.02 + 0.001
    measured = sharpe(returns)
    assert measured.ratio == pytest.approx(0.05, abs=0.01)
    assert measured.skewness == pytest.approx(0.0, abs=0.02)
    assert measured.kurtosis == pytest.approx(3.0, abs=0.05)
    ratio, uncertain = measured.annualised(365)
    assert (ratio, uncertain) == pytest.approx(
        (measured.ratio * math.sqrt(365), measured.error * math.sqrt(365))
    )


def test_the_error_covers_the_truth_about_as_often_as_it_says() -> None:
    generator = np.random.default_rng(2)
    returns = generator.standard_normal((2_000, 500)) * 0.02 + 0.002
    within = [abs((one := sharpe(row)).ratio - 0.1) < one.error for row in returns]
    assert np.mean(within) == pytest.approx(0.683, abs=0.03)


@pytest.mark.parametrize(
    "returns",
    [
        np.zeros(0),
        np.zeros(100),
        np.diff(np.arange(30) * 1e-3),
        np.array([0.1, 0.2]),
        np.array([0.1, np.nan, 0.2]),
    ],
)
def test_what_cannot_be_measured_is_nan(returns: np.ndarray) -> None:
    measured = sharpe(returns)
    assert math.isnan(measured.ratio)
    assert math.isnan(probabilistic_sharpe(measured, 0.0))
