"""The compiled kernel: right to 1e-10 or its rounding floor, or a residual that says otherwise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.risk.compiled.scaling import TOLERANCE, product, scale, workspace
from tests.properties import examples

EPSILON = np.finfo(float).eps


def solved(
    correlation: np.ndarray, budgets: np.ndarray, start: np.ndarray | None = None
) -> tuple[np.ndarray, float]:
    b = np.asarray(budgets, dtype=float) / np.sum(budgets)
    x = np.zeros(b.size) if start is None else start.copy()
    residual = scale(np.ascontiguousarray(correlation, dtype=float), b, x, workspace(b.size))
    return x, residual


def residual_in_extended_precision(x: np.ndarray, correlation: np.ndarray, budgets: np.ndarray) -> float:
    wide = x.astype(np.longdouble)
    contributions = wide * (np.asarray(correlation, dtype=np.longdouble) @ wide)
    return float(np.abs(contributions / contributions.sum() / (budgets / np.sum(budgets)) - 1).max())


def rounding_floor(x: np.ndarray, correlation: np.ndarray, budgets: np.ndarray) -> float:
    """What one rounding of every term of a contribution can add up to, relative to its budget."""
    unsigned = x * (np.abs(correlation) @ x)
    return float(4 * EPSILON * x.size * (unsigned / budgets * np.sum(budgets)).max() / (x @ correlation @ x))


def correlations(n: int, generator: np.random.Generator, condition: float) -> np.ndarray:
    """Mixed signs, eigenvalues spread evenly in logarithms over the condition number."""
    rotation, _ = np.linalg.qr(generator.normal(size=(n, n)))
    sigma = (rotation * np.geomspace(1 / condition, 1, n)) @ rotation.T
    deviations = np.sqrt(np.diag(sigma))
    found: np.ndarray = sigma / np.outer(deviations, deviations)
    found = (found + found.T) / 2
    np.fill_diagonal(found, 1.0)
    return found


@given(st.integers(1, 30), st.integers(0, 2**32 - 1), st.floats(0, 6), st.floats(0, 3))
@examples(300)
def test_mixed_correlations_are_solved_to_1e_10(n: int, seed: int, digits: float, spread: float) -> None:
    generator = np.random.default_rng(seed)
    correlation = correlations(n, generator, 10.0**digits)
    budgets = 10.0 ** generator.uniform(-spread, 0, n)
    x, residual = solved(correlation, budgets)
    assert np.all(x > 0)
    floor = rounding_floor(x, correlation, budgets)
    assert residual <= max(TOLERANCE, floor)
    assert abs(residual_in_extended_precision(x, correlation, budgets) - residual) <= floor


@pytest.mark.parametrize("digits", [10, 13])
@pytest.mark.parametrize("n", [2, 4, 10, 50])
def test_nearly_singular_correlations_reach_their_rounding_floor(n: int, digits: int) -> None:
    correlation = correlations(n, np.random.default_rng(n), 10.0**digits)
    x, residual = solved(correlation, np.ones(n))
    assert residual <= max(TOLERANCE, rounding_floor(x, correlation, np.ones(n)))


@pytest.mark.parametrize("gap", [1e-2, 1e-6, 1e-10, 1e-13, 0.0])
@pytest.mark.parametrize("n", [2, 5, 50, 201])
def test_almost_or_quite_identical_assets_are_solved_to_1e_10(n: int, gap: float) -> None:
    correlation = np.full((n, n), 1 - gap)
    np.fill_diagonal(correlation, 1.0)
    budgets = np.linspace(1, 3, n)
    x, residual = solved(correlation, budgets)
    assert residual <= TOLERANCE
    assert residual_in_extended_precision(x, correlation, budgets) <= TOLERANCE


@pytest.mark.parametrize("rho", [-0.5, -0.95, -0.999, -0.99999])
@pytest.mark.parametrize("n", [2, 10, 51, 200])
def test_hedged_pairs_are_solved_to_1e_10(n: int, rho: float) -> None:
    correlation = np.eye(n)
    for i in range(0, n - 1, 2):
        correlation[i, i + 1] = correlation[i + 1, i] = rho
    budgets = np.linspace(1, 5, n)
    x, residual = solved(correlation, budgets)
    assert residual <= TOLERANCE
    assert residual_in_extended_precision(x, correlation, budgets) <= TOLERANCE


def test_two_assets_by_hand() -> None:
    # x1 (x1 + r x2) = x2 (x2 + r x1) = 1/2 has x1 = x2 = sqrt(1 / (2 (1 + r))).
    x, residual = solved(np.array([[1, 0.25], [0.25, 1]]), np.ones(2))
    np.testing.assert_allclose(x, np.sqrt(1 / 2.5), rtol=1e-10)
    assert residual <= TOLERANCE


def test_one_asset() -> None:
    x, residual = solved(np.ones((1, 1)), np.ones(1))
    assert x.tolist() == [1.0]
    assert residual == 0.0


@given(st.integers(2, 20), st.integers(0, 2**32 - 1), st.floats(-6, 6))
@examples(100)
def test_any_positive_start_leads_to_the_same_solution(n: int, seed: int, size: float) -> None:
    generator = np.random.default_rng(seed)
    correlation = correlations(n, generator, 1e3)
    start = 10.0 ** (size + generator.uniform(-3, 3, n))
    cold, _ = solved(correlation, np.ones(n))
    warm, residual = solved(correlation, np.ones(n), start)
    assert residual <= TOLERANCE
    np.testing.assert_allclose(warm / warm.sum(), cold / cold.sum(), rtol=1e-6)


def test_a_solution_is_where_it_stays() -> None:
    correlation = correlations(10, np.random.default_rng(4), 100)
    x, _ = solved(correlation, np.ones(10))
    again, residual = solved(correlation, np.ones(10), x)
    np.testing.assert_allclose(again, x, rtol=1e-9)
    assert residual <= TOLERANCE


@pytest.mark.parametrize("n", [2, 5, 40])
def test_where_there_is_no_solution_the_residual_says_so(n: int) -> None:
    # Held equally, these sum to nothing: the variance can be made zero, and shares of it are undefined.
    correlation = np.full((n, n), -1 / (n - 1))
    np.fill_diagonal(correlation, 1.0)
    budgets = np.linspace(1, 2, n)
    x, residual = solved(correlation, budgets)
    assert not residual <= TOLERANCE or rounding_floor(x, correlation, budgets) > 1e-4


@pytest.mark.parametrize(("matrix", "vector", "rows"), [(3, 2, 2), (2, 3, 2), (2, 2, 3)])
def test_arrays_of_different_sizes_are_refused(matrix: int, vector: int, rows: int) -> None:
    with pytest.raises(ValueError, match="same n"):
        scale(np.eye(matrix), np.full(2, 0.5), np.ones(vector), workspace(rows))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_give_no_residual_to_trust(value: float) -> None:
    for place in [(0, 0), (2, 1)]:
        correlation = np.eye(4)
        correlation[place] = correlation[place[::-1]] = value
        _, residual = solved(correlation, np.ones(4))
        assert not residual <= TOLERANCE
    for budget in [value, 0.0, -1.0]:
        x = np.zeros(3)
        assert not scale(np.eye(3), np.array([0.5, budget, 0.5]), x, workspace(3)) <= TOLERANCE


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 7, 8, 9, 33, 64, 250])
def test_the_product_reads_the_lower_triangle_only(n: int) -> None:
    generator = np.random.default_rng(n)
    lower = np.tril(generator.normal(size=(n, n)))
    rows = generator.normal(size=(3, n))
    product(lower + np.triu(np.full((n, n), np.nan), 1), rows, 2, 0)
    np.testing.assert_allclose(rows[0], (lower + np.tril(lower, -1).T) @ rows[2], rtol=1e-12, atol=1e-12)
