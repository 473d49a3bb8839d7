"""Shares of risk."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.risk.contributions import risk_shares, volatility
from tests.factories import CORRELATION, VOLATILITIES

SIGMA = np.array(CORRELATION) * np.outer(VOLATILITIES, VOLATILITIES)


@given(st.lists(st.floats(0.01, 5), min_size=4, max_size=4))
def test_shares_sum_to_one_and_do_not_depend_on_leverage(weights: list[float]) -> None:
    shares = risk_shares(weights, SIGMA)
    assert pytest.approx(shares.sum(), rel=1e-12) == 1.0
    np.testing.assert_allclose(shares, risk_shares(3.0 * np.array(weights), SIGMA), rtol=1e-9)


def test_a_portfolio_without_risk_has_no_shares() -> None:
    assert risk_shares([0.0] * 4, SIGMA).tolist() == [0.0] * 4
    assert volatility([0.0] * 4, SIGMA) == 0.0


def test_one_asset_carries_all_its_risk() -> None:
    assert risk_shares([0, 0, 1.7, 0], SIGMA).tolist() == [0, 0, 1, 0]
    assert pytest.approx(volatility([0, 0, 1.7, 0], SIGMA)) == 1.7 * 0.75
