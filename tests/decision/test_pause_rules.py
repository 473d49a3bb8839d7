"""Pauses, the day's budgets, and deleverage requests: what they stop, and what goes on."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from keeper.decision.decide import decide
from keeper.decision.pause_rules import forbids, overdrawn
from keeper.domain.decision import Action, Decision
from keeper.domain.market import MarketSnapshot
from keeper.domain.observation import Observation
from keeper.domain.pause_state import DailyUsage, DeleverageRequest, Pause, PausedBy, PauseState
from keeper.domain.policy import DailyPolicy
from keeper.domain.portfolio import portfolio
from keeper.domain.urgency import Urgency
from keeper.sizing.size import size
from keeper.sizing.tighten import tighten
from tests.factories import a_model, a_policy, a_snapshot, with_market_move

DAILY = DailyPolicy(max_loss=0.02, max_turnover=3.0, max_gas_wei=10**17, max_failures=3)
NOTHING = DailyUsage(loss=0.0, turnover=0.0, gas_wei=0, failures=0)
PAUSE = Pause(PausedBy.JOURNAL, "operator", "unlock of LINK tonight", 1_700_000_000)
FREE = PauseState((), NOTHING)
EMPTY, LEVERED = a_snapshot(), a_snapshot(weights=(0.5, 0.5, 0.2, 0.2))
UNDERWATER = a_snapshot(weights=(1.6, 1.4, 0.6, 0.6))


def decided(
    snapshot: MarketSnapshot,
    pause_state: PauseState | None = FREE,
    deleverage_request: DeleverageRequest | None = None,
) -> Decision:
    policy, tightened = tighten(replace(a_policy(), daily=DAILY), snapshot.vault)
    model = a_model()
    return decide(
        Observation(snapshot, pause_state=pause_state, deleverage_request=deleverage_request),
        model,
        size(model, Observation(snapshot), policy),
        policy=policy,
        tightened=tightened,
    )


def used(**changes: float) -> PauseState:
    return PauseState((), replace(NOTHING, **changes))  # type: ignore[arg-type]


def test_a_keeper_that_nobody_stopped_trades() -> None:
    assert decided(EMPTY).action is Action.REBALANCE


def test_a_pause_stops_a_planned_trade_says_who_and_why_and_ends_with_7() -> None:
    decision = decided(EMPTY, PauseState((PAUSE,), NOTHING))
    assert (decision.action, decision.exit_code) == (Action.HOLD, 7)
    for word in ("operator", "unlock of LINK tonight", "keeper resume"):
        assert word in decision.reason


def test_a_pause_does_not_stop_an_emergency() -> None:
    assert decided(UNDERWATER, PauseState((PAUSE,), NOTHING)).action is Action.RIPCORD


@pytest.mark.parametrize(
    ("pause_state", "gate", "code"),
    [
        (used(loss=0.021), "day_loss", 7),
        (used(failures=3), "day_failures", 7),
        (used(turnover=2.5), "day_turnover", 5),
        (used(gas_wei=10**17), "day_gas", 5),
    ],
)
def test_a_used_up_budget_stops_planned_trades_and_no_emergency(
    pause_state: PauseState, gate: str, code: int
) -> None:
    held = decided(EMPTY, pause_state)
    assert (held.action, held.exit_code) == (Action.HOLD, code)
    assert [one.name for one in held.gates if not one.passed and one.kind == "limit"] == [gate]
    assert decided(UNDERWATER, pause_state).action is Action.RIPCORD


def test_without_a_pause_state_its_limits_are_not_judged() -> None:
    names = {gate.name for gate in decided(EMPTY, None).gates}
    assert not names & {
        "not_paused",
        "day_loss",
        "day_failures",
        "day_turnover",
        "day_gas",
        "deleverage_request",
    }


@given(st.floats(0, 1), st.integers(0, 10))
@example(loss=DAILY.max_loss, failures=0)
@example(loss=0.0, failures=DAILY.max_failures)
def test_overdrawn_losses_or_failures_pause_the_keeper(loss: float, failures: int) -> None:
    wrong = overdrawn(DailyUsage(loss, 99.0, 10**30, failures), DAILY)
    assert (wrong is None) == (loss <= DAILY.max_loss and failures < DAILY.max_failures)


@pytest.mark.parametrize("urgency", list(Urgency))
def test_row_66_a_pause_forbids_everything_but_an_emergency(urgency: Urgency) -> None:
    assert (forbids(PauseState((PAUSE,), NOTHING), urgency) is None) == (urgency is Urgency.EMERGENCY)
    assert forbids(FREE, urgency) is None


# ------------------------------------------------------- deleverage requests


def test_a_request_repays_everything_also_while_paused() -> None:
    decision = decided(LEVERED, PauseState((PAUSE,), NOTHING), DeleverageRequest(math.inf, "by hand"))
    assert decision.action is Action.RIPCORD
    assert decision.goal is not None
    assert decision.goal.leverage < 1.0
    assert "all debt repaid" in decision.reason


def test_a_request_stops_at_the_health_factor_that_it_names() -> None:
    now = portfolio(LEVERED).health_factor
    near, far = (decided(LEVERED, FREE, DeleverageRequest(factor * now, "by hand")) for factor in (1.1, 1.6))
    assert near.goal is not None
    assert far.goal is not None
    assert far.goal.leverage < near.goal.leverage < 1.4


@pytest.mark.parametrize("snapshot", [EMPTY, a_snapshot(weights=(0.3, 0.3, 0.1, 0.1))])
def test_without_debt_a_request_has_nothing_to_do(snapshot: MarketSnapshot) -> None:
    decision = decided(snapshot, FREE, DeleverageRequest(math.inf, "by hand"))
    assert (decision.action, decision.exit_code) == (Action.HOLD, 0)
    assert "there is no debt" in decision.reason


def test_below_the_act_level_a_request_does_not_end_below_the_safe_level() -> None:
    crashed = with_market_move(LEVERED, 0.44)
    assert portfolio(crashed).health_factor < a_policy().decision.act_health_factor
    requested = decided(crashed, FREE, DeleverageRequest(portfolio(crashed).health_factor + 0.01, "by hand"))
    unrequested = decided(crashed, FREE)
    assert requested.goal == unrequested.goal
    assert "towards health factor 1.45" in requested.reason


def test_a_request_that_is_already_met_holds() -> None:
    decision = decided(LEVERED, FREE, DeleverageRequest(1.2, "by hand"))
    assert (decision.action, decision.exit_code) == (Action.HOLD, 0)
