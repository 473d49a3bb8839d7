"""Covariances and budgets that have no solution, or that are no covariances or budgets."""

from __future__ import annotations

import numpy as np
import pytest

from keeper.domain.errors import InvalidBudgets, InvalidCovariance
from keeper.risk.budgets import risk_parity
from tests.risk.covariances import GOOD, NAMES, covariance


def spoiled(i: int, j: int, value: float) -> np.ndarray:
    sigma = GOOD.copy()
    sigma[i, j] = sigma[j, i] = value
    return sigma


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_covariance_that_is_not_finite_names_the_pair(value: float) -> None:
    with pytest.raises(InvalidCovariance, match="WETH and LINK"):
        risk_parity(spoiled(1, 2, value), np.ones(3), NAMES)


@pytest.mark.parametrize("variance", [0.0, -0.1])
def test_a_variance_that_is_not_positive_names_the_asset(variance: float) -> None:
    with pytest.raises(InvalidCovariance, match="variance of LINK"):
        risk_parity(spoiled(2, 2, variance), np.ones(3), NAMES)


def test_an_asymmetric_covariance_names_the_pair() -> None:
    sigma = GOOD.copy()
    sigma[0, 2] *= 1.01
    with pytest.raises(InvalidCovariance, match="not symmetric: WBTC and LINK"):
        risk_parity(sigma, np.ones(3), NAMES)


def test_an_indefinite_covariance_names_the_assets_that_contradict_each_other() -> None:
    correlation = [[1, 0.9, -0.9, 0], [0.9, 1, 0.9, 0], [-0.9, 0.9, 1, 0], [0, 0, 0, 1]]
    with pytest.raises(InvalidCovariance, match=r"indefinite.*between WBTC, WETH, LINK contradict"):
        risk_parity(np.array(correlation), np.ones(4), (*NAMES, "UNI"))


@pytest.mark.parametrize("shape", [(3,), (2, 3), (0, 0), (2, 2, 2)])
def test_a_covariance_of_the_wrong_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InvalidCovariance, match="shape"):
        risk_parity(np.ones(shape), np.ones(3))


def test_a_covariance_that_does_not_match_the_assets_is_refused() -> None:
    with pytest.raises(InvalidCovariance, match="3 rows for 2 assets"):
        risk_parity(GOOD, np.ones(3), NAMES[:2])


@pytest.mark.parametrize("budget", [0.0, -0.1, float("nan"), float("inf")])
def test_a_budget_that_is_not_positive_names_the_asset(budget: float) -> None:
    with pytest.raises(InvalidBudgets, match="budget of WETH"):
        risk_parity(GOOD, [0.5, budget, 0.5], NAMES)


def test_budgets_that_sum_to_infinity_are_refused() -> None:
    with pytest.raises(InvalidBudgets, match="sum to infinity"), np.errstate(over="ignore"):
        risk_parity(GOOD, [1e308, 1e308, 1e308], NAMES)


def test_a_missing_budget_is_refused() -> None:
    with pytest.raises(InvalidBudgets, match="2 risk budgets"):
        risk_parity(GOOD, [0.5, 0.5], NAMES)


@pytest.mark.parametrize(
    "correlation",
    [
        [[1, -1, 0.2], [-1, 1, -0.2], [0.2, -0.2, 1]],
        [[1, -0.5, -0.5], [-0.5, 1, -0.5], [-0.5, -0.5, 1]],
        [[1, -1, 0], [-1, 1, 0], [0, 0, 1]],
    ],
)
def test_assets_that_hedge_each_other_completely_have_no_solution(correlation: list[list[float]]) -> None:
    with pytest.raises(InvalidCovariance, match=r"WBTC, WETH.*hedge each other"):
        risk_parity(covariance([0.5, 0.6, 0.7], correlation), np.ones(3), NAMES)


def test_two_complete_hedges_side_by_side_have_no_solution() -> None:
    correlation = [[1, -1, 0, 0], [-1, 1, 0, 0], [0, 0, 1, -1], [0, 0, -1, 1]]
    with pytest.raises(InvalidCovariance, match="hedge each other"):
        risk_parity(np.array(correlation, dtype=float), np.ones(4))


@pytest.mark.parametrize("digits", range(36, 42))
def test_shares_that_rounding_decides_are_refused_even_where_they_look_exact(digits: int) -> None:
    # By symmetry the computed shares can be exactly equal, but one rounding of the covariance moves them by over 1e-4.
    sigma = np.eye(4)
    sigma[0, 1] = sigma[1, 0] = -1 + 2.0**-digits
    with pytest.raises(InvalidCovariance, match=r"WBTC, WETH.*hedge each other \(all but\) completely"):
        risk_parity(sigma, np.ones(4), (*NAMES, "UNI"))


def test_a_complete_hedge_among_forty_assets_is_named() -> None:
    generator = np.random.default_rng(5)
    loadings = generator.normal(0.3, 1, (40, 3))
    sigma = loadings @ loadings.T + np.diag(generator.uniform(0.05, 2, 40))
    sigma[0] = -sigma[1]
    sigma[:, 0] = -sigma[:, 1]
    sigma[0, 0] = sigma[1, 1]
    with pytest.raises(InvalidCovariance, match=r"computed: FIRST, SECOND held long"):
        risk_parity(sigma, np.ones(40), ("FIRST", "SECOND", *(f"T{i}" for i in range(38))))


def test_an_asymmetry_of_rounding_is_averaged() -> None:
    sigma = GOOD.copy()
    sigma[0, 1] *= 1 + 2e-10
    np.testing.assert_allclose(
        risk_parity(sigma, np.ones(3)), risk_parity((sigma + sigma.T) / 2, np.ones(3)), rtol=1e-14
    )


# ------------------------------------------------------------ small budgets


@pytest.mark.parametrize("budget", [1e-12, 1e-15, 1e-20])
def test_a_budget_too_small_for_a_sound_covariance_is_blamed_itself(budget: float) -> None:
    # The second asset falls when the others rise, so its small share of risk is a difference of large terms.
    sigma = covariance([0.5, 0.6, 0.7], [[1, -0.5, 0.3], [-0.5, 1, -0.3], [0.3, -0.3, 1]])
    with pytest.raises(InvalidBudgets, match=r"the risk budget of WETH is .* of all") as error:
        risk_parity(sigma, [0.5, budget, 0.5], NAMES)
    assert "Give WETH at least" in error.value.remedy


def test_small_budgets_of_assets_that_fall_together_are_solved() -> None:
    sigma = covariance([0.5, 0.6, 0.7], [[1, 0.5, 0.3], [0.5, 1, 0.3], [0.3, 0.3, 1]])
    budgets = np.array([0.5, 1e-12, 0.5])
    weights = risk_parity(sigma, budgets, NAMES)
    shares = weights * (sigma @ weights) / (weights @ sigma @ weights)
    np.testing.assert_allclose(budgets / budgets.sum(), shares, rtol=1e-10)


def test_a_small_budget_on_a_condition_of_1e12_is_blamed_and_an_equal_one_is_solved() -> None:
    rotation, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(6, 6)))
    sigma = rotation @ np.diag(np.geomspace(1, 1e-12, 6)) @ rotation.T
    sigma = (sigma + sigma.T) / 2
    risk_parity(sigma, np.ones(6))
    with pytest.raises(InvalidBudgets, match="the risk budget of asset 0 is 2e-07 of all"):
        risk_parity(sigma, [1e-6, 1, 1, 1, 1, 1])
