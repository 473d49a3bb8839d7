from __future__ import annotations

from dataclasses import replace

import pytest

from keeper.domain.errors import (
    GasUnaffordable,
    NodeUntrusted,
    NotAuthorised,
    OutcomeUnknown,
    Reverted,
    StillInFlight,
    WrongChain,
)
from keeper.domain.tx import IntentStatus, Payload
from keeper.tx.manager import Waiting
from tests.tx.node_double import (
    CHAIN_ID,
    GWEI,
    SENDER,
    a_payload,
    read,
)
from tests.tx.sender_scene import Scene, foreign, scene

__all__ = ["scene"]


def test_a_payload_is_mined_once_with_the_exact_calldata(scene: Scene) -> None:
    receipt = scene.sender.send(a_payload())
    ((sent, _, _),) = scene.node.mined
    assert receipt.succeeded
    assert receipt.tx_hash == sent.tx_hash
    assert (sent.sender, sent.data) == (SENDER, a_payload().calldata)
    assert scene.sender.settle() is None


def test_the_next_payload_takes_the_next_nonce(scene: Scene) -> None:
    scene.node.first_nonce = 41
    for epoch in (3, 4):
        scene.sender.send(a_payload(epoch))
    assert [sent.nonce for sent, _, _ in scene.node.mined] == [41, 42]


def test_n2_the_signed_bytes_are_in_the_journal_before_the_node_sees_them(scene: Scene) -> None:
    known_when_sent: list[bool] = []
    accept = scene.node.send_raw

    def send_raw(raw: str) -> None:
        (intent,) = scene.log.unfinished(CHAIN_ID, SENDER)
        known_when_sent.append(raw in [one.raw for one in scene.log.attempts(intent.intent_id)])
        accept(raw)

    scene.node.send_raw = send_raw  # type: ignore[method-assign]
    scene.sender.send(a_payload())
    assert known_when_sent == [True]


def test_a_mined_revert_is_an_error_and_the_nonce_is_done_with(scene: Scene) -> None:
    scene.node.reverts = True
    with pytest.raises(Reverted, match="reverted"):
        scene.sender.send(a_payload())
    assert scene.sender.settle() is None
    scene.node.reverts = False
    assert scene.sender.send(a_payload(4)).succeeded


def test_a_lost_reply_is_found_by_its_hash_and_not_sent_anew(scene: Scene) -> None:
    scene.node.loses_replies = True
    assert scene.sender.send(a_payload()).succeeded
    assert len(set(scene.node.arrived)) == 1


def test_bytes_that_the_node_forgot_are_sent_again_unchanged(scene: Scene) -> None:
    scene.node.mines = False

    def evicted_then_mined() -> None:
        if len(scene.node.arrived) == 1:
            scene.node.evict()
        else:
            scene.node.mine()

    scene.each_wait = evicted_then_mined
    assert scene.sender.send(a_payload()).succeeded
    assert len(scene.node.arrived) == 2
    assert len(set(scene.node.arrived)) == 1


def test_a_transaction_that_waits_too_long_is_replaced_under_the_same_nonce_with_both_fees_higher(
    scene: Scene,
) -> None:
    scene.node.mines = False
    scene.each_wait = lambda: scene.node.mine() if len(scene.node.arrived) > 1 else None
    scene.sender.send(a_payload())
    first, second = (read(raw) for raw in scene.node.arrived)
    assert (first.nonce, first.data) == (second.nonce, second.data)
    assert second.max_fee * 8 >= first.max_fee * 9
    assert second.tip * 8 >= first.tip * 9


def test_n4_fees_never_exceed_the_cap_however_long_it_takes(scene: Scene) -> None:
    scene.node.mines = False
    with pytest.raises(OutcomeUnknown):
        scene.sender.send(a_payload(cap_gwei=24))
    assert max(read(raw).max_fee for raw in scene.node.arrived) <= 24 * GWEI


def test_the_receipt_of_a_replaced_attempt_counts(scene: Scene) -> None:
    scene.node.mines = False
    original: list[str] = []

    def the_original_mines_after_the_bump() -> None:
        if len(scene.node.arrived) > 1:
            original.append(scene.node.arrived[0])
            first = read(scene.node.arrived[0])
            scene.node.waiting = {first.nonce: first}
            scene.node.mine()

    scene.each_wait = the_original_mines_after_the_bump
    assert scene.sender.send(a_payload()).tx_hash == read(original[0]).tx_hash


def test_without_a_receipt_the_outcome_is_unknown_and_blocks_the_next_send(scene: Scene) -> None:
    scene.node.hides_receipts, scene.node.settled = True, False
    with pytest.raises(OutcomeUnknown) as unknown:
        scene.sender.send(a_payload())
    assert read(scene.node.arrived[0]).tx_hash in unknown.value.message
    scene.restart()
    in_flight = scene.sender.settle()
    assert in_flight is not None
    assert (in_flight.status, in_flight.epoch) == (IntentStatus.UNKNOWN, 3)
    with pytest.raises(StillInFlight):
        scene.sender.send(a_payload(4))
    scene.node.hides_receipts = False
    assert scene.sender.settle() is None


def test_a_hopeless_refusal_is_said_at_once_and_counts_as_unknown(scene: Scene) -> None:
    scene.node.refuses_with = "exceeds block gas limit"
    started = scene.clock.monotonic()
    with pytest.raises(OutcomeUnknown, match="INVALID"):
        scene.sender.send(a_payload())
    assert scene.clock.monotonic() == started
    scene.node.refuses_with = ""
    assert scene.restart().settle() is not None
    assert scene.sender.settle() is None
    assert len(scene.node.mined) == 1


def test_a_node_that_dies_after_taking_the_bytes_leaves_the_outcome_unknown(scene: Scene) -> None:
    scene.node.mines = False
    scene.each_wait = lambda: setattr(scene.node, "down", True)
    with pytest.raises(OutcomeUnknown):
        scene.sender.send(a_payload())
    scene.node.down = False
    scene.node.mine()
    assert scene.restart().settle() is None
    assert len(scene.node.mined) == 1


def test_the_confirmations_are_waited_for(scene: Scene) -> None:
    scene.restart(Waiting(poll_s=1.0, bump_after_s=30.0, give_up_after_s=120.0, confirmations=3))
    scene.each_wait = lambda: scene.node.mine()
    receipt = scene.sender.send(a_payload())
    assert scene.node.head - receipt.block_number + 1 == 3


def test_what_a_reorganisation_un_mined_is_sent_again_unchanged(scene: Scene) -> None:
    scene.restart(Waiting(poll_s=1.0, bump_after_s=30.0, give_up_after_s=120.0, confirmations=2))

    def reorganised_once() -> None:
        if len(scene.node.arrived) == 1:
            scene.node.reorganise()
        scene.node.mine()

    scene.each_wait = reorganised_once
    assert scene.sender.send(a_payload()).succeeded
    assert len(set(scene.node.arrived)) == 1
    assert len(scene.node.mined) == 1


def test_nothing_is_signed_for_another_chain(scene: Scene) -> None:
    scene.node.chain = 1
    with pytest.raises(WrongChain):
        scene.sender.send(a_payload())
    assert scene.log.unfinished(CHAIN_ID, SENDER) == ()


@pytest.mark.parametrize(
    ("payload", "wei"),
    [(a_payload(cap_gwei=10), 10**20), (a_payload(), 900_000 * GWEI)],
    ids=["base fee", "balance"],
)
def test_gas_that_cannot_be_paid_is_refused_before_anything_is_written(
    scene: Scene, payload: Payload, wei: int
) -> None:
    scene.node.wei = wei
    with pytest.raises(GasUnaffordable):
        scene.sender.send(payload)
    assert scene.log.unfinished(CHAIN_ID, SENDER) == ()
    assert scene.node.arrived == []


def test_n5_a_node_that_lags_behind_the_journal_is_not_believed(scene: Scene) -> None:
    scene.sender.send(a_payload())
    scene.node.mined.clear()
    with pytest.raises(NodeUntrusted):
        scene.sender.send(a_payload(4))


def test_n5_nothing_is_sent_beside_a_waiting_transaction_of_somebody_else(scene: Scene) -> None:
    scene.node.mines = False
    scene.node.waiting[0] = read(foreign())
    with pytest.raises(StillInFlight):
        scene.sender.send(a_payload())


def test_a_payload_that_the_signer_refuses_is_not_sent_and_does_not_block(scene: Scene) -> None:
    harmful = replace(a_payload(), vault="0x" + "66" * 20)
    with pytest.raises(NotAuthorised):
        scene.sender.send(harmful)
    assert scene.sender.settle() is None
    assert scene.sender.send(a_payload()).succeeded
    assert len(scene.node.arrived) == 1
