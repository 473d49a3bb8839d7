"""A decision record with every part filled in, by hand: two assets, one plan, numbers that are easy to follow."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from keeper.domain.decision import Action, Decision, Gate, Goal, RiskPosition
from keeper.domain.evidence import ImpliedReading
from keeper.domain.model import AssetRisk, Bound, RiskModel, TargetPortfolio
from keeper.domain.plan import (
    Check,
    Cost,
    PlanVerdict,
    PostState,
    RebalancePlan,
    Route,
    SimulationReport,
    Step,
    StepKind,
    VaultCall,
)
from keeper.domain.record import Conclusions, CycleOutcome, DecisionRecord, Failure, Mode
from keeper.domain.tx import Receipt
from keeper.domain.units import UINT256_MAX
from keeper.domain.urgency import Urgency
from keeper.settings.policy import policy
from keeper.settings.schema import Settings
from tests.factories import NOW, a_fire_drill, some_inputs

RECEIPT = Receipt(
    "intent",
    "0x" + "cd" * 32,
    1_235,
    "0x" + "ef" * 32,
    True,
    1_888_000,
    10**9,
    rollup_fee_wei=0,
    nav_before=None,
    nav_after=None,
)


def conclusions() -> Conclusions:
    model = RiskModel(
        as_of=NOW,
        symbols=("WBTC", "WETH"),
        covariance=((0.36, 0.30), (0.30, 0.49)),
        assets=(
            AssetRisk("WBTC", 2_880, 0.55, 0.64, 0.60, 0.5, "EWMA with Deribit's BTC index at weight 0.50"),
            AssetRisk("WETH", 2_880, 0.66, None, 0.70, 0.0, "EWMA raised by the ratio of WBTC"),
        ),
        worst_losses=((0.20, 0.22),),
    )
    target = TargetPortfolio(
        symbols=model.symbols,
        budgets=(0.5, 0.5),
        unit_weights=(0.54, 0.46),
        weights=(0.68, 0.58),
        risk_shares=(0.5, 0.5),
        unit_volatility=0.62,
        volatility=0.78,
        leverage=1.26,
        health_factor=3.5,
        binding="target_volatility",
        bounds=(
            Bound("target_volatility", 1.26, "0.78 / 0.62"),
            Bound("carry", float("inf"), "never reached"),
        ),
        binding_caps=("group:majors",),
    )
    gates = (
        Gate("risk_share", "trigger", 0.5, 0.03, True, Urgency.ROUTINE, "largest gap to a budget", 0),
        Gate("gas_price", "limit", 1.0, 40.0, True, Urgency.ROUTINE, "gwei", 0),
        Gate("gas_balance", "levering", float("inf"), 1.0, False, Urgency.ROUTINE, "ETH kept for gas", 5),
    )
    decision = Decision(
        action=Action.REBALANCE,
        urgency=Urgency.ROUTINE,
        reason="REBALANCE: WBTC's share of risk is 50.0 points off its budget",
        gates=gates,
        current=RiskPosition((0.0, 0.0), (0.0, 0.0), 0.0),
        goal=Goal(model.symbols, (0.68, 0.58), 1.26),
        benefit_usd=4_000.0,
        expected_cost_usd=1_500.0,
        remaining=0.0,
        exit_code=0,
        pool_costs=(),
    )
    plan = RebalancePlan(
        call=VaultCall.REBALANCE,
        epoch=7,
        deadline=NOW + 600,
        flash_amount=0,
        steps=(
            Step(
                StepKind.SWAP_EXACT_IN,
                "USDC",
                680_000 * 10**6,
                2_250_000_000,
                Route(("USDC", "WETH", "WBTC"), (500, 3_000)),
                680_000 * 10**6,
                2_264_400_000,
            ),
            Step(StepKind.SUPPLY, "WBTC", UINT256_MAX, 0, None, 2_264_400_000, 0),
            Step(StepKind.BORROW, "USDC", 260_000 * 10**6, 0, None, 0, 260_000 * 10**6),
        ),
        expected=PostState(998_900.0, 1.26, 3.5, (0.68, 0.58)),
        cost=Cost(gas=4.2, fees=610.0, slippage=320.5, flash=0.0),
        gas_limit=2_400_000,
        turnover_usd=1_260_000.0,
        postponed_usd=0.0,
    )
    return Conclusions(model, target, decision, plan)


def a_record(**changes: Any) -> DecisionRecord:
    record = DecisionRecord(
        record_id="0123456789abcdef0123456789abcdef",
        mode=Mode.SIMULATE,
        outcome=CycleOutcome.WOULD_SEND,
        summary="REBALANCE: WBTC's share of risk is 50.0 points off its budget",
        exit_code=0,
        started_at=float(NOW + 3),
        code_version="0.1.0",
        settings_hash="ff" * 32,
        inputs=some_inputs(
            implied=(ImpliedReading("BTC", 0.64, NOW - 60, "deribit", ""),),
            policy=policy(Settings()),
            drill=a_fire_drill(),
        ),
        conclusions=conclusions(),
        simulation=SimulationReport(
            True,
            None,
            1_900_000,
            PostState(998_950.0, 1.259, 3.51, (0.679, 0.58)),
            "eth_simulateV1",
            l1_fee_wei=0,
            step_outs=(),
            step_ins=(),
        ),
        verdict=PlanVerdict(True, (Check("nav_loss", 10.5, 75.0, True, "bps of NAV"),)),
        receipt=None,
        realised=None,
        failure=None,
        read_round_trips=3,
        rpc_round_trips=5,
        compute_ms=4.2,
        nodes=(),
        quorum=1,
        executed_swaps=(),
        post_trade=(),
    )
    return replace(record, **changes)


def a_failure() -> Failure:
    return Failure(
        "NodeUnavailable", 3, "no answer from the node at http://127.0.0.1:8545", "Start the node."
    )
