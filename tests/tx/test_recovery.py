from __future__ import annotations

from dataclasses import replace

import pytest

from keeper.domain.errors import (
    OutcomeUnknown,
    Overtaken,
    StillInFlight,
)
from keeper.domain.tx import Intent, IntentStatus, Payload
from keeper.tx.manager import Waiting
from tests.tx.node_double import (
    CHAIN_ID,
    GWEI,
    SENDER,
    NodeDouble,
    a_payload,
    read,
)
from tests.tx.sender_scene import Scene, foreign, scene

__all__ = ["scene"]


# ---------------------------------------------------------------- finality


def test_an_intent_is_final_only_when_its_block_is(scene: Scene) -> None:
    scene.node.finality = 2
    receipt = scene.sender.send(a_payload())
    in_flight = scene.sender.settle()
    assert in_flight is not None
    assert in_flight.status is IntentStatus.MINED
    scene.node.mine()
    scene.node.mine()
    assert scene.sender.settle() is None
    assert scene.log.status(receipt.intent_id) is IntentStatus.FINAL


def test_a_reorganisation_before_finality_is_noticed_by_a_later_process(scene: Scene) -> None:
    scene.node.finality = 64
    receipt = scene.sender.send(a_payload())
    scene.sender.settle()
    scene.node.mines = False
    scene.node.reorganise()
    scene.restart().settle()
    assert scene.log.status(receipt.intent_id) is IntentStatus.UNMINED
    scene.node.mine()
    scene.sender.settle()
    assert scene.log.status(receipt.intent_id) is IntentStatus.MINED
    assert len(set(scene.node.arrived)) == 1
    assert scene.alarm.causes == []


def test_a_chain_that_takes_back_what_was_final_rings_the_alarm(scene: Scene) -> None:
    scene.sender.send(a_payload())
    assert scene.sender.settle() is None
    scene.node.head += 3
    scene.node.mined.clear()
    scene.sender.settle()
    assert scene.alarm.causes == ["finality_broken"]


# ------------------------------------------------------- what can only revert


def stuck(scene: Scene, epoch: int = 3) -> str:
    """A transaction that waits in the mempool; its intent."""
    scene.node.mines = False
    with pytest.raises(OutcomeUnknown):
        scene.sender.send(a_payload(epoch))
    (intent,) = scene.log.unfinished(CHAIN_ID, SENDER)
    return intent.intent_id


@pytest.mark.parametrize("change", [{"epoch": 4}, {"head_time": a_payload().deadline + 1}], ids=str)
def test_a_stuck_call_that_can_only_revert_is_cancelled_by_a_no_op(
    scene: Scene, change: dict[str, int]
) -> None:
    intent_id = stuck(scene)
    for name, value in change.items():
        setattr(scene.node, name, value)
    scene.restart().settle()
    newest = read(scene.node.arrived[-1])
    assert (newest.data, newest.nonce) == ("0x", 0)
    scene.node.mine()
    assert scene.sender.settle() is None
    assert scene.log.status(intent_id) is IntentStatus.CANCELLED
    assert [sent.data for sent, _, _ in scene.node.mined] == ["0x"]


def test_the_call_may_still_win_against_its_no_op(scene: Scene) -> None:
    intent_id = stuck(scene)
    scene.node.epoch = 4
    call = scene.node.waiting[0]
    scene.restart().settle()
    scene.node.waiting = {0: call}
    scene.node.mine()
    assert scene.sender.settle() is None
    assert scene.log.status(intent_id) is IntentStatus.FINAL


# ------------------------------------------------------------ an emergency


def test_an_emergency_takes_over_the_nonce_of_what_waits(scene: Scene) -> None:
    old = stuck(scene)
    scene.each_wait = lambda: scene.node.mine()
    receipt = scene.restart().send(replace(a_payload(cap_gwei=500), calldata="0x9f6dec41"), supersede=True)
    assert scene.log.status(old) is IntentStatus.SUPERSEDED
    assert scene.log.intent(receipt.intent_id).supersedes == old
    ((mined, _, _),) = scene.node.mined
    assert (mined.nonce, mined.data) == (0, "0x9f6dec41")


def test_when_the_superseded_call_is_mined_first_the_emergency_says_so(scene: Scene) -> None:
    old = stuck(scene)
    call = scene.node.waiting[0]

    def the_old_one_is_mined() -> None:
        scene.node.waiting = {0: call}
        scene.node.mine()

    scene.each_wait = the_old_one_is_mined
    with pytest.raises(Overtaken):
        scene.restart().send(replace(a_payload(cap_gwei=500), calldata="0x9f6dec41"), supersede=True)
    assert scene.sender.settle() is None
    assert scene.log.status(old) is IntentStatus.FINAL
    assert len(scene.node.mined) == 1


def test_an_emergency_that_died_before_it_signed_is_signed_by_the_next_process(scene: Scene) -> None:
    old = stuck(scene)
    payload = replace(a_payload(cap_gwei=500), calldata="0x9f6dec41")
    scene.log.create(Intent("new", 0, payload, old))
    scene.restart().settle()
    assert scene.log.status("new") is IntentStatus.SENT
    scene.node.mine()
    assert scene.sender.settle() is None
    assert [sent.data for sent, _, _ in scene.node.mined] == ["0x9f6dec41"]
    assert scene.alarm.causes == []


def test_an_emergency_goes_on_after_one_that_is_mined_and_not_final(scene: Scene) -> None:
    scene.node.finality = 64
    scene.sender.send(a_payload())
    scene.sender.send(replace(a_payload(4, cap_gwei=500), calldata="0x9f6dec41"), supersede=True)
    assert [sent.nonce for sent, _, _ in scene.node.mined] == [0, 1]


def test_an_emergency_waits_for_a_late_receipt_and_takes_the_next_nonce(scene: Scene) -> None:
    scene.node.hides_receipts = True
    with pytest.raises(OutcomeUnknown):
        scene.sender.send(a_payload())
    scene.each_wait = lambda: setattr(scene.node, "hides_receipts", False)
    scene.restart().send(replace(a_payload(4, cap_gwei=500), calldata="0x9f6dec41"), supersede=True)
    assert [sent.nonce for sent, _, _ in scene.node.mined] == [0, 1]
    assert scene.alarm.causes == []


# ------------------------------------------------------------- strangers


def test_a_transaction_of_somebody_else_rings_the_alarm_once_and_the_nonce_goes_on(scene: Scene) -> None:
    scene.sender.send(a_payload())
    scene.node.foreign_nonces = 2
    assert scene.restart().settle() is None
    assert scene.alarm.causes == ["foreign_transaction"]
    assert scene.restart().settle() is None
    assert scene.alarm.causes == ["foreign_transaction"]
    scene.sender.send(a_payload(4))
    assert scene.node.mined[-1][0].nonce == 3


@pytest.mark.parametrize("tells_pool", [True, False])
def test_a_waiting_transaction_of_somebody_else_rings_the_alarm(scene: Scene, tells_pool: bool) -> None:
    scene.sender.send(a_payload())
    scene.node.tells_pool = tells_pool
    scene.node.waiting[1] = read(foreign(nonce=1))
    scene.restart().settle()
    assert scene.alarm.causes == ["foreign_transaction"]


def test_a_nonce_taken_by_somebody_else_displaces_the_intent_once_lag_is_ruled_out(scene: Scene) -> None:
    intent_id = stuck(scene)
    scene.node.waiting.clear()
    scene.node.foreign_nonces, scene.node.settled = 1, False
    assert scene.restart().settle() is not None
    assert scene.alarm.causes == []
    scene.node.settled = True
    assert scene.sender.settle() is None
    assert scene.log.status(intent_id) is IntentStatus.DISPLACED
    assert scene.alarm.causes == ["foreign_transaction"]


# ------------------------------------------------------------------ a relay


def private() -> Payload:
    return replace(a_payload(), private=True)


def test_a_private_payload_goes_to_the_relay_alone(scene: Scene) -> None:
    scene.relay = scene.node
    public, scene.node = scene.node, NodeDouble(mines=False, head=101)
    scene.restart()
    scene.each_wait = lambda: setattr(scene.node, "mined", public.mined)
    assert scene.sender.send(private()).succeeded
    assert scene.node.arrived == []


def test_what_a_relay_drops_is_cancelled_in_public_under_the_same_nonce(scene: Scene) -> None:
    scene.relay = NodeDouble(mines=False)
    waiting = Waiting(poll_s=1.0, bump_after_s=300.0, give_up_after_s=900.0, private_s=60.0)
    with pytest.raises(Overtaken):
        scene.restart(waiting).send(private())
    assert [(read(raw).data, read(raw).nonce) for raw in scene.node.arrived] == [("0x", 0)]
    assert scene.sender.settle() is None


# --------------------------------------------------------------- by hand


def test_unblocking_cancels_what_waits(scene: Scene) -> None:
    intent_id = stuck(scene)
    (found,) = scene.restart().nonces().stuck
    assert (found.intent.intent_id, found.status) == (intent_id, IntentStatus.UNKNOWN)
    scene.each_wait = lambda: scene.node.mine()
    (receipt,) = scene.sender.unblock(100 * GWEI)
    assert receipt.succeeded
    assert scene.sender.settle() is None
    assert scene.log.status(intent_id) is IntentStatus.CANCELLED


def test_row_19_a_gap_below_a_strangers_transaction_is_filled_by_no_ops_on_command_alone(
    scene: Scene,
) -> None:
    scene.sender.send(a_payload())
    scene.node.waiting[4] = read(foreign(nonce=4))
    scene.restart().settle()
    assert scene.alarm.causes == ["foreign_transaction"]
    with pytest.raises(StillInFlight):
        scene.sender.send(a_payload(4))
    assert scene.sender.nonces().gaps == (1, 2, 3)
    assert len(scene.sender.unblock(100 * GWEI)) == 3
    assert [(sent.nonce, sent.data) for sent, _, _ in scene.node.mined[1:]] == [
        (1, "0x"),
        (2, "0x"),
        (3, "0x"),
    ]
