"""Exponentially weighted moments: normalised weights, no demeaning, and the difference from pandas stated."""

from __future__ import annotations

import math

import numpy as np
import pytest

from keeper.domain.errors import InvalidSetting
from keeper.risk import ewma


def some_returns(bars: int, n: int = 3) -> np.ndarray:
    return np.random.default_rng(3).normal(0.001, 0.01, (bars, n))


def weighted_covariance(returns: np.ndarray, half_life: float) -> np.ndarray:
    w = ewma.weights(len(returns), half_life)
    recent = returns[-w.size :]
    return np.asarray((recent * w[:, None]).T @ recent)


def test_weights_sum_to_one_and_halve_over_the_half_life() -> None:
    w = ewma.weights(100, 20)
    assert pytest.approx(w.sum(), rel=1e-14) == 1.0
    assert pytest.approx(w[-21] / w[-1], rel=1e-12) == 0.5


def test_three_returns_by_hand() -> None:
    # Half-life 1: weights 1/7, 2/7, 4/7.
    np.testing.assert_allclose(ewma.weights(3, 1), [1 / 7, 2 / 7, 4 / 7], rtol=1e-14)


def test_weights_stop_where_they_are_negligible() -> None:
    # 2^(-age / 24) < 1e-12 from an age of 957 bars.
    assert ewma.weights(5_000, 24).size == ewma.reach(24) == math.ceil(24 * math.log2(1e12)) == 957
    assert ewma.weights(900, 24).size == 900


def test_the_recursion_of_riskmetrics_tends_to_the_same_covariance() -> None:
    returns, lam = some_returns(2_000), ewma.decay(24)
    state = np.outer(returns[0], returns[0])
    for row in returns[1:]:
        state = lam * state + (1 - lam) * np.outer(row, row)
    np.testing.assert_allclose(state, weighted_covariance(returns, 24), rtol=1e-10)


def test_pandas_demeans_and_rescales_where_we_do_neither() -> None:
    import pandas as pd

    returns = some_returns(400, 2)
    w, ours = ewma.weights(400, 30), weighted_covariance(returns, 30)
    frame = pd.DataFrame(returns)
    theirs = frame.ewm(halflife=30, adjust=True).cov().iloc[-2:].to_numpy()
    mean = w @ returns
    demeaned = (ours - np.outer(mean, mean)) / (1 - np.square(w).sum())
    np.testing.assert_allclose(theirs, demeaned, rtol=1e-9)
    assert not np.allclose(theirs, ours, rtol=1e-3)


def test_effective_bars_tend_to_riskmetrics_sample_size() -> None:
    lam = ewma.decay(24)
    assert (1 + lam) / (1 - lam) == pytest.approx(ewma.effective_bars(ewma.weights(10_000, 24)), rel=1e-9)


def test_mixed_weights_are_the_mean_of_their_parts() -> None:
    mixed = ewma.mixed_weights(5_000, (10, 50))
    short, long = ewma.weights(5_000, 10), ewma.weights(5_000, 50)
    assert mixed.size == long.size > short.size
    assert pytest.approx(mixed.sum(), rel=1e-14) == 1.0
    assert pytest.approx(mixed[-1], rel=1e-14) == (short[-1] + long[-1]) / 2
    assert mixed[0] == long[0] / 2


@pytest.mark.parametrize("half_life", [0.3, 5, 10_000])
def test_decayed_sums_are_the_recursion_whatever_the_length_of_a_block(half_life: float) -> None:
    values = np.square(some_returns(3_000, 2))
    lam, state, expected = ewma.decay(half_life), np.zeros(2), []
    for row in values:
        state = lam * state + row
        expected.append(state)
    np.testing.assert_allclose(expected, ewma.decayed_sums(values, half_life), rtol=1e-12)


def test_cached_weights_are_read_only() -> None:
    with pytest.raises(ValueError, match="read-only"):
        ewma.weights(10, 3)[0] = 1.0


@pytest.mark.parametrize("half_life", [0.0, -5.0, math.inf, math.nan])
def test_what_is_no_half_life_is_refused_by_its_value(half_life: float) -> None:
    with pytest.raises(InvalidSetting, match="half-life"):
        ewma.weights(10, half_life)
