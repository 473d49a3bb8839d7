"""Moves of vaults with one asset, without a target, or at the edge of rounding."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from keeper.decision.aims import AIMS
from keeper.decision.move import planned_move
from keeper.decision.position import take_position
from keeper.domain.decision import Action
from keeper.domain.market import MarketSnapshot
from keeper.domain.model import Bound
from keeper.domain.observation import Observation
from keeper.domain.urgency import Urgency
from keeper.risk.contributions import risk_shares, volatility
from keeper.sizing.size import size
from tests.decision.decided import decided
from tests.decision.move_cases import ROUTINE, aiming_at, due, holding, off_by
from tests.factories import (
    a_model,
    a_snapshot,
    some_assets,
    with_market_move,
)

EVERY_TRIGGER = ("risk_share", "tracking_error", "volatility", "leverage", "age")


@pytest.mark.parametrize("name", AIMS)
def test_an_asset_without_a_place_in_the_target_is_sold(name: str) -> None:
    policy = aiming_at(name, triggers=EVERY_TRIGGER)
    weights = (0.5, 0.4, 0.0, 0.2)
    target = replace(
        size(a_model(), Observation(a_snapshot()), policy),
        weights=weights,
        unit_weights=tuple(weight / 1.1 for weight in weights),
        risk_shares=tuple(risk_shares(weights, a_model().covariance).tolist()),
        volatility=volatility(weights, a_model().covariance),
        leverage=1.1,
    )
    decision = decided(a_snapshot(weights=(0.5, 0.4, 0.2, 0.2)), policy, target=target)
    assert decision.goal is not None
    assert decision.goal.weights[2] < 0.05
    held = decided(a_snapshot(weights=weights), policy, target=target)
    assert held.action is Action.HOLD


@pytest.mark.parametrize("name", AIMS)
def test_an_empty_vault_and_one_without_target_hold(name: str) -> None:
    policy = aiming_at(name, triggers=EVERY_TRIGGER)
    empty = decided(a_snapshot(nav_usd=0.0), policy)
    assert empty.action is Action.HOLD
    assert all(math.isfinite(gate.value) for gate in empty.gates if gate.name == "no_overshoot")
    nothing = replace(
        size(a_model(), Observation(a_snapshot()), policy),
        weights=(0.0,) * 4,
        risk_shares=(0.0,) * 4,
        volatility=0.0,
        leverage=0.0,
    )
    assert decided(a_snapshot(), policy, target=nothing).action is Action.HOLD
    sold = decided(a_snapshot(weights=(0.2, 0.2, 0.2, 0.2)), policy, target=nothing)
    assert sold.action is Action.REBALANCE
    assert sold.goal is not None
    assert sold.goal.leverage < 0.1


@pytest.mark.parametrize("name", AIMS)
def test_a_single_asset(name: str) -> None:
    policy = replace(aiming_at(name, triggers=EVERY_TRIGGER), assets=(replace(some_assets()[0], budget=1.0),))
    model = a_model(volatilities=(0.5,), correlation=((1.0,),), symbols=("WBTC",))

    def alone(weight: float) -> MarketSnapshot:
        whole = a_snapshot(weights=(weight, 0.0, 0.0, 0.0))
        return replace(
            whole,
            tokens=whole.tokens[:2],
            feeds=whole.feeds[:2],
            reserves=whole.reserves[:2],
            holdings=whole.holdings[:2],
            native_coin=whole.feeds[whole.index("WETH")],
        )

    target = size(model, Observation(alone(0.0)), policy).weights[0]
    bought = decided(alone(0.0), policy, model=model)
    assert bought.goal is not None
    assert bought.urgency is Urgency.OUT_OF_BAND
    assert bought.goal.weights[0] == pytest.approx(target)
    assert decided(alone(target), policy, model=model).action is Action.HOLD


def test_with_the_boundary_gas_alone_decides_whether_the_trade_is_made() -> None:
    # A drift whose move to the edge pays its proportional costs, as any such move does, but not the gas as well.
    snapshot = with_market_move(a_snapshot(weights=due()), 1.25, ["LINK"])
    cheap = decided(snapshot, aiming_at("boundary", trade_cost_bps=5, rebalance_gas=21_000))
    dear = decided(snapshot, aiming_at("boundary", trade_cost_bps=5, rebalance_gas=20_000_000))
    assert cheap.action is Action.REBALANCE
    assert cheap.urgency is ROUTINE
    assert dear.action is Action.HOLD
    assert "costs about" in dear.reason


def test_where_even_the_edge_is_out_of_an_outer_band_the_boundary_is_the_target() -> None:
    weights = off_by(-0.1, -0.1, 0.3, -0.1)
    watched, unwatched = (
        aiming_at("boundary", trade_cost_bps=2_000, triggers=triggers)
        for triggers in (("risk_share",), ("age",))
    )
    position = holding(weights, watched)
    assert planned_move(position, watched.decision.at(Urgency.OUT_OF_BAND)).aim == position.target.weights
    position = holding(weights, unwatched)
    assert planned_move(position, unwatched.decision.at(ROUTINE)).aim == position.current.weights


def test_out_of_band_by_risk_share_counts_however_small_the_tracking_error_is() -> None:
    policy = aiming_at(
        "boundary", trade_cost_bps=2_000, triggers=("risk_share", "tracking_error"), tracking_error_band=9.0
    )
    position = holding(off_by(-0.1, -0.1, 0.3, -0.1), policy)
    assert planned_move(position, policy.decision.at(Urgency.OUT_OF_BAND)).aim == position.target.weights


def test_rounding_above_a_binding_bound_does_not_make_the_target_the_aim() -> None:
    policy = aiming_at("ellipsoid")
    target = size(a_model(), Observation(a_snapshot()), policy)
    bound = replace(target, bounds=(Bound("stress", target.leverage, ""),))
    held = off_by(0.1, -0.1, 0.081, -0.08)
    position = holding(held, policy, bound)
    goal = planned_move(position, policy.decision.at(ROUTINE)).goal
    assert position.held.leverage > target.leverage
    assert goal.leverage <= target.leverage * (1 + 1e-12)
    left = volatility(np.array(goal.weights) - target.weights, a_model().covariance)
    assert left == pytest.approx(0.02, rel=0.05)


def test_where_lowering_alike_would_lead_away_it_goes_to_the_target() -> None:
    # Much of the calm asset where the target is wild: less of everything is farther off still.
    model = a_model(volatilities=(0.1, 1.0, 1.0, 1.0))
    policy = aiming_at("boundary", trade_cost_bps=10_000, triggers=("age",))
    target = replace(
        size(model, Observation(a_snapshot()), policy),
        weights=(0.0, 1.0, 0.0, 0.0),
        leverage=1.0,
        bounds=(Bound("stress", 1.0, ""),),
    )
    position = take_position(
        Observation(a_snapshot(weights=(0.6, 0.5, 0.0, 0.0))), model, target, policy=policy, tightened=()
    )
    assert planned_move(position, policy.decision.at(ROUTINE)).aim == target.weights
