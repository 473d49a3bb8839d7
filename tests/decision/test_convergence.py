"""What many cycles one after the other do: every trade as decided, nothing else happening in between."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from keeper.decision.aims import AIMS
from keeper.decision.decide import decide
from keeper.domain.decision import Action, Decision
from keeper.domain.market import MarketSnapshot
from keeper.domain.model import RiskModel
from keeper.domain.observation import Observation
from keeper.domain.policy import Policy
from keeper.domain.portfolio import portfolio
from keeper.domain.urgency import Urgency
from keeper.risk.contributions import volatility
from keeper.sizing.size import size
from tests.factories import (
    a_decision_policy,
    a_model,
    a_policy,
    a_size_policy,
    a_snapshot,
    some_limits,
    with_block,
)
from tests.properties import examples

MOST_CYCLES = 400
TRADES = (Action.REBALANCE, Action.ITERATE)
WITHOUT_AGE = ("risk_share", "tracking_error", "volatility", "leverage", "health_bound")


@dataclass(frozen=True)
class Case:
    """A market, a policy and where the vault starts."""

    model: RiskModel
    policy: Policy
    start: tuple[float, ...]


@st.composite
def cases(draw: st.DrawFn, *, free: bool) -> Case:
    generator = np.random.default_rng(draw(st.integers(0, 10**6)))
    common = draw(st.floats(0.0, 0.95))
    loadings = np.column_stack(
        [np.full(4, math.sqrt(common)), math.sqrt(1.0 - common) * generator.standard_normal((4, 4)) / 2]
    )
    raw = loadings @ loadings.T + 0.05 * np.eye(4)
    scale = np.sqrt(np.diagonal(raw))
    model = a_model(
        volatilities=generator.uniform(0.2, 1.2, 4).tolist(),
        correlation=(raw / np.outer(scale, scale)).tolist(),
    )
    limits = tuple(
        some_limits(
            urgency,
            recentring=draw(st.sampled_from((0.25, 0.5, 1.0))),
            max_trade=draw(st.sampled_from((0.3, 1.0, 4.0))),
        )
        for urgency in (Urgency.ROUTINE, Urgency.OUT_OF_BAND)
    )
    decision = a_decision_policy(
        rebalance_to=draw(st.sampled_from(tuple(AIMS))),
        triggers=tuple(draw(st.lists(st.sampled_from(WITHOUT_AGE), min_size=1, unique=True))),
        tracking_error_band=draw(st.sampled_from((0.02, 0.04, 0.1))),
        tracking_error_left=draw(st.sampled_from((0.0, 0.5, 0.8))),
        risk_share_band=draw(st.sampled_from((0.01, 0.03, 0.06))),
        leverage_band=draw(st.sampled_from((0.05, 0.15))),
        limits=(*limits, some_limits(Urgency.EMERGENCY)),
        **({"trade_cost_bps": 0, "min_trade_usd": 0.01} if free else {}),
    )
    sizes = a_size_policy(target_volatility=draw(st.sampled_from((0.3, 0.6, 0.9))))
    start = tuple(draw(st.lists(st.floats(0.0, 0.6), min_size=4, max_size=4)))
    return Case(model, a_policy(decision=decision, size=sizes), start)


def a_case_whose_halves_stay_out_of_band() -> Case:
    """Each half of the distance to the target is smaller than the last, and below the smallest trade before one comes
    within the outer band."""
    recentring = {Urgency.ROUTINE: 0.25, Urgency.OUT_OF_BAND: 0.5, Urgency.EMERGENCY: 1.0}
    decision = a_decision_policy(
        rebalance_to="boundary",
        triggers=("risk_share",),
        risk_share_band=0.01,
        min_trade_usd=50_000.0,
        limits=tuple(
            some_limits(urgency, recentring=part, max_trade=0.3) for urgency, part in recentring.items()
        ),
    )
    model = a_model(
        covariance=(
            (0.06256299774441934, -0.08974150211809258, -0.04884019403039863, 0.03823622032301784),
            (-0.08974150211809258, 0.40671699983435555, 0.04390400558283586, -0.11070743681534002),
            (-0.04884019403039863, 0.04390400558283586, 1.4227669135260166, -0.19793885686442997),
            (0.03823622032301784, -0.11070743681534002, -0.19793885686442997, 0.0803032794908966),
        )
    )
    policy = a_policy(decision=decision, size=a_size_policy(target_volatility=0.3))
    return Case(model, policy, (0.576171875, 0.0, 0.0, 0.576171875))


def cycles(case: Case, *, free: bool) -> list[tuple[MarketSnapshot, Decision]]:
    """Up to and with the first HOLD; the vault holds exactly what each goal said."""
    weights, seen = case.start, list[tuple[MarketSnapshot, Decision]]()
    for _ in range(MOST_CYCLES):
        snapshot = a_snapshot(weights=weights)
        if free:
            snapshot = with_block(replace(snapshot, flash_premium_bps=0), base_fee_wei=0)
        target = size(case.model, Observation(snapshot), case.policy)
        decision = decide(Observation(snapshot), case.model, target, policy=case.policy, tightened=())
        seen.append((snapshot, decision))
        if decision.goal is None:
            return seen
        weights = decision.goal.weights
    raise AssertionError(f"still trading after {MOST_CYCLES} cycles: {decision.reason}")


def distances(case: Case, seen: list[tuple[MarketSnapshot, Decision]]) -> list[float]:
    due = size(case.model, Observation(seen[0][0]), case.policy).weights
    return [volatility(np.subtract(one.current.weights, due), case.model.covariance) for _, one in seen]


@given(cases(free=True))
@examples(80)
def test_without_costs_it_comes_within_every_band_and_stays(case: Case) -> None:
    seen = cycles(case, free=True)
    last = seen[-1][1]
    assert last.action is Action.HOLD
    assert [gate.name for gate in last.gates if gate.kind == "trigger" and gate.passed] == []


@given(cases(free=False))
@example(a_case_whose_halves_stay_out_of_band())
@examples(80)
def test_with_costs_it_stops_within_the_bands_or_where_trading_no_longer_pays(case: Case) -> None:
    last = cycles(case, free=False)[-1][1]
    fired = [gate.name for gate in last.gates if gate.kind == "trigger" and gate.passed]
    stopped = [gate.name for gate in last.gates if gate.kind == "limit" and not gate.passed]
    assert not fired or set(stopped) <= {"benefit_exceeds_cost", "min_trade", "improves"}
    assert not fired or (stopped and last.urgency is Urgency.ROUTINE)


def test_an_out_of_band_trade_that_recentring_makes_too_small_goes_to_the_target() -> None:
    case = a_case_whose_halves_stay_out_of_band()
    seen = cycles(case, free=False)
    (snapshot, last_trade), (_, settled) = seen[-2:]
    target = size(case.model, Observation(snapshot), case.policy)
    assert last_trade.goal is not None
    assert last_trade.goal.weights == target.weights
    assert last_trade.urgency is Urgency.OUT_OF_BAND
    assert settled.urgency is Urgency.ROUTINE
    minimum = case.policy.decision.min_trade_usd
    sizes = [next(gate.value for gate in one.gates if gate.name == "min_trade") for _, one in seen[:-1]]
    assert min(sizes) >= minimum


@given(cases(free=False))
@examples(80)
def test_every_trade_leads_nearer_to_the_target_and_none_back(case: Case) -> None:
    seen = cycles(case, free=False)
    planned = [one.action in TRADES for _, one in seen[:-1]]
    away = distances(case, seen)
    for trade, before, after in zip(planned, away, away[1:], strict=False):
        assert not trade or after < before


@given(cases(free=False))
@examples(80)
def test_no_trade_is_larger_than_allowed_or_leaves_a_weight_below_zero(case: Case) -> None:
    for _, decision in cycles(case, free=False):
        if decision.goal is None:
            continue
        traded = math.fsum(
            abs(goal - now) for goal, now in zip(decision.goal.weights, decision.current.weights, strict=True)
        )
        assert traded <= case.policy.decision.at(decision.urgency).max_trade * (1.0 + 1e-9)
        assert min(decision.goal.weights) >= 0.0
        assert (decision.action is Action.ITERATE) <= (
            traded >= case.policy.decision.at(decision.urgency).max_trade * (1.0 - 1e-9)
        )


@given(
    st.lists(st.floats(0.0, 1.5), min_size=4, max_size=4),
    st.floats(0.02, 4.0),
    st.floats(1.05, 1.6),
)
@examples(100)
def test_a_ripcord_always_raises_the_health_factor(
    weights: list[float], max_trade: float, act: float
) -> None:
    limits = (
        some_limits(Urgency.ROUTINE),
        some_limits(Urgency.OUT_OF_BAND),
        some_limits(Urgency.EMERGENCY, max_trade=max_trade),
    )
    policy = a_policy(
        decision=a_decision_policy(act_health_factor=act, safe_health_factor=act + 0.2, limits=limits)
    )
    snapshot, before = a_snapshot(weights=weights), -math.inf
    for _ in range(3):
        decision = decide(
            Observation(snapshot),
            a_model(),
            size(a_model(), Observation(snapshot), policy),
            policy=policy,
            tightened=(),
        )
        if decision.action is not Action.RIPCORD:
            break
        assert decision.goal is not None
        before = portfolio(snapshot).health_factor
        snapshot = a_snapshot(weights=decision.goal.weights)
        assert portfolio(snapshot).health_factor > before
