"""Where each aim of a rebalance ends."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from keeper.decision.move import cash_cost_bps, planned_move
from keeper.decision.no_trade import edge_of_no_trade_region
from keeper.decision.position import VaultPosition
from keeper.decision.trade_context import consider
from keeper.domain.decision import Action
from keeper.domain.errors import InvalidSetting
from keeper.domain.urgency import Urgency
from keeper.risk.contributions import volatility
from tests.decision.decided import decided
from tests.decision.move_cases import ROUTINE, aiming_at, due, holding, off_by
from tests.decision.positions import a_move, a_position
from tests.factories import (
    a_model,
    a_snapshot,
    some_assets,
    with_morpho_account,
)


def to(name: str, weights: tuple[float, ...], **changes: Any) -> tuple[VaultPosition, tuple[float, ...]]:
    policy = aiming_at(name, **changes)
    position = holding(weights, policy)
    return position, planned_move(position, policy.decision.at(ROUTINE)).goal.weights


def test_the_target_is_reached_to_the_bit() -> None:
    position, goal = to("target", off_by(0.05, -0.03, 0.02, 0.0))
    assert goal == position.target.weights


def test_the_boundary_is_the_edge_of_the_no_trade_region() -> None:
    position, goal = to("boundary", off_by(0.1, -0.1, 0.08, 0.0))
    expected = edge_of_no_trade_region(
        position.current.weights, position.target.weights, a_model().covariance, 4 * 30 / 365, [20e-4] * 4
    )
    assert goal == pytest.approx(expected, abs=1e-12)
    slope = 4 * 30 / 365 * np.array(a_model().covariance) @ (np.array(goal) - position.target.weights)
    assert np.abs(slope).max() <= 20e-4 * (1 + 1e-9)
    assert position.target.leverage < math.fsum(goal) < position.held.leverage


def test_the_boundary_without_costs_is_the_target() -> None:
    position, goal = to("boundary", off_by(0.1, -0.1, 0.08, 0.0), trade_cost_bps=0)
    assert goal == pytest.approx(position.target.weights, abs=1e-9)


def test_the_boundary_with_huge_costs_is_where_it_is() -> None:
    position, goal = to("boundary", off_by(0.05, -0.03, 0.02, 0.0), trade_cost_bps=10_000)
    assert goal == position.current.weights


def test_an_asset_that_costs_more_to_trade_is_traded_less() -> None:
    weights = off_by(0.08, 0.08, 0.08, 0.08)
    dear = tuple(
        replace(asset, trade_cost_bps=120 if asset.symbol == "UNI" else None) for asset in some_assets()
    )
    policy = replace(aiming_at("boundary", triggers=("tracking_error",)), assets=dear)
    position = holding(weights, policy)
    goal = planned_move(position, policy.decision.at(ROUTINE)).goal.weights
    assert position.costs_bps(goal) == (20.0, 20.0, 20.0, 120.0)
    assert goal[3] == position.current.weights[3]
    assert goal[0] < position.current.weights[0]


@pytest.mark.parametrize("left", [0.0, 0.25, 0.5])
def test_the_ellipsoid_is_entered_until_part_of_the_band_is_left(left: float) -> None:
    position, goal = to("ellipsoid", off_by(0.1, -0.1, 0.08, 0.0), tracking_error_left=left)
    assert position.tracking_error > 0.04
    off = np.array(goal) - position.target.weights
    assert volatility(off, a_model().covariance) == pytest.approx(left * 0.04, abs=1e-12)
    before = np.array(position.current.weights) - position.target.weights
    assert off == pytest.approx(before * (left * 0.04 / position.tracking_error), abs=1e-12)


def test_inside_the_ellipsoid_it_goes_half_of_what_is_left() -> None:
    position, goal = to("ellipsoid", off_by(0.02, -0.02, 0.01, 0.0))
    assert position.tracking_error < 0.04
    middle = (np.array(position.current.weights) + position.target.weights) / 2
    assert goal == pytest.approx(middle)


def test_from_cash_the_ellipsoid_is_one_trade_all_the_way() -> None:
    decision = decided(a_snapshot(), aiming_at("ellipsoid", triggers=("tracking_error",)))
    assert decision.action is Action.REBALANCE
    assert decision.urgency is Urgency.OUT_OF_BAND
    assert decision.goal is not None
    assert decision.goal.weights == pytest.approx(due())


def test_a_routine_trade_leaves_part_of_the_band() -> None:
    policy = aiming_at("ellipsoid", triggers=("tracking_error",), risk_aversion=100.0)
    near = tuple(0.93 * weight for weight in due())
    decision = decided(a_snapshot(weights=near), policy)
    assert decision.urgency is Urgency.ROUTINE
    assert decision.goal is not None
    left = volatility(np.array(decision.goal.weights) - due(), a_model().covariance)
    assert left == pytest.approx(0.02, rel=1e-6)


def test_an_aim_that_is_not_known_is_a_wrong_setting() -> None:
    with pytest.raises(InvalidSetting, match="decision.rebalance_to is 'centre'") as caught:
        to("centre", due())
    assert "target, boundary, ellipsoid" in (caught.value.remedy or "")


def test_the_premium_of_a_trade_is_that_of_the_lender_that_is_used() -> None:
    """Morpho lends without one, whichever account the snapshot shows."""
    alone = a_snapshot(weights=(0.25, 0.25, 0.25, 0.25), leverage=1.2, flash_premium_bps=5)
    both = with_morpho_account(alone, "WETH", 10_000.0, 2_000.0)
    premiums = [cash_cost_bps(a_position(snapshot)) for snapshot in (alone, both)]
    assert premiums[0] - premiums[1] == pytest.approx(5.0)
    bought = (0.35, 0.3, 0.3, 0.3)
    costs = [
        consider(a_position(snapshot), a_move(bought), Urgency.ROUTINE).trade_cost_usd
        for snapshot in (both, replace(both, flash_premium_bps=0))
    ]
    assert costs[0] == costs[1]
