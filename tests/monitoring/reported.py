"""Events of a daemon, as its observers get them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from keeper.domain.decision import Action, Decision, Gate
from keeper.domain.pause_state import DailyUsage, Pause, PausedBy, PauseState
from keeper.domain.record import CycleInputs, CycleOutcome, DecisionRecord, Failure, Mode
from keeper.domain.tx import InFlight, IntentStatus, Receipt
from keeper.domain.urgency import Urgency
from keeper.monitoring.events import CycleEnded, CycleLost, LeadLost, Leads, StandsBy, Started, Stopped
from tests.factories import NOW
from tests.views.records import a_failure, a_record

UNWRITABLE = Failure("JournalUnwritable", 7, "disk full", "Free disk space.")
RECEIPT = Receipt("1" * 32, "0xfeed", 17_500_003, "0xb10c", True, 1_000_000, 20 * 10**9, 0, None, None)


def started(at: float = NOW) -> Started:
    return Started(at, Mode.LIVE, schedule="every hour", code_version="0.1.0")


def stopped(at: float = NOW) -> Stopped:
    return Stopped(at, 7, None)


def ended(record: DecisionRecord, at: float = NOW, *, trouble: Failure | None = None) -> CycleEnded:
    return CycleEnded(at, record, trouble)


def lost(failure: Failure = UNWRITABLE, at: float = NOW) -> CycleLost:
    return CycleLost(at, failure)


def stands_by(trouble: str = "", at: float = NOW) -> StandsBy:
    return StandsBy(at, "a process 1", trouble)


def leads(at: float = NOW, before: str = "a process 1") -> Leads:
    return Leads(at, 2, before)


def lead_lost(at: float = NOW) -> LeadLost:
    return LeadLost(at, "the database ended the session")


def a_quiet_record(**changes: Any) -> DecisionRecord:
    """A HOLD with nothing to tell: fresh prices, no pause, every gate holds."""
    record = a_record(mode=Mode.LIVE, outcome=CycleOutcome.HELD, started_at=float(NOW))
    gates = tuple(replace(gate, passed=gate.kind != "trigger") for gate in decision_of(record).gates)
    quiet = with_decision(record, action=Action.HOLD, goal=None, gates=gates)
    return replace(quiet, summary="HOLD: within every band.", **changes)


def decision_of(record: DecisionRecord) -> Decision:
    assert record.conclusions is not None
    return record.conclusions.decision


def with_decision(record: DecisionRecord, **changes: Any) -> DecisionRecord:
    assert record.conclusions is not None
    decision = replace(record.conclusions.decision, **changes)
    return replace(record, conclusions=replace(record.conclusions, decision=decision))


def with_inputs(record: DecisionRecord, **changes: Any) -> DecisionRecord:
    assert record.inputs is not None
    return replace(record, inputs=replace(record.inputs, **changes))


def inputs_of(record: DecisionRecord) -> CycleInputs:
    assert record.inputs is not None
    return record.inputs


def with_gate(record: DecisionRecord, gate: Gate) -> DecisionRecord:
    others = tuple(it for it in decision_of(record).gates if it.name != gate.name)
    return with_decision(record, gates=(*others, gate))


def a_failed_record(**changes: Any) -> DecisionRecord:
    failed = a_record(
        mode=Mode.LIVE,
        outcome=CycleOutcome.FAILED,
        failure=a_failure(),
        exit_code=3,
        inputs=None,
        conclusions=None,
        simulation=None,
        verdict=None,
    )
    return replace(failed, **changes)


def a_breach() -> DecisionRecord:
    gate = Gate(
        "health_factor_alert", "trigger", 1.1, 1.25, True, Urgency.OUT_OF_BAND, "health factor 1.100", 0
    )
    return with_gate(a_quiet_record(), gate)


def a_low_balance() -> DecisionRecord:
    gate = Gate("gas_balance", "limit", 0.01, 0.05, False, Urgency.ROUTINE, "0.01 ETH for gas", 5)
    return with_gate(a_quiet_record(), gate)


def a_pause(cause: str = "operator") -> DecisionRecord:
    pause = Pause(PausedBy.JOURNAL, cause, "3am", NOW - 60)
    return with_inputs(a_quiet_record(), pause_state=PauseState((pause,), DailyUsage(0.0, 0.0, 0, 0)))


def a_stuck_transaction(waited_s: int = 1_200) -> DecisionRecord:
    intent = InFlight("4" * 32, IntentStatus.SENT, 7, NOW - waited_s)
    return with_inputs(a_quiet_record(), in_flight=intent)


def a_trade(action: Action = Action.REBALANCE) -> DecisionRecord:
    record = a_record(mode=Mode.LIVE, outcome=CycleOutcome.SENT, receipt=RECEIPT, started_at=float(NOW))
    gates = tuple(replace(gate, passed=True) for gate in decision_of(record).gates)
    return with_decision(record, action=action, gates=gates)
