"""The compiled EWMA agrees with the plain one to 1e-12, whole and bar by bar."""

from __future__ import annotations

import numpy as np
import pytest

from keeper.risk import ewma as plain
from keeper.risk.compiled import ewma


def some_returns(bars: int, n: int = 4) -> np.ndarray:
    generator = np.random.default_rng(bars)
    return 0.01 * generator.standard_t(4, (bars, n)) + 0.01 * generator.normal(size=(bars, 1))


@pytest.mark.parametrize("bars", [1, 2, 255, 256, 257, 1_000, 20_000])
@pytest.mark.parametrize("half_life", [0.5, 24.0, 480.0])
def test_the_last_covariance_is_the_plain_ones(bars: int, half_life: float) -> None:
    returns = some_returns(bars)
    np.testing.assert_allclose(
        ewma.covariance(returns, half_life), plain.covariance(returns, half_life), rtol=1e-12
    )


def test_returns_of_any_layout_are_read_and_not_written() -> None:
    returns = some_returns(600)
    before = returns.copy()
    expected = plain.covariance(returns, 48)
    np.testing.assert_allclose(ewma.covariance(np.asfortranarray(returns), 48), expected, rtol=1e-12)
    np.testing.assert_allclose(ewma.covariance(np.repeat(returns, 2, axis=0)[::2], 48), expected, rtol=1e-12)
    np.testing.assert_array_equal(returns, before)


def test_bars_beyond_the_reach_are_not_read() -> None:
    recent = some_returns(ewma.reach(24))
    old = np.full((5_000, 4), np.nan)
    np.testing.assert_array_equal(ewma.covariance(recent, 24), ewma.covariance(np.vstack([old, recent]), 24))


def test_bar_by_bar_from_nothing_is_the_same_matrix() -> None:
    returns, lam = some_returns(900), plain.decay(48)
    state = np.zeros((4, 4))
    for bars, row in enumerate(returns):
        ewma.grow(state, row, lam, bars)
        if bars in (0, 1, 47, 899):
            np.testing.assert_allclose(state, plain.covariance(returns[: bars + 1], 48), rtol=1e-12)


def test_a_window_that_slides_for_years_does_not_drift() -> None:
    # The live window: 120 days of hours, which is six half-lives, so what leaves still has weight.
    window, lam = 2_880, plain.decay(480)
    returns = some_returns(30_000, 3)
    state = plain.covariance(returns[:window], 480)
    for entering in range(window, len(returns)):
        ewma.slide(state, returns[entering], returns[entering - window], lam, lam**window)
    np.testing.assert_allclose(state, plain.covariance(returns[-window:], 480), rtol=1e-12)


def test_the_recursion_of_riskmetrics_tends_to_the_same_matrix() -> None:
    returns, lam = some_returns(3_000), plain.decay(24)
    state = np.zeros((4, 4))
    for row in returns:
        ewma.update(state, row, lam)
    np.testing.assert_allclose(state, plain.covariance(returns, 24), rtol=1e-11)
