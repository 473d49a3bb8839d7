"""Weights that need no optimisation."""

from __future__ import annotations

import numpy as np

from keeper.risk.budgets import risk_parity
from keeper.risk.simple_weights import equal_weight, inverse_volatility

SIGMA = np.array([[1, 0.4, 0.4], [0.4, 1, 0.4], [0.4, 0.4, 1]]) * np.outer([0.2, 0.4, 0.8], [0.2, 0.4, 0.8])


def test_inverse_volatility_by_hand() -> None:
    np.testing.assert_allclose(inverse_volatility(SIGMA, np.ones(3)), np.array([4, 2, 1]) / 7, rtol=1e-15)


def test_with_equal_correlations_inverse_volatility_is_risk_parity() -> None:
    np.testing.assert_allclose(
        inverse_volatility(SIGMA, np.ones(3)), risk_parity(SIGMA, np.ones(3)), rtol=1e-12
    )


def test_equal_weight_is_one_over_n() -> None:
    assert equal_weight(SIGMA, np.ones(3)).tolist() == [1 / 3] * 3


def test_budgets_do_not_matter() -> None:
    for weights in (inverse_volatility, equal_weight):
        assert weights(SIGMA, [0.7, 0.2, 0.1]).tolist() == weights(SIGMA, np.ones(3)).tolist()
