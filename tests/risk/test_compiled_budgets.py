"""The compiled risk parity keeps the plain one's contract: its numbers, its errors, its precision."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keeper.domain.errors import InvalidBudgets, InvalidCovariance
from keeper.risk import budgets as plain
from keeper.risk.compiled.budgets import CHECKED_BY_LOOPS, risk_parity
from keeper.risk.contributions import volatility


def covariance(volatilities: list[float], correlation: list[list[float]]) -> np.ndarray:
    return np.array(correlation) * np.outer(volatilities, volatilities)


def a_covariance(n: int, seed: int) -> np.ndarray:
    """A market of three factors, volatilities spread over four orders of magnitude."""
    generator = np.random.default_rng(seed)
    loadings = generator.normal(0.3, 1, (n, 3))
    base = loadings @ loadings.T + np.diag(generator.uniform(0.05, 2, n))
    scale = 10.0 ** generator.uniform(-3, 1, n) / np.sqrt(np.diag(base))
    return base * np.outer(scale, scale)


def residual(weights: np.ndarray, sigma: np.ndarray, budgets: np.ndarray) -> float:
    """max |RC_i / (b_i s_p) - 1| in extended precision."""
    w = np.asarray(weights, dtype=np.longdouble)
    contributions = w * (np.asarray(sigma, dtype=np.longdouble) @ w)
    return float(np.abs(contributions / contributions.sum() / (budgets / np.sum(budgets)) - 1).max())


# ------------------------------------------------------------ golden numbers


def test_two_assets_have_inverse_volatility_weights() -> None:
    # By hand, as for the plain function.
    sigma = covariance([0.15, 0.05], [[1, 0.2], [0.2, 1]])
    weights = risk_parity(sigma, [0.5, 0.5])
    np.testing.assert_allclose([0.25, 0.75], weights, rtol=1e-12)
    assert pytest.approx(volatility(weights, sigma), abs=5e-8) == 0.0580948


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


def test_one_asset_gets_everything() -> None:
    assert risk_parity([[0.36]], [0.2]).tolist() == [1.0]


@pytest.mark.parametrize("rho", [-0.2, 0.0, 0.5, 0.99])
def test_equal_correlations_give_exactly_inverse_volatility(rho: float) -> None:
    volatilities = np.array([0.1, 0.35, 0.6, 1.2])
    correlation = np.full((4, 4), rho) + (1 - rho) * np.eye(4)
    inverse = 1 / volatilities
    weights = risk_parity(covariance(list(volatilities), correlation.tolist()), np.ones(4))
    np.testing.assert_allclose(inverse / inverse.sum(), weights, rtol=1e-11)


# ------------------------------------------------------------- one contract


@given(st.integers(1, 40), st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=200)
def test_it_agrees_with_the_plain_function(n: int, seed: int) -> None:
    sigma = a_covariance(n, seed)
    budgets = np.random.default_rng(seed).uniform(0.01, 1, n)
    weights = risk_parity(sigma, budgets)
    assert residual(weights, sigma, budgets) <= 1e-10
    np.testing.assert_allclose(weights, plain.risk_parity(sigma, budgets), rtol=1e-8)


@pytest.mark.parametrize("n", [CHECKED_BY_LOOPS, CHECKED_BY_LOOPS + 1, 200])
def test_many_assets_are_solved_to_1e_10(n: int) -> None:
    sigma = a_covariance(n, n)
    assert residual(risk_parity(sigma, np.ones(n)), sigma, np.ones(n)) <= 1e-10


@given(st.integers(1, 12), st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=50)
def test_where_it_starts_changes_nothing(n: int, seed: int) -> None:
    sigma, generator = a_covariance(n, seed), np.random.default_rng(seed)
    start = 10.0 ** generator.uniform(-6, 6, n)
    np.testing.assert_allclose(
        risk_parity(sigma, np.ones(n), start=start), risk_parity(sigma, np.ones(n)), rtol=1e-8
    )


@pytest.mark.parametrize(
    "start",
    [
        [0.0, 0.5, 0.5],
        [-1.0, 1.0, 1.0],
        [np.nan, 1.0, 1.0],
        [np.inf, 1.0, 1.0],
        [0.5, 0.5],
        np.ones((3, 1)),
    ],
)
def test_a_start_that_is_no_portfolio_is_ignored(start: object) -> None:
    sigma = a_covariance(3, 1)
    np.testing.assert_allclose(
        risk_parity(sigma, np.ones(3), start=start), plain.risk_parity(sigma, np.ones(3)), rtol=1e-9
    )


def test_a_slightly_asymmetric_covariance_is_averaged_as_in_the_plain_function() -> None:
    sigma = a_covariance(4, 3)
    sigma[0, 1] *= 1 + 1e-12
    np.testing.assert_array_equal(risk_parity(sigma, np.ones(4)), plain.risk_parity(sigma, np.ones(4)))


def test_arrays_of_any_layout_are_read_and_none_is_written() -> None:
    sigma, budgets, start = a_covariance(5, 9), np.ones(5), np.ones(5)
    before = sigma.copy()
    weights = risk_parity(sigma, budgets, start=start)
    spread = np.zeros((10, 10))
    spread[::2, ::2] = sigma
    np.testing.assert_array_equal(weights, risk_parity(np.asfortranarray(sigma), budgets, start=start))
    np.testing.assert_array_equal(weights, risk_parity(spread[::2, ::2], budgets, start=start))
    np.testing.assert_array_equal(
        weights, risk_parity(sigma.tolist(), budgets.tolist(), start=start.tolist())
    )
    np.testing.assert_array_equal(sigma, before)
    np.testing.assert_array_equal(start, np.ones(5))


# ---------------------------------------------------------------- bad inputs

GOOD = covariance([0.5, 0.6, 0.7], [[1, 0.6, 0.5], [0.6, 1, 0.4], [0.5, 0.4, 1]])
NAMES = ("WBTC", "WETH", "LINK")


def spoiled(i: int, j: int, value: float) -> np.ndarray:
    sigma = GOOD.copy()
    sigma[i, j] = sigma[j, i] = value
    return sigma


@pytest.mark.parametrize(
    ("sigma", "message"),
    [
        (spoiled(1, 2, float("nan")), "WETH and LINK"),
        (spoiled(1, 2, float("inf")), "WETH and LINK"),
        (spoiled(2, 2, 0.0), "variance of LINK"),
        (spoiled(2, 2, -0.1), "variance of LINK"),
        (GOOD + np.array([[0, 0.01, 0], [0, 0, 0], [0, 0, 0]]), "not symmetric: WBTC and WETH"),
        (np.array([[1, 0.9, -0.9], [0.9, 1, 0.9], [-0.9, 0.9, 1]]), "indefinite"),
        (np.array([[1, -1, 0.2], [-1, 1, -0.2], [0.2, -0.2, 1]]), "hedge each other"),
        (GOOD[:2], "shape"),
        (GOOD[:2, :2], "2 rows for 3 assets"),
    ],
)
def test_a_bad_covariance_is_named(sigma: np.ndarray, message: str) -> None:
    with pytest.raises(InvalidCovariance, match=message):
        risk_parity(sigma, np.ones(3), NAMES)


@pytest.mark.parametrize("budget", [0.0, -0.1, float("nan"), float("inf")])
def test_a_budget_that_is_not_positive_names_the_asset(budget: float) -> None:
    with pytest.raises(InvalidBudgets, match="budget of WETH"):
        risk_parity(GOOD, [0.5, budget, 0.5], NAMES)


def test_names_that_do_not_match_the_assets_are_refused() -> None:
    with pytest.raises(InvalidCovariance, match="3 rows for 2 assets"):
        risk_parity(GOOD, np.ones(3), NAMES[:2])


def test_no_assets_are_refused() -> None:
    with pytest.raises(InvalidCovariance, match="shape"):
        risk_parity(np.ones((0, 0)), np.ones(0))


def test_a_missing_budget_is_refused() -> None:
    with pytest.raises(InvalidBudgets, match="2 risk budgets"):
        risk_parity(GOOD, [0.5, 0.5], NAMES)


def hedged(n: int) -> np.ndarray:
    """A market in which one pair of assets is a complete hedge."""
    sigma = a_covariance(n, 5)
    sigma[0] = -sigma[1]
    sigma[:, 0] = -sigma[:, 1]
    sigma[0, 0] = sigma[1, 1]
    return sigma


@pytest.mark.parametrize("function", [plain.risk_parity, risk_parity])
@pytest.mark.parametrize("n", [40, CHECKED_BY_LOOPS + 1])
def test_a_complete_hedge_among_many_is_refused(function: Callable[..., np.ndarray], n: int) -> None:
    with pytest.raises(InvalidCovariance, match="FIRST, SECOND.*hedge each other"):
        function(hedged(n), np.ones(n), ("FIRST", "SECOND", *(f"T{i}" for i in range(n - 2))))
