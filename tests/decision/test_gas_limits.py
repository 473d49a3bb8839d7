"""Limits on the gas price, the gas reserve, the smallest trade and its cost."""

from __future__ import annotations

from dataclasses import replace

import pytest

from keeper.decision.limits import highest_gas_price_wei
from keeper.decision.trade_context import consider
from keeper.domain.decision import Gate
from keeper.domain.units import WAD
from keeper.domain.urgency import Urgency
from tests.decision.gate_cases import EMERGENCY, OUT_OF_BAND, ROUTINE, a_trade, limit, passes, target_weights
from tests.decision.positions import a_move, a_position
from tests.factories import (
    DAY,
    GWEI,
    HOUR,
    NOW,
    a_decision_policy,
    a_policy,
    a_snapshot,
    with_block,
    with_vault,
)


@pytest.mark.parametrize(("urgency", "gwei"), [(ROUTINE, 40), (OUT_OF_BAND, 120), (EMERGENCY, 500)])
def test_gas_price_just_met_and_just_missed(urgency: Urgency, gwei: int) -> None:
    assert passes("gas_price", with_block(a_snapshot(), base_fee_wei=gwei * GWEI), urgency)
    assert not passes("gas_price", with_block(a_snapshot(), base_fee_wei=gwei * GWEI + 1), urgency)


@pytest.mark.parametrize(("l1_gwei", "passed"), [(10, True), (11, False)])
def test_on_a_rollup_the_l1_fee_counts_in_the_price_of_gas(l1_gwei: int, passed: bool) -> None:
    snapshot = a_snapshot(l1_fee_wei=l1_gwei * GWEI * a_policy().decision.rebalance_gas)
    trade = a_trade(with_block(snapshot, base_fee_wei=30 * GWEI), urgency=ROUTINE)
    gate = limit("gas_price", trade)
    assert (gate.value, gate.passed) == (30 + l1_gwei, passed)
    assert trade.gas_cost_wei == (30 + l1_gwei) * GWEI * a_policy().decision.rebalance_gas
    assert gate.detail.startswith("gas costs ")


@pytest.mark.parametrize(("overdue", "gwei"), [(6 * HOUR, 40), (6 * HOUR + 1, 120)])
def test_after_its_patience_a_routine_trade_pays_as_an_out_of_band_one(overdue: int, gwei: int) -> None:
    snapshot = with_vault(a_snapshot(), last_rebalance=NOW - 7 * DAY - overdue)
    gate = limit("gas_price", a_trade(snapshot, urgency=ROUTINE))
    assert gate.limit == gwei
    assert ("patience" in gate.detail) is (gwei == 120)


@pytest.mark.parametrize("overdue", [6 * HOUR, 6 * HOUR + 1])
def test_only_routine_has_two_tiers_of_patience(overdue: int) -> None:
    snapshot = with_vault(a_snapshot(), last_rebalance=NOW - 7 * DAY - overdue)
    for urgency, gwei in ((OUT_OF_BAND, 120), (EMERGENCY, 500)):
        assert limit("gas_price", a_trade(snapshot, urgency=urgency)).limit == gwei


def test_patience_is_counted_from_when_a_rebalance_was_due_not_from_when_a_trigger_fired() -> None:
    # Yearn's two delays: dear gas holds back a young drift, however large the cool-down was, until the age is up.
    dear = with_block(a_snapshot(), base_fee_wei=60 * GWEI)
    young = with_vault(dear, last_rebalance=NOW - 6 * DAY)
    assert not limit("gas_price", a_trade(young, urgency=ROUTINE)).passed
    old = with_vault(dear, last_rebalance=NOW - 7 * DAY - 7 * HOUR)
    assert limit("gas_price", a_trade(old, urgency=ROUTINE)).passed


def test_a_vault_that_was_never_rebalanced_has_waited_long_enough() -> None:
    snapshot = with_vault(with_block(a_snapshot(), base_fee_wei=120 * GWEI), last_rebalance=0)
    assert limit("gas_price", a_trade(snapshot, urgency=ROUTINE)).passed


@pytest.mark.parametrize("urgency", list(Urgency))
@pytest.mark.parametrize("overdue", [-DAY, 7 * HOUR])
def test_the_gate_and_the_transaction_have_the_same_highest_gas_price(urgency: Urgency, overdue: int) -> None:
    snapshot = with_vault(a_snapshot(), last_rebalance=NOW - 7 * DAY - overdue)
    highest = highest_gas_price_wei(snapshot, urgency, a_policy())
    assert limit("gas_price", a_trade(snapshot, urgency=urgency)).limit * GWEI == pytest.approx(highest)


def at_balance(wei: int, weights: tuple[float, ...] | None = None, urgency: Urgency = OUT_OF_BAND) -> Gate:
    snapshot = a_snapshot(weights=(0.2, 0.2, 0.2, 0.2), keeper_balance_wei=wei)
    return limit("gas_balance", a_trade(snapshot, urgency=urgency, weights=weights))


GAS = 2_500_000 * 20 * GWEI


def test_levering_leaves_the_gas_reserve_untouched() -> None:
    assert at_balance(GAS + WAD).passed
    assert not at_balance(GAS + WAD - 10**15).passed


@pytest.mark.parametrize("urgency", list(Urgency))
def test_lowering_leverage_may_use_the_gas_reserve(urgency: Urgency) -> None:
    lower = (0.1, 0.1, 0.1, 0.1)
    assert at_balance(GAS, lower, urgency).passed
    assert not at_balance(GAS - 10**15, lower, urgency).passed


@pytest.mark.parametrize(("rise", "levers"), [(0.0, False), (1e-10, False), (1e-8, True)])
def test_a_rise_of_leverage_by_more_than_rounding_is_levering(rise: float, levers: bool) -> None:
    position = a_position(a_snapshot(weights=target_weights()))
    first, *others = position.current.weights
    trade = consider(position, a_move((first + rise, *others)), OUT_OF_BAND)
    assert trade.raises_leverage is levers


def to_last_asset(change: float) -> tuple[float, ...]:
    return (*target_weights()[:3], target_weights()[3] + change)


@pytest.mark.parametrize(("change", "passed"), [(1.001e-4, True), (0.999e-4, False)])
def test_min_trade_just_met_and_just_missed(change: float, passed: bool) -> None:
    trade = a_trade(a_snapshot(weights=target_weights()), weights=to_last_asset(change))
    assert limit("min_trade", trade).passed is passed


@pytest.mark.parametrize(
    ("urgency", "base_fee_wei", "passed"),
    [(OUT_OF_BAND, 1, True), (OUT_OF_BAND, 20 * GWEI, False), (ROUTINE, 1, False)],
)
def test_below_the_minimum_only_an_out_of_band_trade_that_pays_for_its_gas_is_made(
    urgency: Urgency, base_fee_wei: int, passed: bool
) -> None:
    snapshot = with_block(a_snapshot(nav_usd=50.0), base_fee_wei=base_fee_wei)
    trade = a_trade(snapshot, urgency=urgency)
    assert (trade.benefit_usd > trade.cost_usd) is (base_fee_wei == 1)
    assert limit("min_trade", trade).passed is passed
    assert not limit("min_trade", replace(trade, benefit_usd=trade.cost_usd)).passed


def test_a_minimum_of_nothing_still_needs_a_trade() -> None:
    policy = a_policy(decision=a_decision_policy(min_trade_usd=0.0))
    snapshot = a_snapshot(weights=target_weights())
    now = a_position(snapshot, policy).current.weights
    assert not limit("min_trade", a_trade(snapshot, policy, weights=now)).passed


def test_benefit_exceeds_cost_is_asked_of_routine_trades() -> None:
    worth = limit("benefit_exceeds_cost", a_trade(urgency=ROUTINE))
    assert worth.passed
    slightly_off = a_snapshot(weights=[weight * 1.02 for weight in target_weights()])
    assert not limit("benefit_exceeds_cost", a_trade(slightly_off, urgency=ROUTINE)).passed


def test_benefit_must_be_more_than_the_cost() -> None:
    trade = a_trade(urgency=ROUTINE)
    assert not limit("benefit_exceeds_cost", replace(trade, benefit_usd=trade.cost_usd)).passed
    assert limit("benefit_exceeds_cost", replace(trade, benefit_usd=trade.cost_usd + 1e-6)).passed


def test_a_cost_of_each_assets_own_is_counted() -> None:
    dear = a_policy(assets=tuple(replace(asset, trade_cost_bps=200) for asset in a_policy().assets))
    usual, own = a_trade(urgency=ROUTINE), a_trade(policy=dear, urgency=ROUTINE)
    assert own.trade_cost_usd - usual.trade_cost_usd == pytest.approx(180e-4 * own.turnover * 1e6)
    assert own.benefit_usd == usual.benefit_usd
