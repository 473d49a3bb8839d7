"""The pools' depth in a decision: what it costs, whether it pays, how far it goes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from keeper.decision import measures
from keeper.decision.cost_curve import cost_curves
from keeper.decision.decide import decide
from keeper.decision.move import planned_move
from keeper.decision.position import VaultPosition, take_position
from keeper.domain.decision import Action, Decision, Gate
from keeper.domain.executed_swaps import LearnedCost
from keeper.domain.market import MarketSnapshot
from keeper.domain.observation import Observation
from keeper.domain.policy import Policy
from keeper.domain.units import BPS, SECONDS_PER_YEAR
from keeper.domain.urgency import Urgency
from keeper.sizing.size import size
from tests.factories import (
    RISK_SYMBOLS,
    a_decision_policy,
    a_model,
    a_policy,
    a_snapshot,
    with_depths,
    with_market_move,
    with_vault_policy,
)

HOLDING = (0.65, 0.34, 0.38, 0.25)


def aiming_at(name: str, **changes: Any) -> Policy:
    return a_policy(decision=a_decision_policy(rebalance_to=name, **changes))


RESTLESS = aiming_at("ellipsoid", triggers=("tracking_error",), tracking_error_band=0.02, risk_aversion=20.0)
"""Trades as ROUTINE on a small drift, and values what it gains by it."""


def position_of(snapshot: MarketSnapshot, policy: Policy) -> VaultPosition:
    return take_position(
        Observation(snapshot),
        a_model(),
        size(a_model(), Observation(snapshot), policy),
        policy=policy,
        tightened=(),
    )


def decided(snapshot: MarketSnapshot, policy: Policy, learned: tuple[LearnedCost, ...] = ()) -> Decision:
    target = size(a_model(), Observation(snapshot), policy)
    return decide(
        Observation(snapshot, learned_costs=learned), a_model(), target, policy=policy, tightened=()
    )


def gate(decision: Decision, name: str) -> Gate:
    return next(gate for gate in decision.gates if gate.name == name)


def due(nav_usd: float = 1e6) -> tuple[float, ...]:
    return size(a_model(), Observation(a_snapshot(nav_usd=nav_usd)), a_policy()).weights


def drifted(nav_usd: float) -> MarketSnapshot:
    """On target, then LINK rose by a fifth."""
    return with_market_move(a_snapshot(weights=due(nav_usd), nav_usd=nav_usd), 1.2, ["LINK"])


@pytest.mark.parametrize("name", ["target", "boundary", "ellipsoid"])
def test_the_expected_cost_is_the_curves_loss_for_each_assets_trade(name: str) -> None:
    snapshot = with_depths(a_snapshot())
    decision = decided(snapshot, aiming_at(name))
    assert decision.goal is not None
    curves, premium = cost_curves(snapshot), 5e-4 * decision.goal.leverage * 1e6
    sizes = [weight * 1e6 for weight in decision.goal.weights]
    losses = [curves[symbol].loss_usd(usd) for symbol, usd in zip(RISK_SYMBOLS, sizes, strict=True)]
    gas = 2_500_000 * snapshot.block.base_fee_wei / 1e18 * 1_650.0
    assert decision.expected_cost_usd == pytest.approx(sum(losses) + premium + gas, rel=1e-9)
    assert [one.symbol for one in decision.pool_costs] == list(RISK_SYMBOLS)
    for cost, usd, loss in zip(decision.pool_costs, sizes, losses, strict=True):
        assert cost.size_usd == pytest.approx(usd)
        assert (cost.linear_bps + cost.impact_bps) / BPS * usd == pytest.approx(loss)


def test_where_no_pool_is_known_the_assumption_stands_and_no_pool_costs_are_shown() -> None:
    plain = decided(a_snapshot(), a_policy())
    assert plain.pool_costs == ()
    off = with_depths(a_snapshot())
    off = replace(
        off, depths=tuple(replace(pool, sqrt_price=pool.sqrt_price * 102 // 100) for pool in off.depths)
    )
    assert decided(off, a_policy()) == plain
    unwanted = a_policy(decision=a_decision_policy(pool_costs=False))
    assert decided(with_depths(a_snapshot()), unwanted) == plain


def test_an_asset_without_known_pools_keeps_its_assumption() -> None:
    snapshot = with_depths(a_snapshot())
    known = tuple(pool for pool in snapshot.depths if pool.symbol != "UNI")
    position = position_of(replace(snapshot, depths=known), a_policy())
    assert position.costs_bps((0.1,) * 4)[3] == 20.0
    assert all(bps != 20.0 for bps in position.costs_bps((0.1,) * 4)[:3])


@pytest.mark.parametrize(("factor", "pays"), [(1.0, True), (0.02, False)])
def test_the_depth_decides_whether_a_routine_trade_pays(factor: float, pays: bool) -> None:
    """By the assumption alone it would, whatever the pools are."""
    decision = decided(with_depths(drifted(1e6), factor), RESTLESS)
    assert decision.urgency is Urgency.ROUTINE
    assert gate(decision, "benefit_exceeds_cost").passed is pays
    assert decision.action is (Action.REBALANCE if pays else Action.HOLD)
    assert gate(decided(drifted(1e6), RESTLESS), "benefit_exceeds_cost").passed


def test_a_trade_that_pays_for_a_small_vault_may_not_pay_for_a_large_one() -> None:
    whole_way = replace(RESTLESS, decision=replace(RESTLESS.decision, rebalance_to="target"))
    small, large = (decided(with_depths(drifted(nav)), whole_way) for nav in (1e6, 10e6))
    assert gate(small, "benefit_exceeds_cost").passed
    assert not gate(large, "benefit_exceeds_cost").passed
    assert large.benefit_usd / 10e6 == pytest.approx(small.benefit_usd / 1e6)
    assert large.action is Action.HOLD


def test_a_vault_too_large_for_its_pools_stops_where_trading_more_does_not_pay() -> None:
    snapshot = with_depths(drifted(10e6), 0.5)
    decision, without = decided(snapshot, RESTLESS), decided(drifted(10e6), RESTLESS)
    assert decision.action is without.action is Action.REBALANCE
    assert decision.goal is not None
    assert without.goal is not None
    position = position_of(snapshot, RESTLESS)
    now, target = np.array(position.current.weights), np.array(position.target.weights)
    way = target - now
    parts = (np.array(decision.goal.weights) - now) / way
    assert parts == pytest.approx(parts[0])
    assert parts[0] < ((np.array(without.goal.weights) - now) / way)[0]

    strength = 20.0 * 30 * 86_400 / SECONDS_PER_YEAR
    squares = [
        (cost.linear_bps / BPS, cost.curvature(usd) * position.held.nav_usd)
        for cost, usd in zip(position.costs, position.sizes_usd(position.target.weights), strict=True)
    ]

    def net(part: float) -> float:
        gained = strength * position.tracking_error**2 * (part - part * part / 2)
        spent = [c * abs(d) * part + q * (d * part) ** 2 / 2 for (c, q), d in zip(squares, way, strict=True)]
        return float(gained - sum(spent))

    assert net(parts[0]) >= max(net(part) for part in np.linspace(0.0, 1.0, 1_001)) - 1e-15


def test_where_no_trade_pays_the_benefit_gate_judges_the_full_move() -> None:
    calm = aiming_at("ellipsoid", triggers=("tracking_error",), tracking_error_band=0.02, risk_aversion=0.1)
    decision = decided(with_depths(drifted(1e6)), calm)
    assert decision.action is Action.HOLD
    assert not gate(decision, "benefit_exceeds_cost").passed
    assert sum(one.size_usd for one in decision.pool_costs) > 0.0


def test_the_boundary_is_where_a_little_more_trading_costs_what_it_is_worth_on_the_curve() -> None:
    policy = aiming_at("boundary", triggers=("tracking_error",))
    nav = 10e6
    position = position_of(with_depths(a_snapshot(weights=HOLDING, nav_usd=nav)), policy)
    goal = np.array(planned_move(position, policy.decision.at(Urgency.ROUTINE)).aim)
    now, target = np.array(position.current.weights), np.array(position.target.weights)
    strength = 4.0 * 30 * 86_400 / SECONDS_PER_YEAR
    slope = strength * np.array(position.model.covariance) @ (goal - target)
    curves = cost_curves(position.snapshot)
    for i, symbol in enumerate(RISK_SYMBOLS):
        whole, moved = abs(target[i] - now[i]) * nav, abs(goal[i] - now[i]) * nav
        curve = curves[symbol]
        if goal[i] == now[i]:
            assert abs(slope[i]) <= curve.fee * (1 + 1e-9)
        else:
            price = curve.fee + curve.curvature(whole) * moved
            assert -np.sign(goal[i] - now[i]) * slope[i] == pytest.approx(price, rel=1e-6)
    assert (goal != now).any()


def test_the_larger_the_vault_the_less_far_it_goes_to_the_boundary() -> None:
    policy = aiming_at("boundary", triggers=("tracking_error",))
    gone = []
    for nav in (1e4, 1e6, 1e7):
        position = position_of(with_depths(a_snapshot(weights=HOLDING, nav_usd=nav)), policy)
        assert position.target.weights == pytest.approx(due())
        goal = planned_move(position, policy.decision.at(Urgency.ROUTINE)).aim
        gone.append(measures.tracking_error(goal, position.target.weights, position.model.covariance))
    assert gone == sorted(gone)
    assert gone[-1] > 1.2 * gone[0]
    assert gone[-1] < position.tracking_error


def test_shallow_pools_cut_a_trade_to_what_the_vault_may_lose() -> None:
    snapshot = with_vault_policy(a_snapshot(nav_usd=20e6), max_loss_bps=75)
    whole = decided(snapshot, a_policy())
    part = decided(with_depths(snapshot, 0.3), a_policy())
    assert (whole.action, part.action) == (Action.REBALANCE, Action.ITERATE)
    assert sum(one.size_usd * (one.linear_bps + one.impact_bps) for one in part.pool_costs) <= 75 * 20e6


def test_deep_pools_never_let_a_trade_go_farther_than_the_assumption_does() -> None:
    snapshot = with_vault_policy(a_snapshot(), max_loss_bps=10)
    policy = a_policy(decision=a_decision_policy(trade_cost_bps=40))
    plain, deep = decided(snapshot, policy), decided(with_depths(snapshot, 100.0), policy)
    assert plain.action is deep.action is Action.ITERATE
    assert deep.goal == plain.goal
    assert deep.expected_cost_usd < plain.expected_cost_usd


def test_the_cost_of_past_trades_counts_with_the_depth() -> None:
    learned = (LearnedCost("LINK", 20, 15.0, 90.0, 30.0),)
    snapshot = with_depths(a_snapshot())
    plain, taught = (decided(snapshot, a_policy(), found) for found in ((), learned))
    before, after = (
        {one.symbol: one.linear_bps + one.impact_bps for one in found.pool_costs} for found in (plain, taught)
    )
    assert after["LINK"] == pytest.approx((5.0 * before["LINK"] + 15.0 * 90.0) / 20.0)
    assert {name: after[name] for name in ("WBTC", "WETH", "UNI")} == {
        name: before[name] for name in ("WBTC", "WETH", "UNI")
    }
