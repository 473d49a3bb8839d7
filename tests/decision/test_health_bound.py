"""The trigger that answers a health factor below what the bounds ask of the held weights."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from keeper.decision.decide import decide
from keeper.decision.gates import judged_triggers
from keeper.decision.health_bound import asked_health_factor
from keeper.decision.position import VaultPosition
from keeper.domain.decision import Action, Gate
from keeper.domain.policy import Policy, Scenario
from tests.decision.gate_cases import OUT_OF_BAND
from tests.decision.positions import a_position
from tests.factories import a_decision_policy, a_policy, a_size_policy, a_snapshot, with_market_move

CRASH = Scenario("a crash that spares WBTC", 0.60, (("WBTC", 0.10),))


def policy(band: float = 0.05, **sizes: Any) -> Policy:
    decision = a_decision_policy(
        triggers=("health_bound",), health_band=band, risk_share_band=0.03, out_of_band=0.09
    )
    return a_policy(
        decision=decision, size=a_size_policy(**({"target_volatility": 3.0, "scenarios": (CRASH,)} | sizes))
    )


def due(rules: Policy) -> tuple[float, ...]:
    return a_position(policy=rules).target.weights


def fallen(factor: float, rules: Policy | None = None) -> VaultPosition:
    """At its target, whose leverage the stress bound sets, and then all prices at ``factor``."""
    chosen = rules or policy()
    snapshot = with_market_move(a_snapshot(weights=due(chosen)), factor, ["WBTC", "WETH", "LINK", "UNI"])
    return a_position(snapshot, chosen)


def trigger(position: VaultPosition) -> Gate:
    return next(gate for gate in judged_triggers(position) if gate.name == "health_bound")


def test_at_a_target_that_the_stress_bound_sets_the_asked_health_factor_is_the_targets() -> None:
    position = fallen(1.0)
    assert position.target.binding == "stress"
    asked, name = asked_health_factor(position)
    assert name == "stress"
    assert asked == pytest.approx(position.target.health_factor)
    assert not trigger(position).passed


def test_it_fires_beyond_its_band() -> None:
    assert not trigger(fallen(0.97)).passed
    gate = trigger(fallen(0.94))
    assert gate.passed
    assert gate.urgency is OUT_OF_BAND
    assert 0.05 < gate.value < 0.10


@pytest.mark.parametrize("factor", [0.94, 0.90, 0.84])
def test_beyond_its_band_leverage_falls_to_the_target_at_any_cost_and_at_once(factor: float) -> None:
    position = fallen(factor)
    decision = decide(
        position.observation, position.model, position.target, policy=position.policy, tightened=()
    )
    assert decision.action is Action.REBALANCE
    assert decision.goal is not None
    assert decision.goal.leverage < position.held.leverage


def test_the_held_weights_are_judged_and_not_the_targets() -> None:
    """In assets that the scenario hits harder than the target's, the same leverage asks for a higher health factor."""
    rules = policy()
    weights = due(rules)
    whole = sum(weights)
    spared, hit = (whole, 0.0, 0.0, 0.0), (0.0, whole / 3, whole / 3, whole / 3)
    asked = [
        asked_health_factor(a_position(a_snapshot(weights=held), rules))[0] for held in (spared, weights, hit)
    ]
    assert asked == sorted(asked)
    assert asked[0] < asked[1] < asked[2]


def test_without_debt_nothing_is_asked() -> None:
    rules = policy()
    for leverage in (0.0, 0.5, 1.0):
        weights = tuple(leverage / sum(due(rules)) * weight for weight in due(rules))
        gate = trigger(a_position(a_snapshot(weights=weights), rules))
        assert not gate.passed
        assert gate.detail == "there is no debt"


def test_the_floor_of_the_health_factor_counts_where_it_asks_for_more_than_stress() -> None:
    rules = policy(scenarios=(), stress_sigmas=0.0, min_health_factor=2.5)
    position = replace(fallen(1.0, rules), model=replace(a_position().model, worst_losses=()))
    asked, name = asked_health_factor(position)
    assert asked == pytest.approx(2.5)
    assert name == "health_factor"
