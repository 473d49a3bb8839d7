"""Each trigger fires beyond its band and not at it."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from keeper.decision.gates import judged_triggers
from keeper.decision.position import VaultPosition
from keeper.domain.decision import Gate
from keeper.domain.market import MarketSnapshot
from keeper.domain.observation import Observation
from keeper.domain.units import WAD
from keeper.domain.urgency import Urgency
from keeper.sizing.size import size
from tests.decision.gate_cases import EMERGENCY, OUT_OF_BAND, ROUTINE, target_weights
from tests.decision.positions import a_position
from tests.factories import (
    DAY,
    NOW,
    a_decision_policy,
    a_model,
    a_policy,
    a_snapshot,
    with_vault,
)


def trigger(name: str, position: VaultPosition) -> Gate:
    return next(gate for gate in judged_triggers(position) if gate.name == name)


def off_budget(factor: float) -> VaultPosition:
    weights = list(target_weights())
    weights[2] *= factor
    return a_position(a_snapshot(weights=weights))


def test_risk_share_fires_beyond_the_band_and_not_at_it() -> None:
    position = off_budget(1.2)
    gap = trigger("risk_share", position).value
    assert 0.03 < gap < 0.08

    def fired(band: float) -> bool:
        policy = replace(position.policy, decision=a_decision_policy(risk_share_band=band))
        return trigger("risk_share", replace(position, policy=policy)).passed

    assert not fired(gap)
    assert fired(gap - 1e-12)


def test_risk_share_is_out_of_band_beyond_the_outer_band() -> None:
    assert trigger("risk_share", off_budget(1.2)).urgency is ROUTINE
    assert trigger("risk_share", off_budget(1.8)).urgency is OUT_OF_BAND


def test_at_the_outer_band_it_is_still_routine() -> None:
    position = off_budget(1.8)
    gap, band = trigger("risk_share", position).value, 2.0**-5

    def urgency(out_of_band: float) -> Urgency:
        decision = a_decision_policy(risk_share_band=band, out_of_band=out_of_band)
        return trigger("risk_share", replace(position, policy=a_policy(decision=decision))).urgency

    assert urgency(gap) is ROUTINE
    assert urgency(math.nextafter(gap, 0.0)) is OUT_OF_BAND


def tracking(factor: float, **changes: object) -> VaultPosition:
    """All weights off their target alike: the tracking error is that part of the target's volatility, 80 %."""
    policy = a_policy(decision=a_decision_policy(triggers=("tracking_error",), **changes))
    return a_position(a_snapshot(weights=[factor * weight for weight in target_weights()]), policy)


@pytest.mark.parametrize(
    ("factor", "fired", "urgency"),
    [
        (1.0499, False, ROUTINE),
        (1.0501, True, ROUTINE),
        (0.9499, True, ROUTINE),
        (1.133, True, ROUTINE),
        (1.134, True, OUT_OF_BAND),
    ],
)
def test_tracking_error_fires_beyond_the_band_on_either_side(
    factor: float, fired: bool, urgency: Urgency
) -> None:
    gate = trigger("tracking_error", tracking(factor, tracking_error_band=0.04))
    assert gate.passed is fired
    assert gate.value == pytest.approx(0.8 * abs(factor - 1), abs=1e-6)
    assert gate.urgency is urgency
    assert gate.detail.startswith("tracking error against the target ")


def test_tracking_error_lets_twins_stand_in_for_each_other_where_risk_shares_do_not() -> None:
    twins = a_model(
        volatilities=(0.8, 0.8, 0.8, 0.8),
        correlation=[[1.0 if i == j else 0.99 for j in range(4)] for i in range(4)],
    )
    policy = a_policy(decision=a_decision_policy(triggers=("risk_share", "tracking_error")))
    target = size(twins, Observation(a_snapshot()), policy)
    swapped = (target.weights[0] + 0.05, target.weights[1] - 0.05, *target.weights[2:])
    position = a_position(a_snapshot(weights=swapped), policy, model=twins, target=target)
    assert trigger("risk_share", position).passed
    assert not trigger("tracking_error", position).passed


def test_only_the_triggers_that_the_policy_names_are_judged_and_the_health_factors_always() -> None:
    def judged(*names: str) -> list[str]:
        policy = a_policy(decision=a_decision_policy(triggers=names))
        return [gate.name for gate in judged_triggers(a_position(policy=policy))]

    always = ["health_factor_act", "health_factor_alert", "redemptions"]
    assert judged("leverage") == [*always, "leverage"]
    assert judged("age", "tracking_error") == [*always, "tracking_error", "age"]
    assert judged(*a_decision_policy().triggers) == [
        *always,
        "risk_share",
        "volatility",
        "leverage",
        "age",
    ]


@pytest.mark.parametrize("name", ["volatility", "leverage"])
@pytest.mark.parametrize(
    ("factor", "fired", "urgency"),
    [
        (1.149, False, ROUTINE),
        (1.151, True, ROUTINE),
        (0.849, True, ROUTINE),
        (1.39, True, ROUTINE),
        (1.41, True, OUT_OF_BAND),
        (0.59, True, OUT_OF_BAND),
    ],
)
def test_volatility_and_leverage_fire_off_their_targets(
    name: str, factor: float, fired: bool, urgency: Urgency
) -> None:
    gate = trigger(name, a_position(a_snapshot(weights=[factor * weight for weight in target_weights()])))
    assert gate.passed is fired
    assert gate.value == pytest.approx(abs(factor - 1), abs=1e-6)
    assert gate.urgency is urgency


@pytest.mark.parametrize(
    ("name", "urgency"), [("health_factor_act", EMERGENCY), ("health_factor_alert", OUT_OF_BAND)]
)
def test_health_factor_fires_below_its_level(name: str, urgency: Urgency) -> None:
    level = 1.2 if name == "health_factor_act" else 1.3
    snapshot = a_snapshot(weights=target_weights())

    def with_health_factor(wad: int) -> MarketSnapshot:
        return replace(snapshot, account=replace(snapshot.account, health_factor=wad))

    assert not trigger(name, a_position(with_health_factor(round(level * WAD)))).passed
    fired = trigger(name, a_position(with_health_factor(round(level * WAD) - 10**9)))
    assert fired.passed
    assert fired.urgency is urgency


@pytest.mark.parametrize(("age", "fired"), [(7 * DAY, False), (7 * DAY + 1, True)])
def test_age_fires_after_the_longest_time(age: int, fired: bool) -> None:
    assert trigger("age", a_position(with_vault(a_snapshot(), last_rebalance=NOW - age))).passed is fired
