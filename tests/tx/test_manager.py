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
from tests.tx.node_double import (
    CHAIN_ID,
    GWEI,
    SENDER,
    a_payload,
    read,
)
from tests.tx.sender_setup import TIMING, SenderSetup, foreign, setup

__all__ = ["setup"]


def test_a_payload_is_mined_once_with_the_exact_calldata(setup: SenderSetup) -> None:
    receipt = setup.sender.send(a_payload())
    ((sent, _, _),) = setup.node.mined
    assert receipt.succeeded
    assert receipt.tx_hash == sent.tx_hash
    assert (sent.sender, sent.data) == (SENDER, a_payload().calldata)
    assert setup.sender.settle() is None


def test_the_next_payload_takes_the_next_nonce(setup: SenderSetup) -> None:
    setup.node.first_nonce = 41
    for epoch in (3, 4):
        setup.sender.send(a_payload(epoch))
    assert [sent.nonce for sent, _, _ in setup.node.mined] == [41, 42]


def test_n2_the_signed_bytes_are_in_the_journal_before_the_node_sees_them(setup: SenderSetup) -> None:
    known_when_sent: list[bool] = []
    accept = setup.node.send_raw

    def send_raw(raw: str) -> None:
        (intent,) = setup.log.unfinished(CHAIN_ID, SENDER)
        known_when_sent.append(raw in [one.raw for one in setup.log.attempts(intent.intent_id)])
        accept(raw)

    setup.node.send_raw = send_raw  # type: ignore[method-assign]
    setup.sender.send(a_payload())
    assert known_when_sent == [True]


def test_a_mined_revert_is_an_error_and_the_nonce_is_done_with(setup: SenderSetup) -> None:
    setup.node.reverts = True
    with pytest.raises(Reverted, match="reverted"):
        setup.sender.send(a_payload())
    assert setup.sender.settle() is None
    setup.node.reverts = False
    assert setup.sender.send(a_payload(4)).succeeded


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\x70\xf6\x5c\xaa", "reverted: 70f65caa"),
        (None, "does not revert, so the chain changed within the block"),
    ],
)
def test_a_mined_revert_is_explained(setup: SenderSetup, data: bytes | None, words: str) -> None:
    setup.node.reverts, setup.node.revert_reason = True, data
    with pytest.raises(Reverted, match=words):
        setup.sender.send(a_payload())


def test_a_call_that_used_all_of_its_gas_is_said_to_have(setup: SenderSetup) -> None:
    setup.node.reverts = True
    with pytest.raises(Reverted, match=r"it used all of its 500,000 gas"):
        setup.sender.send(replace(a_payload(), gas_limit=500_000))


def test_a_lost_reply_is_found_by_its_hash_and_not_sent_anew(setup: SenderSetup) -> None:
    setup.node.loses_replies = True
    assert setup.sender.send(a_payload()).succeeded
    assert len(set(setup.node.arrived)) == 1


def test_bytes_that_the_node_forgot_are_sent_again_unchanged(setup: SenderSetup) -> None:
    setup.node.mines = False

    def evicted_then_mined() -> None:
        if len(setup.node.arrived) == 1:
            setup.node.evict()
        else:
            setup.node.mine()

    setup.each_wait = evicted_then_mined
    assert setup.sender.send(a_payload()).succeeded
    assert len(setup.node.arrived) == 2
    assert len(set(setup.node.arrived)) == 1


def test_a_transaction_that_waits_too_long_is_replaced_under_the_same_nonce_with_both_fees_higher(
    setup: SenderSetup,
) -> None:
    setup.node.mines = False
    setup.each_wait = lambda: setup.node.mine() if len(setup.node.arrived) > 1 else None
    setup.sender.send(a_payload())
    first, second = (read(raw) for raw in setup.node.arrived)
    assert (first.nonce, first.data) == (second.nonce, second.data)
    assert second.max_fee * 8 >= first.max_fee * 9
    assert second.tip * 8 >= first.tip * 9


def test_n4_fees_never_exceed_the_cap_however_long_it_takes(setup: SenderSetup) -> None:
    setup.node.mines = False
    with pytest.raises(OutcomeUnknown):
        setup.sender.send(a_payload(cap_gwei=24))
    assert max(read(raw).max_fee for raw in setup.node.arrived) <= 24 * GWEI


def test_the_receipt_of_a_replaced_attempt_counts(setup: SenderSetup) -> None:
    setup.node.mines = False
    original: list[str] = []

    def the_original_mines_after_the_bump() -> None:
        if len(setup.node.arrived) > 1:
            original.append(setup.node.arrived[0])
            first = read(setup.node.arrived[0])
            setup.node.waiting = {first.nonce: first}
            setup.node.mine()

    setup.each_wait = the_original_mines_after_the_bump
    assert setup.sender.send(a_payload()).tx_hash == read(original[0]).tx_hash


def test_without_a_receipt_the_outcome_is_unknown_and_blocks_the_next_send(setup: SenderSetup) -> None:
    setup.node.hides_receipts, setup.node.settled = True, False
    with pytest.raises(OutcomeUnknown) as unknown:
        setup.sender.send(a_payload())
    assert read(setup.node.arrived[0]).tx_hash in unknown.value.message
    setup.restart()
    in_flight = setup.sender.settle()
    assert in_flight is not None
    assert (in_flight.status, in_flight.epoch) == (IntentStatus.UNKNOWN, 3)
    with pytest.raises(StillInFlight):
        setup.sender.send(a_payload(4))
    setup.node.hides_receipts = False
    assert setup.sender.settle() is None


def test_a_hopeless_refusal_is_said_at_once_and_counts_as_unknown(setup: SenderSetup) -> None:
    setup.node.refuses_with = "exceeds block gas limit"
    started = setup.clock.monotonic()
    with pytest.raises(OutcomeUnknown, match="INVALID"):
        setup.sender.send(a_payload())
    assert setup.clock.monotonic() == started
    setup.node.refuses_with = ""
    assert setup.restart().settle() is not None
    assert setup.sender.settle() is None
    assert len(setup.node.mined) == 1


def test_a_node_that_dies_after_taking_the_bytes_leaves_the_outcome_unknown(setup: SenderSetup) -> None:
    setup.node.mines = False
    setup.each_wait = lambda: setattr(setup.node, "down", True)
    with pytest.raises(OutcomeUnknown):
        setup.sender.send(a_payload())
    setup.node.down = False
    setup.node.mine()
    assert setup.restart().settle() is None
    assert len(setup.node.mined) == 1


def test_the_confirmations_are_waited_for(setup: SenderSetup) -> None:
    setup.restart(replace(TIMING, confirmations=3))
    setup.each_wait = lambda: setup.node.mine()
    receipt = setup.sender.send(a_payload())
    assert setup.node.head - receipt.block_number + 1 == 3


def test_what_a_reorganisation_un_mined_is_sent_again_unchanged(setup: SenderSetup) -> None:
    setup.restart(replace(TIMING, confirmations=2))

    def reorganised_once() -> None:
        if len(setup.node.arrived) == 1:
            setup.node.reorganise()
        setup.node.mine()

    setup.each_wait = reorganised_once
    assert setup.sender.send(a_payload()).succeeded
    assert len(set(setup.node.arrived)) == 1
    assert len(setup.node.mined) == 1


def test_nothing_is_signed_for_another_chain(setup: SenderSetup) -> None:
    setup.node.chain = 1
    with pytest.raises(WrongChain):
        setup.sender.send(a_payload())
    assert setup.log.unfinished(CHAIN_ID, SENDER) == ()


@pytest.mark.parametrize(
    ("payload", "wei"),
    [(a_payload(cap_gwei=10), 10**20), (a_payload(), 900_000 * GWEI)],
    ids=["base fee", "balance"],
)
def test_gas_that_cannot_be_paid_is_refused_before_anything_is_written(
    setup: SenderSetup, payload: Payload, wei: int
) -> None:
    setup.node.wei = wei
    with pytest.raises(GasUnaffordable):
        setup.sender.send(payload)
    assert setup.log.unfinished(CHAIN_ID, SENDER) == ()
    assert setup.node.arrived == []


def test_n5_a_node_that_lags_behind_the_journal_is_not_believed(setup: SenderSetup) -> None:
    setup.sender.send(a_payload())
    setup.node.mined.clear()
    with pytest.raises(NodeUntrusted):
        setup.sender.send(a_payload(4))


def test_n5_nothing_is_sent_beside_a_waiting_transaction_of_somebody_else(setup: SenderSetup) -> None:
    setup.node.mines = False
    setup.node.waiting[0] = read(foreign())
    with pytest.raises(StillInFlight):
        setup.sender.send(a_payload())


def test_a_payload_that_the_signer_refuses_is_not_sent_and_does_not_block(setup: SenderSetup) -> None:
    harmful = replace(a_payload(), to="0x" + "66" * 20)
    with pytest.raises(NotAuthorised):
        setup.sender.send(harmful)
    assert setup.sender.settle() is None
    assert setup.sender.send(a_payload()).succeeded
    assert len(setup.node.arrived) == 1
