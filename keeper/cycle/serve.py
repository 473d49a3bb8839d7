"""One service of the line of requests: read it, decide, send at most one call. It runs after a cycle that sent nothing.

Everything that it knows is read anew, and the journal has what an earlier service started. So it can stop anywhere and
be repeated: of two calls for one batch the second would revert, and the rehearsal on the block says so first.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from keeper.cycle.ports import LineReading, Ports
from keeper.decision.limits import highest_gas_price_wei
from keeper.decision.line import affordable, due_call
from keeper.decision.pause_rules import forbids
from keeper.domain.errors import GasUnpriced, KeeperError, Reverted
from keeper.domain.line import LineCall, LineDecision
from keeper.domain.market import MarketSnapshot
from keeper.domain.native_coin import usd_of_wei
from keeper.domain.policy import Policy
from keeper.domain.record import DecisionRecord, Failure, Mode
from keeper.domain.tx import Payload, Receipt
from keeper.domain.urgency import Urgency


@dataclass(frozen=True, slots=True)
class LineService:
    """What one service decided, and what came of it. ``receipt`` is None where nothing was sent, ``failure`` where
    nothing went wrong."""

    decision: LineDecision
    receipt: Receipt | None = None
    failure: Failure | None = None


def someone_waits(snapshot: MarketSnapshot) -> bool:
    return snapshot.redemptions.pending_shares > 0 or snapshot.vault.pending_deposits > 0


def service_is_due(record: DecisionRecord) -> bool:
    """After a cycle that sent nothing and is in no emergency, while somebody waits and nothing is in flight."""
    inputs, conclusions = record.inputs, record.conclusions
    return (
        inputs is not None
        and conclusions is not None
        and record.failure is None
        and record.receipt is None
        and inputs.in_flight is None
        and conclusions.decision.urgency is not Urgency.EMERGENCY
        and someone_waits(inputs.snapshot)
    )


def serve(ports: Ports, policy: Policy, mode: Mode) -> LineService:
    """Reads the chain anew. An expected failure ends the service and is part of its result."""
    decision = LineDecision(None, "the line was not read")
    try:
        in_flight = ports.sender.settle() if ports.sender is not None else None
        snapshot = ports.chain.read({}, 0).snapshot
        if not someone_waits(snapshot):
            return LineService(LineDecision(None, "nobody waits"))
        reading = ports.chain.read_line(snapshot.block)
        decision, gas = _decided(ports, policy, snapshot, reading=reading)
        if decision.call is None or not mode.sends or ports.sender is None:
            return LineService(decision)
        held_back = "a transaction is in flight" if in_flight is not None else _paused(ports, snapshot)
        if held_back is not None:
            return LineService(LineDecision(None, f"{decision.call.value} waits: {held_back}"))
        payload = _payload(decision.call, reading, snapshot, gas=gas, policy=policy)
        return LineService(decision, receipt=ports.sender.send(payload))
    except Reverted as error:
        return LineService(LineDecision(None, f"somebody else was first: {error.message}"))
    except KeeperError as error:
        failure = Failure(
            name=error.name, exit_code=error.exit_code, message=error.message, remedy=error.remedy
        )
        return LineService(decision, failure=failure)


def _decided(
    ports: Ports, policy: Policy, snapshot: MarketSnapshot, *, reading: LineReading
) -> tuple[LineDecision, int]:
    """The decision, and the gas of its call."""
    decision = due_call(reading.line, reading.rehearsal, policy.line)
    if decision.call is None:
        return decision, 0
    gas = ports.chain.line_gas(decision.call, reading)
    wei = gas * snapshot.block.base_fee_wei + snapshot.l1_fee_wei
    cost_usd = usd_of_wei(wei, snapshot, policy.plan.gas_usd_price_symbol)
    if math.isinf(cost_usd) and policy.line.max_cost_usd > 0.0:
        coin = snapshot.native_coin
        why = coin.reason if coin is not None and coin.feed else "no feed prices it"
        raise GasUnpriced(
            f"{decision.call.value} waits, because what its gas costs in USD is unknown: {why}",
            remedy="Set KEEPER_NATIVE_FEED to a feed of the native coin in USD that answers (`keeper doctor`).",
        )
    return affordable(decision, cost_usd, policy.line), gas


def _paused(ports: Ports, snapshot: MarketSnapshot) -> str | None:
    return forbids(ports.pause_store.pause_state(snapshot.block.timestamp), Urgency.ROUTINE)


def _payload(
    call: LineCall, reading: LineReading, snapshot: MarketSnapshot, *, gas: int, policy: Policy
) -> Payload:
    return Payload(
        chain_id=snapshot.block.chain_id,
        sender=snapshot.keeper_address,
        to=reading.shares,
        epoch=reading.epoch,
        calldata=reading.calldata[call],
        gas_limit=round(gas * policy.plan.gas_limit_margin),
        max_fee_cap_wei=highest_gas_price_wei(snapshot, Urgency.ROUTINE, policy),
        deadline=snapshot.block.timestamp + policy.plan.deadline_s,
        as_of=snapshot.block.timestamp,
        turnover=0.0,
        private=False,
        open_to_all=True,
    )
