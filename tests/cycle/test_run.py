"""Every outcome of a cycle, with its record, in a world of values."""

from __future__ import annotations

import math
from typing import Any

import pytest

from keeper.domain.errors import NodeUnavailable
from keeper.domain.market import Round
from keeper.domain.pause_state import DeleverageRequest, Pause, PausedBy, PauseState
from keeper.domain.plan import PostState
from keeper.domain.record import STAGES, CycleOutcome, DecisionRecord, Mode
from keeper.domain.urgency import Urgency
from keeper.runtime import failpoints
from keeper.runtime.failpoints import Failpoint
from tests.cycle.fakes import FREE, FakeChain, FakePauses, FakeSender, a_keeper
from tests.cycle.rounds import some_rounds
from tests.factories import (
    NOW,
    a_decision_policy,
    a_policy,
    a_simulation,
    a_snapshot,
    with_block,
    with_limits,
    with_market_move,
)

PAUSED = PauseState(pauses=(Pause(PausedBy.JOURNAL, "operator", "3am", NOW - 60),), usage=FREE.usage)
UNINVESTED = (0.0, 0.0, 0.0, 0.0)


@pytest.fixture(scope="module")
def rounds() -> dict[str, tuple[Round, ...]]:
    return some_rounds()


@pytest.fixture
def chain(rounds: dict[str, tuple[Round, ...]]) -> FakeChain:
    """Of a vault that holds cash only, so that the strategy buys."""
    return FakeChain(a_snapshot(weights=UNINVESTED), rounds)


def run(
    chain: FakeChain,
    mode: Mode = Mode.DRY_RUN,
    *,
    sender: FakeSender | None = None,
    pauses: FakePauses | None = None,
    deleverage: DeleverageRequest | None = None,
    **changes: Any,
) -> DecisionRecord:
    keeper = a_keeper(chain, pauses or FakePauses([FREE]), sender, **changes)
    record = keeper.cycle(mode, deleverage)
    assert keeper.ports.records.records == [record]  # type: ignore[attr-defined]
    return record


def test_a_dry_run_stops_before_it_sends(chain: FakeChain) -> None:
    record = run(chain)
    assert (record.outcome, record.exit_code) == (CycleOutcome.WOULD_SEND, 0)
    assert record.inputs is not None
    assert record.inputs.quotes
    assert record.conclusions is not None
    assert record.conclusions.plan is not None
    assert record.verdict is not None
    assert record.verdict.passed
    assert record.receipt is None


def test_a_record_has_the_time_of_each_stage_and_the_next_look(chain: FakeChain) -> None:
    keeper = a_keeper(chain, FakePauses([FREE]), None)
    record = keeper.cycle(Mode.DRY_RUN, next_look_at=NOW + 3_600.0)
    assert [time.stage for time in record.stages] == [
        stage for stage in STAGES if stage not in ("send", "read_back")
    ]
    assert all(time.seconds >= 0.0 for time in record.stages)
    assert record.next_look_at == NOW + 3_600.0


def test_a_mode_that_does_not_send_leaves_its_sender_alone(chain: FakeChain) -> None:
    sender = FakeSender()
    assert run(chain, Mode.DRY_RUN, sender=sender).outcome is CycleOutcome.WOULD_SEND
    assert sender.sent == []


def test_the_record_counts_requests_and_the_time_of_the_pure_functions(chain: FakeChain) -> None:
    chain.round_trips = 7
    record = run(chain)
    assert (record.read_round_trips, record.rpc_round_trips) == (2, 4)
    (node,) = record.nodes
    assert (node.round_trips, node.bytes_received) == (4, 4_000)
    assert record.compute_ms == 4_000.0  # the drill, assess, the requests for quotes, the plan: a second each


def test_a_live_cycle_sends_and_records_what_it_left(chain: FakeChain) -> None:
    sender = FakeSender()
    record = run(chain, Mode.LIVE, sender=sender)
    assert (record.outcome, record.exit_code) == (CycleOutcome.SENT, 0)
    ((payload, supersede),) = sender.sent
    assert record.conclusions is not None
    assert record.conclusions.plan is not None
    assert payload.epoch == record.conclusions.plan.epoch
    assert payload.gas_limit >= a_simulation().gas * 1.2
    assert payload.private
    assert not supersede
    assert record.realised is not None
    assert record.realised.leverage == pytest.approx(record.conclusions.plan.expected.leverage, rel=0.02)
    assert record.post_trade


def test_without_a_relay_nothing_is_private(chain: FakeChain) -> None:
    sender = FakeSender()
    run(chain, Mode.LIVE, sender=sender, relays=False)
    assert not sender.sent[0][0].private


def test_an_epoch_that_moved_twice_is_another_key(chain: FakeChain) -> None:
    chain.epochs = 2
    record = run(chain, Mode.LIVE, sender=FakeSender())
    assert record.failure is not None
    assert (record.outcome, record.failure.name) == (CycleOutcome.FAILED, "PostStateUnexpected")
    assert "epoch" in record.summary
    assert record.receipt is not None
    assert record.realised is not None


def test_an_allowance_that_stays_is_named(chain: FakeChain) -> None:
    chain.allowances = {"WETH": 5}
    record = run(chain, Mode.LIVE, sender=FakeSender())
    assert record.failure is not None
    assert "WETH" in record.failure.message
    assert record.failure.exit_code == 7


def test_a_pause_that_came_during_the_cycle_stops_the_send(chain: FakeChain) -> None:
    sender = FakeSender()
    record = run(chain, Mode.LIVE, sender=sender, pauses=FakePauses([FREE, PAUSED]))
    assert (record.outcome, record.exit_code) == (CycleOutcome.HELD, 7)
    assert record.summary == "HOLD: paused by operator (journal): 3am"
    assert sender.sent == []


def test_a_hold_while_paused_says_so_once(chain: FakeChain) -> None:
    stopped = run(chain, pauses=FakePauses([PAUSED]))
    wanted = run(chain).conclusions
    assert wanted is not None
    at_target = a_snapshot(weights=wanted.target.weights)
    content = run(FakeChain(at_target, chain.rounds), pauses=FakePauses([PAUSED]))
    for record in (stopped, content):
        assert record.outcome is CycleOutcome.HELD
        assert record.summary.count("paused") == 1


def test_a_pause_does_not_stop_a_requested_deleveraging(
    rounds: dict[str, tuple[Round, ...]],
) -> None:
    chain = FakeChain(a_snapshot(weights=(0.6, 0.6, 0.4, 0.4)), rounds)
    sender = FakeSender()
    run(
        chain,
        Mode.LIVE,
        sender=sender,
        pauses=FakePauses([PAUSED]),
        deleverage=DeleverageRequest(9.0, "drill"),
    )
    ((payload, supersede),) = sender.sent
    assert supersede
    assert not payload.private  # an emergency is sent publicly


def test_a_reverting_simulation_is_refused(chain: FakeChain) -> None:
    chain.simulation = a_simulation(success=False, revert="TooLittleReceived(1, 2)")
    record = run(chain, Mode.LIVE, sender=FakeSender())
    assert (record.outcome, record.exit_code) == (CycleOutcome.DECLINED, 5)
    assert record.summary == "HOLD: the simulated transaction reverts with TooLittleReceived(1, 2)"


def test_a_trade_that_is_not_worth_its_cost_is_an_ordinary_hold(chain: FakeChain) -> None:
    chain.simulation = a_simulation(l1_fee_wei=10**21)
    policy = a_policy(decision=a_decision_policy(triggers=("age",), max_age_s=1))
    record = run(chain, Mode.LIVE, sender=FakeSender(), policy=policy)
    assert (record.outcome, record.exit_code) == (CycleOutcome.DECLINED, 0)
    assert record.verdict is not None
    assert [check.name for check in record.verdict.checks if not check.passed] == ["cost_within_benefit"]


def test_a_simulation_that_fails_a_check_is_refused(chain: FakeChain) -> None:
    unchanged = PostState(1_000_000.0, 0.0, math.inf, UNINVESTED)
    chain.simulation = a_simulation(post=unchanged)
    record = run(chain, Mode.LIVE, sender=FakeSender())
    assert (record.outcome, record.exit_code) == (CycleOutcome.DECLINED, 5)
    assert record.summary.startswith("HOLD: leverage 0.0000 simulated")


def test_a_hold_records_why(chain: FakeChain) -> None:
    record = run(chain, pauses=FakePauses([PAUSED]))
    assert record.outcome is CycleOutcome.HELD
    assert record.summary.startswith("HOLD")
    assert record.conclusions is not None
    assert record.conclusions.plan is None
    assert record.simulation is None


def test_an_emergency_that_gas_holds_back_counts_as_refused(
    rounds: dict[str, tuple[Round, ...]],
) -> None:
    crashed = with_market_move(a_snapshot(weights=(0.6, 0.6, 0.4, 0.4)), 0.75)
    chain = FakeChain(with_block(crashed, base_fee_wei=10**15), rounds)
    record = run(chain)
    assert record.conclusions is not None
    assert record.conclusions.decision.urgency is Urgency.EMERGENCY
    assert (record.outcome, record.exit_code) == (CycleOutcome.HELD, 5)


def test_an_ordinary_trade_that_gas_holds_back_is_no_failure(chain: FakeChain) -> None:
    policy = with_limits(a_policy(decision=a_decision_policy()), Urgency.ROUTINE, max_gas_price_wei=1)
    policy = with_limits(policy, Urgency.OUT_OF_BAND, max_gas_price_wei=1)
    record = run(chain, policy=policy)
    assert (record.outcome, record.exit_code) == (CycleOutcome.HELD, 0)


def test_an_expected_failure_ends_the_cycle_and_is_recorded(chain: FakeChain) -> None:
    chain.failure = NodeUnavailable("node: timeout", remedy="Try again.")
    record = run(chain)
    assert (record.outcome, record.exit_code) == (CycleOutcome.FAILED, 3)
    assert record.summary == "NodeUnavailable: node: timeout"
    assert record.failure is not None
    assert record.failure.remedy == "Try again."
    assert record.inputs is None
    assert record.rpc_round_trips == 2
    assert math.isclose(record.compute_ms, 0.0)


def test_a_bug_escapes(chain: FakeChain) -> None:
    chain.failure = ZeroDivisionError("bug")  # type: ignore[assignment]
    with pytest.raises(ZeroDivisionError):
        a_keeper(chain, FakePauses([FREE]), None).cycle(Mode.DRY_RUN)


def test_a_cycle_reaches_its_failpoints_in_their_order(
    chain: FakeChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached: list[Failpoint] = []
    monkeypatch.setattr(failpoints, "reach", reached.append)
    run(chain, Mode.LIVE, sender=FakeSender())
    assert reached == [
        Failpoint.READ,
        Failpoint.CONCLUDED,
        Failpoint.SIMULATED,
        Failpoint.READ_BACK,
        Failpoint.RECORD_BEGINS,
        Failpoint.RECORD_COMMITTED,
    ]
