"""Ordinary cycles: when ``decide`` trades, how far it goes and what it reports."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from keeper.domain.decision import Action
from keeper.domain.market import MarketSnapshot, Trust
from keeper.domain.portfolio import portfolio
from keeper.domain.urgency import Urgency
from keeper.risk.contributions import risk_shares, volatility
from tests.decision.decided import a_target, decided, fallen
from tests.factories import (
    DAY,
    NOW,
    a_decision_policy,
    a_model,
    a_policy,
    a_size_policy,
    a_snapshot,
    an_in_flight,
    with_feed,
    with_holding,
    with_limits,
    with_market_move,
    with_vault,
    with_vault_policy,
)


def on_target(**changes: object) -> MarketSnapshot:
    return a_snapshot(weights=a_target().weights, **changes)  # type: ignore[arg-type]


def test_a_vault_of_cash_alone_goes_to_the_target_out_of_band() -> None:
    decision = decided(a_snapshot())
    assert decision.action is Action.REBALANCE
    assert decision.urgency is Urgency.OUT_OF_BAND
    assert decision.goal is not None
    assert decision.goal.weights == pytest.approx(a_target().weights)
    assert decision.goal.leverage == pytest.approx(a_target().leverage)
    assert (decision.current.volatility, decision.remaining, decision.exit_code) == (0.0, 0.0, 0)
    assert decision.reason.startswith("REBALANCE: ")


def test_on_target_it_holds_and_says_with_what_numbers() -> None:
    decision = decided(on_target())
    assert decision.action is Action.HOLD
    assert decision.goal is None
    assert decision.exit_code == 0
    assert decision.reason == (
        "HOLD: every asset's risk share is within 3.0 pp of its target share (worst: WBTC 0.0 pp), "
        "volatility is 80.0% against 80.0%, leverage 1.546 against 1.546."
    )


def test_a_hold_names_the_triggers_that_are_judged() -> None:
    policy = a_policy(decision=a_decision_policy(triggers=("tracking_error", "age")))
    assert decided(on_target(), policy).reason == (
        "HOLD: tracking error against the target is 0.00% a year, band 4.00%, "
        "volatility is 80.0% against 80.0%, leverage 1.546 against 1.546."
    )


def test_after_one_assets_price_moved_far_it_trades_back() -> None:
    snapshot = with_market_move(on_target(), 1.60, ["LINK"])
    decision = decided(snapshot)
    assert decision.action is Action.REBALANCE
    assert decision.goal is not None
    assert decision.goal.weights[2] < decision.current.weights[2]
    assert "LINK carries" in decision.reason


def test_the_goal_spreads_the_risk_by_budget_at_the_target_volatility() -> None:
    goal = decided(a_snapshot()).goal
    assert goal is not None
    np.testing.assert_allclose(risk_shares(goal.weights, a_model().covariance), 0.25, rtol=1e-9)
    assert volatility(goal.weights, a_model().covariance) == pytest.approx(0.80)


def test_a_small_drift_is_held_where_trading_it_away_costs_more_than_it_is_worth() -> None:
    decision = decided(with_market_move(on_target(), 1.35, ["LINK"]))
    assert decision.action is Action.HOLD
    assert decision.exit_code == 0
    assert decision.benefit_usd < decision.expected_cost_usd
    assert decision.reason.endswith("but worth 268.48 USD, costs about 526.23 USD.")


def test_recentring_goes_part_of_the_way_and_reports_the_rest() -> None:
    decision = decided(a_snapshot(), with_limits(a_policy(), Urgency.OUT_OF_BAND, recentring=0.5))
    assert decision.action is Action.REBALANCE
    assert decision.goal is not None
    assert decision.goal.weights == pytest.approx([weight / 2 for weight in a_target().weights])
    assert decision.remaining == pytest.approx(a_target().leverage / 2)


def test_a_move_larger_than_the_largest_trade_is_split_over_cycles() -> None:
    policy = with_limits(a_policy(), Urgency.OUT_OF_BAND, max_trade=0.6)
    decision = decided(a_snapshot(), policy)
    assert decision.action is Action.ITERATE
    assert decision.goal is not None
    assert math.fsum(decision.goal.weights) == pytest.approx(0.6)
    assert decision.remaining == pytest.approx(a_target().leverage - 0.6)
    assert "0.946 NAVs of trading left" in decision.reason


def test_iterating_arrives_and_then_holds() -> None:
    policy = with_limits(a_policy(), Urgency.OUT_OF_BAND, max_trade=0.6)
    weights: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0)
    actions = []
    for _ in range(6):
        decision = decided(a_snapshot(weights=weights), policy)
        actions.append(decision.action)
        if decision.goal is None:
            break
        weights = decision.goal.weights
    assert actions == [Action.ITERATE, Action.ITERATE, Action.REBALANCE, Action.HOLD]


def test_a_trade_that_would_cost_more_than_the_vault_lets_go_is_split() -> None:
    snapshot = with_vault_policy(a_snapshot(), max_loss_bps=100)
    decision = decided(snapshot, replace(a_policy(), decision=a_decision_policy(trade_cost_bps=200)))
    assert decision.action is Action.ITERATE
    assert decision.goal is not None
    flash_premium_bps = 5
    assert decision.goal.leverage == pytest.approx(100 / (200 + flash_premium_bps))
    free = replace(a_policy(), decision=a_decision_policy(trade_cost_bps=0))
    assert decided(snapshot, free).action is Action.REBALANCE


def test_a_trade_of_exactly_the_largest_size_is_not_split() -> None:
    policy = with_limits(a_policy(), Urgency.OUT_OF_BAND, max_trade=a_target().leverage * (1 + 1e-12))
    assert decided(a_snapshot(), policy).action is Action.REBALANCE


def test_too_much_leverage_is_lowered() -> None:
    policy = a_policy(size=a_size_policy(target_volatility=0.5))
    decision = decided(on_target(), policy)
    assert decision.goal is not None
    assert decision.goal.leverage < decision_leverage(on_target())
    assert decision.urgency is Urgency.OUT_OF_BAND


def decision_leverage(snapshot: MarketSnapshot) -> float:
    return portfolio(snapshot).leverage


def test_benefit_and_cost_are_worked_out_by_hand() -> None:
    # From cash: g/2 · H · NAV · s² = 2 · 30/365 · 1e6 · 0.64; 20 bps of the turnover, 5 of the debt that changes,
    # 2.5 M gas at 20 gwei and 1,650 USD.
    decision, leverage = decided(a_snapshot()), a_target().leverage
    assert decision.benefit_usd == pytest.approx(0.5 * 4 * 30 / 365 * 1e6 * 0.8**2)
    assert decision.expected_cost_usd == pytest.approx((20 + 5) * 1e-4 * leverage * 1e6 + 0.05 * 1_650)


def test_an_empty_vault_holds() -> None:
    decision = decided(a_snapshot(nav_usd=0.0))
    assert decision.action is Action.HOLD
    assert "0.00 USD to trade, at least 100.00" in decision.reason


def test_a_held_back_trade_names_its_cause_and_what_held_it() -> None:
    decision = decided(with_vault(a_snapshot(), paused=True))
    assert decision.action is Action.HOLD
    assert decision.exit_code == 5
    assert decision.reason.endswith("band 3.0 pp, but the vault is paused.")
    assert decision.remaining == 0.0


def test_the_first_failed_gate_gives_the_exit_code() -> None:
    snapshot = with_feed(
        with_vault(a_snapshot(), paused=True), "UNI", trust=Trust.STALE, reason="9,000 s old"
    )
    decision = decided(snapshot, in_flight=an_in_flight())
    assert decision.exit_code == 4
    assert "the price of UNI is STALE: 9,000 s old" in decision.reason


def test_the_gate_counts_the_transaction_in_flight() -> None:
    gates = {gate.name: gate for gate in decided(a_snapshot(), in_flight=an_in_flight()).gates}
    gate = gates["in_flight"]
    assert (gate.value, gate.limit, gate.passed) == (1, 0, False)


def test_without_a_trigger_nothing_in_flight_or_paused_matters() -> None:
    assert decided(with_vault(on_target(), paused=True), in_flight=an_in_flight()).exit_code == 0


def test_on_bad_data_a_hold_has_the_exit_code_of_untrusted() -> None:
    decision = decided(with_feed(on_target(), "UNI", trust=Trust.SUSPECT, reason="jumped by 60 %"))
    assert decision.action is Action.HOLD
    assert decision.exit_code == 4
    assert "the price of UNI is SUSPECT: jumped by 60 %" in decision.reason


def test_every_decision_lists_every_trigger_and_every_limit_of_its_urgency() -> None:
    names = [gate.name for gate in decided(on_target()).gates]
    assert len(names) == len(set(names))
    assert names[:7] == [
        "health_factor_act",
        "health_factor_alert",
        "redemptions",
        "risk_share",
        "volatility",
        "leverage",
        "age",
    ]
    assert names[-3:] == ["benefit_exceeds_cost", "improves", "no_overshoot"]
    assert "benefit_exceeds_cost" not in [gate.name for gate in decided(a_snapshot()).gates]


def test_idle_cash_does_not_lower_the_leverage_of_the_goal() -> None:
    snapshot = with_holding(on_target(), "USDC", idle=10_000 * 10**6, owed=round(0.53 * 10**12))
    assert decided(snapshot).action is Action.HOLD


def test_the_same_inputs_give_the_same_decision() -> None:
    assert decided(a_snapshot()) == decided(a_snapshot())
    assert decided(fallen()) == decided(fallen())


def test_an_old_rebalance_on_target_is_due_but_too_small_to_make() -> None:
    decision = decided(with_vault(on_target(), last_rebalance=NOW - 8 * DAY))
    assert decision.action is Action.HOLD
    assert decision.exit_code == 0
    assert "last rebalance 192.00 h ago, due after 168.00 h, but" in decision.reason


def test_a_vault_that_was_never_rebalanced_is_due() -> None:
    decision = decided(with_vault(on_target(), last_rebalance=0))
    assert "the vault was never rebalanced, due after 168.00 h, but" in decision.reason
