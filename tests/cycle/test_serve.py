"""One service of the line: what it sends, and when it sends nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from keeper.cycle.serve import LineService, service_is_due
from keeper.domain.errors import OutcomeUnknown, Reverted
from keeper.domain.line import LineCall
from keeper.domain.market import MarketSnapshot, Trust
from keeper.domain.native_coin import COIN
from keeper.domain.pause_state import Pause, PausedBy
from keeper.domain.record import CycleOutcome, DecisionRecord, Mode
from keeper.domain.redemptions import Redemptions
from keeper.domain.tx import InFlight, IntentStatus
from keeper.domain.urgency import Urgency
from tests.cycle.fakes import FREE, FakeChain, FakePauses, FakeSender, a_keeper, a_line_reading
from tests.factories import a_feed, a_line_policy, a_policy, a_snapshot, with_vault
from tests.views.records import a_failure, a_record

IN_FLIGHT = InFlight("1" * 32, IntentStatus.SENT, 7, 1_686_830_000)
PAUSED = replace(FREE, pauses=(Pause(PausedBy.JOURNAL, "operator", "3am", 1_686_000_000),))


def waiting(snapshot: MarketSnapshot | None = None) -> MarketSnapshot:
    """A snapshot in which redemptions wait."""
    return replace(snapshot or a_snapshot(), redemptions=Redemptions(10**15, 10**9, since=0))


def served(
    sender: FakeSender | None,
    mode: Mode = Mode.EXECUTE,
    *,
    chain: FakeChain | None = None,
    **changes: Any,
) -> LineService:
    pauses = FakePauses([changes.pop("pauses", FREE)])
    return a_keeper(chain or FakeChain(waiting(), {}), pauses, sender, **changes).serve(mode)


def test_a_due_call_is_sent_to_the_shares_as_it_was_tried() -> None:
    sender = FakeSender()
    service = served(sender)
    ((payload, supersede),) = sender.sent
    assert (service.decision.call, supersede) == (LineCall.CLOSE, False)
    assert service.receipt is not None
    reading = a_line_reading()
    assert (payload.to, payload.calldata) == (reading.shares, reading.calldata[LineCall.CLOSE])
    assert (payload.epoch, payload.turnover, payload.private) == (7, 0.0, False)
    assert payload.open_to_all
    assert payload.gas_limit > 200_000


@pytest.mark.parametrize("mode", [Mode.SIMULATE, Mode.DRY_RUN])
def test_a_mode_that_does_not_send_says_what_is_due(mode: Mode) -> None:
    service = served(None, mode)
    assert (service.decision.call, service.receipt) == (LineCall.CLOSE, None)


def test_nothing_is_read_twice_while_nobody_waits() -> None:
    sender = FakeSender()
    assert served(sender, chain=FakeChain(a_snapshot(), {})).decision.reason == "nobody waits"
    assert sender.sent == []


def test_deposits_that_wait_are_served_too() -> None:
    chain = FakeChain(with_vault(a_snapshot(), pending_deposits=10**9), {})
    assert served(FakeSender(), chain=chain).decision.call is LineCall.CLOSE


@pytest.mark.parametrize(
    ("held_back", "reason"),
    [
        ({"chain": FakeChain(waiting(), {}, line=a_line_reading(CLOSE="TooEarly()"))}, "TooEarly()"),
        ({"chain": FakeChain(waiting(), {}, gas=10**9)}, "its gas costs"),
        ({"pauses": PAUSED}, "paused by operator"),
    ],
)
def test_a_call_is_held_back_with_its_reason(held_back: dict[str, Any], reason: str) -> None:
    sender = FakeSender()
    service = served(sender, **held_back)
    assert (sender.sent, service.decision.call, service.failure) == ([], None, None)
    assert reason in service.decision.reason


def test_nothing_is_sent_while_a_transaction_is_in_flight() -> None:
    sender = FakeSender(in_flight=IN_FLIGHT)
    assert "in flight" in served(sender).decision.reason
    assert sender.sent == []


def test_requests_are_served_at_an_old_price_of_gas_and_not_without_one() -> None:
    sender = FakeSender()
    old = replace(a_feed("WETH"), symbol=COIN, feed="0xE7", trust=Trust.STALE, reason="ETH: 2 days old")
    priced = replace(waiting(), native_coin=old)
    assert served(sender, chain=FakeChain(priced, {})).decision.call is LineCall.CLOSE
    doubtful = replace(priced, native_coin=replace(old, trust=Trust.SUSPECT, reason="ETH: at its bound"))
    service = served(sender, chain=FakeChain(doubtful, {}))
    assert len(sender.sent) == 1
    assert service.failure is not None
    assert (service.failure.name, service.failure.exit_code) == ("GasUnpriced", 4)
    assert "ETH: at its bound" in service.failure.message


def test_a_policy_of_no_cost_leaves_the_line_to_others() -> None:
    sender = FakeSender()
    policy = a_policy(line=a_line_policy(max_cost_usd=0.0))
    assert served(sender, policy=policy).decision.call is None


def test_whoever_is_first_is_no_failure_and_an_unknown_outcome_is() -> None:
    reverted = served(FakeSender(failure=Reverted("0xab reverted", remedy="-")))
    assert reverted.failure is None
    assert "somebody else was first" in reverted.decision.reason
    unknown = served(FakeSender(failure=OutcomeUnknown("no receipt", remedy="wait")))
    assert unknown.failure is not None
    assert unknown.failure.name == "OutcomeUnknown"


# ------------------------------------------------------------- after a cycle


def a_cycle(**changes: Any) -> DecisionRecord:
    """A cycle that held, while redemptions wait."""
    record = a_record(outcome=CycleOutcome.HELD, receipt=None)
    assert record.inputs is not None
    inputs = replace(record.inputs, snapshot=waiting(record.inputs.snapshot), in_flight=None)
    return replace(replace(record, inputs=inputs), **changes)


def test_a_service_follows_a_cycle_that_sent_nothing() -> None:
    assert service_is_due(a_cycle())


def test_no_service_follows_a_failure_a_transaction_or_an_emergency() -> None:
    held = a_cycle()
    assert held.inputs is not None
    assert held.conclusions is not None
    emergency = replace(held.conclusions.decision, urgency=Urgency.EMERGENCY)
    for record in (
        a_cycle(failure=a_failure()),
        a_cycle(inputs=None),
        a_cycle(conclusions=None),
        a_cycle(inputs=replace(held.inputs, in_flight=IN_FLIGHT)),
        a_cycle(inputs=replace(held.inputs, snapshot=a_snapshot())),
        a_cycle(conclusions=replace(held.conclusions, decision=emergency)),
    ):
        assert not service_is_due(record)
