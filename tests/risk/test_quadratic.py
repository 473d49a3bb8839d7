"""Small quadratic programmes, by hand and by their optimality conditions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.domain.errors import SolverFailed
from keeper.risk import quadratic
from keeper.risk.quadratic import Minimum, minimise
from tests.properties import examples


def minimised(hessian: np.ndarray, linear: np.ndarray, rows: np.ndarray, limits: np.ndarray) -> Minimum:
    """From the origin, which every limit here allows."""
    return minimise(hessian=hessian, linear=linear, rows=rows, limits=limits, start=np.zeros(len(linear)))


def test_without_rows_it_is_the_stationary_point() -> None:
    minimum = minimised(np.diag([2.0, 4.0]), np.array([2.0, 2.0]), np.empty((0, 2)), np.empty(0))
    np.testing.assert_allclose(minimum.point, [1.0, 0.5], rtol=1e-15)
    assert minimum.active == ()


def test_a_row_that_binds_has_its_multiplier() -> None:
    # x'x/2 - 2x - y on x + y <= 1: the nearest point to (2, 1) is (1, 0), the multiplier 1.
    rows, limits = np.array([[1.0, 1.0], [-1.0, 0.0]]), np.array([1.0, 0.0])
    minimum = minimised(np.eye(2), np.array([2.0, 1.0]), rows, limits)
    np.testing.assert_allclose(minimum.point, [1.0, 0.0], atol=1e-15)
    np.testing.assert_allclose(minimum.multipliers, [1.0, 0.0], atol=1e-15)
    assert minimum.active == (0,)


@pytest.mark.parametrize("copies", [1, 2, 5])
def test_the_same_row_given_again_changes_nothing(copies: int) -> None:
    rows = np.vstack([np.array([[1.0, 1.0]]) / np.sqrt(2)] * copies)
    minimum = minimised(np.eye(2), np.array([2.0, 1.0]), rows, np.full(copies, np.sqrt(0.5)))
    np.testing.assert_allclose(minimum.point, [1.0, 0.0], atol=1e-15)
    assert len(minimum.active) == 1


def test_two_opposite_rows_are_an_equality() -> None:
    rows = np.array([[1.0, -1.0], [-1.0, 1.0]]) / np.sqrt(2)
    minimum = minimised(np.eye(2), np.array([3.0, 1.0]), rows, np.zeros(2))
    np.testing.assert_allclose(minimum.point, [2.0, 2.0], rtol=1e-14)


@given(st.integers(1, 8), st.integers(0, 12), st.integers(0, 2**32 - 1))
@examples(100)
def test_the_optimality_conditions_hold(n: int, m: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    factor = generator.normal(size=(n, n))
    hessian, linear = factor @ factor.T + 0.1 * np.eye(n), generator.normal(size=n)
    rows = generator.normal(size=(m, n))
    rows /= np.linalg.norm(rows, axis=1)[:, None]
    limits = generator.uniform(0, 1, m) * generator.integers(0, 2, m)
    point, multipliers, active = minimised(hessian, linear, rows, limits)
    scale = 1 + np.abs(hessian).max() * np.abs(point).max() + np.abs(multipliers).max(initial=0)
    np.testing.assert_allclose(hessian @ point - linear + rows.T @ multipliers, 0, atol=1e-12 * scale)
    assert np.all(rows @ point <= limits + 1e-12 * scale)
    assert np.all(multipliers >= -1e-10)
    assert set(np.flatnonzero(multipliers)) <= set(active)


@given(st.integers(2, 8), st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_the_rule_that_cannot_cycle_finds_the_same_minimum(n: int, m: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    factor = generator.normal(size=(n, n))
    hessian, linear = factor @ factor.T + 0.1 * np.eye(n), generator.normal(size=n)
    rows = generator.normal(size=(m, n))
    rows /= np.linalg.norm(rows, axis=1)[:, None]
    limits = generator.uniform(0, 0.3, m)
    quick = minimised(hessian, linear, rows, limits)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(quadratic, "BLAND_AFTER", -1)
        orderly = minimised(hessian, linear, rows, limits)
    np.testing.assert_allclose(orderly.point, quick.point, rtol=1e-8, atol=1e-8)


def test_without_enough_steps_it_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quadratic, "MAX_STEPS", 1)
    with pytest.raises(SolverFailed, match="2 assets and 1 limits was not solved in 1 steps"):
        minimised(np.eye(2), np.array([2.0, 1.0]), np.array([[1.0, 1.0]]) / np.sqrt(2), np.array([0.1]))
