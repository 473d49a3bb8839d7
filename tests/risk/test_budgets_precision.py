"""Risk parity against 50-digit arithmetic: the defining equations and the weights themselves."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest
from numpy.typing import NDArray

from keeper.risk.budgets import risk_parity

F = NDArray[np.float64]
DIGITS = 50


def gap(weights: F, sigma: F, budgets: F) -> float:
    """``max_i |RC_i / (b_i s_p) - 1|`` of the very numbers returned, in 50 digits."""
    with mp.workdps(DIGITS):
        w, total = [mp.mpf(one) for one in weights], mp.fsum(mp.mpf(one) for one in budgets)
        contributions = [
            w[i] * mp.fsum(mp.mpf(sigma[i, j]) * w[j] for j in range(len(w))) for i in range(len(w))
        ]
        variance = mp.fsum(contributions)
        return float(
            max(
                abs(c / variance * total / mp.mpf(b) - 1) for c, b in zip(contributions, budgets, strict=True)
            )
        )


def exact(sigma: F, budgets: F, near: F) -> F:
    """The weights to 50 digits, by Newton's method on the defining equations from a solution to polish."""
    n = len(near)
    with mp.workdps(DIGITS):
        matrix, b = mp.matrix(sigma.tolist()), [mp.mpf(one) for one in budgets]
        total = mp.fsum(b)
        y = mp.matrix([mp.mpf(one) for one in near])
        y *= mp.sqrt(total / (y.T * matrix * y)[0])
        for _ in range(30):
            residual = matrix * y - mp.matrix([b[i] / y[i] for i in range(n)])
            slope = matrix + mp.diag([b[i] / y[i] ** 2 for i in range(n)])
            step = mp.lu_solve(slope, residual)
            y -= step
            if max(abs(step[i] / y[i]) for i in range(n)) < mp.mpf(10) ** -40:
                break
        else:
            raise AssertionError("Newton's method has not converged in 50 digits")
        return np.array([float(y[i] / mp.fsum(y)) for i in range(n)])


def with_volatilities(correlation: F, volatilities: F) -> F:
    sigma = correlation * np.outer(volatilities, volatilities)
    return np.asarray((sigma + sigma.T) / 2)


def equal_correlations(n: int, rho: float) -> F:
    return np.full((n, n), rho) + (1 - rho) * np.eye(n)


def hedged_pairs(n: int, rho: float) -> F:
    correlation = np.eye(n)
    for i in range(0, n - 1, 2):
        correlation[i, i + 1] = correlation[i + 1, i] = rho
    return correlation


def spread_eigenvalues(n: int, condition: float, seed: int) -> F:
    generator = np.random.default_rng(seed)
    rotation, _ = np.linalg.qr(generator.normal(size=(n, n)))
    sigma = (rotation * np.geomspace(1 / condition, 1, n)) @ rotation.T
    return np.asarray((sigma + sigma.T) / 2)


def tokens(n: int, seed: int) -> F:
    generator = np.random.default_rng(seed)
    loadings = generator.uniform(0.5, 0.9, n)
    return np.asarray(np.outer(loadings, loadings) + np.diag(1 - loadings**2))


UNEVEN = np.linspace(1, 4, 6)
CASES: dict[str, tuple[F, F]] = {
    "tokens": (with_volatilities(tokens(8, 1), np.linspace(0.4, 1.2, 8)), np.arange(1.0, 9.0)),
    "correlation 0.99": (with_volatilities(equal_correlations(6, 0.99), np.linspace(0.3, 0.9, 6)), UNEVEN),
    "correlation 0.9999999999": (
        with_volatilities(equal_correlations(6, 1 - 1e-10), np.linspace(0.3, 0.9, 6)),
        UNEVEN,
    ),
    "pairs at -0.95": (with_volatilities(hedged_pairs(6, -0.95), np.linspace(0.3, 0.9, 6)), UNEVEN),
    "pairs at -0.9999": (with_volatilities(hedged_pairs(6, -0.9999), np.linspace(0.3, 0.9, 6)), UNEVEN),
    "volatilities from 1e-6 to 1e6": (with_volatilities(tokens(6, 2), np.geomspace(1e-6, 1e6, 6)), UNEVEN),
    "a covariance of order 1e-200": (1e-200 * with_volatilities(tokens(6, 3), np.linspace(1, 2, 6)), UNEVEN),
    "a covariance of order 1e200": (1e200 * with_volatilities(tokens(6, 3), np.linspace(1, 2, 6)), UNEVEN),
    "budgets from 1e-6": (tokens(6, 4), np.geomspace(1e-6, 1, 6)),
    "condition 1e6, mixed signs": (spread_eigenvalues(6, 1e6, 5), UNEVEN),
}


@pytest.mark.parametrize("name", CASES)
def test_every_budget_is_met_to_1e_10_and_the_weights_are_right(name: str) -> None:
    sigma, budgets = CASES[name]
    weights = risk_parity(sigma, budgets)
    assert gap(weights, sigma, budgets) <= 1e-10
    np.testing.assert_allclose(weights, exact(sigma, budgets, weights), rtol=1e-9)


@pytest.mark.parametrize("seed", range(6))
def test_at_condition_1e10_the_error_is_that_of_rounding_the_covariance(seed: int) -> None:
    # Rounding the entries moves the smallest eigenvalue by eps of the largest: 1e10 eps, times a few.
    sigma = spread_eigenvalues(5, 1e10, seed)
    weights = risk_parity(sigma, np.ones(5))
    assert gap(weights, sigma, np.ones(5)) <= 5 * 1e10 * np.finfo(float).eps


def test_factors_of_condition_1e10_without_hedges_are_solved_to_1e_10() -> None:
    near = np.kron(tokens(3, 6), np.ones((2, 2))) + 2e-10 * np.eye(6)
    assert np.linalg.cond(near) > 1e10
    assert gap(risk_parity(near, UNEVEN), near, UNEVEN) <= 1e-10
