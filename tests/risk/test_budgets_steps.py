"""The solver's steps: none fails without a word."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.domain.errors import SolverFailed
from keeper.risk import budgets as solver
from keeper.risk.budgets import RiskBudgetObjective, risk_parity
from tests.risk.covariances import GOOD, NAMES, covariances, residual


def test_without_enough_steps_it_fails_and_names_the_asset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solver, "MAX_STEPS", 0)
    monkeypatch.setattr(solver, "STEPS_AT_ROUNDING", 0)
    with pytest.raises(SolverFailed, match=r"solved to .* only, not 1e-10: (WBTC|WETH|LINK) is furthest off"):
        risk_parity(GOOD, [0.7, 0.2, 0.1], NAMES)


def test_the_steps_at_rounding_finish_what_the_others_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solver, "MAX_STEPS", 0)
    weights = risk_parity(GOOD, [0.7, 0.2, 0.1], NAMES)
    assert residual(weights, GOOD, np.array([0.7, 0.2, 0.1])) <= 1e-10


def test_a_variance_that_rounds_to_nothing_has_an_infinite_gap() -> None:
    hedge = RiskBudgetObjective(np.array([[1.0, -1.0], [-1.0, 1.0]]), np.array([0.5, 0.5]))
    assert hedge.gap(np.array([1.0, 1.0])) == np.inf


def test_the_gap_is_the_largest_distance_of_a_share_from_its_budget_at_any_scale() -> None:
    # Uncorrelated and equally large: shares of one half each, budgets of a quarter and three quarters.
    objective = RiskBudgetObjective(np.eye(2), np.array([0.25, 0.75]))
    for scale in (0.1, 1.0, 30.0):
        assert objective.gap(np.array([scale, scale])) == pytest.approx(1.0)


@given(covariances(), st.integers(0, 2**32 - 1), st.sampled_from([1.0, 4.0, 30.0]))
def test_a_damped_step_stays_positive_and_descends(sigma: np.ndarray, seed: int, too_far: float) -> None:
    """Also one that is so much longer than Newton's that the quadratic rises again."""
    generator, n = np.random.default_rng(seed), len(sigma)
    b = generator.dirichlet(np.ones(n)) + 1e-3
    objective = RiskBudgetObjective(sigma / np.sqrt(np.outer(np.diag(sigma), np.diag(sigma))), b)
    x = 10.0 ** generator.uniform(-3, 3, n)
    gradient, newton_step = objective.newton_step(x)
    step = too_far * newton_step
    length = objective.step_length(x, gradient, step)
    moved = x + length * step

    def value(at: np.ndarray) -> float:
        return float(0.5 * at @ objective.matrix @ at - b @ np.log(at))

    assert 0.0 < length <= 1.0
    assert np.all(moved >= 0.0999 * x)
    assert value(moved) <= value(x) + 0.1 * length * float(gradient @ step) + 1e-9 * abs(value(x))
