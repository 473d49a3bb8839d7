"""A keeper that leads no more sends nothing, on whatever way the bytes would have gone out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from keeper.domain.errors import LeaseLost, OutcomeUnknown
from keeper.runtime import failpoints
from keeper.runtime.failpoints import Failpoint
from tests.tx.node_double import NodeDouble, a_payload, read
from tests.tx.sender_setup import TIMING, SenderSetup, setup

__all__ = ["setup"]


def leads_no_more() -> None:
    raise LeaseLost("this keeper does not lead now: a test", remedy="It stands by.")


def waiting(setup: SenderSetup) -> None:
    """One transaction was sent and waits in the mempool."""
    setup.node.mines = False
    with pytest.raises(OutcomeUnknown):
        setup.sender.send(a_payload())


def refused(setup: SenderSetup, act: Callable[[], object]) -> None:
    """From now on another keeper leads; what the act would send stays here."""
    setup.require_lead = leads_no_more
    arrived = tuple(setup.node.arrived)
    with pytest.raises(LeaseLost):
        act()
    assert tuple(setup.node.arrived) == arrived


def test_the_first_bytes_are_not_sent(setup: SenderSetup) -> None:
    refused(setup, lambda: setup.sender.send(a_payload()))
    assert setup.node.arrived == []


def test_the_first_bytes_are_not_sent_to_the_relay(setup: SenderSetup) -> None:
    relay = NodeDouble()
    setup.relay = relay
    refused(setup, lambda: setup.restart().send(replace(a_payload(), private=True)))
    assert (setup.node.arrived, relay.arrived) == ([], [])


def test_bytes_that_the_node_forgot_are_not_sent_again(setup: SenderSetup) -> None:
    waiting(setup)
    setup.node.evict()
    refused(setup, setup.restart().settle)


def test_a_fee_is_not_raised(setup: SenderSetup) -> None:
    setup.node.mines = False
    setup.each_wait = lambda: setattr(setup, "require_lead", leads_no_more)
    with pytest.raises(LeaseLost):
        setup.sender.send(a_payload())
    assert len(setup.node.arrived) == 1


def test_a_no_op_is_not_sent(setup: SenderSetup) -> None:
    waiting(setup)
    setup.node.epoch = 4
    refused(setup, setup.restart().settle)


def test_what_a_relay_dropped_is_not_cancelled_in_public(setup: SenderSetup) -> None:
    setup.relay = NodeDouble(mines=False)
    timing = replace(TIMING, bump_after_s=300.0, give_up_after_s=900.0, private_s=60.0)
    setup.each_wait = lambda: setattr(setup, "require_lead", leads_no_more)
    with pytest.raises(LeaseLost):
        setup.restart(timing).send(replace(a_payload(), private=True))
    assert setup.node.arrived == []


def test_the_lead_is_required_before_each_of_several_bytes(setup: SenderSetup) -> None:
    asked: list[int] = []
    setup.require_lead = lambda: asked.append(len(setup.node.arrived))
    setup.node.mines = False
    setup.each_wait = lambda: setup.node.mine() if len(setup.node.arrived) > 2 else None
    setup.sender.send(a_payload())
    assert asked == list(range(len(setup.node.arrived)))
    assert {read(raw).nonce for raw in setup.node.arrived} == {0}


def test_between_the_look_at_the_lead_and_the_socket_there_is_a_point_for_faults(
    setup: SenderSetup, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    setup.require_lead = lambda: order.append("lead")
    accept = setup.node.send_raw
    setup.node.send_raw = lambda raw: (order.append("socket"), accept(raw))[1]  # type: ignore[method-assign, func-returns-value]
    monkeypatch.setattr(
        failpoints, "reach", lambda point: order.append(point) if point is Failpoint.SEND_BEGINS else None
    )
    setup.sender.send(a_payload())
    assert order == ["lead", Failpoint.SEND_BEGINS, "socket"]
