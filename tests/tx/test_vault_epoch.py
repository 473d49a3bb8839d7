"""A call of the vault's keeper that the key's nonce does not show, behind a Roles modifier."""

from __future__ import annotations

from dataclasses import replace

import pytest

from keeper.domain.errors import OutcomeUnknown
from keeper.domain.pause_causes import FOREIGN_TRANSACTION
from keeper.domain.roles_modifier import RolesModifier
from keeper.domain.tx import IntentStatus, Payload
from tests.tx.node_double import VAULT, a_payload, read
from tests.tx.sender_setup import SenderSetup, setup

__all__ = ["setup"]

MODIFIER = RolesModifier("0xde709f2102306220921060314715629080e2fb77", "0x" + "01" * 32)


def through(epoch: int) -> Payload:
    plain = a_payload(epoch)
    wrapped = MODIFIER.wrapped(VAULT, bytes.fromhex(plain.calldata[2:]))
    return replace(plain, to=MODIFIER.address, calldata="0x" + wrapped.hex())


@pytest.fixture
def behind(setup: SenderSetup) -> SenderSetup:
    """At epoch 4 after a call of the keeper's own, which is final."""
    setup.modifier, setup.node.epoch = MODIFIER, 3
    setup.sender.settle()
    setup.sender.send(through(3))
    setup.node.epoch = 4
    assert setup.sender.settle() is None
    assert setup.alarm.causes == []
    return setup


def test_a_call_that_somebody_else_relayed_for_the_key_pauses(behind: SenderSetup) -> None:
    behind.node.epoch = 5
    behind.sender.settle()
    assert behind.alarm.causes == [FOREIGN_TRANSACTION]


def test_a_call_just_before_a_trade_is_not_explained_by_the_trade(behind: SenderSetup) -> None:
    behind.node.epoch = 5
    behind.sender.send(through(5))
    assert behind.alarm.causes == [FOREIGN_TRANSACTION]


def test_the_call_that_made_ours_revert_pauses(behind: SenderSetup) -> None:
    behind.node.mines = False
    behind.each_wait = lambda: None
    with pytest.raises(OutcomeUnknown):
        behind.sender.send(through(4))
    behind.node.reverts, behind.node.epoch = True, 5
    assert behind.sender.settle() is not None
    assert behind.alarm.causes == [], "it may be ours"
    behind.node.mine()
    behind.sender.settle()
    behind.sender.settle()
    assert behind.alarm.causes[:1] == [FOREIGN_TRANSACTION]


def test_without_a_modifier_the_nonce_decides_alone(behind: SenderSetup) -> None:
    behind.modifier, behind.node.epoch = None, 9
    behind.sender.settle()
    assert behind.alarm.causes == []


def test_a_call_from_before_the_modifier_is_cancelled(setup: SenderSetup) -> None:
    setup.node.epoch, setup.node.mines = 3, False
    with pytest.raises(OutcomeUnknown):
        setup.sender.send(a_payload(3))
    setup.node.evict()
    setup.modifier = MODIFIER
    left = setup.restart().settle()
    assert left is not None
    assert read(setup.node.arrived[-1]).data == "0x"
    setup.node.mine()
    assert setup.sender.settle() is None
    assert setup.log.status(left.intent_id) is IntentStatus.CANCELLED
