"""Over which time a benefit counts: the time until the next trade, and all of the horizon on the way down."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.decision.horizon import adds_risk, benefit_years
from keeper.decision.move import planned_move
from keeper.decision.position import VaultPosition
from keeper.decision.trade_context import consider
from keeper.domain.units import SECONDS_PER_YEAR
from tests.decision.gate_cases import OUT_OF_BAND, ROUTINE, limit, target_weights
from tests.decision.positions import a_move, a_position
from tests.factories import DAY, NOW, a_decision_policy, a_policy, a_snapshot, with_vault

POLICY = a_policy(
    decision=a_decision_policy(
        shortest_horizon_s=DAY,
        rebalance_to="boundary",
        triggers=("tracking_error",),
        tracking_error_band=0.05,
        routine_every_s=5 * DAY,
    )
)


def held(factor: float, since_s: int) -> VaultPosition:
    """All weights that part of their target, ``since_s`` after the last rebalance."""
    weights = tuple(factor * weight for weight in target_weights())
    return a_position(with_vault(a_snapshot(weights=weights), last_rebalance=NOW - since_s), POLICY)


@pytest.mark.parametrize(
    ("since_s", "counted_s"),
    [(60, DAY), (DAY, DAY), (5 * DAY, 5 * DAY), (30 * DAY, 30 * DAY), (NOW, 30 * DAY)],
)
def test_a_trade_that_adds_risk_counts_for_as_long_as_the_vault_was_left_alone(
    since_s: int, counted_s: int
) -> None:
    position = held(0.9, since_s)
    assert benefit_years(position, adds_risk=True) == counted_s / SECONDS_PER_YEAR
    assert benefit_years(position, adds_risk=False) == 30 * DAY / SECONDS_PER_YEAR


@given(since_s=st.integers(0, 60 * DAY), factor=st.floats(1.02, 1.6))
def test_no_time_since_the_last_rebalance_blocks_or_shortens_the_way_down(
    since_s: int, factor: float
) -> None:
    lately, long_ago = held(factor, since_s), held(factor, 400 * DAY)
    limits = POLICY.decision.at(ROUTINE)
    now, then = (planned_move(position, limits) for position in (lately, long_ago))
    assert now.goal == then.goal
    trades = [consider(position, now, ROUTINE) for position in (lately, long_ago)]
    assert trades[0].benefit_usd == trades[1].benefit_usd
    assert limit("cooldown", trades[0]).passed is (since_s >= limits.cooldown_s)


def test_a_trade_up_goes_less_far_and_is_worth_less_soon_after_the_last_one() -> None:
    limits = POLICY.decision.at(ROUTINE)
    soon, later = held(0.85, 8 * DAY), held(0.85, 25 * DAY)
    goals = [planned_move(position, limits).goal for position in (soon, later)]
    assert soon.held.leverage < goals[0].leverage < goals[1].leverage
    whole = a_move(target_weights())
    worth = [consider(position, whole, ROUTINE).benefit_usd for position in (soon, later)]
    assert worth[0] == pytest.approx(worth[1] * 8 / 25)


def test_more_leverage_or_more_volatility_adds_risk_and_a_purchase_alone_does_not() -> None:
    position = held(1.0, DAY)
    now = position.current.weights
    assert not adds_risk(position, now)
    assert not adds_risk(position, tuple(0.9 * weight for weight in now))
    assert adds_risk(position, tuple(1.1 * weight for weight in now))
    calmer = (now[0] + 0.05, now[1] - 0.1, *now[2:])
    assert not adds_risk(position, calmer), "less of the wilder asset, and less leverage"
    wilder = (now[0] - 0.1, now[1], now[2] + 0.1, now[3])
    assert adds_risk(position, wilder), "the same leverage in a wilder asset"


def test_the_boundary_is_the_target_from_out_of_band() -> None:
    position = held(0.85, 8 * DAY)
    assert planned_move(position, POLICY.decision.at(OUT_OF_BAND)).goal.weights == position.target.weights
    assert planned_move(position, POLICY.decision.at(ROUTINE)).goal.weights != position.target.weights


def test_a_vault_that_was_never_rebalanced_has_the_whole_horizon() -> None:
    position = a_position(with_vault(a_snapshot(), last_rebalance=0), POLICY)
    assert benefit_years(position, adds_risk=True) == 30 * DAY / SECONDS_PER_YEAR
    shorter = replace(
        position, policy=a_policy(decision=a_decision_policy(horizon_s=DAY, shortest_horizon_s=60))
    )
    assert benefit_years(shorter, adds_risk=True) == DAY / SECONDS_PER_YEAR
