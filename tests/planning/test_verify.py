"""Every check between a simulated plan and the transaction: just met passes, just missed fails."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from keeper.domain.decision import Action, Decision
from keeper.domain.plan import PostState, RebalancePlan
from keeper.domain.urgency import Urgency
from keeper.planning.checks import CHECKS
from keeper.planning.verify import verify
from tests.factories import a_policy, a_simulation, a_snapshot, with_vault_policy
from tests.planning.ledger import a_decision
from tests.planning.plans import planned

SNAPSHOT = with_vault_policy(a_snapshot(), max_loss_bps=75, max_leverage=2 * 10**18, min_health=12 * 10**17)
GOAL = (0.6, 0.5, 0.4, 0.3)
POLICY = a_policy()


def a_plan(decision: Decision | None = None) -> RebalancePlan:
    return planned(decision or a_decision(SNAPSHOT, GOAL), SNAPSHOT, POLICY)


def judged(
    plan: RebalancePlan, post: PostState | None, decision: Decision | None = None, **changes: Any
) -> dict[str, bool]:
    report = a_simulation(post=post, **changes)
    verdict = verify(plan, report, SNAPSHOT, decision or a_decision(SNAPSHOT, GOAL), POLICY)
    assert verdict.passed == all(check.passed for check in verdict.checks)
    assert {check.name for check in verdict.checks} <= set(CHECKS)
    return {check.name: check.passed for check in verdict.checks}


def test_a_simulation_that_ends_as_expected_passes_everything() -> None:
    plan = a_plan()
    assert all(judged(plan, plan.expected).values())


def test_after_a_revert_there_is_only_one_check() -> None:
    assert judged(a_plan(), None, success=False, revert="LossAboveLimit(80, 75)") == {
        "simulation_succeeded": False
    }


def test_without_a_post_state_the_expected_state_is_checked() -> None:
    checks = judged(a_plan(), None)
    assert checks["nav_loss"]
    assert "leverage_on_goal" not in checks


@pytest.mark.parametrize(
    ("name", "met", "missed"),
    [
        ("nav_loss", {"nav_usd": 1_000_000 * (1 - 74.9e-4)}, {"nav_usd": 1_000_000 * (1 - 75.1e-4)}),
        ("leverage_cap", {"leverage": 2.0}, {"leverage": 2.0001}),
    ],
)
def test_a_limit_just_met_passes_and_just_missed_fails(
    name: str, met: dict[str, Any], missed: dict[str, Any]
) -> None:
    plan = a_plan()
    assert judged(plan, replace(plan.expected, **met))[name]
    assert not judged(plan, replace(plan.expected, **missed))[name]


def test_the_health_factors_floor_is_the_higher_of_settings_and_vault() -> None:
    plan = a_plan()
    floor = POLICY.size.min_health_factor
    assert floor > 1.2
    assert judged(plan, replace(plan.expected, health_factor=floor))["health_factor_floor"]
    assert not judged(plan, replace(plan.expected, health_factor=0.99 * floor))["health_factor_floor"]


def test_leverage_and_weights_must_be_as_expected() -> None:
    plan = a_plan()
    tolerance = POLICY.plan.leverage_tolerance
    further = replace(plan.expected, leverage=plan.expected.leverage + 1.01 * tolerance)
    assert not judged(plan, further)["leverage_on_goal"]
    first, *rest = plan.expected.weights
    moved = replace(plan.expected, weights=(first + 1.01 * POLICY.plan.weight_tolerance, *rest))
    assert not judged(plan, moved)["weights_on_goal"]


def test_an_unexpected_nav_is_refused_even_when_it_is_a_gain() -> None:
    plan = a_plan()
    richer = replace(
        plan.expected, nav_usd=plan.expected.nav_usd * (1 + (POLICY.plan.nav_tolerance_bps + 1) * 1e-4)
    )
    assert not judged(plan, richer)["nav_as_expected"]


@pytest.mark.parametrize(
    ("urgency", "judged_at_all"), [(Urgency.ROUTINE, True), (Urgency.OUT_OF_BAND, False)]
)
def test_only_a_routine_trade_must_be_worth_its_cost(urgency: Urgency, judged_at_all: bool) -> None:
    plan = a_plan()
    poor = a_decision(SNAPSHOT, GOAL, urgency=urgency, benefit_usd=0.99 * plan.cost.total)
    checks = judged(plan, plan.expected, poor)
    assert ("cost_within_benefit" in checks) == judged_at_all
    assert checks.get("cost_within_benefit", False) is False


def test_a_ripcord_must_raise_the_health_factor_whatever_it_costs() -> None:
    held = a_snapshot(weights=(0.6, 0.5, 0.4, 0.3))
    decision = a_decision(held, (0.3, 0.25, 0.2, 0.15), Action.RIPCORD, Urgency.EMERGENCY, benefit_usd=0.0)
    plan = planned(decision, held, POLICY)
    report = a_simulation(post=plan.expected)
    assert {c.name: c.passed for c in verify(plan, report, held, decision, POLICY).checks} == {
        "simulation_succeeded": True,
        "nav_loss": True,
        "health_factor_raised": True,
    }
    worse = replace(report, post=replace(plan.expected, health_factor=1.0))
    assert not verify(plan, worse, held, decision, POLICY).passed
