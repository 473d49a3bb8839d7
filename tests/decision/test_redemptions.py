"""When what waits in the line of redemptions is a reason to trade, how urgent, and what may hold it back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from keeper.decision.decide import decide
from keeper.decision.gates import judged_triggers
from keeper.domain.decision import Action, Decision, Gate
from keeper.domain.market import MarketSnapshot
from keeper.domain.observation import Observation
from keeper.domain.pause_state import DeleverageRequest
from keeper.domain.policy import Policy
from keeper.domain.urgency import Urgency
from keeper.sizing.size import size
from tests.decision.positions import a_position
from tests.factories import (
    DAY,
    HOUR,
    a_decision_policy,
    a_model,
    a_policy,
    a_size_policy,
    a_snapshot,
    with_holding,
    with_redemptions,
)

USDC = 10**6
POLICY = a_policy(size=a_size_policy(idle_buffer=0.01))


def on_target(policy: Policy = POLICY) -> MarketSnapshot:
    target = size(a_model(), Observation(a_snapshot()), policy)
    return a_snapshot(weights=target.weights, idle=0.01)


def trigger(snapshot: MarketSnapshot, policy: Policy = POLICY) -> Gate:
    return next(gate for gate in judged_triggers(a_position(snapshot, policy)) if gate.name == "redemptions")


def decided(
    snapshot: MarketSnapshot, policy: Policy = POLICY, deleverage_request: DeleverageRequest | None = None
) -> Decision:
    target = size(a_model(), Observation(snapshot), policy)
    return decide(
        Observation(snapshot, deleverage_request=deleverage_request),
        a_model(),
        target,
        policy=policy,
        tightened=(),
    )


def test_with_a_deleverage_request_it_is_not_judged() -> None:
    found = decided(
        with_redemptions(on_target(), 0.4), deleverage_request=DeleverageRequest(2.0, "asked for")
    )
    assert "redemptions" not in {gate.name for gate in found.gates}


@pytest.mark.parametrize(
    ("part", "idle", "fires"),
    [
        (0.0, 0, False),
        (0.1, 0, True),
        (0.1, 99_990, True),
        (0.1, 99_999, False),
        (0.1, 100_000, False),
        (0.1, 200_000, False),
    ],
)
def test_it_fires_when_more_waits_than_lies_idle_by_more_than_dust(
    part: float, idle: int, fires: bool
) -> None:
    snapshot = with_holding(on_target(), "USDC", idle=idle * USDC)
    assert trigger(with_redemptions(snapshot, part)).passed is fires


@pytest.mark.parametrize(
    ("waited", "urgency"),
    [
        (HOUR, Urgency.ROUTINE),
        (2 * DAY, Urgency.ROUTINE),
        (2 * DAY + 1, Urgency.OUT_OF_BAND),
    ],
)
def test_it_is_out_of_band_once_somebody_waited_too_long(waited: int, urgency: Urgency) -> None:
    policy = replace(POLICY, decision=a_decision_policy(max_redemption_wait_s=2 * DAY))
    assert trigger(with_redemptions(on_target(), 0.1, waited), policy).urgency is urgency


def test_what_is_covered_is_no_reason_to_trade_however_long_nobody_has_it_served() -> None:
    """The target leaves out what waits, so neither is leverage: the keeper would trade for ever."""
    target = size(a_model(), Observation(with_redemptions(a_snapshot(), 0.4)), POLICY)
    covered = with_redemptions(
        a_snapshot(weights=target.weights, idle=0.4 + 0.01 * 0.6), 0.4, waited_s=30 * DAY
    )
    found = decided(covered)
    assert found.action is Action.HOLD
    assert found.exit_code == 0
    assert not any(gate.passed for gate in found.gates if gate.kind == "trigger")


def test_once_served_the_vault_is_where_it_should_be() -> None:
    target = size(a_model(), Observation(with_redemptions(a_snapshot(), 0.4)), POLICY)
    left = a_snapshot(weights=tuple(w / 0.6 for w in target.weights), nav_usd=600_000.0, idle=0.01)
    found = decided(with_redemptions(left, 0.0))
    assert found.action is Action.HOLD


@pytest.mark.parametrize("part", [0.1, 0.4, 0.9, 1.0])
def test_cash_is_raised_at_once_for_a_large_redemption(part: float) -> None:
    found = decided(with_redemptions(on_target(), part))
    assert found.action in (Action.REBALANCE, Action.ITERATE)
    assert found.goal is not None
    target = size(a_model(), Observation(a_snapshot()), POLICY)
    assert found.goal.leverage <= target.leverage * (1 - part) * 1.05 + (part == 1.0) * 1e-9


def test_a_small_redemption_waits_at_most_the_maximum_wait() -> None:
    soon, late = (decided(with_redemptions(on_target(), 0.02, waited)) for waited in (HOUR, DAY + 1))
    assert soon.action is Action.HOLD
    assert soon.exit_code == 0
    assert "costs about" in soon.reason
    assert late.action is Action.REBALANCE
    assert late.urgency is Urgency.OUT_OF_BAND
    assert "redemptions" in late.reason


def test_a_vault_on_target_can_still_miss_cash() -> None:
    """Weights that happen to be right: nothing to trade, but something to borrow."""
    target = size(a_model(), Observation(with_redemptions(a_snapshot(), 0.4)), POLICY)
    snapshot = with_redemptions(a_snapshot(weights=target.weights), 0.4, waited_s=2 * DAY)
    held = with_holding(snapshot, "USDC", idle=100_000 * USDC)
    found = decided(held)
    assert found.action is Action.REBALANCE
    assert [gate.passed for gate in found.gates if gate.name in ("min_trade", "improves")] == [True, True]
