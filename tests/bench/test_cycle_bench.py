"""Milliseconds of pure computing in one cycle of four assets, and of its parts. ``make bench`` prints them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from keeper.cycle.pipeline import Assessment, assess, price_bars, propose, required_quotes
from keeper.domain.decision import Action
from keeper.domain.market import MarketSnapshot, Round
from keeper.domain.observation import Observation
from keeper.domain.pause_state import DeleverageRequest
from keeper.domain.plan import PlanVerdict, Quote, QuoteRequest, RebalancePlan, SimulationReport, StepKind
from keeper.domain.units import BPS, USD, usd
from keeper.planning.verify import verify
from keeper.risk.budgets import risk_parity
from tests.bench.inputs import filled
from tests.factories import a_policy, a_snapshot, some_assets, some_pools, with_holding, with_vault

HOURS = 120 * 24
BREACHED = 1.08
"""Below ``decision.act_health_factor``."""


@pytest.fixture
def snapshot() -> MarketSnapshot:
    """A vault that has drifted: its leverage is far from any target."""
    return a_snapshot(weights=(0.1, 0.1, 0.1, 0.1), nav_usd=1_000_000.0)


def a_history(snapshot: MarketSnapshot) -> Mapping[str, tuple[Round, ...]]:
    """An hourly random walk up to the snapshot's block, ending at its prices."""
    generator = np.random.default_rng(7)
    times = snapshot.block.timestamp - 3_600 * np.arange(HOURS)[::-1]
    found = {}
    for symbol in snapshot.risk_symbols:
        walk = np.exp(np.cumsum(0.006 * generator.standard_normal(HOURS)))
        answers = snapshot.price(symbol) * walk / walk[-1]
        found[symbol] = tuple(
            Round(number, int(answer), int(time))
            for number, (answer, time) in enumerate(zip(answers, times, strict=True), start=1)
        )
    return found


def judged(snapshot: MarketSnapshot, history: Mapping[str, tuple[Round, ...]]) -> Assessment:
    policy = a_policy()
    return assess(Observation(snapshot), price_bars(history, snapshot, policy), policy)


def test_from_rounds_to_decision(benchmark: BenchmarkFixture, snapshot: MarketSnapshot) -> None:
    history = a_history(snapshot)
    assessment = benchmark(judged, snapshot, history)
    assert assessment.model.symbols == snapshot.risk_symbols
    assert min(snapshot.price(symbol) for symbol in snapshot.risk_symbols) > USD / 100


def test_from_decision_to_plan(benchmark: BenchmarkFixture, snapshot: MarketSnapshot) -> None:
    assessment = judged(snapshot, a_history(snapshot))
    assert assessment.decision.action is not Action.HOLD
    quotes = tuple(filled(request, snapshot) for request in required_quotes(assessment, snapshot))
    plan = benchmark(propose, assessment, snapshot, quotes)
    assert plan.steps


def in_breach(assets: int) -> MarketSnapshot:
    """Levered, and its health factor below the level at which the keeper acts."""
    snapshot = a_snapshot(weights=(0.6, 0.5, 0.4, 0.3), nav_usd=1_000_000.0)
    for number in range((assets - 4) // 3):
        snapshot = with_copies(snapshot, str(number))
    snapshot = with_vault(snapshot, pools=some_pools(500, 3_000, symbols=snapshot.symbols))
    carried = sum(
        usd(holding.supplied, token.decimals, reserve.market_price) * reserve.liquidation_threshold_bps / BPS
        for token, holding, reserve in zip(snapshot.tokens, snapshot.holdings, snapshot.reserves, strict=True)
    )
    return with_holding(snapshot, "USDC", owed=int(carried / BREACHED * 10**6))


def with_copies(snapshot: MarketSnapshot, name: str) -> MarketSnapshot:
    """Three risk assets more: the same prices, pools and reserves under other names."""

    def more(found: tuple[Any, ...]) -> tuple[Any, ...]:
        return found + tuple(replace(one, symbol=one.symbol + name) for one in found[1:4])

    return replace(
        snapshot,
        tokens=more(snapshot.tokens),
        feeds=more(snapshot.feeds),
        reserves=more(snapshot.reserves),
        holdings=more(snapshot.holdings),
        vault=replace(snapshot.vault, assets=more(snapshot.vault.assets)),
    )


@pytest.mark.parametrize("assets", [4, 10])
@pytest.mark.parametrize(
    "wanted", [None, DeleverageRequest(math.inf, "by hand")], ids=["to safety", "all debt"]
)
def test_from_a_breach_to_a_plan_that_may_be_signed(
    benchmark: BenchmarkFixture, assets: int, wanted: DeleverageRequest | None
) -> None:
    """All of an emergency that is computing: rounds to bars, estimate, decision, which quotes, plan, checks."""
    snapshot = in_breach(assets)
    history = a_history(snapshot)
    equal = tuple(
        replace(some_assets()[0], symbol=symbol, budget=1 / assets) for symbol in snapshot.risk_symbols
    )
    policy = a_policy(assets=equal)
    answers: dict[QuoteRequest, Quote] = {}

    def answered(request: QuoteRequest) -> Quote:
        if request not in answers:
            answers[request] = filled(request, snapshot)
        return answers[request]

    def emergency() -> tuple[Assessment, RebalancePlan, PlanVerdict]:
        bars = price_bars(history, snapshot, policy)
        assessment = assess(Observation(snapshot, deleverage_request=wanted), bars, policy)
        quotes = tuple(answered(request) for request in required_quotes(assessment, snapshot))
        plan = propose(assessment, snapshot, quotes)
        assert plan is not None
        report = SimulationReport(
            True,
            None,
            plan.gas_limit,
            plan.expected,
            "eth_simulateV1",
            l1_fee_wei=0,
            step_outs=(),
            step_ins=(),
        )
        return assessment, plan, verify(plan, report, snapshot, assessment.decision, assessment.policy)

    assessment, plan, verdict = benchmark(emergency)
    assert len(snapshot.risk_symbols) == assets
    assert assessment.decision.action is Action.RIPCORD
    assert sum(step.kind is StepKind.WITHDRAW for step in plan.steps) == assets
    assert verdict.passed


@pytest.mark.parametrize("assets", [4, 10, 50])
def test_risk_parity(benchmark: BenchmarkFixture, assets: int) -> None:
    generator = np.random.default_rng(assets)
    factors = generator.standard_normal((assets, 3 * assets))
    covariance = factors @ factors.T / (3 * assets)
    weights = benchmark(risk_parity, covariance, np.full(assets, 1 / assets))
    assert weights.sum() == pytest.approx(1)
