"""The strategy's settings as the core takes them."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from keeper.domain.line import LinePolicy
from keeper.domain.policy import (
    AssetPolicy,
    DailyPolicy,
    DecisionPolicy,
    DrillPolicy,
    EstimatePolicy,
    FeedPolicy,
    OraclePolicy,
    PlanPolicy,
    Policy,
    Scenario,
    SizePolicy,
    UrgencyLimits,
)
from keeper.domain.units import BPS, WAD
from keeper.domain.urgency import Urgency
from tests.factories.constants import DAY, GWEI, HOUR, RISK_SYMBOLS


def an_estimate_policy(**changes: Any) -> EstimatePolicy:
    policy = EstimatePolicy(
        bar_seconds=HOUR,
        history_s=120 * DAY,
        volatility_half_life_days=5.0,
        correlation_half_life_days=21.0,
        shrink=True,
        min_bars=504,
        max_gap_s=12 * HOUR,
        volatility_floor=0.05,
        implied_max_age_s=3 * HOUR,
        implied_decay_s=DAY,
        implied_ratio_max=3.0,
        volatility="ewma",
        correlation="ewma",
        mix_half_lives_days=(1.0, 5.0, 42.0),
        har_weights=(0.25, 0.28, 0.21, 0.26),
        har_scale=1.25,
        implied_blend="variance",
        min_history=0.175,
        implied_max_fall=0.1,
        accept_after_s=7 * DAY,
    )
    return replace(policy, **changes)


def a_size_policy(**changes: Any) -> SizePolicy:
    policy = SizePolicy(
        allocation="risk_parity",
        target_volatility=0.80,
        max_leverage=2.0,
        min_health_factor=1.40,
        stress_health_factor=1.05,
        stress_sigmas=6.0,
        time_to_act_s=DAY,
        scenarios=(Scenario("12 March 2020, one day", 0.40),),
        max_borrow_rate=0.25,
        reward_per_risk=0.0,
        max_utilisation=0.92,
        market_share=0.10,
        idle_buffer=0.0,
        groups=(),
    )
    return replace(policy, **changes)


def some_limits(urgency: Urgency, **changes: Any) -> UrgencyLimits:
    rows = {
        Urgency.ROUTINE: UrgencyLimits(Urgency.ROUTINE, 40 * GWEI, 50, 4.0, 3_600, 1.0),
        Urgency.OUT_OF_BAND: UrgencyLimits(Urgency.OUT_OF_BAND, 120 * GWEI, 75, 4.0, 1_800, 1.0),
        Urgency.EMERGENCY: UrgencyLimits(Urgency.EMERGENCY, 500 * GWEI, 300, 4.0, 0, 1.0),
    }
    return replace(rows[urgency], **changes)


def a_decision_policy(**changes: Any) -> DecisionPolicy:
    policy = DecisionPolicy(
        risk_share_band=0.03,
        out_of_band=0.08,
        volatility_band=0.15,
        leverage_band=0.15,
        health_band=0.05,
        alert_health_factor=1.30,
        act_health_factor=1.20,
        safe_health_factor=1.45,
        max_age_s=7 * DAY,
        routine_every_s=HOUR,
        patience_s=6 * HOUR,
        min_trade_usd=100.0,
        risk_aversion=4.0,
        horizon_s=30 * DAY,
        shortest_horizon_s=30 * DAY,
        trade_cost_bps=20,
        rebalance_gas=2_500_000,
        gas_reserve_wei=WAD,
        max_oracle_gap_bps=150,
        max_vault_gap_bps=50,
        max_unnamed=0.01,
        limits=tuple(some_limits(urgency) for urgency in Urgency),
        triggers=("risk_share", "volatility", "leverage", "age"),
        rebalance_to="target",
        tracking_error_band=0.04,
        tracking_error_left=0.5,
        learn_costs=True,
        max_redemption_wait_s=DAY,
        pool_costs=True,
    )
    return replace(policy, **changes)


def a_plan_policy(**changes: Any) -> PlanPolicy:
    policy = PlanPolicy(
        deadline_s=600,
        dust_usd=1.0,
        gas_usd_price_symbol="WETH",
        gas_limit_margin=1.25,
        nav_tolerance_bps=20,
        leverage_tolerance=0.02,
        weight_tolerance=0.02,
        public_tolerance_bps=BPS,
        max_fee_wei=10**27,
    )
    return replace(policy, **changes)


def a_daily_policy(**changes: Any) -> DailyPolicy:
    """Budgets that nothing uses up."""
    policy = DailyPolicy(max_loss=math.inf, max_turnover=math.inf, max_gas_wei=2**256, max_failures=2**31)
    return replace(policy, **changes)


def a_feed_policy(symbol: str, **changes: Any) -> FeedPolicy:
    policy = FeedPolicy(symbol, heartbeat_s=None, grace_s=300, deviation_bps=50, max_jump=0.15)
    return replace(policy, **changes)


def an_oracle_policy(*feeds: FeedPolicy, **changes: Any) -> OraclePolicy:
    policy = OraclePolicy(
        feeds=feeds,
        default_feed=a_feed_policy("*"),
        disagreement_bps=150,
        opinion_max_age_s=300,
        twap_window_s=1_800,
        twap_min_depth_usd=50_000.0,
        max_head_age_s=None,
        min_opinions=0,
    )
    return replace(policy, **changes)


def a_line_policy(**changes: Any) -> LinePolicy:
    return replace(LinePolicy(max_cost_usd=25.0, partial_after_s=172_800), **changes)


def a_drill_policy(**changes: Any) -> DrillPolicy:
    return replace(DrillPolicy(min_fall=0.2, gas_price_wei=156 * GWEI), **changes)


def some_assets(**changes: Any) -> tuple[AssetPolicy, ...]:
    """The four risk assets with equal budgets; ``changes`` apply to each."""
    options = {"WBTC": "BTC", "WETH": "ETH"}
    return tuple(
        replace(
            AssetPolicy(
                symbol=symbol,
                budget=0.25,
                max_weight=1.1,
                implied_underlying=options.get(symbol),
                implied_weight=0.5,
                max_share=1.0,
                trade_cost_bps=None,
            ),
            **changes,
        )
        for symbol in RISK_SYMBOLS
    )


def a_policy(**changes: Any) -> Policy:
    """``changes`` replace whole parts: ``a_policy(size=a_size_policy(max_leverage=1.5))``."""
    policy = Policy(
        assets=some_assets(),
        estimate=an_estimate_policy(),
        size=a_size_policy(),
        decision=a_decision_policy(),
        plan=a_plan_policy(),
        daily=a_daily_policy(),
        oracle=an_oracle_policy(),
        line=a_line_policy(),
        drill=a_drill_policy(),
    )
    return replace(policy, **changes)


def a_chain_policy(**changes: Any) -> Policy:
    """As loose as the local chain's vault allows."""
    policy = with_limits(a_policy(), Urgency.EMERGENCY, max_slippage_bps=100)
    return replace(policy, decision=replace(policy.decision, max_oracle_gap_bps=100), **changes)


def with_limits(policy: Policy, urgency: Urgency, **changes: Any) -> Policy:
    """The policy with one row of the urgency table changed."""
    rows = tuple(replace(row, **changes) if row.urgency is urgency else row for row in policy.decision.limits)
    return replace(policy, decision=replace(policy.decision, limits=rows))
