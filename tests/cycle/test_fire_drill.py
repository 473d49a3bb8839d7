"""The fire drill of a cycle: when a node is asked, what stops levering, and what is never stopped."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from keeper.cycle.replay import replay
from keeper.domain.decision import Action, Gate
from keeper.domain.errors import NodeUnavailable
from keeper.domain.fire_drill import FireDrill
from keeper.domain.market import MarketSnapshot, Round
from keeper.domain.observation import Observation
from keeper.domain.policy import DrillPolicy, Policy
from keeper.domain.record import CycleOutcome, DecisionRecord, Mode
from keeper.drill.scene import fallen, scene_of
from keeper.journal.codec import decode, encode
from tests.cycle.fakes import FREE, FakeChain, FakePauses, a_keeper
from tests.cycle.market_states import shipped_policy
from tests.cycle.rounds import some_rounds
from tests.factories import GWEI, a_snapshot, with_depths, with_vault_policy

QUARTERS, NOTHING = (0.25, 0.25, 0.25, 0.25), (0.0, 0.0, 0.0, 0.0)
SILENT = NodeUnavailable("the node is silent", remedy="Wait.")


@pytest.fixture(scope="module")
def rounds() -> dict[str, tuple[Round, ...]]:
    return some_rounds()


def bold_policy(**changes: Any) -> Policy:
    """Levers above 1."""
    shipped = shipped_policy()
    size = replace(shipped.size, target_volatility=1.9, scenarios=(), stress_sigmas=2.0)
    return replace(shipped, size=size, **changes)


def a_vault(leverage: float = 2.0, weights: tuple[float, ...] = QUARTERS) -> MarketSnapshot:
    snapshot = with_depths(a_snapshot(weights=weights, leverage=leverage, nav_usd=250_000.0))
    return with_vault_policy(snapshot, max_loss_bps=500, daily_loss_bps=500, daily_turnover_bps=50_000)


def run(chain: FakeChain, policy: Policy | None = None) -> DecisionRecord:
    keeper = a_keeper(chain, FakePauses([FREE]), None, policy=policy or bold_policy())
    return keeper.cycle(Mode.DRY_RUN)


def drill_of(record: DecisionRecord) -> FireDrill:
    assert record.inputs is not None
    assert record.inputs.drill is not None
    return record.inputs.drill


def gate_of(record: DecisionRecord) -> Gate:
    assert record.conclusions is not None
    return next(gate for gate in record.conclusions.decision.gates if gate.name == "survivable_fall")


def action_of(record: DecisionRecord) -> Action:
    assert record.conclusions is not None
    return record.conclusions.decision.action


def goal_of(record: DecisionRecord) -> float:
    assert record.conclusions is not None
    assert record.conclusions.decision.goal is not None, record.summary
    return record.conclusions.decision.goal.leverage


def test_every_cycle_asks_the_node_once_and_keeps_what_it_says(rounds: dict[str, tuple[Round, ...]]) -> None:
    with_debt, without = FakeChain(a_vault(2.2), rounds), FakeChain(a_vault(0.0, NOTHING), rounds)
    levered = run(with_debt)
    assert drill_of(levered).survivable_fall == 0.2
    assert drill_of(levered).checked
    assert with_debt.drills == 1
    unlevered = run(without)
    assert drill_of(unlevered).survivable_fall == 0.5
    assert without.drills == 0


def test_row_84_a_node_that_does_not_answer_leaves_the_computed_drill(
    rounds: dict[str, tuple[Round, ...]],
) -> None:
    record = run(FakeChain(a_vault(2.2), rounds, drill_failure=SILENT))
    drill = drill_of(record)
    assert (drill.survivable_fall, drill.checked, drill.note) == (0.2, False, "the node is silent")
    assert record.failure is None


def test_row_84_in_an_emergency_the_node_is_not_asked(rounds: dict[str, tuple[Round, ...]]) -> None:
    crashed = fallen(scene_of(Observation(a_vault(2.2)), bold_policy()), 0.2).snapshot
    chain = FakeChain(crashed, rounds, drill_failure=AssertionError("asked"))  # type: ignore[arg-type]
    record = run(chain)
    assert action_of(record) is Action.RIPCORD
    assert record.outcome is CycleOutcome.WOULD_SEND
    assert "emergency" in drill_of(record).note
    assert chain.drills == 0


def test_a_first_levering_from_cash_is_judged_by_the_vault_that_it_makes(
    rounds: dict[str, tuple[Round, ...]],
) -> None:
    vault = a_vault(0.0, NOTHING)
    levered = run(FakeChain(vault, rounds))
    assert action_of(levered) in (Action.REBALANCE, Action.ITERATE)
    assert goal_of(levered) > 1.5
    assert gate_of(levered).passed
    assert gate_of(levered).value < 0.5
    strict = bold_policy(drill=replace(bold_policy().drill, min_fall=0.4))
    stopped = run(FakeChain(vault, rounds), strict)
    assert action_of(stopped) is Action.HOLD
    assert stopped.exit_code == 5
    assert not gate_of(stopped).passed
    assert "after the trade" in gate_of(stopped).detail
    assert drill_of(stopped).survivable_fall == 0.5


def test_row_85_gas_that_an_emergency_may_not_pay_stops_a_first_levering(
    rounds: dict[str, tuple[Round, ...]],
) -> None:
    expensive = bold_policy(drill=DrillPolicy(min_fall=0.3, gas_price_wei=600 * GWEI))
    gate = gate_of(run(FakeChain(a_vault(0.0, NOTHING), rounds), expensive))
    assert not gate.passed
    assert "gas is in the way after the trade at 30%" in gate.detail


def test_row_85_what_the_node_refuses_stops_buying_and_not_selling(
    rounds: dict[str, tuple[Round, ...]],
) -> None:
    revert, policy = "LossAboveLimit(9, 8)", bold_policy(drill=DrillPolicy(0.3, 156 * GWEI))
    assert goal_of(run(FakeChain(a_vault(1.8), rounds), policy)) > 1.8
    refused = run(FakeChain(a_vault(1.8), rounds, drill_revert=revert), policy)
    assert not gate_of(refused).passed
    assert revert in gate_of(refused).detail
    assert action_of(refused) is Action.HOLD


def test_row_85_a_trade_that_lowers_leverage_is_made_whole_although_the_drill_fails(
    rounds: dict[str, tuple[Round, ...]],
) -> None:
    policy = bold_policy(drill=DrillPolicy(0.3, 156 * GWEI))
    vault = a_vault(2.3)
    free = run(FakeChain(vault, rounds), policy)
    refused = run(FakeChain(vault, rounds, drill_revert="LossAboveLimit(9, 8)"), policy)
    assert goal_of(refused) == goal_of(free) < 2.3
    assert gate_of(refused).passed
    assert gate_of(refused).value < 0.3


def test_a_record_with_a_fire_drill_replays_to_the_same_bits(rounds: dict[str, tuple[Round, ...]]) -> None:
    record = run(FakeChain(a_vault(2.2), rounds))
    stored = decode(encode(record, DecisionRecord), DecisionRecord)
    assert replay(stored, rounds).differences == ()
    first, *rest = drill_of(stored).outcomes
    altered = replace(drill_of(stored), outcomes=(replace(first, health_factor=9.0), *rest))
    assert stored.inputs is not None
    changed = replace(stored, inputs=replace(stored.inputs, drill=altered))
    assert [it.partition(":")[0] for it in replay(changed, rounds).differences] == [
        "drill.outcomes[0].health_factor"
    ]
