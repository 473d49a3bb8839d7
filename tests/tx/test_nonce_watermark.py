"""The journal's next nonce follows the chain, and a node that was wrong does no lasting harm."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from keeper.domain.errors import GasUnaffordable, NodeUntrusted, OutcomeUnknown, Overtaken, StillInFlight
from keeper.domain.tx import Intent, IntentStatus, Receipt
from keeper.tx.nonce_watermark import MAX_FIRST_NONCE, MAX_JUMP, SETTLED_S
from keeper.tx.ports import NodeView
from keeper.tx.unblock import MAX_GAPS
from tests.tx.node_double import CHAIN_ID, GWEI, SENDER, NodeDouble, a_payload, read
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


def time_passes(setup: SenderSetup, seconds: int = SETTLED_S) -> None:
    setup.clock.wait(seconds)
    setup.node.head_time += seconds
    setup.node.mine()


def emergency(setup: SenderSetup) -> Receipt:
    return setup.restart().send(replace(a_payload(4, cap_gwei=500), calldata="0x99bd1f20"), supersede=True)


def emergency_by_a_false_count(setup: SenderSetup, more: int) -> None:
    """The node said again and again that so many more transactions are mined; then it is honest."""
    setup.sender.send(a_payload())
    setup.node.counts_more = more
    setup.restart().settle()
    with pytest.raises(OutcomeUnknown):
        emergency(setup)
    setup.node.counts_more = 0


def sent_at_a_false_nonce(setup: SenderSetup) -> Intent:
    """An emergency believed 500 transactions too many, which the node said again and again."""
    emergency_by_a_false_count(setup, 500)
    (intent,) = (one for one in setup.log.unfinished(CHAIN_ID, SENDER) if one.nonce)
    assert intent.nonce == 501
    return intent


def test_a_false_count_is_taken_back_and_sending_goes_on(setup: SenderSetup) -> None:
    lied_to(setup)
    assert setup.alarm.causes == ["foreign_transaction"]
    time_passes(setup)
    assert setup.restart().settle() is None
    assert setup.alarm.causes == ["foreign_transaction", "nonce_taken_back"]
    assert setup.sender.send(a_payload(4)).succeeded
    assert setup.node.mined[-1][0].nonce == 1
    setup.restart().settle()
    assert len(setup.alarm.causes) == 2


def test_a_false_count_is_taken_back_by_a_send_too_which_is_then_refused_once(setup: SenderSetup) -> None:
    lied_to(setup)
    time_passes(setup)
    with pytest.raises(StillInFlight):
        setup.sender.send(a_payload(4))
    assert setup.alarm.causes[-1] == "nonce_taken_back"
    assert setup.sender.send(a_payload(4)).succeeded


def test_an_emergency_is_not_refused_when_a_false_count_is_taken_back(setup: SenderSetup) -> None:
    lied_to(setup)
    time_passes(setup)
    assert setup.sender.send(a_payload(4), supersede=True).succeeded
    assert setup.alarm.causes[-1] == "nonce_taken_back"


def test_a_node_that_lags_takes_nothing_back(setup: SenderSetup) -> None:
    """The blocks with the foreign transactions are not known to the node that is asked next."""
    setup.sender.send(a_payload())
    setup.sender.settle()
    setup.node.foreign_nonces = 2
    time_passes(setup, 0)
    setup.sender.settle()
    setup.node.foreign_nonces = 0
    for seconds in (0, 30, 29):
        time_passes(setup, seconds)
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
    time_passes(setup)
    setup.sender.settle()
    setup.node.foreign_nonces = 2
    setup.sender.settle()
    assert setup.alarm.causes == ["foreign_transaction", "nonce_taken_back", "foreign_transaction"]
    assert setup.sender.send(a_payload(4)).succeeded
    assert setup.node.mined[-1][0].nonce == 3


def test_a_nonce_that_was_signed_for_is_never_taken_back(setup: SenderSetup) -> None:
    lied_to(setup)
    setup.node.mined.clear()
    time_passes(setup)
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


# ------------------------------------------------- a false count in one answer


class WrongOnce(NodeDouble):
    """Counts too many in one answer only, and names a block that no chain reaches."""

    wrong_at = 0

    def view(self, account: str, rebalancer: str, hashes: Mapping[str, str]) -> NodeView:
        view = super().view(account, rebalancer, hashes)
        self.wrong_at -= 1
        if self.wrong_at != 0:
            return view
        return replace(
            view, head=2**62, mined_nonce=view.mined_nonce + 500, pending_nonce=view.pending_nonce + 500
        )


@pytest.mark.parametrize("looks", range(1, 5))
@pytest.mark.parametrize("supersede", [False, True])
@pytest.mark.parametrize("known", [False, True])
def test_a_false_count_in_one_answer_changes_nothing(
    setup: SenderSetup, looks: int, supersede: bool, known: bool
) -> None:
    setup.node = WrongOnce()
    setup.restart()
    if known:
        setup.sender.send(a_payload())
        setup.sender.settle()
    setup.node.wrong_at = looks
    setup.sender.settle()
    assert setup.sender.send(a_payload(4), supersede=supersede).succeeded
    assert setup.node.mined[-1][0].nonce == int(known)
    assert setup.alarm.causes == []


# ------------------------------------------- signed at a nonce that nobody leads up to


def test_an_emergency_does_not_wait_for_an_intent_that_the_chain_cannot_reach(setup: SenderSetup) -> None:
    intent = sent_at_a_false_nonce(setup)
    time_passes(setup)
    assert emergency(setup).succeeded
    assert setup.node.mined[-1][0].nonce == 1
    assert setup.log.status(intent.intent_id) is IntentStatus.EXPIRED
    assert setup.alarm.causes[-1] == "nonce_taken_back"


def test_an_emergency_under_the_lie_that_took_over_the_nonce_expires_with_what_it_superseded(
    setup: SenderSetup,
) -> None:
    sent_at_a_false_nonce(setup)
    setup.node.counts_more = 500
    with pytest.raises(OutcomeUnknown):
        setup.sender.send(replace(a_payload(4, cap_gwei=900), calldata="0x99bd1f2001"), supersede=True)
    setup.node.counts_more = 0
    time_passes(setup)
    assert emergency(setup).succeeded
    assert watermark(setup) == 2


@pytest.mark.parametrize("by_hand", [True, False])
@pytest.mark.parametrize("first", [True, False])
def test_by_hand_at_once_or_after_its_deadline_an_intent_out_of_reach_expires_and_sending_goes_on(
    setup: SenderSetup, by_hand: bool, first: bool
) -> None:
    if first:
        setup.node.counts_more = 1_000
        with pytest.raises(OutcomeUnknown):
            setup.sender.send(a_payload())
        setup.node.counts_more = 0
    else:
        sent_at_a_false_nonce(setup)
    if by_hand:
        time_passes(setup)
        assert setup.restart().unblock(100 * GWEI) == ()
    else:
        time_passes(setup, a_payload().deadline)
    assert setup.restart().settle() is None
    assert setup.alarm.causes[-1] == "nonce_taken_back"
    rung = len(setup.alarm.causes)
    assert setup.sender.send(a_payload(5)).succeeded
    assert setup.node.mined[-1][0].nonce == (0 if first else 1)
    assert setup.restart().settle() is None
    assert len(setup.alarm.causes) == rung


def test_nothing_expires_by_itself_before_its_deadline(setup: SenderSetup) -> None:
    intent = sent_at_a_false_nonce(setup)
    time_passes(setup)
    assert setup.restart().settle() is not None
    with pytest.raises(StillInFlight):
        setup.sender.send(a_payload(5))
    assert setup.log.status(intent.intent_id) is not IntentStatus.EXPIRED


def test_no_op_at_a_false_nonce_expires_by_itself(setup: SenderSetup) -> None:
    setup.sender.send(a_payload())
    setup.node.counts_more = 3
    setup.node.waiting[6] = read(foreign(nonce=6))
    with pytest.raises(OutcomeUnknown):
        setup.restart().unblock(100 * GWEI)
    setup.node.counts_more = 0
    setup.node.waiting.clear()
    time_passes(setup)
    setup.restart().settle()
    time_passes(setup)
    assert setup.restart().settle() is None


def test_bytes_that_expired_stay_known_when_the_chain_gets_to_their_nonce(setup: SenderSetup) -> None:
    """The node kept them, and mines them before the new ones."""
    emergency_by_a_false_count(setup, 1)
    old = setup.node.waiting.pop(2)
    time_passes(setup)
    assert setup.restart().unblock(100 * GWEI) == ()
    setup.sender.settle()
    assert setup.sender.send(a_payload(5)).succeeded
    setup.node.mines = False
    rung = len(setup.alarm.causes)

    def the_old_one_is_mined() -> None:
        setup.node.waiting = {2: old}
        setup.node.mine()

    setup.each_wait = the_old_one_is_mined
    with pytest.raises(Overtaken):
        setup.sender.send(a_payload(6))
    assert setup.restart().settle() is None
    assert len(setup.alarm.causes) == rung


def test_an_intent_whose_predecessor_waits_is_within_reach(setup: SenderSetup) -> None:
    """A reorganisation took somebody else's transactions back; they wait in the pool again."""
    setup.sender.send(a_payload())
    setup.node.foreign_nonces = 2
    setup.sender.settle()
    setup.node.mines = False
    with pytest.raises(OutcomeUnknown):
        setup.sender.send(a_payload(4))
    setup.node.foreign_nonces = 0
    setup.node.waiting |= {nonce: read(foreign(nonce=nonce)) for nonce in (1, 2)}
    time_passes(setup)
    with pytest.raises(OutcomeUnknown):
        emergency(setup)
    (intent,) = (one for one in setup.log.unfinished(CHAIN_ID, SENDER) if one.nonce)
    assert intent.nonce == 3


def test_a_node_that_lags_far_puts_no_intent_out_of_reach_of_a_journal_that_begins_later(
    setup: SenderSetup,
) -> None:
    """It counts fewer transactions than the key had when the journal began."""
    setup.node.first_nonce = 5
    setup.sender.send(a_payload())
    setup.sender.settle()
    setup.node.mines = False
    with pytest.raises(OutcomeUnknown):
        setup.sender.send(a_payload(4))
    (waiting,) = setup.log.unfinished(CHAIN_ID, SENDER)
    setup.clock.wait(SETTLED_S)
    setup.node.foreign_nonces = -2
    with pytest.raises(OutcomeUnknown):
        emergency(setup)
    assert setup.log.status(waiting.intent_id) is IntentStatus.SUPERSEDED


def test_an_intent_that_a_false_count_displaced_gives_its_nonce_back(setup: SenderSetup) -> None:
    """Its own bytes are gone from the mempool, and an emergency believed that somebody else used the nonce."""
    setup.node.mines = False
    with pytest.raises(OutcomeUnknown):
        setup.sender.send(a_payload())
    setup.node.evict()
    setup.node.counts_more = 500
    with pytest.raises(OutcomeUnknown):
        emergency(setup)
    setup.node.counts_more = 0
    setup.node.mines = True
    time_passes(setup)
    assert setup.restart().unblock(100 * GWEI) == ()
    assert setup.sender.settle() is None
    assert setup.sender.send(a_payload(5)).succeeded
    assert setup.node.mined[-1][0].nonce == 0
    assert setup.alarm.causes[-1] == "nonce_taken_back"


def test_a_gap_that_gas_is_too_expensive_for_is_an_error_with_its_name(setup: SenderSetup) -> None:
    setup.sender.send(a_payload())
    setup.node.waiting[3] = read(foreign(nonce=3))
    setup.node.base_fee = 200 * GWEI
    with pytest.raises(GasUnaffordable, match="nonce 1"):
        setup.restart().unblock(100 * GWEI)
