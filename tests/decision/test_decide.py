"""What is decided, how far it goes, and the sentence that says why."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.decision.decide import decide
from keeper.domain.decision import Action, Decision
from keeper.domain.errors import InvalidSetting
from keeper.domain.market import MarketSnapshot, Trust
from keeper.domain.model import RiskModel, TargetPortfolio
from keeper.domain.observation import Observation
from keeper.domain.policy import Policy
from keeper.domain.portfolio import portfolio
from keeper.domain.tx import InFlight
from keeper.domain.urgency import Urgency
from keeper.risk.contributions import risk_shares, volatility
from keeper.sizing.size import size
from keeper.sizing.tighten import tighten
from tests.factories import (
    DAY,
    NOW,
    RISK_SYMBOLS,
    a_decision_policy,
    a_model,
    a_plan_policy,
    a_policy,
    a_size_policy,
    a_snapshot,
    an_in_flight,
    with_feed,
    with_holding,
    with_limits,
    with_market_move,
    with_reserve,
    with_vault,
    with_vault_policy,
)
from tests.properties import examples


def a_target(snapshot: MarketSnapshot | None = None, policy: Policy | None = None) -> TargetPortfolio:
    return size(a_model(), Observation(snapshot or a_snapshot()), policy or a_policy())


def decided(
    snapshot: MarketSnapshot,
    policy: Policy | None = None,
    *,
    model: RiskModel | None = None,
    in_flight: InFlight | None = None,
) -> Decision:
    tight, tightened = tighten(policy or a_policy(), snapshot.vault)
    risk = model or a_model()
    return decide(
        Observation(snapshot, in_flight=in_flight),
        risk,
        size(risk, Observation(snapshot), tight),
        policy=tight,
        tightened=tightened,
    )


def on_target(**changes: object) -> MarketSnapshot:
    return a_snapshot(weights=a_target().weights, **changes)  # type: ignore[arg-type]


def health_factor_after(snapshot: MarketSnapshot, decision: Decision, loss_of_sold: float) -> float:
    """The lending market's health factor when the goal is reached and so much of what is sold is lost."""
    assert decision.goal is not None
    gross = portfolio(snapshot).values_usd
    kept = [
        goal / now if now > 0 else 0.0
        for goal, now in zip(decision.goal.weights, decision.current.weights, strict=True)
    ]
    sold = sum(value * (1 - part) for value, part in zip(gross, kept, strict=True))
    thresholds = [reserve.liquidation_threshold_bps / 1e4 for reserve in snapshot.reserves[1:]]
    threshold = sum(v * part * lt for v, part, lt in zip(gross, kept, thresholds, strict=True))
    return threshold / (portfolio(snapshot).debt_usd - (1 - loss_of_sold) * sold)


# ---------------------------------------------------------- ordinary cycles


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
    assert decision.goal.leverage == pytest.approx(100 / 200)
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


def test_gas_that_cannot_be_valued_is_a_wrong_setting() -> None:
    with pytest.raises(InvalidSetting, match=r"plan.gas_usd_price_symbol is 'DOGE'"):
        decided(a_snapshot(), a_policy(plan=a_plan_policy(gas_usd_price_symbol="DOGE")))


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
    assert names[:6] == [
        "health_factor_act",
        "health_factor_alert",
        "risk_share",
        "volatility",
        "leverage",
        "age",
    ]
    assert names[-3:] == ["benefit_exceeds_cost", "improves", "no_overshoot"]
    assert "benefit_exceeds_cost" not in [gate.name for gate in decided(a_snapshot()).gates]


# -------------------------------------------------------------- emergencies


def fallen(factor: float = 0.70, leverage: float = 1.95) -> MarketSnapshot:
    """Levered, and the market fell."""
    return with_market_move(a_snapshot(weights=a_target().unit_weights, leverage=leverage), factor)


def test_below_the_act_level_all_weights_are_lowered_alike_to_the_safe_level() -> None:
    snapshot = fallen()
    decision = decided(snapshot)
    assert decision.action is Action.RIPCORD
    assert decision.urgency is Urgency.EMERGENCY
    assert decision.goal is not None
    kept = [goal / now for goal, now in zip(decision.goal.weights, decision.current.weights, strict=True)]
    assert kept == pytest.approx([kept[0]] * 4)
    assert health_factor_after(snapshot, decision, 0.03) == pytest.approx(1.45, rel=1e-6)
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
    assert health_factor_after(snapshot, decision, 0.03) == pytest.approx(1.45, rel=1e-6)


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
    assert health_factor_after(left, decision, 0.03) == pytest.approx(1.45, rel=1e-6)


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
    assert health_factor_after(left, decision, 0.03) == pytest.approx(1.45, rel=1e-6)


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


def test_debt_without_collateral_is_repaid_with_all_that_lies_idle() -> None:
    snapshot = a_snapshot(weights=(1.2, 0.0, 0.0, 0.0))
    supplied = snapshot.holdings[1].supplied
    decision = decided(with_holding(snapshot, "WBTC", supplied=0, idle=supplied))
    assert decision.action is Action.RIPCORD
    assert decision.goal is not None
    assert decision.goal.weights == (0.0, 0.0, 0.0, 0.0)


def test_where_the_safe_level_is_out_of_reach_everything_is_sold() -> None:
    decision = decided(fallen(0.50), with_limits(a_policy(), Urgency.EMERGENCY, max_trade=99.0))
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


def test_a_paused_vault_a_fresh_rebalance_and_spent_budgets_do_not_stop_a_ripcord() -> None:
    snapshot = with_vault(
        fallen(), paused=True, last_rebalance=NOW, used_daily_loss=1.0, used_daily_turnover=99.0
    )
    assert decided(snapshot).action is Action.RIPCORD


def test_the_largest_emergency_trade_cuts_a_ripcord_and_it_says_so() -> None:
    decision = decided(fallen(), with_limits(a_policy(), Urgency.EMERGENCY, max_trade=0.1))
    assert decision.action is Action.RIPCORD
    assert decision.goal is not None
    assert decision.goal.leverage == pytest.approx(portfolio(fallen()).leverage - 0.1)
    assert "in part" in decision.reason


def test_a_safe_level_above_the_floor_of_the_vault_is_used() -> None:
    policy = a_policy(decision=a_decision_policy(safe_health_factor=1.8))
    assert health_factor_after(fallen(), decided(fallen(), policy), 0.03) == pytest.approx(1.8, rel=1e-6)


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


# --------------------------------------------------------------- properties


@given(
    st.lists(st.floats(0.0, 0.8), min_size=4, max_size=4),
    st.sampled_from(("USDC", *RISK_SYMBOLS)),
    st.sampled_from((Trust.STALE, Trust.SUSPECT, Trust.DEAD)),
    st.floats(0.4, 1.2),
)
@examples(150)
def test_bad_data_never_raises_leverage(weights: list[float], symbol: str, trust: Trust, move: float) -> None:
    snapshot = with_feed(with_market_move(a_snapshot(weights=weights), move), symbol, trust=trust)
    decision = decided(snapshot)
    if decision.goal is not None:
        assert decision.goal.leverage < portfolio(snapshot).leverage
        assert all(g <= w for g, w in zip(decision.goal.weights, decision.current.weights, strict=True))


@given(st.lists(st.floats(0.0, 0.8), min_size=4, max_size=4), st.floats(0.4, 1.5))
@examples(150)
def test_a_trade_stays_between_where_the_vault_is_and_where_it_should_be(
    weights: list[float], move: float
) -> None:
    snapshot = with_market_move(a_snapshot(weights=weights), move)
    decision = decided(snapshot)
    if decision.action in (Action.REBALANCE, Action.ITERATE):
        assert decision.goal is not None
        target = a_target(snapshot)
        for goal, now, due in zip(
            decision.goal.weights, decision.current.weights, target.weights, strict=True
        ):
            assert min(now, due) - 1e-9 <= goal <= max(now, due) + 1e-9
    if decision.action is Action.HOLD:
        assert decision.goal is None
    assert decision.reason.startswith(f"{decision.action.value}: ")
    assert decision.reason.endswith(".")


@given(st.lists(st.floats(0.0, 1.5), min_size=4, max_size=4), st.floats(0.3, 1.0))
@examples(150)
def test_a_ripcord_only_lowers_and_reaches_the_safe_level_or_sells_everything(
    weights: list[float], move: float
) -> None:
    snapshot = with_market_move(a_snapshot(weights=weights), move)
    decision = decided(snapshot, with_limits(a_policy(), Urgency.EMERGENCY, max_trade=math.inf))
    if decision.action is Action.RIPCORD:
        assert decision.goal is not None
        assert all(g <= w for g, w in zip(decision.goal.weights, decision.current.weights, strict=True))
        if decision.goal.leverage > 0:
            assert health_factor_after(snapshot, decision, 0.03) >= 1.45 * (1 - 1e-6)


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
