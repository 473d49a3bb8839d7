"""Risk budgeting: golden numbers, the defining property and its invariances."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.domain.errors import InvalidBudgets, InvalidCovariance
from keeper.risk.budgets import risk_parity
from keeper.risk.contributions import risk_shares, volatility
from tests.properties import examples
from tests.risk.covariances import covariance, covariances, residual


def test_two_assets_have_inverse_volatility_weights() -> None:
    # By hand: 0.05/(0.15+0.05), 0.15/(0.15+0.05); s_p² = 0.25²·0.15² + 0.75²·0.05² + 2·0.25·0.75·0.2·0.15·0.05.
    sigma = covariance([0.15, 0.05], [[1, 0.2], [0.2, 1]])
    weights = risk_parity(sigma, [0.5, 0.5])
    np.testing.assert_allclose([0.25, 0.75], weights, rtol=1e-12)
    assert pytest.approx(volatility(weights, sigma), abs=5e-8) == 0.0580948


def test_sixty_forty_carries_its_risk_in_the_first_asset() -> None:
    sigma = covariance([0.15, 0.05], [[1, 0.2], [0.2, 1]])
    np.testing.assert_allclose([0.91757, 0.08243], risk_shares([0.6, 0.4], sigma), atol=5e-6)


def test_maillard_roncalli_teiletche_2010_example() -> None:
    correlation = [[1, 0.8, 0, 0], [0.8, 1, 0, 0], [0, 0, 1, -0.5], [0, 0, -0.5, 1]]
    sigma = covariance([0.1, 0.2, 0.3, 0.4], correlation)
    weights = risk_parity(sigma, [0.25] * 4)
    np.testing.assert_allclose([0.383613, 0.191806, 0.242618, 0.181963], weights, atol=5e-7)
    assert pytest.approx(volatility(weights, sigma), abs=5e-7) == 0.102934


def test_three_assets_with_unequal_budgets() -> None:
    # Computed with 50-digit arithmetic from the defining equations.
    sigma = covariance([0.6, 0.8, 0.05], [[1, 0.82, 0.10], [0.82, 1, 0.05], [0.10, 0.05, 1]])
    weights = risk_parity(sigma, [0.5, 0.3, 0.2])
    np.testing.assert_allclose([0.09691873, 0.04656961, 0.85651166], weights, atol=5e-9)
    assert pytest.approx(volatility(weights, sigma), abs=5e-9) == 0.10399138
    np.testing.assert_allclose([0.5, 0.3, 0.2], risk_shares(weights, sigma), rtol=1e-10)


@pytest.mark.parametrize("rho", [-0.2, 0.0, 0.5, 0.99])
def test_equal_correlations_give_exactly_inverse_volatility(rho: float) -> None:
    volatilities = np.array([0.1, 0.35, 0.6, 1.2])
    correlation = np.full((4, 4), rho) + (1 - rho) * np.eye(4)
    inverse = 1 / volatilities
    weights = risk_parity(covariance(list(volatilities), correlation.tolist()), np.ones(4))
    np.testing.assert_allclose(inverse / inverse.sum(), weights, rtol=1e-12)


@given(covariances(), st.integers(0, 2**32 - 1))
def test_every_asset_carries_its_budget_to_1e_10(sigma: np.ndarray, seed: int) -> None:
    budgets = np.random.default_rng(seed).uniform(0.01, 1.0, len(sigma))
    weights = risk_parity(sigma, budgets)
    assert np.all(weights > 0)
    assert pytest.approx(weights.sum(), abs=1e-14) == 1.0
    assert residual(weights, sigma, budgets) <= 1e-10


@pytest.mark.parametrize("rho", [0.99, 0.999999, 1 - 1e-10])
def test_almost_identical_assets_are_solved_to_1e_10(rho: float) -> None:
    correlation = np.full((5, 5), rho) + (1 - rho) * np.eye(5)
    sigma = covariance([0.4, 0.5, 0.6, 0.7, 0.8], correlation.tolist())
    budgets = np.array([0.3, 0.25, 0.2, 0.15, 0.1])
    assert residual(risk_parity(sigma, budgets), sigma, budgets) <= 1e-10


@pytest.mark.parametrize("n", [50, 200])
def test_many_assets_are_solved_to_1e_10(n: int) -> None:
    generator = np.random.default_rng(n)
    loadings = generator.normal(0.5, 1, (n, 3))
    sigma = loadings @ loadings.T + np.diag(generator.uniform(0.1, 2, n))
    assert residual(risk_parity(sigma, np.ones(n)), sigma, np.ones(n)) <= 1e-10


@pytest.mark.parametrize("rho", [-0.9, -0.95, -0.999])
def test_hedged_pairs_are_solved_to_1e_10(rho: float) -> None:
    sigma = covariance([0.5, 0.5, 0.7], [[1, rho, 0], [rho, 1, 0], [0, 0, 1]])
    budgets = np.array([0.2, 0.5, 0.3])
    assert residual(risk_parity(sigma, budgets), sigma, budgets) <= 1e-10


def test_an_almost_complete_hedge_reaches_its_rounding_floor() -> None:
    rho = -1 + 1e-8
    sigma = covariance([0.5, 0.5], [[1, rho], [rho, 1]])
    weights = risk_parity(sigma, [0.3, 0.7])
    assert residual(weights, sigma, np.array([0.3, 0.7])) <= 1e-6


def test_tiny_budgets_are_met_relative_to_themselves() -> None:
    sigma = covariance([0.5, 0.6, 0.7], [[1, 0.6, 0.5], [0.6, 1, 0.4], [0.5, 0.4, 1]])
    budgets = np.array([1e-6, 0.5, 0.5 - 1e-6])
    assert residual(risk_parity(sigma, budgets), sigma, budgets) <= 1e-10


@pytest.mark.parametrize("seed", range(40))
def test_ill_conditioned_covariances_with_lopsided_budgets_are_solved_or_refused_never_wrong(
    seed: int,
) -> None:
    generator = np.random.default_rng(seed)
    n = int(generator.integers(2, 25))
    rotation, _ = np.linalg.qr(generator.normal(size=(n, n)))
    sigma = (rotation * 10.0 ** generator.uniform(-generator.uniform(0, 10), 0, n)) @ rotation.T
    sigma = (sigma + sigma.T) / 2
    budgets = 10.0 ** generator.uniform(-4, 0, n)
    try:
        weights = risk_parity(sigma, budgets)
    except InvalidCovariance as error:
        assert np.linalg.cond(sigma) > 1e8
        assert "hedge each other" in str(error)  # noqa: PT017
    except InvalidBudgets as error:
        assert np.linalg.cond(sigma) / budgets.min() > 1e8
        assert "rounding alone moves its share of risk" in str(error)  # noqa: PT017
    else:
        assert residual(weights, sigma, budgets) <= max(
            1e-10, 1e-14 * n * np.linalg.cond(sigma) / budgets.min()
        )


def in_fifty_digits(sigma: np.ndarray, budgets: np.ndarray, near: np.ndarray) -> list[float]:
    """The weights by Newton's method on the defining equations, started near the solution."""
    with mpmath.workdps(50):
        n = len(sigma)
        exact = mpmath.matrix(sigma.tolist())
        b = [mpmath.mpf(float(budget)) for budget in budgets]
        b = [budget / mpmath.fsum(b) for budget in b]
        scale = mpmath.sqrt(mpmath.mpf(float(near @ sigma @ near)))
        y = mpmath.matrix([mpmath.mpf(float(weight)) / scale for weight in near])
        for _ in range(12):
            gradient = exact * y - mpmath.matrix([b[i] / y[i] for i in range(n)])
            hessian = exact + mpmath.diag([b[i] / y[i] ** 2 for i in range(n)])
            y = y - mpmath.lu_solve(hessian, gradient)
        left = max(abs(y[i] * (exact * y)[i] / b[i] - 1) for i in range(n))
        assert left < mpmath.mpf(10) ** -30
        return [float(y[i] / mpmath.fsum(y)) for i in range(n)]


@pytest.mark.parametrize("condition", [1e2, 1e6, 1e10])
@pytest.mark.parametrize("seed", range(4))
def test_weights_agree_with_fifty_digit_arithmetic(condition: float, seed: int) -> None:
    # Positive loadings on one factor, one of them almost all factor: ill-conditioned, but nobody hedges.
    generator = np.random.default_rng(seed)
    n = 5
    loadings = generator.uniform(0.4, 0.9, n)
    loadings[:2] = 1 - 1 / condition
    correlation = np.outer(loadings, loadings)
    np.fill_diagonal(correlation, 1.0)
    volatilities = 10.0 ** generator.uniform(-2, 0, n)
    sigma = correlation * np.outer(volatilities, volatilities)
    budgets = generator.uniform(0.05, 1.0, n)
    weights = risk_parity(sigma, budgets)
    assert np.linalg.cond(correlation) > condition
    np.testing.assert_allclose(weights, in_fifty_digits(sigma, budgets, weights), rtol=1e-10)


@pytest.mark.parametrize("rho", [-0.5, -0.95, 0.99])
def test_hedged_and_twin_like_assets_agree_with_fifty_digit_arithmetic(rho: float) -> None:
    sigma = covariance([0.5, 0.6, 0.05], [[1, rho, 0.1], [rho, 1, 0], [0.1, 0, 1]])
    budgets = np.array([0.5, 0.3, 0.2])
    weights = risk_parity(sigma, budgets)
    np.testing.assert_allclose(weights, in_fifty_digits(sigma, budgets, weights), rtol=1e-10)


def test_one_asset_gets_everything() -> None:
    assert risk_parity([[0.36]], [0.2]).tolist() == [1.0]


def test_identical_twins_are_solvable_and_share_their_sum() -> None:
    sigma = covariance([0.5, 0.5, 0.8], [[1, 1, 0.3], [1, 1, 0.3], [0.3, 0.3, 1]])
    weights = risk_parity(sigma, [0.25, 0.25, 0.5])
    assert residual(weights, sigma, np.array([0.25, 0.25, 0.5])) <= 1e-10
    assert weights[0] == pytest.approx(weights[1], rel=1e-12)


def test_a_stable_at_one_hundred_thousandth_a_day_takes_almost_all_capital() -> None:
    sigma = covariance([1e-5, 0.03, 0.04], [[1, 0, 0], [0, 1, 0.8], [0, 0.8, 1]])
    assert risk_parity(sigma, np.ones(3))[0] > 0.999


def test_where_a_general_optimiser_returns_its_starting_point_as_converged_the_solution_is_found() -> None:
    # The objective of many tutorials: squared gaps between risk contributions, of order 1e-9 for a daily covariance,
    # below SciPy's default tolerance of 1e-6 from the start.
    from scipy.optimize import minimize

    sigma = covariance([0.02, 0.03, 0.05], [[1, 0.8, 0.6], [0.8, 1, 0.7], [0.6, 0.7, 1]])

    def squared_gaps(weights: np.ndarray) -> float:
        contributions = weights * (sigma @ weights)
        return float(np.square(contributions - contributions.mean()).sum())

    start = np.full(3, 1 / 3)
    solver: Any = minimize  # its stubs want constraints as a class
    tutorial = solver(
        squared_gaps,
        start,
        method="SLSQP",
        bounds=[(0, 1)] * 3,
        constraints={"type": "eq", "fun": lambda weights: float(weights.sum()) - 1},
    )
    assert tutorial.success
    np.testing.assert_allclose(tutorial.x, start, atol=1e-3)
    assert residual(tutorial.x, sigma, np.ones(3)) > 0.3

    weights = risk_parity(sigma, np.ones(3))
    assert np.abs(weights - start).max() > 0.1
    assert residual(weights, sigma, np.ones(3)) <= 1e-10


@given(covariances(), st.floats(1e-8, 1e8))
@examples(50)
def test_scaling_the_covariance_leaves_the_weights(sigma: np.ndarray, scale: float) -> None:
    budgets = np.arange(1, len(sigma) + 1)
    np.testing.assert_allclose(risk_parity(sigma, budgets), risk_parity(scale * sigma, budgets), rtol=1e-9)


@given(covariances(), st.randoms(use_true_random=False))
@examples(50)
def test_permuting_the_assets_permutes_the_weights(sigma: np.ndarray, random: object) -> None:
    order = list(range(len(sigma)))
    random.shuffle(order)  # type: ignore[attr-defined]
    budgets = np.arange(1.0, len(sigma) + 1)
    permuted = risk_parity(sigma[np.ix_(order, order)], budgets[order])
    np.testing.assert_allclose(risk_parity(sigma, budgets)[order], permuted, rtol=1e-9)


@given(covariances(most=5), st.floats(0.05, 0.95))
@examples(50)
def test_an_asset_listed_twice_with_its_budget_split_splits_its_weight(
    sigma: np.ndarray, part: float
) -> None:
    n = len(sigma)
    budgets = np.arange(1.0, n + 1)
    listed = [*range(n), 0]
    split = np.append(budgets, budgets[0] * (1 - part))
    split[0] = budgets[0] * part
    weights, twice = risk_parity(sigma, budgets), risk_parity(sigma[np.ix_(listed, listed)], split)
    assert weights[0] == pytest.approx(twice[0] + twice[-1], rel=1e-8)
    assert part == pytest.approx(twice[0] / (twice[0] + twice[-1]), rel=1e-6)
    np.testing.assert_allclose(weights[1:], twice[1:-1], rtol=1e-8)


def test_the_scale_of_the_budgets_does_not_matter() -> None:
    sigma = covariance([0.5, 0.6], [[1, 0.6], [0.6, 1]])
    np.testing.assert_allclose(risk_parity(sigma, [1, 2]), risk_parity(sigma, [100, 200]), rtol=1e-12)


@pytest.mark.parametrize("volatilities", [[1e-8, 0.6], [1e4, 0.6], [1e-8, 1e4], [1e-8, 2e-8], [1e4, 3e4]])
def test_tiny_and_huge_volatilities_are_solved(volatilities: list[float]) -> None:
    sigma = covariance(volatilities, [[1, 0.6], [0.6, 1]])
    assert residual(risk_parity(sigma, [0.3, 0.7]), sigma, np.array([0.3, 0.7])) <= 1e-10
