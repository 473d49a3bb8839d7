"""What bounds and caps do to the aim of a rebalance."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from keeper.decision import measures
from keeper.decision.aims import AIMS
from keeper.decision.decide import decide
from keeper.decision.move import planned_move, within_bounds
from keeper.decision.position import take_position
from keeper.domain.decision import Action
from keeper.domain.model import Bound
from keeper.domain.observation import Observation
from keeper.domain.urgency import Urgency
from keeper.sizing.bounds import health_factor_at
from keeper.sizing.size import size
from tests.decision import positions
from tests.decision.move_cases import ROUTINE, aiming_at, holding, off_by
from tests.factories import (
    RISK_SYMBOLS,
    a_model,
    a_policy,
    a_snapshot,
    some_assets,
    with_limits,
    with_redemptions,
    with_vault,
    with_vault_asset,
    with_vault_policy,
)


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
    position = holding(held, policy, capped)
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
    position = holding(tuple(weights), policy)
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
    snapshot = with_vault_policy(a_snapshot(), min_health=2 * 10**18, max_leverage=9 * 10**18)
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
    position = holding(off_by(0.1, -0.1, 0.0, 0.0), policy)
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
    position = holding(off_by(0.3, 0.0, 0.0, 0.0), policy)
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
    target = size(a_model(), Observation(snapshot), policy)
    decision = decide(Observation(snapshot), a_model(), target, policy=policy, tightened=())
    assert decision.action is Action.ITERATE
    assert decision.goal is not None
    flash_premium_bps = 5
    assert decision.goal.leverage == pytest.approx(50 / (100 + flash_premium_bps))


def test_what_the_vault_counts_as_the_lag_of_the_feeds_counts_as_lost() -> None:
    snapshot = with_vault_asset(with_vault_policy(a_snapshot(), max_loss_bps=50), "USDC", lag_bps=20)
    for symbol in RISK_SYMBOLS:
        snapshot = with_vault_asset(snapshot, symbol, lag_bps=30)
    policy = a_policy(assets=some_assets(trade_cost_bps=45))
    target = size(a_model(), Observation(snapshot), policy)
    decision = decide(Observation(snapshot), a_model(), target, policy=policy, tightened=())
    assert decision.goal is not None
    assert decision.goal.leverage == pytest.approx(50 / (45 + 30 + 20 + 5))


def test_a_trade_goes_as_far_as_what_is_left_of_the_day() -> None:
    snapshot = with_vault(a_snapshot(), used_daily_loss=0.028, used_daily_turnover=7.9)
    policy = a_policy(assets=some_assets(trade_cost_bps=95))
    target = size(a_model(), Observation(snapshot), policy)
    decision = decide(Observation(snapshot), a_model(), target, policy=policy, tightened=())
    assert decision.action is Action.ITERATE
    assert decision.goal is not None
    assert decision.goal.leverage == pytest.approx(0.9 * 0.1)  # a plan may pass through further pools


@pytest.mark.parametrize(
    ("used_loss", "used_turnover", "max_trade", "words"),
    [
        (0.0, 0.0, 4.0, "the vault lets one call lose 1.00% of NAV, the feeds' lag counted as lost"),
        (
            0.028,
            0.0,
            4.0,
            "the vault lets 24 hours lose 3.00% of NAV, the feeds' lag counted as lost, and 2.80% of it is used",
        ),
        (
            0.0,
            7.9,
            4.0,
            "the vault lets 24 hours sell 8.00 NAVs, every pool on the way counted, and 7.90 of it is used",
        ),
        (0.0, 0.0, 0.05, "max_trade allows 0.05 NAVs in one trade"),
    ],
)
def test_a_trade_that_is_cut_short_says_by_what(
    used_loss: float, used_turnover: float, max_trade: float, words: str
) -> None:
    snapshot = with_vault(a_snapshot(), used_daily_loss=used_loss, used_daily_turnover=used_turnover)
    policy = with_limits(
        a_policy(assets=some_assets(trade_cost_bps=95)), Urgency.OUT_OF_BAND, max_trade=max_trade
    )
    target = size(a_model(), Observation(snapshot), policy)
    decision = decide(Observation(snapshot), a_model(), target, policy=policy, tightened=())
    assert decision.action is Action.ITERATE
    assert decision.reason.endswith(f"NAVs of trading left for later cycles, because {words}.")
