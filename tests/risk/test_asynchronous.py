"""Correlation of prices that are published at different times."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.risk import ewma
from keeper.risk.asynchronous import comoments
from keeper.risk.correlation import sample_correlation
from tests.properties import examples
from tests.risk.definitions import overlapping_moves


def test_the_products_are_found_by_hand() -> None:
    # The first price moves in bars 0 and 3, the second in bars 1 and 2. The move 3 of bar 3 began after bar 0, so it
    # overlaps 5 and 7; the move 5 of bar 1 began before bar 0, so it overlaps 2 as well.
    returns = np.array([[2.0, 0.0], [0.0, 5.0], [0.0, 7.0], [3.0, 0.0]])
    found = comoments(returns, np.ones(4))
    assert found[0, 1] == found[1, 0] == 2 * 5 + 3 * 5 + 3 * 7
    np.testing.assert_array_equal([2**2 + 3**2, 5**2 + 7**2], np.diag(found))


def test_where_every_price_moves_in_every_bar_they_are_the_products_of_the_same_bar() -> None:
    returns = np.random.default_rng(4).normal(size=(300, 3))
    w = ewma.weights(300, 40)
    np.testing.assert_allclose((returns * w[:, None]).T @ returns, comoments(returns, w), rtol=1e-12)


@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 40), st.floats(0.0, 1.0))
@examples(100)
def test_they_are_the_sums_over_overlapping_moves(seed: int, n: int, bars: int, still: float) -> None:
    generator = np.random.default_rng(seed)
    returns = generator.normal(size=(bars, n)) * (generator.random((bars, n)) >= still)
    w = generator.random(bars)
    np.testing.assert_allclose(overlapping_moves(returns, w), comoments(returns, w), rtol=1e-9, atol=1e-12)


def published(closes: np.ndarray, deviation: float) -> np.ndarray:
    """Closes of which a feed publishes those that differ from its last answer by ``deviation``."""
    answers = closes.copy()
    for t in range(1, len(closes)):
        is_new = np.abs(closes[t] / answers[t - 1] - 1.0) >= deviation
        answers[t] = np.where(is_new, closes[t], answers[t - 1])
    return answers


@pytest.mark.parametrize(("deviation", "naive"), [(0.01, 0.46), (0.02, 0.23)])
def test_a_feed_with_a_coarse_deviation_shows_the_correlation_of_the_prices(
    deviation: float, naive: float
) -> None:
    # Two prices of 60 % a year with correlation 0.8, for six years.
    shocks = np.random.default_rng(11).normal(size=(50_000, 2)) @ np.array([[1.0, 0.8], [0.0, 0.6]])
    closes = np.exp(np.cumsum(shocks * 0.6 / np.sqrt(8_760), axis=0))
    returns = np.diff(np.log(published(closes, deviation)), axis=0)
    equal = np.full(len(returns), 1.0 / len(returns))
    assert np.corrcoef(returns.T)[0, 1] == pytest.approx(naive, abs=0.03)
    assert sample_correlation(returns, equal)[0, 1] == pytest.approx(0.8, abs=0.02)


def test_a_slow_feed_forgets_a_correlation_only_as_far_as_it_moves() -> None:
    # Correlated for long, uncorrelated since. A price that is published in every fourth bar only keeps three quarters
    # of the difference.
    generator = np.random.default_rng(3)
    common = generator.normal(size=(3_000, 1))
    before = common + 0.5 * generator.normal(size=(3_000, 2))
    since = generator.normal(size=(1_000, 2))
    w = ewma.weights(4_000, 100.0)
    prompt = sample_correlation(np.vstack([before, since]), w)[0, 1]
    slow = np.vstack([before, since])
    slow[:, 1] = np.where(np.arange(4_000) % 4 == 3, slow[:, 1], 0.0)
    whole = sample_correlation(slow, np.full(4_000, 1 / 4_000))[0, 1]
    found = sample_correlation(slow, w)[0, 1]
    assert prompt < 0.2
    assert found > 0.6 * whole


def test_a_higher_correlation_of_late_is_believed_at_once() -> None:
    generator = np.random.default_rng(3)
    common = generator.normal(size=(1_000, 1))
    returns = np.vstack([generator.normal(size=(3_000, 2)), common + 0.1 * generator.normal(size=(1_000, 2))])
    returns[::2] = 0.0
    w = ewma.weights(4_000, 100.0)
    assert sample_correlation(returns, w)[0, 1] > 0.95
