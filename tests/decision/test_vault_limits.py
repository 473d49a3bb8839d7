"""Limits of the vault: pauses, roles, cooldown and daily budgets."""

from __future__ import annotations

import pytest

from keeper.decision.gates import holds_back
from keeper.domain.urgency import Urgency
from keeper.sizing.tighten import Tightened
from tests.decision.gate_cases import OUT_OF_BAND, ROUTINE, a_trade, limit, passes
from tests.decision.positions import a_position
from tests.factories import (
    DAY,
    NOW,
    a_decision_policy,
    a_policy,
    a_snapshot,
    an_in_flight,
    with_redemptions,
    with_vault,
    with_vault_policy,
)

LOOSER = (Tightened("size.max_leverage", 3.0, 2.0),)


def test_in_flight_stops_planned_trades() -> None:
    gate = limit("in_flight", a_trade(in_flight=an_in_flight()))
    assert not gate.passed
    assert "intent-1 of epoch 7 is OPEN" in gate.detail
    assert passes("in_flight", a_snapshot())


def test_vault_not_paused() -> None:
    assert passes("vault_not_paused", a_snapshot())
    assert not passes("vault_not_paused", with_vault(a_snapshot(), paused=True))


@pytest.mark.parametrize("urgency", list(Urgency))
def test_keeper_role_is_needed_at_every_urgency(urgency: Urgency) -> None:
    assert passes("keeper_role", a_snapshot(), urgency)
    assert not passes("keeper_role", a_snapshot(keeper_has_role=False), urgency)


def test_settings_within_vault_stops_levering_only() -> None:
    raising = a_trade(tightened=LOOSER)
    lowering = a_trade(
        a_snapshot(weights=(0.9, 0.9, 0.1, 0.1)), weights=(0.5, 0.5, 0.1, 0.1), tightened=LOOSER
    )
    for trade, held in ((raising, True), (lowering, False)):
        gate = limit("settings_within_vault", trade)
        assert not gate.passed
        assert gate.detail.endswith("size.max_leverage is 3, the vault's is 2")
        assert holds_back(gate, trade) is held


@pytest.mark.parametrize(("since", "passed"), [(1_800, True), (1_799, False)])
def test_cooldown_just_met_and_just_missed(since: int, passed: bool) -> None:
    assert passes("cooldown", with_vault(a_snapshot(), last_rebalance=NOW - since)) is passed


# Expected loss of the move from cash: 20 bps of the turnover and 5 bps of the debt that changes.
def _expected_loss() -> float:
    return 25e-4 * a_position().target.leverage


@pytest.mark.parametrize(("room", "passed"), [(1e-9, True), (-1e-9, False)])
def test_daily_loss_budget_just_met_and_just_missed(room: float, passed: bool) -> None:
    used = 0.03 - _expected_loss() - room
    assert passes("daily_loss_budget", with_vault(a_snapshot(), used_daily_loss=used)) is passed


@pytest.mark.parametrize(("room", "passed"), [(1e-9, True), (-1e-6, False)])
def test_daily_turnover_budget_just_met_and_just_missed(room: float, passed: bool) -> None:
    used = 8.0 - a_position().target.leverage - room
    assert passes("daily_turnover_budget", with_vault(a_snapshot(), used_daily_turnover=used)) is passed


@pytest.mark.parametrize(("left", "passed"), [(1, False), (0, True)])
def test_a_day_after_an_emergency_nothing_is_bought(left: int, passed: bool) -> None:
    buys = a_trade(with_vault(a_snapshot(), levering_closed_until=NOW + left))
    gate = limit("levering_open", buys)
    assert gate.passed is passed
    assert holds_back(gate, buys) is not passed


def test_a_vault_without_a_turnover_budget_is_not_traded() -> None:
    assert not passes("daily_turnover_budget", with_vault_policy(a_snapshot(), daily_turnover_bps=0))


@pytest.mark.parametrize(
    ("since", "drift", "raising_cash"), [(3_599, False, False), (3_600, False, True), (DAY, True, True)]
)
def test_a_routine_trade_waits_a_day_unless_redeemers_wait_for_cash(
    since: int, drift: bool, raising_cash: bool
) -> None:
    policy = a_policy(decision=a_decision_policy(routine_every_s=DAY))
    calm = with_vault(a_snapshot(weights=(0.3, 0.3, 0.2, 0.2)), last_rebalance=NOW - since)
    waiting, dust = with_redemptions(calm, 0.2), with_redemptions(calm, 1e-5)
    assert limit("cooldown", a_trade(dust, policy, ROUTINE)).passed is drift
    assert limit("cooldown", a_trade(calm, policy, ROUTINE)).passed is drift
    assert limit("cooldown", a_trade(waiting, policy, ROUTINE)).passed is raising_cash
    assert limit("cooldown", a_trade(calm, policy, OUT_OF_BAND)).passed is (since >= 1_800)
