"""Limits on where a trade ends."""

from __future__ import annotations

import math

import pytest

from keeper.decision.trade_context import consider
from keeper.domain.decision import Gate
from keeper.domain.urgency import Urgency
from tests.decision.gate_cases import OUT_OF_BAND, ROUTINE, a_trade, limit, target_weights
from tests.decision.positions import a_move, a_position
from tests.factories import (
    a_decision_policy,
    a_policy,
    a_size_policy,
    a_snapshot,
    with_redemptions,
)


def shifted(*changes: float) -> tuple[float, ...]:
    return tuple(weight + change for weight, change in zip(target_weights(), changes, strict=True))


@pytest.mark.parametrize("urgency", [ROUTINE, OUT_OF_BAND])
def test_a_trade_must_lead_nearer_to_the_target(urgency: Urgency) -> None:
    snapshot = a_snapshot(weights=shifted(0.05, 0.0, 0.0, 0.0))

    def improved(change: float) -> Gate:
        return limit("improves", a_trade(snapshot, urgency=urgency, weights=shifted(change, 0.0, 0.0, 0.0)))

    assert improved(0.049).passed
    assert improved(-0.049).passed
    assert not improved(0.051).passed
    assert not improved(-0.051).passed
    assert improved(0.0).value == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize(("queued", "passed"), [(0.0, False), (1e-7, False), (2e-6, True)])
def test_a_trade_that_raises_more_than_dust_for_redemptions_need_not_lead_nearer(
    queued: float, passed: bool
) -> None:
    snapshot = with_redemptions(a_snapshot(weights=shifted(0.05, 0.0, 0.0, 0.0)), queued)
    position = a_position(snapshot)
    gate = limit("improves", consider(position, a_move(position.current.weights), OUT_OF_BAND))
    assert gate.value == gate.limit
    assert gate.passed is passed


@pytest.mark.parametrize(("factor", "passed"), [(1.149, True), (1.151, False), (0.6, True), (0.5, True)])
def test_a_trade_must_not_end_past_the_other_edge_of_a_band(factor: float, passed: bool) -> None:
    # From half the target upwards: as far as 15 % above it.
    snapshot = a_snapshot(weights=[0.5 * weight for weight in target_weights()])
    goal = tuple(factor * weight for weight in target_weights())
    gate = limit("no_overshoot", a_trade(snapshot, weights=goal))
    assert gate.passed is passed
    assert passed or gate.detail.startswith(("leverage ends at 1.7", "volatility ends at 0.9"))


def test_a_trade_must_not_throw_another_asset_off_its_budget() -> None:
    snapshot = a_snapshot(weights=shifted(0.1, 0.0, 0.0, 0.0))
    gate = limit("no_overshoot", a_trade(snapshot, weights=shifted(0.0, 0.0, 0.1, 0.0)))
    assert not gate.passed
    assert gate.detail.startswith("LINK ends with ")


def test_a_trade_that_levers_must_not_end_below_the_alert_level() -> None:
    policy = a_policy(decision=a_decision_policy(alert_health_factor=2.5, safe_health_factor=3.0))
    up = limit("no_overshoot", a_trade(a_snapshot(weights=(0.2, 0.2, 0.2, 0.2)), policy))
    assert not up.passed
    assert "the health factor ends at 2.1" in up.detail
    down = limit("no_overshoot", a_trade(a_snapshot(weights=(0.6, 0.5, 0.4, 0.4)), policy))
    assert down.passed


def test_the_health_factor_where_a_trade_ends_counts_the_cash_to_hold() -> None:
    policy = a_policy(
        size=a_size_policy(idle_buffer=0.1), decision=a_decision_policy(alert_health_factor=3.0)
    )
    position = a_position(a_snapshot(weights=(0.2, 0.2, 0.2, 0.2)), policy)
    gate = limit("no_overshoot", consider(position, a_move((0.4, 0.4, 0.4, 0.4)), OUT_OF_BAND))
    secured = 0.4 * math.fsum(position.liquidation_thresholds)
    assert gate.value == pytest.approx(3.0 / (secured / (1.6 - 1.0 + 0.1)))


def test_a_trade_that_is_cut_short_is_judged_by_its_aim() -> None:
    position = a_position(a_snapshot(weights=shifted(0.2, 0.0, 0.0, 0.0)))
    stop = shifted(0.0, 0.0, 0.2, 0.0)
    cut_short = consider(position, a_move(stop, position.target.weights), OUT_OF_BAND)
    assert limit("no_overshoot", cut_short).passed
    assert not limit("no_overshoot", consider(position, a_move(stop), OUT_OF_BAND)).passed
