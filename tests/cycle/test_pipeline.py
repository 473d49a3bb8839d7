"""The pure half of a cycle as a whole: what it does when the estimate fails."""

from __future__ import annotations

import numpy as np
import pytest

from keeper.cycle.pipeline import assess, price_bars, propose, required_quotes
from keeper.domain.decision import Action
from keeper.domain.errors import NoEstimate
from keeper.domain.evidence import PriceBars
from keeper.domain.market import MarketSnapshot
from keeper.domain.observation import Observation
from keeper.domain.pause_state import DeleverageRequest
from keeper.domain.portfolio import portfolio
from keeper.domain.units import WAD
from keeper.domain.urgency import Urgency
from tests.factories import (
    NOW,
    a_decision_policy,
    a_policy,
    a_snapshot,
    some_bars,
    with_market_move,
    with_vault,
    with_vault_policy,
)

LEVERED = a_snapshot(weights=(0.6, 0.6, 0.4, 0.4))


def no_history(snapshot: MarketSnapshot) -> PriceBars:
    return price_bars({}, snapshot, a_policy())


def test_without_history_nothing_is_decided() -> None:
    with pytest.raises(NoEstimate):
        assess(Observation(LEVERED), no_history(LEVERED), a_policy())


def test_without_history_a_low_health_factor_still_pulls_the_ripcord() -> None:
    crashed = with_market_move(LEVERED, 0.75)
    assessment = assess(Observation(crashed), no_history(crashed), a_policy())
    decision = assessment.decision
    assert decision.action is Action.RIPCORD
    assert decision.goal is not None
    assert decision.goal.leverage < sum(decision.current.weights)
    assert all(asset.provenance.startswith("fallback model") for asset in assessment.model.assets)


def test_without_history_a_vault_below_the_alert_level_sells_and_buys_nothing() -> None:
    low = with_market_move(a_snapshot(weights=(0.5, 0.5, 0.5, 0.5)), 0.83)
    assessment = assess(Observation(low), no_history(low), a_policy())
    decision = assessment.decision
    assert "estimate" in assessment.target.missing
    assert decision.urgency is Urgency.OUT_OF_BAND
    assert decision.sells_only
    assert decision.goal is not None
    assert decision.goal.leverage < sum(decision.current.weights)
    assert "estimate" in decision.reason.partition("missing: ")[2]


def test_without_history_what_an_emergency_left_is_lowered_until_borrowing_opens_again() -> None:
    """Above the alert level of the settings, and below where the emergency's call was to end."""
    held = portfolio(LEVERED).health_factor
    policy = a_policy(
        decision=a_decision_policy(act_health_factor=0.8 * held, alert_health_factor=0.9 * held)
    )
    left = with_vault_policy(LEVERED, min_health=2 * WAD, target_health=int(1.1 * held * WAD))
    with pytest.raises(NoEstimate):
        assess(Observation(left), no_history(left), policy)
    closed = with_vault(left, levering_closed_until=NOW + 1)
    decision = assess(Observation(closed), no_history(closed), policy).decision
    assert decision.sells_only


def test_without_history_a_deleverage_request_is_still_carried_out() -> None:
    request = DeleverageRequest(2.5, "by hand")
    assessment = assess(Observation(LEVERED, deleverage_request=request), no_history(LEVERED), a_policy())
    assert assessment.decision.action is Action.RIPCORD


def test_a_hold_needs_no_quotes_and_has_no_plan() -> None:
    bars, policy = some_bars(), a_policy()
    target = assess(Observation(a_snapshot()), bars, policy).target
    snapshot = a_snapshot(weights=target.weights)
    assessment = assess(Observation(snapshot), bars, policy)
    assert assessment.decision.action is Action.HOLD
    assert required_quotes(assessment, snapshot) == ()
    assert propose(assessment, snapshot, ()) is None


def test_the_fallback_model_allows_less_leverage_than_an_estimate() -> None:
    crashed = with_market_move(LEVERED, 0.75)
    assessment = assess(Observation(crashed), no_history(crashed), a_policy())
    assert assessment.target.leverage < 0.5
    assert np.linalg.eigvalsh(np.array(assessment.model.covariance)).min() > 0
