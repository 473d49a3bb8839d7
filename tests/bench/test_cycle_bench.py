"""Milliseconds of pure computing in one cycle of four assets, and of its parts. ``make bench`` prints them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from keeper.conclude import Assessment, assess, price_bars, propose, wanted_quotes
from keeper.domain.decision import Action
from keeper.domain.market import MarketSnapshot, Round
from keeper.domain.plan import Quote, QuoteRequest
from keeper.domain.units import USD
from keeper.risk.budgets import risk_parity
from tests.factories import a_policy, a_snapshot

HOURS = 120 * 24


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


def filled(request: QuoteRequest, snapshot: MarketSnapshot) -> Quote:
    """What a deep pool answers: the oracle's price less the fees."""
    sold, bought = request.route.symbols[0], request.route.symbols[-1]
    value = request.amount_in * snapshot.price(sold) / 10 ** snapshot.token(sold).decimals
    out = value / snapshot.price(bought) * 10 ** snapshot.token(bought).decimals
    for fee in request.route.fees:
        out *= 1 - fee / 1_000_000
    return Quote(request.route, request.amount_in, int(out), 150_000)


@pytest.fixture
def snapshot() -> MarketSnapshot:
    """A vault that has drifted: its leverage is far from any target."""
    return a_snapshot(weights=(0.1, 0.1, 0.1, 0.1), nav_usd=1_000_000.0)


def judged(snapshot: MarketSnapshot, history: Mapping[str, tuple[Round, ...]]) -> Assessment:
    policy = a_policy()
    return assess(snapshot, price_bars(history, snapshot, policy), (), None, policy)


def test_from_rounds_to_decision(benchmark: BenchmarkFixture, snapshot: MarketSnapshot) -> None:
    history = a_history(snapshot)
    assessment = benchmark(judged, snapshot, history)
    assert assessment.model.symbols == snapshot.risk_symbols
    assert min(snapshot.price(symbol) for symbol in snapshot.risk_symbols) > USD / 100


def test_from_decision_to_plan(benchmark: BenchmarkFixture, snapshot: MarketSnapshot) -> None:
    assessment = judged(snapshot, a_history(snapshot))
    assert assessment.decision.action is not Action.HOLD
    quotes = tuple(filled(request, snapshot) for request in wanted_quotes(assessment, snapshot))
    plan = benchmark(propose, assessment, snapshot, quotes)
    assert plan.steps


@pytest.mark.parametrize("assets", [4, 10, 50])
def test_risk_parity(benchmark: BenchmarkFixture, assets: int) -> None:
    generator = np.random.default_rng(assets)
    factors = generator.standard_normal((assets, 3 * assets))
    covariance = factors @ factors.T / (3 * assets)
    weights = benchmark(risk_parity, covariance, np.full(assets, 1 / assets))
    assert weights.sum() == pytest.approx(1)
