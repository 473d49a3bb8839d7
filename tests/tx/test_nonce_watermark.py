"""The journal's next nonce follows the chain, and a node that was wrong does no lasting harm."""

from __future__ import annotations

import pytest

from keeper.domain.errors import NodeUntrusted, StillInFlight
from keeper.tx.nonce_watermark import MAX_FIRST_NONCE, MAX_JUMP
from keeper.tx.unblock import MAX_GAPS
from tests.tx.node_double import CHAIN_ID, SENDER, a_payload, read
from tests.tx.sender_setup import SenderSetup, foreign, setup

__all__ = ["setup"]


def watermark(setup: SenderSetup) -> int | None:
    return setup.log.watermark(CHAIN_ID, SENDER).next_nonce


def lied_to(setup: SenderSetup, more: int = 500) -> None:
    """A transaction of our own is final, and the node counted too many afterwards, at one look."""
    setup.sender.send(a_payload())
    setup.sender.settle()
    setup.node.counts_more = more
    setup.restart().settle()
    setup.node.counts_more = 0


def blocks(setup: SenderSetup, count: int) -> None:
    for _ in range(count):
        setup.node.mine()


def test_a_false_count_is_taken_back_and_sending_goes_on(setup: SenderSetup) -> None:
    lied_to(setup)
    assert setup.alarm.causes == ["foreign_transaction"]
    blocks(setup, 3)
    assert setup.restart().settle() is None
    assert setup.alarm.causes == ["foreign_transaction", "nonce_taken_back"]
    assert setup.sender.send(a_payload(4)).succeeded
    assert setup.node.mined[-1][0].nonce == 1
    setup.restart().settle()
    assert len(setup.alarm.causes) == 2


def test_a_false_count_is_taken_back_by_a_send_too_which_is_then_refused_once(setup: SenderSetup) -> None:
    lied_to(setup)
    blocks(setup, 3)
    with pytest.raises(StillInFlight):
        setup.sender.send(a_payload(4))
    assert setup.alarm.causes[-1] == "nonce_taken_back"
    assert setup.sender.send(a_payload(4)).succeeded


def test_an_emergency_is_not_refused_when_a_false_count_is_taken_back(setup: SenderSetup) -> None:
    lied_to(setup)
    blocks(setup, 3)
    assert setup.sender.send(a_payload(4), supersede=True).succeeded
    assert setup.alarm.causes[-1] == "nonce_taken_back"


def test_a_node_that_lags_takes_nothing_back(setup: SenderSetup) -> None:
    """The blocks with the foreign transactions are not known to the node that is asked next."""
    setup.sender.send(a_payload())
    setup.sender.settle()
    setup.node.foreign_nonces = 2
    blocks(setup, 5)
    setup.sender.settle()
    setup.node.foreign_nonces = 0
    for behind in (0, 2, 50):
        setup.node.head -= behind
        setup.restart().settle()
        with pytest.raises(
            NodeUntrusted, match=r"next nonce .* is 1, .* is 3 \(eth_getTransactionCount of http://node\)"
        ):
            setup.sender.send(a_payload(4))
    assert (setup.alarm.causes, watermark(setup)) == (["foreign_transaction"], 3)
    setup.node.foreign_nonces = 2
    assert setup.sender.send(a_payload(4)).succeeded


def test_transactions_that_a_reorganisation_removed_and_mined_again_are_counted_once_more(
    setup: SenderSetup,
) -> None:
    lied_to(setup, 2)
    blocks(setup, 3)
    setup.sender.settle()
    setup.node.foreign_nonces = 2
    setup.sender.settle()
    assert setup.alarm.causes == ["foreign_transaction", "nonce_taken_back", "foreign_transaction"]
    assert setup.sender.send(a_payload(4)).succeeded
    assert setup.node.mined[-1][0].nonce == 3


def test_a_nonce_that_was_signed_for_is_never_taken_back(setup: SenderSetup) -> None:
    lied_to(setup)
    setup.node.mined.clear()
    blocks(setup, 9)
    setup.sender.settle()
    assert "nonce_taken_back" not in setup.alarm.causes
    with pytest.raises(NodeUntrusted):
        setup.sender.send(a_payload(4))
    assert len(setup.node.arrived) == 1


def test_not_even_an_emergency_takes_a_nonce_that_only_a_node_spoke_of(setup: SenderSetup) -> None:
    setup.node.finality = 64
    setup.sender.send(a_payload())
    setup.node.counts_more = 500
    setup.sender.settle()
    setup.node.counts_more = 0
    with pytest.raises(NodeUntrusted):
        setup.sender.send(a_payload(4), supersede=True)
    assert len(setup.node.arrived) == 1


def test_a_jump_that_no_key_makes_is_refused_by_name_and_leaves_nothing_behind(setup: SenderSetup) -> None:
    setup.sender.send(a_payload())
    setup.node.counts_more = MAX_JUMP + 1
    for attempt in (setup.sender.settle, lambda: setup.sender.send(a_payload(4))):
        with pytest.raises(
            NodeUntrusted, match=r"100002 transactions.*eth_getTransactionCount of http://node"
        ):
            attempt()
    setup.node.counts_more = 0
    assert setup.sender.settle() is None
    assert setup.sender.send(a_payload(4)).succeeded
    assert setup.alarm.causes == []


def test_a_key_that_the_journal_does_not_know_may_have_many_transactions_but_not_any_number(
    setup: SenderSetup,
) -> None:
    setup.node.counts_more = MAX_FIRST_NONCE + 1
    with pytest.raises(NodeUntrusted, match="eth_getTransactionCount of http://node"):
        setup.sender.send(a_payload())
    setup.node.counts_more, setup.node.first_nonce = 0, 30_000_000
    assert setup.sender.send(a_payload()).succeeded
    assert watermark(setup) == 30_000_001


def test_a_transaction_at_any_nonce_has_few_gaps_to_report(setup: SenderSetup) -> None:
    setup.node.waiting[2**62] = read(foreign(nonce=2**62))
    assert setup.sender.nonces().gaps == tuple(range(MAX_GAPS))
