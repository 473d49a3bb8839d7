"""What needs attention, the worst first. A cycle that could not look ends nothing that an earlier one saw. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from keeper.domain.pause_state import Pause
from keeper.domain.record import DecisionRecord
from keeper.domain.urgency import Urgency
from keeper.monitoring.alert_kinds import BREACH, PAUSED, Severity
from keeper.monitoring.conditions import Lasting, lasting
from keeper.monitoring.daemon_state import DaemonState, alive, ready
from keeper.monitoring.events import CycleEnded, CycleLost, Event
from keeper.views.formats import age, moment
from keeper.views.lines import pause_lines
from keeper.views.record import pause_report

MARK_OF_SEVERITY = {Severity.CRITICAL: "bad", Severity.WARNING: "warn", Severity.INFO: "soft"}
GRAVEST_FIRST = tuple(MARK_OF_SEVERITY)


@dataclass(frozen=True, slots=True)
class Banner:
    """``mark`` is ``good``, ``warn``, ``bad`` or ``soft``."""

    mark: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class KnownRecords:
    """The records that the page knows, the newest first."""

    records: tuple[DecisionRecord, ...]

    @property
    def newest(self) -> DecisionRecord | None:
        return self.records[0] if self.records else None

    @property
    def read(self) -> DecisionRecord | None:
        """The newest that read the vault."""
        return next((record for record in self.records if record.inputs is not None), None)

    @property
    def decided(self) -> DecisionRecord | None:
        """The newest that came to a decision."""
        return next((record for record in self.records if record.conclusions is not None), None)


def known_records(records: Sequence[DecisionRecord], state: DaemonState) -> KnownRecords:
    """``records`` are the journal's, the newest first. The daemon's own are among them or put between them: while the
    journal cannot be written it has newer ones, and after a long outage an older one that read the vault."""
    known = list(records)
    for own in (state.last, state.last_read, state.last_decided):
        if own is None or any(own.record_id == record.record_id for record in known):
            continue
        older = (place for place, record in enumerate(known) if record.started_at < own.started_at)
        known.insert(next(older, len(known)), own)
    return KnownRecords(tuple(known))


def banners(
    known: KnownRecords,
    state: DaemonState,
    now: float,
    *,
    pauses: Sequence[Pause] | None,
    trouble: Banner | None = None,
) -> Iterator[Banner]:
    """By the rules of the alerts. ``pauses`` are those in force by journal and pause file, None where the journal is
    not read: then they are those that the daemon read last. ``trouble`` is why it is not read. ``now`` is Unix
    seconds."""
    emergency = _emergency(known, now)
    if emergency is not None:
        yield emergency
    if trouble is not None:
        yield trouble
    readiness = _readiness(state, now)
    if readiness is not None:
        yield readiness
    paused = _pauses(known, pauses)
    if paused:
        yield Banner("warn", "PAUSED", paused)
    states = lasting(_events(known, state))
    shown_above = {BREACH} if emergency is not None else set()
    shown_above |= {PAUSED} if pauses is not None else set()
    shown = [it for it in states if it.alert.kind not in shown_above]
    shown.sort(key=lambda it: GRAVEST_FIRST.index(it.alert.kind.severity))
    yield from (_banner(it, known, now) for it in shown)
    yield from _age_of_the_numbers(known, state)
    if not states and not paused and trouble is None and ready(state, now).passed:
        yield from _calm(known)


def _emergency(known: KnownRecords, now: float) -> Banner | None:
    record = known.decided
    decision = record.conclusions.decision if record is not None and record.conclusions is not None else None
    if record is None or decision is None or decision.urgency is not Urgency.EMERGENCY:
        return None
    text = record.summary + ("" if record is known.newest else _since(record.started_at, now, "decided"))
    return Banner("bad", f"EMERGENCY: {decision.action.value} {record.outcome.value}", text)


def _since(at: float, now: float, did: str) -> str:
    return f"\nThis is of {moment(at)}, {age(now - at)} ago. No later cycle {did}."


def _readiness(state: DaemonState, now: float) -> Banner | None:
    """By the rule of ``/readyz``. Before the first cycle ends nothing is wrong yet, unless it never ends."""
    verdict = ready(state, now)
    began = state.last is not None or state.failure is not None or not alive(state, now).passed
    if verdict.passed or not began:
        return None
    return Banner("bad", "The keeper could not act now", verdict.reason)


def _pauses(known: KnownRecords, pauses: Sequence[Pause] | None) -> str:
    if pauses is None:
        return ""
    report = pause_report(known.read) if known.read is not None else None
    return pause_lines(pauses, vault_paused=report is not None and report.vault_paused)


def _events(known: KnownRecords, state: DaemonState) -> Iterator[Event]:
    """What the daemon told of these cycles, the oldest first."""
    lost = state.failure is not None and (state.last is None or state.last.failure != state.failure)
    for record in reversed(known.records):
        trouble = state.trouble if record is known.newest and not lost else None
        yield CycleEnded(record.started_at, record, trouble)
    if lost and state.failure is not None and state.ended_at is not None:
        yield CycleLost(state.ended_at, state.failure)


def _banner(state: Lasting, known: KnownRecords, now: float) -> Banner:
    alert = state.alert
    old = known.newest is not None and state.at < known.newest.started_at
    text = alert.body + (_since(state.at, now, "could tell") if old else "")
    return Banner(MARK_OF_SEVERITY[alert.kind.severity], alert.title, text)


def _age_of_the_numbers(known: KnownRecords, state: DaemonState) -> Iterator[Banner]:
    if known.newest is None:
        yield Banner("soft", "No cycle has ended yet", "The page fills when the first one ends.")
    elif state.last is None:
        title = "No cycle has ended since the daemon started"
        yield Banner("soft", title, "Everything below is from before.")
    elif known.read is not None and known.read is not known.newest:
        title = "The numbers are older than the newest cycle"
        yield Banner(
            "warn", title, f"They are of {moment(known.read.started_at)}. No later cycle read the vault."
        )


def _calm(known: KnownRecords) -> Iterator[Banner]:
    if known.newest is not None and known.newest.exit_code == 0:
        yield Banner("good", "The newest cycle has nothing that needs attention", known.newest.summary)
