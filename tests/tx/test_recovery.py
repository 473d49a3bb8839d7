from __future__ import annotations

from dataclasses import replace

import pytest

from keeper.domain.errors import (
    OutcomeUnknown,
    Overtaken,
    StillInFlight,
)
from keeper.domain.tx import Intent, IntentStatus, Payload
from tests.tx.node_double import (
    CHAIN_ID,
    GWEI,
    SENDER,
    NodeDouble,
    a_payload,
    read,
)
from tests.tx.sender_setup import TIMING, SenderSetup, foreign, setup

__all__ = ["setup"]


# ---------------------------------------------------------------- finality


def test_an_intent_is_final_only_when_its_block_is(setup: SenderSetup) -> None:
    setup.node.finality = 2
    receipt = setup.sender.send(a_payload())
    in_flight = setup.sender.settle()
    assert in_flight is not None
    assert in_flight.status is IntentStatus.MINED
    setup.node.mine()
    setup.node.mine()
    assert setup.sender.settle() is None
    assert setup.log.status(receipt.intent_id) is IntentStatus.FINAL


def test_a_reorganisation_before_finality_is_noticed_by_a_later_process(setup: SenderSetup) -> None:
    setup.node.finality = 64
    receipt = setup.sender.send(a_payload())
    setup.sender.settle()
    setup.node.mines = False
    setup.node.reorganise()
    setup.restart().settle()
    assert setup.log.status(receipt.intent_id) is IntentStatus.UNMINED
    setup.node.mine()
    setup.sender.settle()
    assert setup.log.status(receipt.intent_id) is IntentStatus.MINED
    assert len(set(setup.node.arrived)) == 1
    assert setup.alarm.causes == []


def test_a_chain_that_takes_back_what_was_final_rings_the_alarm(setup: SenderSetup) -> None:
    setup.sender.send(a_payload())
    assert setup.sender.settle() is None
    setup.node.head += 3
    setup.node.mined.clear()
    setup.sender.settle()
    assert setup.alarm.causes == ["finality_broken"]


# ------------------------------------------------------- what can only revert


def stuck(setup: SenderSetup, epoch: int = 3) -> str:
    """A transaction that waits in the mempool; its intent."""
    setup.node.mines = False
    with pytest.raises(OutcomeUnknown):
        setup.sender.send(a_payload(epoch))
    (intent,) = setup.log.unfinished(CHAIN_ID, SENDER)
    return intent.intent_id


@pytest.mark.parametrize("change", [{"epoch": 4}, {"head_time": a_payload().deadline + 1}], ids=str)
def test_a_stuck_call_that_can_only_revert_is_cancelled_by_a_no_op(
    setup: SenderSetup, change: dict[str, int]
) -> None:
    intent_id = stuck(setup)
    for name, value in change.items():
        setattr(setup.node, name, value)
    setup.restart().settle()
    newest = read(setup.node.arrived[-1])
    assert (newest.data, newest.nonce) == ("0x", 0)
    setup.node.mine()
    assert setup.sender.settle() is None
    assert setup.log.status(intent_id) is IntentStatus.CANCELLED
    assert [sent.data for sent, _, _ in setup.node.mined] == ["0x"]


def test_the_call_may_still_win_against_its_no_op(setup: SenderSetup) -> None:
    intent_id = stuck(setup)
    setup.node.epoch = 4
    call = setup.node.waiting[0]
    setup.restart().settle()
    setup.node.waiting = {0: call}
    setup.node.mine()
    assert setup.sender.settle() is None
    assert setup.log.status(intent_id) is IntentStatus.FINAL


# ------------------------------------------------------------ an emergency


def test_an_emergency_takes_over_the_nonce_of_what_waits(setup: SenderSetup) -> None:
    old = stuck(setup)
    setup.each_wait = lambda: setup.node.mine()
    receipt = setup.restart().send(replace(a_payload(cap_gwei=500), calldata="0x99bd1f20"), supersede=True)
    assert setup.log.status(old) is IntentStatus.SUPERSEDED
    assert setup.log.intent(receipt.intent_id).supersedes == old
    ((mined, _, _),) = setup.node.mined
    assert (mined.nonce, mined.data) == (0, "0x99bd1f20")


def test_when_the_superseded_call_is_mined_first_the_emergency_says_so(setup: SenderSetup) -> None:
    old = stuck(setup)
    call = setup.node.waiting[0]

    def the_old_one_is_mined() -> None:
        setup.node.waiting = {0: call}
        setup.node.mine()

    setup.each_wait = the_old_one_is_mined
    with pytest.raises(Overtaken):
        setup.restart().send(replace(a_payload(cap_gwei=500), calldata="0x99bd1f20"), supersede=True)
    assert setup.sender.settle() is None
    assert setup.log.status(old) is IntentStatus.FINAL
    assert len(setup.node.mined) == 1


def test_an_emergency_that_died_before_it_signed_is_signed_by_the_next_process(setup: SenderSetup) -> None:
    old = stuck(setup)
    payload = replace(a_payload(cap_gwei=500), calldata="0x99bd1f20")
    setup.log.create(Intent("new", 0, payload, old))
    setup.restart().settle()
    assert setup.log.status("new") is IntentStatus.SENT
    setup.node.mine()
    assert setup.sender.settle() is None
    assert [sent.data for sent, _, _ in setup.node.mined] == ["0x99bd1f20"]
    assert setup.alarm.causes == []


def test_an_emergency_goes_on_after_one_that_is_mined_and_not_final(setup: SenderSetup) -> None:
    setup.node.finality = 64
    setup.sender.send(a_payload())
    setup.sender.send(replace(a_payload(4, cap_gwei=500), calldata="0x99bd1f20"), supersede=True)
    assert [sent.nonce for sent, _, _ in setup.node.mined] == [0, 1]


def test_an_emergency_waits_for_a_late_receipt_and_takes_the_next_nonce(setup: SenderSetup) -> None:
    setup.node.hides_receipts = True
    with pytest.raises(OutcomeUnknown):
        setup.sender.send(a_payload())
    setup.each_wait = lambda: setattr(setup.node, "hides_receipts", False)
    setup.restart().send(replace(a_payload(4, cap_gwei=500), calldata="0x99bd1f20"), supersede=True)
    assert [sent.nonce for sent, _, _ in setup.node.mined] == [0, 1]
    assert setup.alarm.causes == []


# ------------------------------------------------------------- strangers


def test_a_transaction_of_somebody_else_rings_the_alarm_once_and_the_nonce_goes_on(
    setup: SenderSetup,
) -> None:
    setup.sender.send(a_payload())
    setup.node.foreign_nonces = 2
    assert setup.restart().settle() is None
    assert setup.alarm.causes == ["foreign_transaction"]
    assert setup.restart().settle() is None
    assert setup.alarm.causes == ["foreign_transaction"]
    setup.sender.send(a_payload(4))
    assert setup.node.mined[-1][0].nonce == 3


@pytest.mark.parametrize("tells_pool", [True, False])
def test_a_waiting_transaction_of_somebody_else_rings_the_alarm(setup: SenderSetup, tells_pool: bool) -> None:
    setup.sender.send(a_payload())
    setup.node.tells_pool = tells_pool
    setup.node.waiting[1] = read(foreign(nonce=1))
    setup.restart().settle()
    assert setup.alarm.causes == ["foreign_transaction"]


def test_a_nonce_taken_by_somebody_else_displaces_the_intent_once_lag_is_ruled_out(
    setup: SenderSetup,
) -> None:
    intent_id = stuck(setup)
    setup.node.waiting.clear()
    setup.node.foreign_nonces, setup.node.settled = 1, False
    assert setup.restart().settle() is not None
    assert setup.alarm.causes == []
    setup.node.settled = True
    assert setup.sender.settle() is None
    assert setup.log.status(intent_id) is IntentStatus.DISPLACED
    assert setup.alarm.causes == ["foreign_transaction"]


# ------------------------------------------------------------------ a relay


def private() -> Payload:
    return replace(a_payload(), private=True)


def test_a_private_payload_goes_to_the_relay_alone(setup: SenderSetup) -> None:
    setup.relay = setup.node
    public, setup.node = setup.node, NodeDouble(mines=False, head=101)
    setup.restart()
    setup.each_wait = lambda: setattr(setup.node, "mined", public.mined)
    assert setup.sender.send(private()).succeeded
    assert setup.node.arrived == []


def test_what_a_relay_drops_is_cancelled_in_public_under_the_same_nonce(setup: SenderSetup) -> None:
    setup.relay = NodeDouble(mines=False)
    timing = replace(TIMING, bump_after_s=300.0, give_up_after_s=900.0, private_s=60.0)
    with pytest.raises(Overtaken):
        setup.restart(timing).send(private())
    assert [(read(raw).data, read(raw).nonce) for raw in setup.node.arrived] == [("0x", 0)]
    assert setup.sender.settle() is None


# --------------------------------------------------------------- by hand


def test_unblocking_cancels_what_waits(setup: SenderSetup) -> None:
    intent_id = stuck(setup)
    (found,) = setup.restart().nonces().stuck
    assert (found.intent.intent_id, found.status) == (intent_id, IntentStatus.UNKNOWN)
    setup.each_wait = lambda: setup.node.mine()
    (receipt,) = setup.sender.unblock(100 * GWEI)
    assert receipt.succeeded
    assert setup.sender.settle() is None
    assert setup.log.status(intent_id) is IntentStatus.CANCELLED


def test_row_19_a_gap_below_a_strangers_transaction_is_filled_by_no_ops_on_command_alone(
    setup: SenderSetup,
) -> None:
    setup.sender.send(a_payload())
    setup.node.waiting[4] = read(foreign(nonce=4))
    setup.restart().settle()
    assert setup.alarm.causes == ["foreign_transaction"]
    with pytest.raises(StillInFlight):
        setup.sender.send(a_payload(4))
    assert setup.sender.nonces().gaps == (1, 2, 3)
    assert len(setup.sender.unblock(100 * GWEI)) == 3
    assert [(sent.nonce, sent.data) for sent, _, _ in setup.node.mined[1:]] == [
        (1, "0x"),
        (2, "0x"),
        (3, "0x"),
    ]
