"""Where a planned trade aims, by name; what keeps it within its bounds; how far one cycle goes."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from keeper.decision import measures
from keeper.decision.aims import AIMS
from keeper.decision.decide import decide
from keeper.decision.move import planned_move, within_bounds
from keeper.decision.no_trade import edge_of_no_trade_region
from keeper.decision.position import VaultPosition, take_position
from keeper.domain.decision import Action, Decision
from keeper.domain.errors import InvalidSetting
from keeper.domain.market import MarketSnapshot
from keeper.domain.model import Bound, RiskModel, TargetPortfolio
from keeper.domain.observation import Observation
from keeper.domain.policy import Policy
from keeper.domain.urgency import Urgency
from keeper.risk.contributions import risk_shares, volatility
from keeper.sizing.bounds import health_factor_at
from keeper.sizing.size import size
from tests.decision import positions
from tests.factories import (
    RISK_SYMBOLS,
    a_decision_policy,
    a_model,
    a_policy,
    a_snapshot,
    some_assets,
    with_limits,
    with_market_move,
    with_redemptions,
    with_vault_policy,
)

ROUTINE = Urgency.ROUTINE


def aiming_at(name: str, **changes: Any) -> Policy:
    return a_policy(decision=a_decision_policy(rebalance_to=name, **changes))


def a_position(
    weights: tuple[float, ...], policy: Policy, target: TargetPortfolio | None = None
) -> VaultPosition:
    snapshot = a_snapshot(weights=weights)
    return take_position(
        Observation(snapshot),
        a_model(),
        target or size(a_model(), Observation(snapshot), policy),
        policy=policy,
        tightened=(),
    )


def due() -> tuple[float, ...]:
    return size(a_model(), Observation(a_snapshot()), a_policy()).weights


def off_by(*changes: float) -> tuple[float, ...]:
    return tuple(weight + change for weight, change in zip(due(), changes, strict=True))


def to(name: str, weights: tuple[float, ...], **changes: Any) -> tuple[VaultPosition, tuple[float, ...]]:
    policy = aiming_at(name, **changes)
    position = a_position(weights, policy)
    return position, planned_move(position, policy.decision.at(ROUTINE)).goal.weights


# ----------------------------------------------------------------- the aims


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
    position = a_position(weights, policy)
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


# ------------------------------------------------- bounds, overshoot, limits


@pytest.mark.parametrize("name", AIMS)
def test_no_aim_ends_above_a_bound_that_binds_the_target(name: str) -> None:
    # Target and caps at leverage 1.2, held at 1.25 of the same mix: any part of the way alone would stay above.
    policy = aiming_at(name, trade_cost_bps=1_000)
    target = size(a_model(), Observation(a_snapshot()), policy)
    capped = replace(
        target,
        weights=tuple(1.2 * unit for unit in target.unit_weights),
        leverage=1.2,
        bounds=(Bound("target_volatility", target.leverage, ""), Bound("stress", 1.2, "")),
    )
    held = tuple(1.25 * unit for unit in target.unit_weights)
    position = a_position(held, policy, capped)
    goal = planned_move(position, policy.decision.at(ROUTINE)).goal
    assert goal.leverage <= 1.2 * (1 + 1e-12)


def test_the_health_factor_is_kept_for_the_mix_that_is_held_not_the_targets() -> None:
    # The held mix is worse collateral than the target's, so at the same leverage its health factor is lower.
    policy = aiming_at("ellipsoid")
    policy = replace(
        policy, size=replace(policy.size, target_volatility=2.0, min_health_factor=1.45, max_leverage=9.0)
    )
    target = size(a_model(), Observation(a_snapshot()), policy)
    worst = min(a_snapshot().reserves[1:], key=lambda reserve: reserve.liquidation_threshold_bps).symbol
    weights = [0.9 * weight for weight in target.weights]
    weights[RISK_SYMBOLS.index(worst)] += 0.3
    position = a_position(tuple(weights), policy)
    aim = within_bounds(position, tuple(weights))
    thresholds = [reserve.liquidation_threshold_bps / 1e4 for reserve in a_snapshot().reserves[1:]]
    factor = health_factor_at(
        math.fsum(aim), float(np.dot(aim, thresholds)) / math.fsum(aim), policy.size.idle_buffer
    )
    assert factor >= 1.45 * (1 - 1e-9)


def test_with_a_queue_the_leverage_bound_applies_to_the_rest_of_nav() -> None:
    policy = aiming_at("ellipsoid")
    policy = replace(policy, size=replace(policy.size, max_leverage=1.2))
    queued = with_redemptions(a_snapshot(), 0.4)
    aim = within_bounds(positions.a_position(queued, policy), (0.5, 0.5, 0.5, 0.5))
    assert math.fsum(aim) == pytest.approx(0.6 * 1.2)


def test_the_vaults_health_factor_holds_after_the_largest_loss() -> None:
    policy = aiming_at("ellipsoid")
    policy = replace(policy, size=replace(policy.size, max_leverage=9.0, target_volatility=3.0))
    snapshot = with_vault_policy(a_snapshot(), min_health_factor=2 * 10**18, max_leverage=9 * 10**18)
    position = positions.a_position(snapshot, policy)
    loose = replace(position, target=replace(position.target, bounds=()))
    aim = within_bounds(loose, (0.5, 0.5, 0.5, 0.5))
    needed = math.fsum(
        weight * (2.0 - threshold)
        for weight, threshold in zip(aim, position.liquidation_thresholds, strict=True)
    )
    assert needed == pytest.approx(2.0 * (1.0 - 0.01))


def test_an_out_of_band_move_of_just_the_minimum_is_not_lengthened() -> None:
    policy = with_limits(aiming_at("target"), Urgency.OUT_OF_BAND, recentring=0.5)
    limits = policy.decision.at(Urgency.OUT_OF_BAND)
    position = a_position(off_by(0.1, -0.1, 0.0, 0.0), policy)
    half = planned_move(position, limits).goal.weights
    size_usd = measures.turnover(position.current.weights, half) * position.held.nav_usd

    def goal(min_trade_usd: float) -> tuple[float, ...]:
        rules = replace(policy, decision=replace(policy.decision, min_trade_usd=min_trade_usd))
        return planned_move(replace(position, policy=rules), limits).goal.weights

    assert goal(size_usd) == half != position.target.weights
    assert goal(math.nextafter(size_usd, math.inf)) == position.target.weights


def test_weights_stay_under_their_caps() -> None:
    policy = aiming_at("ellipsoid", tracking_error_left=0.9, tracking_error_band=0.5)
    policy = replace(policy, assets=some_assets(max_weight=0.6))
    position = a_position(off_by(0.3, 0.0, 0.0, 0.0), policy)
    assert max(position.current.weights) > 0.6
    goal = planned_move(position, policy.decision.at(ROUTINE)).goal.weights
    assert max(goal) == pytest.approx(0.6)


def test_a_partial_move_that_would_overshoot_a_band_goes_to_the_target() -> None:
    # From all in one asset to all in another, half of each has far less volatility than either.
    correlation = np.eye(4).tolist()
    model = a_model(volatilities=(0.8, 0.8, 0.8, 0.8), correlation=correlation)
    policy = with_limits(aiming_at("target", triggers=("volatility",)), ROUTINE, recentring=0.5)
    target = replace(
        size(model, Observation(a_snapshot()), policy),
        weights=(0.0, 1.0, 0.0, 0.0),
        leverage=1.0,
        volatility=0.8,
    )
    snapshot = a_snapshot(weights=(1.0, 0.0, 0.0, 0.0))
    position = take_position(Observation(snapshot), model, target, policy=policy, tightened=())
    assert planned_move(position, policy.decision.at(ROUTINE)).goal.weights == target.weights
    unwatched = replace(policy, decision=replace(policy.decision, triggers=("age",)))
    position = take_position(Observation(snapshot), model, target, policy=unwatched, tightened=())
    assert planned_move(position, policy.decision.at(ROUTINE)).goal.weights == pytest.approx(
        (0.5, 0.5, 0.0, 0.0)
    )


def test_each_assets_own_cost_counts_towards_what_one_rebalance_may_lose() -> None:
    snapshot = with_vault_policy(a_snapshot(), max_loss_bps=50)
    policy = a_policy(assets=some_assets(trade_cost_bps=100))
    decision = decided(snapshot, policy)
    assert decision.action is Action.ITERATE
    assert decision.goal is not None
    assert decision.goal.leverage == pytest.approx(0.5)


# ---------------------------------------------------------- degenerate cases


def decided(
    snapshot: MarketSnapshot,
    policy: Policy,
    model: RiskModel | None = None,
    target: TargetPortfolio | None = None,
) -> Decision:
    risk = model or a_model()
    return decide(
        Observation(snapshot),
        risk,
        target or size(risk, Observation(snapshot), policy),
        policy=policy,
        tightened=(),
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
        )

    policy = replace(policy, plan=replace(policy.plan, gas_usd_price_symbol="WBTC"))
    target = size(model, Observation(alone(0.0)), policy).weights[0]
    bought = decided(alone(0.0), policy, model)
    assert bought.goal is not None
    # Edge: kappa / (gamma H sigma²) = 0.002 / (4 · 30/365 · 0.25); from cash the ellipsoid is out of band.
    short_of = {"target": 0.0, "boundary": 0.002 / (4 * 30 / 365 * 0.25), "ellipsoid": 0.0}[name]
    assert bought.goal.weights[0] == pytest.approx(target - short_of)
    assert decided(alone(target), policy, model).action is Action.HOLD


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
    position = a_position(weights, watched)
    assert planned_move(position, watched.decision.at(Urgency.OUT_OF_BAND)).aim == position.target.weights
    position = a_position(weights, unwatched)
    assert planned_move(position, unwatched.decision.at(ROUTINE)).aim == position.current.weights


def test_out_of_band_by_risk_share_counts_however_small_the_tracking_error_is() -> None:
    policy = aiming_at(
        "boundary", trade_cost_bps=2_000, triggers=("risk_share", "tracking_error"), tracking_error_band=9.0
    )
    position = a_position(off_by(-0.1, -0.1, 0.3, -0.1), policy)
    assert planned_move(position, policy.decision.at(Urgency.OUT_OF_BAND)).aim == position.target.weights


def test_rounding_above_a_binding_bound_does_not_make_the_target_the_aim() -> None:
    policy = aiming_at("ellipsoid")
    target = size(a_model(), Observation(a_snapshot()), policy)
    bound = replace(target, bounds=(Bound("stress", target.leverage, ""),))
    held = off_by(0.1, -0.1, 0.081, -0.08)
    position = a_position(held, policy, bound)
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
