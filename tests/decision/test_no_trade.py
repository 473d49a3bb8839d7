"""The edge of the no-trade region: closed forms, optimality conditions, and its limits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.decision import no_trade
from keeper.decision.no_trade import edge_of_no_trade_region
from keeper.domain.errors import InvalidCovariance, SolverFailed
from tests.factories import CORRELATION, VOLATILITIES
from tests.properties import examples

SIGMA = np.array(CORRELATION) * np.outer(VOLATILITIES, VOLATILITIES)
TARGET = np.array([0.5, 0.4, 0.3, 0.3])


@pytest.mark.parametrize(
    ("now", "expected"), [(0.0, 0.48), (0.479, 0.48), (0.49, 0.49), (0.51, 0.51), (0.9, 0.52)]
)
def test_one_asset_trades_to_the_edge_and_not_inside_it(now: float, expected: float) -> None:
    # Half-width c / (g s²) = 0.002 / (0.4 · 0.25) = 0.02 around 0.5.
    found = edge_of_no_trade_region([now], [0.5], [[0.25]], 0.4, [0.002])
    assert found[0] == pytest.approx(expected, abs=1e-12)


def test_uncorrelated_assets_have_regions_of_their_own() -> None:
    found = edge_of_no_trade_region([0, 0], [0.5, 0.5], np.diag([0.25, 1.0]), 0.4, [0.002, 0.002])
    assert found == pytest.approx([0.48, 0.495], abs=1e-12)


def test_without_costs_it_goes_to_the_target() -> None:
    assert edge_of_no_trade_region([0.0] * 4, TARGET, SIGMA, 0.3, [0.0] * 4) == pytest.approx(
        TARGET, abs=1e-9
    )


def test_with_costs_above_every_gain_it_stays() -> None:
    now = np.array([0.45, 0.45, 0.25, 0.35])
    np.testing.assert_array_equal(now, edge_of_no_trade_region(now, TARGET, SIGMA, 0.3, [1.0] * 4))


def violation(
    x: np.ndarray,
    now: np.ndarray,
    target: np.ndarray,
    sigma: np.ndarray,
    strength: float,
    costs: np.ndarray,
    impacts: np.ndarray | float = 0.0,
) -> float:
    """Largest breach of the optimality conditions, in units of the cost: slope -c where bought, +c where sold, between
    where left, at least -c (and what is kept of it none) at zero."""
    slope = strength * sigma @ (x - target) + impacts * (x - now)
    worst = 0.0
    for held, was, steep, cost in zip(x, now, slope, costs, strict=True):
        if held > was:
            breach = abs(steep + cost)
        elif 0.0 < held < was:
            breach = abs(steep - cost)
        elif held == was > 0.0:
            breach = max(0.0, abs(steep) - cost)
        else:
            breach = max(0.0, (cost if held < was else -cost) - steep)
        worst = max(worst, breach)
    return worst


def a_covariance(seed: int, n: int, common: float) -> np.ndarray:
    """Volatilities of 5 to 150 %, one common factor of weight ``common``, the rest random."""
    generator = np.random.default_rng(seed)
    loadings = generator.standard_normal((n, n)) * np.sqrt(1.0 - common) + np.sqrt(n * common)
    sigma = loadings @ loadings.T
    scale = generator.uniform(0.05, 1.5, n) / np.sqrt(np.diagonal(sigma))
    return np.asarray(sigma * np.outer(scale, scale))


@given(
    st.integers(0, 10**6),
    st.integers(1, 12),
    st.floats(0.0, 0.99),
    st.floats(0.0, 0.05),
    st.floats(0.05, 5.0),
)
@examples(200)
def test_at_the_edge_no_small_trade_pays(
    seed: int, n: int, common: float, cost: float, strength: float
) -> None:
    generator = np.random.default_rng(seed + 1)
    sigma = a_covariance(seed, n, common)
    now = generator.uniform(0.0, 1.0, n) * (generator.uniform(size=n) > 0.2)
    target, costs = generator.uniform(-0.1, 1.0, n), cost * generator.uniform(0.0, 1.0, n)
    x = edge_of_no_trade_region(now, target, sigma, strength, costs)
    assert np.all(x >= 0.0)
    assert violation(x, now, target, sigma, strength, costs) <= 1e-10


def test_the_edge_is_exact_for_assets_that_are_nearly_one() -> None:
    twins = np.array([[0.64, 0.64 * 0.999_999], [0.64 * 0.999_999, 0.64]])
    now, target, costs = np.array([0.9, 0.1]), np.array([0.2, 0.5]), np.array([0.004, 0.004])
    x = edge_of_no_trade_region(now, target, twins, 0.33, costs)
    assert violation(x, now, target, twins, 0.33, costs) <= 1e-10


def test_twins_that_cost_differently_are_traded_where_it_is_cheap() -> None:
    sigma = np.array([[0.64, 0.64 * 0.99], [0.64 * 0.99, 0.64]])
    x = edge_of_no_trade_region([0.5, 0.5], [0.3, 0.3], sigma, 0.33, [0.004, 0.02])
    assert x[0] < 0.2
    assert x[1] == 0.5


def test_from_the_edge_there_is_nothing_more_to_do() -> None:
    now, costs = np.array([0.9, 0.1, 0.6, 0.0]), np.array([0.004] * 4)
    edge = edge_of_no_trade_region(now, TARGET, SIGMA, 0.33, costs)
    again = edge_of_no_trade_region(edge, TARGET, SIGMA, 0.33, costs)
    np.testing.assert_allclose(again, edge, atol=1e-12)


def test_the_edge_is_where_a_convex_solver_finds_it() -> None:
    # x = now + b - s with b, s >= 0 makes it a smooth programme with bounds.
    from scipy.optimize import minimize

    now, costs, n = np.array([0.9, 0.1, 0.6, 0.2]), np.array([0.004, 0.002, 0.008, 0.001]), 4

    def value(z: np.ndarray) -> tuple[float, np.ndarray]:
        off = now + z[:n] - z[n:] - TARGET
        slope = 0.33 * SIGMA @ off
        return (
            0.5 * off @ slope + costs @ (z[:n] + z[n:]),
            np.concatenate([slope + costs, costs - slope]),
        )

    limits = [(0.0, None)] * n + [(0.0, held) for held in now]
    options = {"ftol": 1e-15, "gtol": 1e-12, "maxiter": 10_000}
    solution: Any = minimize  # its stubs know no objective that returns a gradient
    found = solution(value, np.zeros(2 * n), jac=True, bounds=limits, method="L-BFGS-B", options=options).x
    edge = edge_of_no_trade_region(now, TARGET, SIGMA, 0.33, costs)
    np.testing.assert_allclose(edge, now + found[:n] - found[n:], atol=1e-5)
    trade = edge - now
    ours = value(np.concatenate([np.maximum(trade, 0.0), np.maximum(-trade, 0.0)]))[0]
    assert ours <= value(found)[0] + 1e-15


def test_weights_are_never_negative() -> None:
    found = edge_of_no_trade_region([0.1, 0.1], [-0.5, 0.9], [[0.25, 0.2], [0.2, 0.25]], 1.0, [0.0, 0.0])
    assert found[0] == 0.0


def test_a_variance_of_zero_is_refused() -> None:
    with pytest.raises(InvalidCovariance, match="positive on its diagonal"):
        edge_of_no_trade_region([0.1], [0.2], [[0.0]], 1.0, [0.01])


@pytest.mark.parametrize("seed", range(20))
def test_nearly_singular_and_tied_cases_are_exact_as_well(seed: int) -> None:
    generator = np.random.default_rng(seed)
    n = 12
    loadings = (
        generator.standard_normal((n, n)) if seed % 2 else 1.0 + 0.01 * generator.standard_normal((n, n))
    )
    sigma = loadings @ loadings.T / n + 1e-9 * np.eye(n)
    now, target = generator.choice([0.0, 0.25, 0.5], n), generator.choice([-0.1, 0.0, 0.25, 0.5], n)
    costs = generator.choice([0.0, 0.001, 0.004], n)
    x = edge_of_no_trade_region(now, target, sigma, 0.33, costs)
    assert np.all(x >= 0.0)
    assert violation(x, now, target, sigma, 0.33, costs) <= 1e-10


def test_assets_that_only_differ_in_size_are_refused_where_both_would_be_traded() -> None:
    doubled = 0.25 * np.array([[1.0, 2.0], [2.0, 4.0]])
    with pytest.raises(InvalidCovariance, match="singular"):
        edge_of_no_trade_region([0.5, 0.5], [0.1, 0.1], doubled, 1.0, [0.001, 0.001])
    x = edge_of_no_trade_region([0.5, 0.5], [0.1, 0.1], np.full((2, 2), 0.25), 1.0, [0.001, 0.001])
    assert x.sum() == pytest.approx(0.2 + 0.001 / 0.25)


def test_a_covariance_that_only_rounding_keeps_from_being_singular_is_refused() -> None:
    # Each row sums to 0 without the third column: the optimum lies along a direction without any risk.
    sigma = np.array(
        [[5.0, -4.0, 1.0, -1.0], [-4.0, 6.0, -1.0, -2.0], [1.0, -1.0, 2.0, 0.0], [-1.0, -2.0, 0.0, 3.0]]
    )
    held, target = np.array([0.5, 1 / 3, 0.5, 0.0]), np.array([1 / 3, 0.25, 0.25, 0.0])
    costs = np.array([4e-6, 4e-6, 4e-6, 1e-6])
    with pytest.raises(InvalidCovariance, match="singular"):
        edge_of_no_trade_region(held, target, sigma, 0.33, costs)


def test_an_asset_that_can_move_only_after_another_is_not_refused() -> None:
    # Eigenvalues from 1e-9 to 1.4, and costs that are next to nothing.
    generator = np.random.default_rng(23_825)
    n = int(generator.integers(3, 25))
    loadings = generator.standard_normal((n, n))
    sigma = loadings @ loadings.T / n + 10.0 ** generator.integers(-13, -8) * np.eye(n)
    scale = 10.0 ** generator.integers(-4, 2, n)
    sigma *= np.outer(scale, scale)
    held, target = generator.choice([0.0, 0.25, 0.5], n), generator.choice([-0.1, 0.0, 0.25, 0.5], n)
    costs = generator.choice([0.0, 0.001, 0.004], n) * 10.0 ** generator.integers(-8, 1)
    x = edge_of_no_trade_region(held, target, sigma, 0.33, costs)
    assert violation(x, held, target, sigma, 0.33, costs) <= 1e-16


def test_an_edge_that_is_not_found_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(no_trade, "MAX_STEPS", 0)
    with pytest.raises(SolverFailed, match="not found in 0 steps"):
        edge_of_no_trade_region([0.5], [0.1], [[1.0]], 1.0, [0.0])


def test_a_cost_too_small_to_divide_by_is_no_cost() -> None:
    x = edge_of_no_trade_region([0.26161213], [0.79564831], [[2.03967629]], 1.0, [2.0451976e-309])
    assert x == pytest.approx([0.79564831])


# ------------------------------------------------------------- with impact


@pytest.mark.parametrize("now", [0.0, 0.3, 0.49, 0.9])
def test_impact_shortens_a_trade_and_leaves_the_region_as_it_is(now: float) -> None:
    # One asset: g s² (x - t) + q (x - w) = ∓ c outside of t ∓ c / (g s²) = 0.5 ∓ 0.02.
    found = edge_of_no_trade_region([now], [0.5], [[0.25]], 0.4, [0.002], [0.3])
    side = np.sign(now - 0.5)
    expected = (0.1 * 0.5 + side * 0.002 + 0.3 * now) / 0.4 if abs(now - 0.5) > 0.02 else now
    assert found[0] == pytest.approx(expected, abs=1e-12)


def test_no_impact_is_the_same_to_the_bit() -> None:
    now, costs = np.array([0.9, 0.1, 0.6, 0.2]), np.array([0.004, 0.002, 0.008, 0.001])
    plain = edge_of_no_trade_region(now, TARGET, SIGMA, 0.33, costs)
    np.testing.assert_array_equal(plain, edge_of_no_trade_region(now, TARGET, SIGMA, 0.33, costs, [0.0] * 4))


@given(
    st.integers(0, 10**6),
    st.integers(1, 12),
    st.floats(0.0, 0.99),
    st.floats(0.0, 0.05),
    st.floats(0.0, 10.0),
    st.floats(0.05, 5.0),
)
@examples(200)
def test_with_impact_no_small_trade_pays_either(
    seed: int, n: int, common: float, cost: float, impact: float, strength: float
) -> None:
    generator = np.random.default_rng(seed + 1)
    sigma = a_covariance(seed, n, common)
    now = generator.uniform(0.0, 1.0, n) * (generator.uniform(size=n) > 0.2)
    target, costs = generator.uniform(-0.1, 1.0, n), cost * generator.uniform(0.0, 1.0, n)
    impacts = impact * generator.uniform(0.0, 1.0, n) * (generator.uniform(size=n) > 0.3)
    x = edge_of_no_trade_region(now, target, sigma, strength, costs, impacts)
    assert np.all(x >= 0.0)
    assert violation(x, now, target, sigma, strength, costs, impacts) <= 1e-9


def test_no_other_weights_are_worth_more() -> None:
    """Brute force: every weight on a grid of two assets around the answer, and far from it."""
    sigma, now, target = SIGMA[:2, :2], np.array([0.9, 0.1]), np.array([0.4, 0.6])
    costs, impacts = np.array([0.002, 0.004]), np.array([0.02, 0.05])

    def loss(x: np.ndarray) -> np.ndarray:
        off, moved = x - target, x - now
        risk = 0.5 * 0.33 * np.einsum("...i,ij,...j", off, sigma, off)
        return np.asarray(risk + np.abs(moved) @ costs + 0.5 * moved**2 @ impacts)

    x = edge_of_no_trade_region(now, target, sigma, 0.33, costs, impacts)
    for centre, reach in ((x, 1e-3), (x, 0.02), (np.array([0.5, 0.5]), 0.5)):
        one, other = (np.linspace(max(0.0, at - reach), at + reach, 201) for at in centre)
        grid = np.stack(np.meshgrid(one, other), axis=-1)
        assert loss(x) <= loss(grid).min() + 1e-15
