"""Correlations: positive definite whatever comes in, shrunk as Ledoit and Wolf (2004) say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.domain.errors import InvalidSetting
from keeper.risk import ewma
from keeper.risk.correlation import (
    MIN_EIGENVALUE,
    constant_correlation,
    correlation,
    positive_definite,
    shrinkage,
    shrunk_correlation,
    weighted_correlation,
)
from tests.factories import an_estimate_policy
from tests.properties import examples


def smallest_eigenvalue(matrix: np.ndarray) -> float:
    return float(np.linalg.eigvalsh(matrix)[0])


@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(1, 40))
@examples(60)
def test_any_returns_give_a_positive_definite_correlation(seed: int, n: int, bars: int) -> None:
    returns = np.random.default_rng(seed).normal(size=(bars, n))
    for measure in (weighted_correlation, shrunk_correlation):
        found = measure(returns, ewma.weights(bars, 10))
        np.testing.assert_array_equal(found, found.T)
        np.testing.assert_array_equal(np.ones(n), np.diag(found))
        assert smallest_eigenvalue(found) >= 0.99 * MIN_EIGENVALUE


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_perfectly_correlated_pairs_are_made_positive_definite(sign: float) -> None:
    one = np.random.default_rng(1).normal(size=(200, 1))
    found = weighted_correlation(np.hstack([one, sign * one]), ewma.weights(200, 50))
    assert sign == pytest.approx(found[0, 1], abs=1e-7)
    assert smallest_eigenvalue(found) >= 0.99 * MIN_EIGENVALUE


def test_an_asset_that_never_moved_is_uncorrelated() -> None:
    returns = np.random.default_rng(1).normal(size=(200, 2))
    returns[:, 1] = 0.0
    np.testing.assert_array_equal(np.eye(2), weighted_correlation(returns, ewma.weights(200, 50)))


def test_a_definite_matrix_is_returned_unchanged() -> None:
    matrix = np.array([[1, 0.5], [0.5, 1]])
    assert positive_definite(matrix) is matrix


def test_shrinkage_keeps_the_mean_correlation_and_narrows_the_spread() -> None:
    generator = np.random.default_rng(5)
    mixing = np.array([[1.0, 0, 0], [0.8, 0.6, 0], [0.2, 0.1, 0.97]])
    returns = generator.normal(size=(400, 3)) @ mixing.T
    w = ewma.weights(400, 60)
    plain, shrunk = weighted_correlation(returns, w), shrunk_correlation(returns, w)
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
    w = ewma.weights(400, 60)
    np.testing.assert_allclose(weighted_correlation(returns, w), shrunk_correlation(returns, w))


# ------------------------------------------------------------------ by name


def two_regimes() -> np.ndarray:
    """A calm, uncorrelated half and then a half ten times wilder with correlation one half; daily bars."""
    generator = np.random.default_rng(12)
    calm = generator.normal(size=(300, 2))
    wild = 10 * generator.normal(size=(300, 2)) @ np.array([[1, 0.5], [0, np.sqrt(0.75)]])
    return np.vstack([calm, wild])


def test_the_mix_is_the_correlation_under_the_mean_of_its_weights() -> None:
    returns = two_regimes()
    policy = an_estimate_policy(
        bar_seconds=86_400, correlation="ewma_mix", mix_half_lives_days=(2.0, 30.0), shrink=False
    )
    w = (np.pad(ewma.weights(600, 2), (600 - ewma.weights(600, 2).size, 0)) + ewma.weights(600, 30)) / 2
    covariance = (returns * w[:, None]).T @ returns
    expected = covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1])
    assert expected == pytest.approx(correlation(returns, policy)[0, 1], rel=1e-9)


def test_iterated_weighs_calm_and_wild_days_alike() -> None:
    # Half-life far longer than the sample: nearly equal weights. Plain EWMA sees almost only the wild half.
    policy = an_estimate_policy(
        bar_seconds=86_400, volatility_half_life_days=5, correlation_half_life_days=300, shrink=False
    )
    returns = two_regimes()
    plain = correlation(returns, policy)[0, 1]
    iterated = correlation(returns, replace(policy, correlation="iterated"))[0, 1]
    assert plain == pytest.approx(0.5, abs=0.08)
    assert 0.2 < iterated < 0.4


ITERATED_DAILY = an_estimate_policy(
    bar_seconds=86_400,
    correlation="iterated",
    volatility_half_life_days=3,
    correlation_half_life_days=10,
    shrink=False,
)


def test_iterated_scales_each_return_by_the_volatility_before_it() -> None:
    returns = np.random.default_rng(2).normal(size=(40, 2))
    scaled = []
    for t in range(3, 40):
        w = 2.0 ** -(np.arange(t - 1, -1, -1) / 3)
        scaled.append(returns[t] / np.sqrt(w @ returns[:t] ** 2 / w.sum()))
    expected = weighted_correlation(np.array(scaled), ewma.weights(37, 10))
    np.testing.assert_allclose(expected, correlation(returns, ITERATED_DAILY), rtol=1e-9)


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InvalidSetting, match="estimate.correlation is 'dcc'") as error:
        correlation(two_regimes(), an_estimate_policy(correlation="dcc"))
    assert "ewma_mix, iterated" in error.value.remedy


def test_iterated_leaves_out_the_first_move_of_a_price_that_stood_still() -> None:
    returns = np.random.default_rng(3).normal(size=(40, 2))
    returns[:20, 1] = 0.0
    scaled = []
    for t in range(3, 40):
        w = 2.0 ** -(np.arange(t - 1, -1, -1) / 3)
        deviations = np.sqrt(w @ returns[:t] ** 2 / w.sum())
        scaled.append(np.where(deviations > 0, returns[t] / np.where(deviations > 0, deviations, 1), 0.0))
    expected = weighted_correlation(np.array(scaled), ewma.weights(37, 10))
    np.testing.assert_allclose(expected, correlation(returns, ITERATED_DAILY), rtol=1e-9)


def test_the_intensity_counts_effective_bars() -> None:
    # Bars of weight zero change nothing: the same intensity as without them.
    x = np.random.default_rng(8).normal(size=(60, 4)) @ np.random.default_rng(9).normal(size=(4, 4))
    x = x / np.sqrt(np.square(x).mean(axis=0))
    r = x.T @ x / 60
    w = np.concatenate([np.zeros(40), np.full(60, 1 / 60)])
    padded = np.vstack([np.ones((40, 4)), x])
    assert shrinkage(padded, w, r) == pytest.approx(shrinkage(x, np.full(60, 1 / 60), r), rel=1e-12)
