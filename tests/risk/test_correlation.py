"""Correlations: positive definite whatever comes in, shrunk as Ledoit and Wolf (2004) say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keeper.risk import ewma
from keeper.risk.correlation import (
    SMALLEST_EIGENVALUE,
    constant_correlation,
    ewma_correlation,
    positive_definite,
    shrinkage,
    shrunk_correlation,
)


def smallest_eigenvalue(matrix: np.ndarray) -> float:
    return float(np.linalg.eigvalsh(matrix)[0])


@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(1, 40))
@settings(deadline=None, max_examples=60)
def test_any_returns_give_a_positive_definite_correlation(seed: int, n: int, bars: int) -> None:
    returns = np.random.default_rng(seed).normal(size=(bars, n))
    for measure in (ewma_correlation, shrunk_correlation):
        found = measure(returns, 10)
        np.testing.assert_array_equal(found, found.T)
        np.testing.assert_array_equal(np.ones(n), np.diag(found))
        assert smallest_eigenvalue(found) >= 0.99 * SMALLEST_EIGENVALUE


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_perfectly_correlated_pairs_are_made_positive_definite(sign: float) -> None:
    one = np.random.default_rng(1).normal(size=(200, 1))
    found = ewma_correlation(np.hstack([one, sign * one]), 50)
    assert sign == pytest.approx(found[0, 1], abs=1e-7)
    assert smallest_eigenvalue(found) >= 0.99 * SMALLEST_EIGENVALUE


def test_an_asset_that_never_moved_is_uncorrelated() -> None:
    returns = np.random.default_rng(1).normal(size=(200, 2))
    returns[:, 1] = 0.0
    np.testing.assert_array_equal(np.eye(2), ewma_correlation(returns, 50))


def test_a_good_matrix_is_left_as_it_is() -> None:
    matrix = np.array([[1, 0.5], [0.5, 1]])
    assert positive_definite(matrix) is matrix


def test_shrinkage_keeps_the_mean_correlation_and_narrows_the_spread() -> None:
    generator = np.random.default_rng(5)
    mixing = np.array([[1.0, 0, 0], [0.8, 0.6, 0], [0.2, 0.1, 0.97]])
    returns = generator.normal(size=(400, 3)) @ mixing.T
    plain, shrunk = ewma_correlation(returns, 60), shrunk_correlation(returns, 60)
    pairs = np.triu_indices(3, 1)
    assert plain[pairs].mean() == pytest.approx(shrunk[pairs].mean(), rel=1e-12)
    assert np.ptp(shrunk[pairs]) < np.ptp(plain[pairs])


def test_with_equal_weights_the_intensity_is_ledoit_and_wolfs() -> None:
    # Written out from appendix B for a zero mean and unit variances, element by element.
    x = np.random.default_rng(8).normal(size=(60, 4)) @ np.random.default_rng(9).normal(size=(4, 4))
    x = x / np.sqrt(np.square(x).mean(axis=0))
    bars, n = x.shape
    r = x.T @ x / bars
    mean = (r.sum() - n) / (n * (n - 1))
    pi = rho = 0.0
    for i in range(n):
        for j in range(n):
            pi_ij = np.mean((x[:, i] * x[:, j] - r[i, j]) ** 2)
            pi += pi_ij
            if i == j:
                rho += pi_ij
            else:
                theta_ii = np.mean((x[:, i] ** 2 - 1) * (x[:, i] * x[:, j] - r[i, j]))
                theta_jj = np.mean((x[:, j] ** 2 - 1) * (x[:, i] * x[:, j] - r[i, j]))
                rho += mean / 2 * (theta_ii + theta_jj)
    gamma = np.square(r - constant_correlation(r)).sum()
    expected = min(1.0, max(0.0, (pi - rho) / gamma / bars))
    assert 0.0 < expected < 1.0
    assert expected == pytest.approx(shrinkage(x, np.full(bars, 1 / bars), r), rel=1e-10)


def test_two_assets_have_nothing_to_shrink_towards() -> None:
    returns = np.random.default_rng(5).normal(size=(400, 2))
    np.testing.assert_allclose(ewma_correlation(returns, 60), shrunk_correlation(returns, 60))
    assert pytest.approx(ewma.weights(400, 60).sum()) == 1.0
