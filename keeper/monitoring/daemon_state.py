"""What the events add up to, and whether the daemon is alive and ready."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from keeper.domain.errors import JournalUnreadable, JournalUnwritable, LeaseLost
from keeper.domain.head_socket import HeadSocketState
from keeper.domain.leadership import LeaseReading
from keeper.domain.record import CycleOutcome, DecisionRecord, Failure
from keeper.domain.units import WAD
from keeper.monitoring.events import (
    CycleBegan,
    CycleEnded,
    CycleLost,
    Event,
    LeadLost,
    Leads,
    Reloaded,
    ReloadRefused,
    StandsBy,
    Started,
)

LONGEST_CYCLE_S = 1_800.0
"""A cycle that sends may wait for its outcome and for finality; no cycle takes longer than this."""
OVERDUE_S = 300.0
"""How late the schedule's next look may begin."""
NO_TRIGGER = "none"
OF_THE_JOURNAL = (JournalUnwritable.__name__, JournalUnreadable.__name__, LeaseLost.__name__)


@dataclass(frozen=True, slots=True)
class Decided:
    """What a cycle decided: action, urgency, and the trigger that gave the urgency, or ``NO_TRIGGER``."""

    action: str
    urgency: str
    trigger: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """``reason`` is one sentence."""

    passed: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Deliveries:
    """What became of alerts and of pings since the start. ``dropped``: too many waited."""

    sent: int = 0
    failed: int = 0
    dropped: int = 0
    pings: int = 0
    failed_pings: int = 0


@dataclass(frozen=True, slots=True)
class ChatCounts:
    """Messages of the chat since the start by what came of them, and requests to its service that failed.

    ``strangers``: of nobody who may ask, or not in private. ``late``: too old to act on. ``limited``: too many.
    ``unreadable``: stepped over, because they made an answer that cannot be used.
    """

    answered: int = 0
    strangers: int = 0
    late: int = 0
    limited: int = 0
    unreadable: int = 0
    failures: int = 0


@dataclass(frozen=True, slots=True)
class Chat:
    """``heard_at`` is when the service last answered, or when the chat began to listen; None without a chat.
    ``trouble`` says why it does not answer now, and is empty where it does."""

    counts: ChatCounts = ChatCounts()
    heard_at: float | None = None
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class DaemonState:
    """Times are Unix seconds. ``last`` is the newest record, ``last_read`` the newest of a cycle that read the vault,
    ``last_decided`` the newest with a decision.

    ``outcomes`` and ``decisions`` count cycles since the start; ``lost`` those without a record. ``reloads`` and
    ``refused_reloads`` count hang-ups by what came of them. ``failure`` is the error of the newest cycle, ``trouble``
    that of the journal or the fallback journal, because of which only emergencies are sent. ``stands_by`` is set while
    another keeper leads, ``lease`` is None where there is no other keeper to lead (without --standby). ``gas_eth`` and
    ``traded_usd`` are sums of the mined transactions since the start.
    """

    started: Started | None = None
    began_at: float | None = None
    ended_at: float | None = None
    next_look_at: float | None = None
    last: DecisionRecord | None = None
    last_read: DecisionRecord | None = None
    last_decided: DecisionRecord | None = None
    failure: Failure | None = None
    trouble: Failure | None = None
    lost: int = 0
    reloads: int = 0
    refused_reloads: int = 0
    outcomes: dict[CycleOutcome, int] = field(default_factory=dict)
    decisions: dict[Decided, int] = field(default_factory=dict)
    gas_eth: float = 0.0
    traded_usd: float = 0.0
    deliveries: Deliveries = Deliveries()
    chat: Chat = Chat()
    stands_by: StandsBy | None = None
    lease: LeaseReading | None = None
    head_sockets: tuple[HeadSocketState, ...] = ()

    @property
    def in_cycle(self) -> bool:
        return self.began_at is not None and (self.ended_at is None or self.ended_at < self.began_at)

    @property
    def journal_writable(self) -> bool:
        return self.trouble is None


def after(state: DaemonState, event: Event) -> DaemonState:
    """The state after an event."""
    match event:
        case Started():
            return replace(state, started=event)
        case CycleBegan(at=at, next_look_at=next_look_at):
            return replace(state, began_at=at, next_look_at=next_look_at)
        case CycleEnded(at=at, record=record, trouble=trouble):
            return _after_record(replace(state, ended_at=at, trouble=trouble), record)
        case CycleLost(at=at, failure=failure):
            of_journal = failure.name in OF_THE_JOURNAL
            trouble = failure if of_journal else None
            return replace(state, ended_at=at, failure=failure, trouble=trouble, lost=state.lost + 1)
        case Reloaded():
            return replace(state, reloads=state.reloads + 1)
        case ReloadRefused():
            return replace(state, refused_reloads=state.refused_reloads + 1)
        case StandsBy():
            return replace(state, stands_by=event, failure=None, trouble=None)
        case Leads():
            return replace(state, stands_by=None)
        case LeadLost(at=at):
            # What the leader was doing is over; the next look is the next leader's.
            return replace(state, ended_at=at, next_look_at=None)
        case _:
            return state


def alive(state: DaemonState, now: float) -> Verdict:
    """Whether the daemon moves: no cycle lasts too long, and none is overdue."""
    if state.in_cycle and state.began_at is not None:
        lasts = now - state.began_at
        return Verdict(lasts <= LONGEST_CYCLE_S, f"a cycle runs for {lasts:.0f} s")
    if state.stands_by is not None:
        silent = now - max(state.stands_by.at, state.ended_at or 0.0)
        return Verdict(silent <= OVERDUE_S, f"it looked {silent:.0f} s ago who leads")
    if state.ended_at is None:
        return Verdict(passed=True, reason="no cycle began yet")
    if state.next_look_at is None:
        return Verdict(passed=True, reason="the schedule has no further cycle")
    overdue = now - max(state.next_look_at, state.ended_at)
    return Verdict(
        overdue <= OVERDUE_S, f"the next look is {'due' if overdue >= 0 else 'in'} {abs(overdue):.0f} s"
    )


def ready(state: DaemonState, now: float) -> Verdict:
    """Whether the keeper could act now: it is alive, and its newest cycle read the vault and kept its record. A paused
    keeper is ready, because it still deleverages."""
    living = alive(state, now)
    if not living.passed:
        return living
    if not state.journal_writable:
        return Verdict(passed=False, reason="the journal cannot be written")
    if state.failure is not None:
        return Verdict(passed=False, reason=f"the newest cycle failed: {state.failure.name}")
    if state.stands_by is not None:
        return _eligible(state.stands_by)
    if state.lease is not None and not state.lease.held:
        return Verdict(
            passed=False, reason="the journal's database does not answer, so this leader sends nothing"
        )
    if state.last is None:
        return Verdict(passed=False, reason="no cycle ended yet")
    return Verdict(passed=True, reason=f"the newest cycle {state.last.outcome.value}")


def _eligible(standby: StandsBy) -> Verdict:
    leader = standby.leader or "nobody"
    if standby.trouble:
        return Verdict(passed=False, reason=f"{leader} leads, and this standby cannot: {standby.trouble}")
    return Verdict(passed=True, reason=f"stands by; {leader} leads")


def decided(record: DecisionRecord) -> Decided | None:
    """None for a cycle that ended before its decision."""
    if record.conclusions is None:
        return None
    decision = record.conclusions.decision
    causes = (
        gate.name
        for gate in decision.gates
        if gate.kind == "trigger" and gate.passed and gate.urgency is decision.urgency
    )
    return Decided(decision.action.value, decision.urgency.value, next(causes, NO_TRIGGER))


def _after_record(state: DaemonState, record: DecisionRecord) -> DaemonState:
    outcomes = state.outcomes | {record.outcome: state.outcomes.get(record.outcome, 0) + 1}
    decision = decided(record)
    decisions = state.decisions
    if decision is not None:
        decisions = decisions | {decision: decisions.get(decision, 0) + 1}
    receipt = record.receipt
    paid = receipt.cost_wei / WAD if receipt is not None else 0.0
    return replace(
        state,
        last=record,
        last_read=record if record.inputs is not None else state.last_read,
        last_decided=record if record.conclusions is not None else state.last_decided,
        failure=record.failure,
        outcomes=outcomes,
        decisions=decisions,
        gas_eth=state.gas_eth + paid,
        traded_usd=state.traded_usd + sum(swap.value_usd for swap in record.executed_swaps),
    )
