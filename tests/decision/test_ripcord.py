"""Emergencies: how ``decide`` brings the health factor back."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from keeper.decision.deleverage import lowered_weights
from keeper.domain.decision import Action
from keeper.domain.market import MarketSnapshot, Trust
from keeper.domain.pause_state import DeleverageRequest
from keeper.domain.portfolio import portfolio
from keeper.domain.units import BPS, WAD
from keeper.domain.urgency import Urgency
from tests.decision.decided import LOST, decided, fallen, health_factor_after
from tests.decision.positions import a_position
from tests.factories import (
    NOW,
    RISK_SYMBOLS,
    a_decision_policy,
    a_policy,
    a_snapshot,
    an_in_flight,
    with_feed,
    with_holding,
    with_limits,
    with_market_move,
    with_morpho_account,
    with_reserve,
    with_vault,
    with_vault_policy,
)


def test_below_the_act_level_all_weights_are_lowered_alike_to_the_safe_level() -> None:
    snapshot = fallen()
    decision = decided(snapshot)
    assert decision.action is Action.RIPCORD
    assert decision.urgency is Urgency.EMERGENCY
    assert decision.goal is not None
    kept = [goal / now for goal, now in zip(decision.goal.weights, decision.current.weights, strict=True)]
    assert kept == pytest.approx([kept[0]] * 4)
    assert health_factor_after(snapshot, decision, LOST) == pytest.approx(1.45, rel=1e-6)
    assert health_factor_after(snapshot, decision, 0.0) > 1.45
    assert decision.reason.startswith("RIPCORD: health factor 1.")


def test_just_above_the_act_level_it_is_no_emergency() -> None:
    snapshot = fallen(0.78)
    level = portfolio(snapshot).health_factor
    at = decided(snapshot, a_policy(decision=a_decision_policy(act_health_factor=level)))
    below = decided(snapshot, a_policy(decision=a_decision_policy(act_health_factor=level + 1e-9)))
    assert at.urgency is Urgency.OUT_OF_BAND
    assert below.urgency is Urgency.EMERGENCY


@pytest.mark.parametrize("trust", [Trust.STALE, Trust.SUSPECT])
def test_bad_prices_do_not_stop_a_ripcord(trust: Trust) -> None:
    snapshot = fallen()
    for symbol in ("USDC", *RISK_SYMBOLS):
        snapshot = with_feed(snapshot, symbol, trust=trust)
    assert decided(snapshot).action is Action.RIPCORD


def test_a_dead_asset_is_left_and_the_others_bring_the_health_factor_back() -> None:
    snapshot = with_feed(fallen(), "LINK", trust=Trust.DEAD)
    decision = decided(snapshot)
    assert decision.action is Action.RIPCORD
    assert decision.goal is not None
    assert decision.goal.weights[2] == pytest.approx(decision.current.weights[2])
    assert decision.goal.weights[0] < decision.current.weights[0]
    assert health_factor_after(snapshot, decision, LOST) == pytest.approx(1.45, rel=1e-6)


def test_a_ripcord_sells_zero_ltv_collateral_first() -> None:
    snapshot = with_reserve(fallen(), "LINK", ltv_bps=0)
    decision = decided(snapshot)
    assert decision.action is Action.RIPCORD
    assert decision.goal is not None
    assert decision.goal.weights[2] == 0.0
    kept = [goal / now for goal, now in zip(decision.goal.weights, decision.current.weights, strict=True)]
    assert kept == pytest.approx([kept[0], kept[0], 0.0, kept[0]])
    assert 0 < kept[0] < 1
    left = with_reserve(snapshot, "LINK", liquidation_threshold_bps=0)
    assert health_factor_after(left, decision, LOST) == pytest.approx(1.45, rel=1e-6)


def test_no_more_zero_ltv_collateral_is_sold_than_is_needed() -> None:
    snapshot = with_market_move(a_snapshot(weights=(0.1, 0.7, 0.1, 0.1), leverage=1.95), 0.70)
    snapshot = with_reserve(snapshot, "WETH", ltv_bps=0)
    decision = decided(snapshot)
    assert decision.action is Action.RIPCORD
    assert decision.goal is not None
    assert 0 < decision.goal.weights[1] < decision.current.weights[1]
    others = (0, 2, 3)
    assert [decision.goal.weights[i] for i in others] == [decision.current.weights[i] for i in others]
    left = with_reserve(snapshot, "WETH", liquidation_threshold_bps=0)
    assert health_factor_after(left, decision, LOST) == pytest.approx(1.45, rel=1e-6)


def test_when_all_are_dead_nothing_can_be_sold() -> None:
    snapshot = fallen()
    for symbol in RISK_SYMBOLS:
        snapshot = with_feed(snapshot, symbol, trust=Trust.DEAD)
    decision = decided(snapshot)
    assert decision.action is Action.HOLD
    assert decision.exit_code == 4
    assert "0 of 4 assets have a price to sell at" in decision.reason


def test_when_the_only_collateral_is_dead_the_prices_of_others_do_not_help() -> None:
    snapshot = with_market_move(a_snapshot(weights=(2.0, 0.0, 0.0, 0.0)), 0.75)
    decision = decided(with_feed(snapshot, "WBTC", trust=Trust.DEAD))
    assert (decision.action, decision.exit_code) == (Action.HOLD, 4)
    assert "nothing can be sold to raise it" in decision.reason


@pytest.mark.parametrize("emergency_health", [0, 13 * WAD // 10])
@pytest.mark.parametrize(("idle", "action"), [(10**6, Action.HOLD), (10**6 + 1, Action.RIPCORD)])
def test_where_nothing_can_be_sold_idle_cash_above_dust_repays(
    idle: int, action: Action, emergency_health: int
) -> None:
    snapshot = with_market_move(a_snapshot(weights=(2.0, 0.0, 0.0, 0.0)), 0.75)
    snapshot = with_feed(with_holding(snapshot, "USDC", idle=idle), "WBTC", trust=Trust.DEAD)
    assert decided(with_vault_policy(snapshot, emergency_health=emergency_health)).action is action


def test_a_debt_of_dust_is_repaid_where_all_of_it_is_asked_for() -> None:
    snapshot = with_holding(a_snapshot(weights=(0.1, 0.1, 0.1, 0.1)), "USDC", owed=10**5, idle=10**9)
    decision = decided(snapshot, deleverage_request=DeleverageRequest(math.inf, "by hand"))
    assert decision.action is Action.RIPCORD


def test_cash_that_the_line_reserves_repays_only_in_the_vaults_emergency() -> None:
    snapshot = with_market_move(a_snapshot(weights=(2.0, 0.0, 0.0, 0.0)), 0.75)
    snapshot = with_feed(with_holding(snapshot, "USDC", idle=10**9), "WBTC", trust=Trust.DEAD)
    snapshot = with_vault(snapshot, reserved=10**9)
    assert decided(with_vault_policy(snapshot, emergency_health=0)).action is Action.HOLD
    assert decided(with_vault_policy(snapshot, emergency_health=13 * WAD // 10)).action is Action.RIPCORD


def test_debt_without_collateral_is_repaid_with_all_that_lies_idle() -> None:
    snapshot = a_snapshot(weights=(1.2, 0.0, 0.0, 0.0))
    supplied = snapshot.holdings[1].supplied
    decision = decided(with_holding(snapshot, "WBTC", supplied=0, idle=supplied))
    assert decision.action is Action.RIPCORD
    assert decision.goal is not None
    assert decision.goal.weights == (0.0, 0.0, 0.0, 0.0)


def test_where_the_safe_level_is_out_of_reach_everything_is_sold() -> None:
    unbounded = with_vault_policy(
        fallen(0.50), emergency_health=0, max_loss_bps=BPS, daily_loss_bps=BPS, daily_turnover_bps=99 * BPS
    )
    decision = decided(unbounded, with_limits(a_policy(), Urgency.EMERGENCY, max_trade=99.0))
    assert decision.action is Action.RIPCORD
    assert decision.goal is not None
    assert decision.goal.leverage == 0.0


def test_a_vault_that_owes_more_than_it_holds_is_beyond_trading() -> None:
    decision = decided(fallen(0.45))
    assert decision.action is Action.HOLD
    assert decision.exit_code == 5
    assert "owes more than it holds" in decision.reason


def test_a_transaction_in_flight_does_not_stop_a_ripcord() -> None:
    assert decided(fallen(), in_flight=an_in_flight()).action is Action.RIPCORD


def test_a_paused_vault_and_a_fresh_rebalance_do_not_stop_a_ripcord() -> None:
    assert decided(with_vault(fallen(), paused=True, last_rebalance=NOW)).action is Action.RIPCORD


@pytest.mark.parametrize("spent", [{"used_daily_loss": 0.03}, {"used_daily_turnover": 8.0}])
def test_a_spent_day_stops_a_ripcord_until_the_vaults_own_emergency(spent: dict[str, float]) -> None:
    snapshot = with_vault(fallen(), **spent)
    decision = decided(snapshot)
    assert (decision.action, decision.exit_code) == (Action.HOLD, 0)
    assert "in 24 hours" in decision.reason
    assert decided(with_vault_policy(snapshot, emergency_health=11 * WAD // 10)).action is Action.RIPCORD


def test_in_the_vaults_emergency_it_ends_under_the_vaults_target() -> None:
    snapshot = with_vault_policy(fallen(), emergency_health=11 * WAD // 10, target_health=12 * WAD // 10)
    assert health_factor_after(snapshot, decided(snapshot), 0.0) == pytest.approx(1.2 * 0.99, rel=1e-6)
    asked = decided(snapshot, deleverage_request=DeleverageRequest(math.inf, "by hand"))
    assert health_factor_after(snapshot, asked, 0.0) == pytest.approx(1.2 * 0.99, rel=1e-6)


@pytest.mark.parametrize(("closed_s", "fires"), [(1, True), (0, False)])
def test_what_the_vaults_target_left_is_lowered_until_borrowing_opens_again(
    closed_s: int, fires: bool
) -> None:
    """The emergency's call ended under the vault's target, above the alert level."""
    snapshot = fallen(0.85)
    level = portfolio(snapshot).health_factor
    snapshot = with_vault_policy(
        snapshot, emergency_health=11 * WAD // 10, target_health=int(1.02 * level * WAD), min_health=2 * WAD
    )
    snapshot = with_vault(snapshot, levering_closed_until=NOW + closed_s)
    decision = decided(snapshot, a_policy(decision=a_decision_policy(alert_health_factor=0.99 * level)))
    alert = next(gate for gate in decision.gates if gate.name == "health_factor_alert")
    assert alert.passed is fires


def test_the_largest_emergency_trade_cuts_a_ripcord_and_it_says_so() -> None:
    decision = decided(fallen(), with_limits(a_policy(), Urgency.EMERGENCY, max_trade=0.1))
    assert decision.action is Action.RIPCORD
    assert decision.goal is not None
    assert decision.goal.leverage == pytest.approx(portfolio(fallen()).leverage - 0.1)
    assert "in part" in decision.reason


def test_a_safe_level_above_the_floor_of_the_vault_is_used() -> None:
    policy = a_policy(decision=a_decision_policy(safe_health_factor=1.8))
    assert health_factor_after(fallen(), decided(fallen(), policy), LOST) == pytest.approx(1.8, rel=1e-6)


def test_an_account_with_its_own_thresholds_is_believed_over_the_reserves() -> None:
    # As in an eMode: the account's health factor is higher than the base thresholds give.
    snapshot = fallen()
    factor = snapshot.account.health_factor * 105 // 100
    better = replace(snapshot, account=replace(snapshot.account, health_factor=factor))
    policy = a_policy(decision=a_decision_policy(act_health_factor=1.3, alert_health_factor=1.4))
    first, second = decided(snapshot, policy).goal, decided(better, policy).goal
    assert first is not None
    assert second is not None
    assert second.leverage > first.leverage


def stuck(health: float, other: float, cash: int = 0, *, paused: bool = True) -> MarketSnapshot:
    """Account 1 on Morpho at ``health``, in a market that is paused; the first on Aave at ``other``, with idle cash."""
    first = a_snapshot(weights=(0.25, 0.25, 0.25, 0.25), leverage=1.5)
    first = with_holding(first, "USDC", idle=cash)
    first = replace(first, account=replace(first.account, health_factor=round(other * WAD)))
    held = with_morpho_account(first, "WETH", 100_000.0, 72_000.0)
    second = held.others[0]
    dead = replace(second.account, health_factor=round(health * WAD))
    reserves = tuple(replace(reserve, paused=paused) for reserve in second.reserves)
    return replace(held, others=(replace(second, account=dead, reserves=reserves),))


@pytest.mark.parametrize("cash", [0, 20_000 * 10**6])
def test_a_healthy_account_is_not_sold_because_another_one_in_need_is_stuck(cash: int) -> None:
    decision = decided(stuck(0.0, 1.4, cash))
    assert decision.action is Action.HOLD
    assert decision.exit_code == 5
    assert "account_in_reach" in {gate.name for gate in decision.gates if not gate.passed}
    assert "account 1 is in need" in decision.reason
    assert "its market of USDC is paused" in decision.reason


def test_a_second_account_in_need_is_lowered_while_the_first_one_is_stuck() -> None:
    decision = decided(stuck(0.0, 1.05))
    assert decision.action is Action.RIPCORD
    assert decision.goal is not None
    assert decision.goal.leverage < portfolio(stuck(0.0, 1.05)).leverage


@pytest.mark.parametrize("cash", [0, 80_000 * 10**6])
def test_the_debt_of_an_account_without_a_price_is_repaid_by_a_rebalance(cash: int) -> None:
    """Even where cash would do: a deleverage of that account alone would end beyond the vault's target."""
    held = stuck(0.0, 1.9, cash, paused=False)
    market = held.others[0].venue.market
    assert market is not None
    venue = replace(held.others[0].venue, market=replace(market, price=0))
    reserves = tuple(
        replace(reserve, available=0) if reserve.symbol == "WETH" else reserve
        for reserve in held.others[0].reserves
    )
    decision = decided(replace(held, others=(replace(held.others[0], venue=venue, reserves=reserves),)))
    assert decision.action is Action.REBALANCE
    assert decision.placement is not None
    assert decision.placement.accounts[1].debt_usd == pytest.approx(0.0, abs=1.0)


@pytest.mark.parametrize(("asked", "action"), [(1.6, Action.RIPCORD), (1.3, Action.HOLD)])
def test_a_request_lowers_only_an_account_below_what_is_asked_for(asked: float, action: Action) -> None:
    decision = decided(stuck(0.0, 1.4), deleverage_request=DeleverageRequest(asked, "by hand"))
    assert decision.action is action


@pytest.mark.parametrize(("other", "sold"), [(1.42, False), (1.35, True)])
def test_planned_sales_lower_only_an_account_below_the_alert_level(other: float, sold: bool) -> None:
    """Account 1 is below it and stuck. The safe level is 1.45."""
    policy = a_policy(decision=a_decision_policy(alert_health_factor=1.4))
    position = a_position(stuck(1.28, other), policy)
    lowered = lowered_weights(position, Urgency.OUT_OF_BAND)
    assert (lowered != position.current.weights) is sold
