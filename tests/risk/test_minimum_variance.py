"""The least variance without short positions: by hand, and by its optimality conditions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.domain.errors import InvalidCovariance, SolverFailed
from keeper.risk import minimum_variance as module
from keeper.risk.minimum_variance import minimum_variance
from tests.factories import CORRELATION, RISK_SYMBOLS, VOLATILITIES
from tests.properties import examples

SIGMA = np.array(CORRELATION) * np.outer(VOLATILITIES, VOLATILITIES)


def off(weights: np.ndarray, sigma: np.ndarray) -> float:
    """How far marginal variances miss the portfolio's: both ways for what is held, below it for the rest."""
    marginal = sigma.astype(np.longdouble) @ weights.astype(np.longdouble)
    gaps = marginal / (weights @ marginal) - 1
    return float(np.where(weights > 0, np.abs(gaps), np.maximum(-gaps, 0)).max())


def precision(weights: np.ndarray, sigma: np.ndarray) -> float:
    """1e-12, or the rounding of the terms that a marginal variance is the sum of."""
    terms = float((np.abs(sigma) @ weights).max() / (weights @ sigma @ weights))
    return max(1e-12, 2 * np.finfo(float).eps * len(sigma) * terms)


def test_uncorrelated_assets_are_held_in_inverse_proportion_to_their_variances() -> None:
    weights = minimum_variance(np.diag([0.04, 0.16, 0.64]), np.ones(3))
    np.testing.assert_allclose(weights, np.array([16, 4, 1]) / 21, rtol=1e-14)


def test_two_assets_by_hand() -> None:
    # w = (s2^2 - rho s1 s2) / (s1^2 + s2^2 - 2 rho s1 s2), volatilities 0.2 and 0.3, correlation 0.5.
    weights = minimum_variance([[0.04, 0.03], [0.03, 0.09]], [0.5, 0.5])
    assert weights[0] == pytest.approx(6 / 7, rel=1e-14)


def test_an_asset_whose_correlation_is_above_the_ratio_of_volatilities_is_not_held() -> None:
    # 0.9 > 0.2 / 0.3: a short position would be taken if it could.
    assert minimum_variance([[0.04, 0.054], [0.054, 0.09]], [0.5, 0.5]).tolist() == [1.0, 0.0]


def test_the_four_assets_of_the_vault_hold_two() -> None:
    weights = minimum_variance(SIGMA, np.ones(4))
    # WBTC and WETH alone: (0.25 - 0.19125) / (0.2025 + 0.25 - 0.3825) = 47 / 56.
    np.testing.assert_allclose(weights, [47 / 56, 9 / 56, 0, 0], atol=1e-14)
    assert weights[2:].tolist() == [0.0, 0.0]


@given(st.integers(1, 15), st.integers(0, 2**32 - 1))
@examples(150)
def test_the_optimality_conditions_hold_to_1e_12_or_rounding(n: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    loadings = generator.normal(0.5, 1, (n, 3))
    base = loadings @ loadings.T + np.diag(generator.uniform(0.05, 1, n))
    scale = 10.0 ** generator.uniform(-2, 1, n)
    sigma = base * np.outer(scale, scale)
    weights = minimum_variance(sigma, np.ones(n))
    assert np.all(weights >= 0)
    assert weights.sum() == pytest.approx(1.0, abs=1e-14)
    assert off(weights, sigma) <= precision(weights, sigma)
    np.testing.assert_allclose(minimum_variance(1e4 * sigma, np.ones(n)), weights, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("distance", [2e-16, 4e-16, 1e-15, 4e-15])
def test_assets_that_differ_by_rounding_alone_share_their_part(distance: float) -> None:
    # Five twins and an asset of its own. The Cholesky factor exists, but its last pivots are rounding.
    sigma = np.eye(6)
    sigma[:5, :5] = 1 - distance
    np.fill_diagonal(sigma, 1.0)
    np.testing.assert_allclose(minimum_variance(sigma, np.ones(6)), [0.1] * 5 + [0.5], atol=1e-3)


@pytest.mark.parametrize("seed", range(20))
def test_ill_conditioned_covariances_are_solved(seed: int) -> None:
    generator = np.random.default_rng(seed)
    rotation, _ = np.linalg.qr(generator.normal(size=(10, 10)))
    sigma = (rotation * np.geomspace(1e-10, 1, 10)) @ rotation.T
    sigma = (sigma + sigma.T) / 2
    weights = minimum_variance(sigma, np.ones(10))
    assert off(weights, sigma) <= precision(weights, sigma)


def test_identical_twins_share_their_weight() -> None:
    sigma = np.array([[1, 1, 0.3], [1, 1, 0.3], [0.3, 0.3, 1]]) * np.outer([0.5, 0.5, 0.8], [0.5, 0.5, 0.8])
    weights = minimum_variance(sigma, np.ones(3))
    assert weights[0] == pytest.approx(weights[1], rel=1e-2)
    assert off(weights, sigma) <= 1e-12


def test_of_twins_the_calmer_is_held() -> None:
    sigma = np.array([[1, 1, 0], [1, 1, 0], [0, 0, 1]]) * np.outer([0.5, 0.6, 0.5], [0.5, 0.6, 0.5])
    np.testing.assert_allclose(minimum_variance(sigma, np.ones(3)), [0.5, 0, 0.5], atol=1e-12)


@pytest.mark.parametrize("volatilities", [[1e-8, 1e4, 1.0], [1e-5, 0.03, 0.04]])
def test_tiny_and_huge_volatilities_are_solved(volatilities: list[float]) -> None:
    sigma = (np.eye(3) * 0.5 + 0.5) * np.outer(volatilities, volatilities)
    assert minimum_variance(sigma, np.ones(3)).tolist() == [1.0, 0.0, 0.0]


def test_a_complete_hedge_has_no_risk_to_budget() -> None:
    with pytest.raises(InvalidCovariance, match="WBTC, WETH.*hedge each other"):
        minimum_variance([[0.04, -0.04], [-0.04, 0.04]], [0.5, 0.5], ("WBTC", "WETH"))


def test_a_solution_that_misses_the_optimality_conditions_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TOLERANCE", 1e-30)
    monkeypatch.setattr(module, "RESIDUAL_ROUNDING", 1e-30)
    with pytest.raises(
        SolverFailed, match=r"solved to .* only, not 1e-30: (WBTC|WETH|LINK|UNI) is furthest off"
    ):
        minimum_variance(SIGMA, np.ones(4), RISK_SYMBOLS)
