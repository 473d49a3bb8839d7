"""What a cycle gives to tell: the states that last, and the events. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from keeper.domain.decision import Action, Decision
from keeper.domain.errors import LeaseLost, OutcomeUnknown
from keeper.domain.prices import is_doubted
from keeper.domain.record import CycleInputs, CycleOutcome, DecisionRecord, Failure
from keeper.domain.urgency import Urgency
from keeper.monitoring import alert_kinds as kinds
from keeper.monitoring.alert_kinds import Alert, AlertKind
from keeper.monitoring.daemon_state import OF_THE_JOURNAL
from keeper.monitoring.events import (
    ChatBack,
    ChatLost,
    CycleEnded,
    CycleLost,
    Event,
    LeadLost,
    Leads,
    Reloaded,
    ReloadRefused,
    StandsBy,
    Started,
    Stopped,
)
from keeper.monitoring.trade_table import trade_table
from keeper.planning.post_trade import warnings
from keeper.views.decision import asset_rows
from keeper.views.formats import age, money, ratio

STUCK_S = 600.0
HEALTH_FACTOR_TRIGGERS = ("health_factor_act", "health_factor_alert")
GAS_GATE = "gas_balance"
OF_ANY_CYCLE = frozenset({kinds.FAILING, kinds.UNWRITABLE})
OF_THE_CHAT = frozenset({kinds.CHAT_LOST})
OF_A_STANDBY = frozenset({kinds.NOT_ELIGIBLE, kinds.FAILING, kinds.UNWRITABLE})
OF_A_READ = frozenset({kinds.STUCK, kinds.PAUSED})
OF_A_DECISION = frozenset({kinds.BREACH, kinds.SUSPECT_DATA, kinds.LOW_GAS})


@dataclass(frozen=True, slots=True)
class HeldStates:
    """The states that hold. Of ``kinds`` all are listed; of other kinds this event knows nothing."""

    alerts: tuple[Alert, ...]
    kinds: frozenset[AlertKind]


@dataclass(frozen=True, slots=True)
class Lasting:
    """A state that holds as far as is known. ``at`` is when it was seen last, Unix seconds."""

    alert: Alert
    at: float


def lasting(events: Iterable[Event]) -> tuple[Lasting, ...]:
    """The states that hold after ``events``, which are the oldest first. An event ends only states of the kinds that
    it knows."""
    held: dict[str, Lasting] = {}
    for event in events:
        now = states(event)
        unknown = {key: it for key, it in held.items() if it.alert.kind not in now.kinds}
        held = unknown | {alert.key: Lasting(alert, event.at) for alert in now.alerts}
    return tuple(held.values())


def states(event: Event) -> HeldStates:
    """The states that hold after this event."""
    match event:
        case CycleEnded(record=record, trouble=trouble):
            alerts = (*_states(record), *(() if trouble is None else (_on_fallback(trouble),)))
            return HeldStates(alerts, _known_kinds(record))
        case CycleLost(failure=failure):
            if failure.name == LeaseLost.__name__:
                return HeldStates((), frozenset())  # ``lead_lost`` tells
            kind = kinds.UNWRITABLE if failure.name in OF_THE_JOURNAL else kinds.FAILING
            title = f"{failure.name}: the cycle left no record"
            lost = Alert(kind, failure.name, title, body=f"{failure.message}\n{failure.remedy}")
            return HeldStates((lost,), OF_ANY_CYCLE)
        case ChatLost(reason=reason):
            body = f"{reason or 'It does not say why.'}\n`keeper pause` in a shell of the machine works without it."
            deaf = Alert(kinds.CHAT_LOST, "chat", "the chat hears nobody", body=body)
            return HeldStates((deaf,), OF_THE_CHAT)
        case ChatBack():
            return HeldStates((), OF_THE_CHAT)
        case StandsBy(trouble=trouble):
            hindered = Alert(
                kinds.NOT_ELIGIBLE, "standby", "the standby could not take over now", body=trouble
            )
            return HeldStates((hindered,) if trouble else (), OF_A_STANDBY)
        case Leads():
            return HeldStates((), frozenset({kinds.NOT_ELIGIBLE}))
        case _:
            return HeldStates((), frozenset())


def _on_fallback(trouble: Failure) -> Alert:
    title = f"{trouble.name}: only emergencies are sent while the journal or the fallback journal fails"
    return Alert(kinds.UNWRITABLE, trouble.name, title, body=f"{trouble.message}\n{trouble.remedy}")


def events(event: Event) -> tuple[Alert, ...]:
    """What is told once."""
    match event:
        case Started(mode=mode, schedule=schedule, code_version=version):
            sends = "It signs and sends." if mode.sends else "It sends nothing."
            body = f"keeper {version}, schedule {schedule}. {sends}"
            return (Alert(kinds.STARTED, mode.value, f"started, {mode.value}", body=body),)
        case Stopped(exit_code=code, signal=signal):
            body = f"`keeper explain {code}` says what exit code {code} means. Nobody deleverages until it runs again."
            why = signal or "by itself"
            return (Alert(kinds.STOPPED, str(code), f"stopped ({why}), exit code {code}", body=body),)
        case Reloaded(changes=changes):
            body = "\n".join(changes) or "No setting changed."
            return (
                Alert(kinds.RELOADED, "settings", f"reloaded, {len(changes)} settings changed", body=body),
            )
        case ReloadRefused(failure=failure):
            body = f"{failure.message}\n{failure.remedy} The old settings stay in force."
            return (Alert(kinds.RELOAD_REFUSED, failure.name, f"reload refused: {failure.name}", body=body),)
        case Leads(term=term, before=before) if before:
            body = f"{before} led before. Look at that machine: it ended, hangs, or is cut off from the database."
            return (Alert(kinds.LEADS, str(term), f"leads now, term {term}", body=body),)
        case LeadLost(reason=reason):
            body = f"{reason}\nIt sends nothing and stands by. `keeper status` shows who leads."
            return (Alert(kinds.LEAD_LOST, reason, "leads no more", body=body),)
        case CycleEnded(record=record):
            return tuple(_events(record))
        case _:
            return ()


def _known_kinds(record: DecisionRecord) -> frozenset[AlertKind]:
    if record.inputs is None:
        return OF_ANY_CYCLE
    return OF_ANY_CYCLE | OF_A_READ | (OF_A_DECISION if record.conclusions is not None else frozenset())


def _states(record: DecisionRecord) -> Iterator[Alert]:
    failure, inputs = record.failure, record.inputs
    if failure is not None:
        kind = kinds.STUCK if failure.exit_code == OutcomeUnknown.exit_code else kinds.FAILING
        yield Alert(kind, failure.name, failure.name, body=f"{failure.message}\n{failure.remedy}")
    if inputs is None:
        return
    yield from _breach(record)
    yield from _stuck(record, inputs)
    yield from _pauses(inputs)
    yield from _data(record, inputs)
    gate = _failed_gate(record, GAS_GATE)
    if gate is not None:
        yield Alert(kinds.LOW_GAS, inputs.snapshot.keeper_address, "the key has little gas", body=f"{gate}.")


def _breach(record: DecisionRecord) -> Iterator[Alert]:
    decision = _decision(record)
    if decision is None:
        return
    for gate in decision.gates:
        if gate.name in HEALTH_FACTOR_TRIGGERS and gate.passed:
            yield Alert(
                kinds.BREACH, "health factor", gate.detail, body=f"{record.summary}\n{_keeper_acts(record)}"
            )
            return
    if decision.urgency is Urgency.EMERGENCY and record.outcome in (CycleOutcome.HELD, CycleOutcome.DECLINED):
        yield Alert(kinds.BREACH, "emergency", "an emergency is not answered", body=record.summary)


def _keeper_acts(record: DecisionRecord) -> str:
    if record.outcome is CycleOutcome.SENT:
        return "The keeper acted."
    return "The keeper did not act. `keeper deleverage --execute` lowers the debt by hand."


def _stuck(record: DecisionRecord, inputs: CycleInputs) -> Iterator[Alert]:
    intent = inputs.in_flight
    waited = record.started_at - intent.since if intent is not None else 0.0
    if intent is not None and waited > STUCK_S:
        title = f"a transaction has no final outcome for {age(waited)}"
        body = (
            f"Intent {intent.intent_id[:12]} of epoch {intent.epoch} is {intent.status.value}. "
            "Nothing else is sent, except in an emergency. `keeper unblock --simulate` shows its nonce."
        )
        yield Alert(kinds.STUCK, intent.intent_id, title, body=body)


def _pauses(inputs: CycleInputs) -> Iterator[Alert]:
    for pause in inputs.pause_state.pauses if inputs.pause_state is not None else ():
        body = f"{pause.reason or 'No reason given.'}\n`keeper explain {pause.cause}` says what to do."
        yield Alert(kinds.PAUSED, pause.cause, f"paused by {pause.cause}", body=body)
    if inputs.snapshot.vault.paused:
        body = "Only the vault's admin ends that, through the timelock."
        yield Alert(kinds.PAUSED, "vault", "the vault is paused on chain", body=body)


def _data(record: DecisionRecord, inputs: CycleInputs) -> Iterator[Alert]:
    for feed in inputs.snapshot.feeds:
        if is_doubted(feed):
            title = f"the price of {feed.symbol} is {feed.trust.value}"
            body = f"{feed.reason}. Risk may only be lowered. `keeper explain {feed.rule}` says more."
            yield Alert(kinds.SUSPECT_DATA, f"{feed.symbol} {feed.trust.value}", title, body=body)
    missing = record.conclusions.target.missing if record.conclusions is not None else ()
    if missing:
        title = f"missing: {', '.join(missing)}"
        body = "Risk is held at the last fully informed look's. `keeper information` shows since when."
        yield Alert(kinds.SUSPECT_DATA, ",".join(sorted(missing)), title, body=body)


def _events(record: DecisionRecord) -> Iterator[Alert]:
    decision = _decision(record)
    if decision is None:
        return
    sends = record.outcome in (CycleOutcome.SENT, CycleOutcome.WOULD_SEND)
    if decision.action is Action.RIPCORD and (sends or record.receipt is not None):
        yield _traded(kinds.RIPCORD, record)
    elif record.receipt is not None:
        yield _traded(kinds.REBALANCED, record)
    for check in warnings(record.post_trade):
        yield Alert(
            kinds.POST_TRADE, check.name, f"after the transaction: {check.name}", body=f"{check.detail}."
        )


def _traded(kind: AlertKind, record: DecisionRecord) -> Alert:
    plan = record.conclusions.plan if record.conclusions is not None else None
    cost = f"Planned cost {money(plan.cost.total)}." if plan is not None else ""
    sent = f"Transaction {record.receipt.tx_hash}." if record.receipt is not None else "Nothing was sent."
    assert record.inputs is not None, "a decision has inputs"
    table = trade_table(record.inputs.held, record.realised, asset_rows(record))
    body = "\n".join(part for part in (record.summary, table, cost, sent) if part)
    held, decision = record.inputs.held, _decision(record)
    goal = decision.goal if decision is not None else None
    title = f"leverage {ratio(held.leverage)}" + (f" to {ratio(goal.leverage)}" if goal is not None else "")
    return Alert(kind, record.record_id, title, body=body)


def _decision(record: DecisionRecord) -> Decision | None:
    return record.conclusions.decision if record.conclusions is not None else None


def _failed_gate(record: DecisionRecord, name: str) -> str | None:
    decision = _decision(record)
    gates = decision.gates if decision is not None else ()
    return next((gate.detail for gate in gates if gate.name == name and not gate.passed), None)
