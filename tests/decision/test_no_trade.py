"""The edge of the no-trade region: closed forms, optimality conditions, and its limits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keeper.decision.no_trade import edge_of_no_trade_region
from keeper.domain.errors import InvalidCovariance
from tests.factories import CORRELATION, VOLATILITIES

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


@given(
    st.lists(st.floats(0, 1), min_size=4, max_size=4),
    st.lists(st.floats(0, 0.02), min_size=4, max_size=4),
    st.floats(0.05, 5),
)
@settings(deadline=None)
def test_at_the_edge_no_small_trade_pays(now: list[float], costs: list[float], patience: float) -> None:
    x = edge_of_no_trade_region(now, TARGET, SIGMA, patience, costs)
    slope = patience * SIGMA @ (x - TARGET)
    for i in range(4):
        if x[i] > now[i]:
            assert slope[i] == pytest.approx(-costs[i], abs=1e-8)
        elif 0.0 < x[i] < now[i]:
            assert slope[i] == pytest.approx(costs[i], abs=1e-8)
        elif x[i] == now[i]:
            assert -costs[i] - 1e-8 <= slope[i]
            assert slope[i] <= costs[i] + 1e-8 or x[i] == 0.0


def test_weights_are_never_negative() -> None:
    found = edge_of_no_trade_region([0.1, 0.1], [-0.5, 0.9], [[0.25, 0.2], [0.2, 0.25]], 1.0, [0.0, 0.0])
    assert found[0] == 0.0


def test_a_variance_of_zero_is_refused() -> None:
    with pytest.raises(InvalidCovariance, match="positive on its diagonal"):
        edge_of_no_trade_region([0.1], [0.2], [[0.0]], 1.0, [0.01])
