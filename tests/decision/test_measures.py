"""The numbers behind the gates, by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from keeper.decision import measures
from keeper.risk.contributions import risk_shares, volatility
from tests.factories import CORRELATION, VOLATILITIES

SIGMA = np.array(CORRELATION) * np.outer(VOLATILITIES, VOLATILITIES)
HELD, DUE = np.array([0.5, 0.4, 0.3, 0.3]), np.array([0.6, 0.3, 0.0, 0.5])
COSTS = np.array([10.0, 20.0, 40.0, 80.0])


@pytest.mark.parametrize(
    ("now", "due", "gap"), [(1.1, 1.0, 0.1), (0.9, 1.0, 0.1), (0.0, 0.0, 0.0), (0.1, 0.0, math.inf)]
)
def test_relative_gap(now: float, due: float, gap: float) -> None:
    assert measures.relative_gap(now, due) == pytest.approx(gap)


def test_widest_gap_names_the_place() -> None:
    assert measures.widest_gap((0.2, 0.5, 0.3), (0.25, 0.25, 0.5)) == (0.25, 1)
    assert measures.widest_gap((0.25, 0.75), (0.5, 0.5)) == (0.25, 1)


def test_tracking_error_is_the_volatility_of_what_is_off() -> None:
    assert measures.tracking_error(HELD.tolist(), DUE.tolist(), SIGMA.tolist()) == pytest.approx(
        volatility(HELD - DUE, SIGMA), rel=1e-14
    )
    assert measures.tracking_error((0.3,), (0.1,), ((0.25,),)) == pytest.approx(0.1)
    assert measures.tracking_error((0.3,), (0.3,), ((0.25,),)) == 0.0


def test_trade_cost_charges_each_asset_its_own_and_the_premium_on_the_change_of_debt() -> None:
    # 10 · 0.1 + 20 · 0.1 + 40 · 0.3 + 80 · 0.2 = 31 bps of trades, 5 · 0.1 of flash loan, of a million.
    held, due = HELD.tolist(), DUE.tolist()
    assert measures.trade_cost(held, due, COSTS.tolist(), 5.0, 1.5, 1e6) == pytest.approx(31.5e-4 * 1e6)
    assert measures.turnover(held, due) == pytest.approx(0.7)


def test_benefit_by_hand() -> None:
    # ½ · 4 · 0.5 years · 1e6 · (0.1² - 0.05²)
    assert measures.benefit(0.10, 0.05, 4.0, 0.5, 1e6) == pytest.approx(7_500.0)
    assert measures.benefit(0.05, 0.10, 4.0, 0.5, 1e6) == pytest.approx(-7_500.0)


@pytest.mark.parametrize(("since", "limit"), [(8.0, 40.0), (8.001, 120.0)])
def test_gas_price_limit_after_age_and_patience(since: float, limit: float) -> None:
    assert measures.gas_price_limit(since, 7.0, 1.0, 40.0, 120.0) == limit
    assert measures.gas_price_limit(since, 7.0, 1.0, 40.0, 30.0) == 40.0


@pytest.mark.parametrize(
    ("distance", "left", "remains"),
    [
        (0.04, 0.5, 0.02),
        (0.80, 0.5, 0.02),
        (0.03, 0.5, 0.015),
        (0.08, 0.0, 0.0),
        (0.08, 0.25, 0.01),
        (0.0, 0.5, 0.0),
    ],
)
def test_part_to_ellipsoid_leaves_part_of_the_band_or_of_what_it_is(
    distance: float, left: float, remains: float
) -> None:
    part = measures.part_to_ellipsoid(distance, 0.04, left)
    assert 0.0 <= part <= 1.0
    assert (1.0 - part) * distance == pytest.approx(remains)


def kept(weights: list[float], cap: float = math.inf, *floors: tuple[float, float]) -> float:
    return measures.share_within_bounds(
        weights, cap, [0.8] * len(weights), [floor for floor, _ in floors], [buffer for _, buffer in floors]
    )


def test_share_within_bounds_by_hand() -> None:
    assert kept([1.0, 1.0]) == 1.0
    assert kept([1.0, 1.0], 1.5) == pytest.approx(0.75)
    # Threshold 0.8 and floor 1.8 allow leverage 1.8; with a tenth of NAV as cash 1.62.
    assert kept([1.0, 1.0], math.inf, (1.8, 0.0)) == pytest.approx(0.9)
    assert kept([1.0, 1.0], math.inf, (1.8, 0.0), (1.8, 0.1)) == pytest.approx(0.81)
    assert kept([0.9, 0.9], 1.9, (1.8, 0.0)) == pytest.approx(1.0)
    assert kept([0.0, 0.0], 0.0, (1.8, 0.0)) == 1.0


@pytest.mark.parametrize(("cap", "floors"), [(-0.5, ()), (2.0, ((1.8, 1.01),))])
def test_a_bound_below_zero_leaves_nothing_and_is_kept_by_nothing(
    cap: float, floors: tuple[tuple[float, float], ...]
) -> None:
    assert kept([1.0, 1.0], cap, *floors) == 0.0
    assert kept([0.0, 0.0], cap, *floors) == 1.0


def test_allowed_part_by_size_and_by_loss() -> None:
    assert measures.allowed_part((0.0, 0.0), (0.5, 0.5), (40.0, 40.0), 4.0, 75.0) == 1.0
    assert measures.allowed_part((0.0, 0.0), (0.5, 0.5), (40.0, 40.0), 0.4, 75.0) == pytest.approx(0.4)
    assert measures.allowed_part((0.0, 0.0), (0.5, 0.5), (10.0, 140.0), 4.0, 37.5) == pytest.approx(0.5)
    assert measures.allowed_part((0.5,), (0.5,), (40.0,), 0.0, 0.0) == 1.0
    # Cut to half by its size, it loses 60 of the 75 bps that it may lose.
    assert measures.allowed_part((0.0,), (1.0,), (120.0,), 0.5, 75.0) == pytest.approx(0.5)


def over(
    now: list[float], aim: list[float], due: list[float], *bands: float
) -> tuple[float, int, float, float]:
    return measures.overshoot(now, aim, due, np.diag([0.25, 0.25]).tolist(), bands)


def test_equal_assets_do_not_overshoot_on_the_straight_line() -> None:
    assert over([0.2, 0.2], [0.4, 0.4], [0.5, 0.5], 0.1, 0.1, 0.02)[0] == 0.0
    assert over([0.2, 0.2], [0.5, 0.5], [0.5, 0.5], 0.1, 0.1, 0.02)[0] == 0.0


def test_overshoot_names_leverage_volatility_or_the_asset() -> None:
    assert over([0.2, 0.2], [0.6, 0.6], [0.5, 0.5], 0.1, math.inf, math.inf) == pytest.approx(
        (2.0, 0, 1.2, 1.0)
    )
    assert over([0.2, 0.2], [0.6, 0.6], [0.5, 0.5], math.inf, 0.1, math.inf)[:2] == pytest.approx((2.0, 1))
    share = risk_shares([0.4, 0.6], np.diag([0.25, 0.25]))
    found = over([0.7, 0.3], [0.4, 0.6], [0.5, 0.5], math.inf, math.inf, 0.1)
    assert found == pytest.approx((10 * abs(share[1] - 0.5), 3, share[1], 0.5))


def test_nearer_on_the_same_side_is_no_overshoot_and_from_the_target_every_gap_is_one() -> None:
    assert over([0.46, 0.46], [0.48, 0.48], [0.5, 0.5], 0.1, math.inf, math.inf)[0] == 0.0
    assert over([0.5, 0.5], [0.52, 0.52], [0.5, 0.5], 0.1, math.inf, math.inf)[0] == pytest.approx(0.4)


def test_farther_off_on_the_same_side_is_new_unless_it_was_off_by_a_band_already() -> None:
    assert over([0.52, 0.52], [0.6, 0.6], [0.5, 0.5], 0.1, math.inf, math.inf)[0] == pytest.approx(2.0)
    assert over([0.56, 0.56], [0.6, 0.6], [0.5, 0.5], 0.1, math.inf, math.inf)[0] == 0.0
    assert over([0.44, 0.44], [0.6, 0.6], [0.5, 0.5], 0.1, math.inf, math.inf)[0] == pytest.approx(2.0)


def test_overshoot_of_a_target_without_risk() -> None:
    assert over([0.5, 0.5], [0.0, 0.0], [0.0, 0.0], 0.1, 0.1, 0.1)[0] == 0.0
    assert over([0.0, 0.0], [0.1, 0.1], [0.0, 0.0], 0.1, math.inf, 0.1)[0] == math.inf
