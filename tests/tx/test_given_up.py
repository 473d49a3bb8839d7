"""Transactions of the keeper's own that it gave up, and that a node mines all the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import pytest

from keeper.domain.errors import OutcomeUnknown, Overtaken, StillInFlight
from keeper.domain.tx import Intent, IntentStatus, Receipt
from keeper.tx.nonce_watermark import SETTLED_S
from keeper.tx.ports import NodeView
from tests.tx.node_double import CHAIN_ID, GWEI, SENDER, NodeDouble, Sent, a_payload, read
from tests.tx.sender_setup import TIMING, SenderSetup, foreign, setup

__all__ = ["setup"]

IMPATIENT = replace(TIMING, give_up_after_s=2.0)

GAS = 500_000
"""Of every transaction that the node double mines."""


@dataclass
class Asked(NodeDouble):
    """Remembers which hashes each look asked for."""

    asked: list[set[str]] = field(default_factory=list)

    def view(self, account: str, rebalancer: str, hashes: Mapping[str, str]) -> NodeView:
        self.asked.append(set(hashes))
        return super().view(account, rebalancer, hashes)


@dataclass
class Forger(NodeDouble):
    """Says that bytes are mined in its newest block, which are not; and that more transactions wait."""

    forged: str = ""
    pending_more: int = 0

    def view(self, account: str, rebalancer: str, hashes: Mapping[str, str]) -> NodeView:
        view = super().view(account, rebalancer, hashes)
        view = replace(view, pending_nonce=view.pending_nonce + self.pending_more)
        if self.forged not in hashes:
            return view
        owner = hashes[self.forged]
        receipt = Receipt(owner, self.forged, self.head, "0xf0", True, GAS, GWEI, 0, None, None)
        return replace(view, receipts={**view.receipts, self.forged: receipt})


def emergency(setup: SenderSetup, number: int = 0) -> None:
    """That nothing mines in time."""
    payload = replace(a_payload(4, cap_gwei=500), calldata=f"0x99bd1f20{number:064x}")
    with pytest.raises(OutcomeUnknown):
        setup.restart(IMPATIENT).send(payload, supersede=True)


def given_up(setup: SenderSetup, nonce: int = 2) -> tuple[Intent, Sent]:
    """An emergency believed a false count, and its transaction expired. The node keeps the bytes. One transaction of
    the key is mined, and the pauses of the false count are over."""
    setup.sender.send(a_payload())
    setup.sender.settle()
    return given_up_again(setup, nonce)


def given_up_again(setup: SenderSetup, nonce: int) -> tuple[Intent, Sent]:
    """As ``given_up``, after the transaction that is mined."""
    setup.node.counts_more = nonce - 1
    emergency(setup, nonce)
    setup.node.counts_more = 0
    setup.clock.wait(SETTLED_S)
    assert setup.restart().unblock(100 * GWEI) == ()
    assert setup.sender.settle() is None
    setup.alarm.causes.clear()
    intent = setup.log.given_up(CHAIN_ID, SENDER)[-1]
    assert intent.nonce == nonce
    return intent, setup.node.waiting.pop(nonce)


def dying_after_one(add_receipt: Callable[[Receipt], None]) -> Callable[[Receipt], None]:
    done: list[Receipt] = []

    def called(receipt: Receipt) -> None:
        if done:
            raise KeyboardInterrupt
        done.append(receipt)
        add_receipt(receipt)

    return called


def mine(setup: SenderSetup, *transactions: Sent) -> None:
    for sent in transactions:
        setup.node.waiting[sent.nonce] = sent
        setup.node.mine()


def gas_wei(setup: SenderSetup) -> int:
    return setup.log.spent(CHAIN_ID, SENDER, -1).gas_wei


@pytest.mark.parametrize(("reverts", "status"), [(False, IntentStatus.FINAL), (True, IntentStatus.REVERTED)])
def test_what_was_given_up_and_is_mined_is_no_strangers_and_its_gas_counts_once(
    setup: SenderSetup, reverts: bool, status: IntentStatus
) -> None:
    intent, kept = given_up(setup)
    setup.sender.send(a_payload(5))
    before = gas_wei(setup)
    setup.node.reverts = reverts
    mine(setup, kept)
    for _ in range(2):
        assert setup.restart().settle() is None
    assert setup.alarm.causes == []
    assert setup.log.status(intent.intent_id) is status
    assert gas_wei(setup) - before == GAS * kept.max_fee
    assert setup.log.spent(CHAIN_ID, SENDER, -1).failures == int(reverts)
    setup.node.reverts = False
    assert setup.sender.send(a_payload(6)).succeeded
    assert setup.node.mined[-1][0].nonce == 3


def test_a_send_finds_it_too(setup: SenderSetup) -> None:
    intent, kept = given_up(setup)
    setup.sender.send(a_payload(5))
    mine(setup, kept)
    with pytest.raises(StillInFlight):  # the decision did not know of it
        setup.restart().send(a_payload(6))
    assert setup.log.status(intent.intent_id) is IntentStatus.FINAL
    assert setup.restart().send(a_payload(6)).succeeded
    assert setup.alarm.causes == []


def test_no_planned_trade_starts_above_one_that_a_send_finds_and_that_is_not_final(
    setup: SenderSetup,
) -> None:
    intent, kept = given_up(setup)
    setup.sender.send(a_payload(5))
    setup.sender.settle()
    setup.node.finality = 64
    mine(setup, kept)
    for _ in range(2):
        with pytest.raises(StillInFlight):
            setup.restart().send(a_payload(6))
    assert setup.log.status(intent.intent_id) is IntentStatus.MINED
    assert setup.node.mined[-1][0] == kept


def test_it_is_final_only_when_its_block_is_and_a_reorganisation_takes_it_back(setup: SenderSetup) -> None:
    intent, kept = given_up(setup)
    setup.sender.send(a_payload(5))
    assert setup.sender.settle() is None
    setup.node.finality = 4
    mine(setup, kept)
    in_flight = setup.sender.settle()
    assert in_flight is not None
    assert (in_flight.intent_id, in_flight.status) == (intent.intent_id, IntentStatus.MINED)
    setup.node.mines = False
    setup.node.reorganise()
    setup.restart().settle()
    assert setup.log.status(intent.intent_id) is IntentStatus.UNMINED
    assert setup.node.waiting[2].raw == kept.raw
    setup.node.mine()
    setup.sender.settle()
    assert setup.log.status(intent.intent_id) is IntentStatus.MINED
    for _ in range(4):
        setup.node.mine()
    assert setup.sender.settle() is None
    assert setup.log.status(intent.intent_id) is IntentStatus.FINAL
    assert len(setup.log.receipts(intent.intent_id)) == 2
    assert setup.alarm.causes == []


def test_a_strangers_transaction_below_it_still_pauses(setup: SenderSetup) -> None:
    intent, kept = given_up(setup)
    mine(setup, read(foreign(nonce=1)), kept)
    assert setup.restart().settle() is None
    assert setup.alarm.causes == ["foreign_transaction"]
    assert setup.log.status(intent.intent_id) is IntentStatus.EXPIRED
    setup.clock.wait(SETTLED_S)
    assert setup.restart().settle() is None
    assert setup.log.status(intent.intent_id) is IntentStatus.FINAL
    assert setup.alarm.causes == ["foreign_transaction"]
    assert setup.sender.send(a_payload(6)).succeeded


def test_a_planned_trade_does_not_start_in_the_look_that_finds_a_strangers_transaction_below_it(
    setup: SenderSetup,
) -> None:
    intent, kept = given_up(setup)
    mine(setup, read(foreign(nonce=1)), kept)
    for _ in range(2):  # also while the count is not trusted yet
        with pytest.raises(StillInFlight):
            setup.restart().send(a_payload(6))
    assert setup.alarm.causes == ["foreign_transaction"]
    assert setup.node.mined[-1][0] == kept
    setup.clock.wait(SETTLED_S)
    setup.restart().settle()
    assert setup.log.status(intent.intent_id) is IntentStatus.FINAL


def test_a_receipt_above_the_nodes_own_count_is_not_believed(setup: SenderSetup) -> None:
    node = setup.node = Forger()
    setup.restart()
    intent, kept = given_up(setup, nonce=500)
    node.forged, node.pending_more = kept.tx_hash, 600
    setup.restart().settle()
    assert setup.log.status(intent.intent_id) is IntentStatus.EXPIRED
    node.forged, node.pending_more = "", 0
    setup.clock.wait(SETTLED_S)
    assert setup.restart().settle() is None
    assert setup.alarm.causes == []
    assert setup.sender.send(a_payload(5)).succeeded
    assert node.mined[-1][0].nonce == 1


def test_a_receipt_above_nonces_that_nobody_has_is_not_believed_before_the_count_is(
    setup: SenderSetup,
) -> None:
    """The node takes both back within the time."""
    node = setup.node = Forger()
    setup.restart()
    intent, kept = given_up(setup, nonce=500)
    node.forged, node.counts_more = kept.tx_hash, 600
    for _ in range(2):
        setup.restart().settle()
        assert setup.log.status(intent.intent_id) is IntentStatus.EXPIRED
    node.forged, node.counts_more = "", 0
    setup.clock.wait(SETTLED_S)
    assert setup.restart().settle() is None
    assert setup.alarm.causes == ["foreign_transaction", "nonce_taken_back"]
    assert setup.sender.send(a_payload(5)).succeeded
    assert node.mined[-1][0].nonce == 1


def test_a_process_that_dies_between_two_of_them_records_the_other_one_later(
    setup: SenderSetup, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one of the higher nonce was given up first."""
    _, higher = given_up(setup, nonce=3)
    _, lower = given_up_again(setup, nonce=2)
    setup.sender.send(a_payload(5))
    setup.sender.settle()
    before = gas_wei(setup)
    mine(setup, lower, higher)
    with monkeypatch.context() as patch:
        patch.setattr(setup.log, "add_receipt", dying_after_one(setup.log.add_receipt))
        with pytest.raises(KeyboardInterrupt):
            setup.restart().settle()
    assert setup.restart().settle() is None
    assert gas_wei(setup) - before == GAS * (lower.max_fee + higher.max_fee)
    assert setup.alarm.causes == []


def test_a_strangers_transaction_above_it_still_pauses(setup: SenderSetup) -> None:
    intent, kept = given_up(setup)
    setup.sender.send(a_payload(5))
    mine(setup, kept, read(foreign(nonce=3)))
    assert setup.restart().settle() is None
    assert setup.alarm.causes == ["foreign_transaction"]
    assert setup.log.status(intent.intent_id) is IntentStatus.FINAL


def test_a_node_that_hides_its_receipt_pauses_the_keeper_and_the_receipt_counts_when_it_shows(
    setup: SenderSetup,
) -> None:
    intent, kept = given_up(setup)
    setup.sender.send(a_payload(5))
    setup.sender.settle()
    before = gas_wei(setup)
    mine(setup, kept)
    setup.node.hides_receipts = True
    setup.restart().settle()
    assert "foreign_transaction" in setup.alarm.causes
    rung = len(setup.alarm.causes)
    setup.node.hides_receipts = False
    assert setup.restart().settle() is None
    assert len(setup.alarm.causes) == rung
    assert setup.log.status(intent.intent_id) is IntentStatus.FINAL
    assert gas_wei(setup) - before == GAS * kept.max_fee


def test_what_an_emergency_took_for_a_strangers_is_recorded_when_its_receipt_shows(
    setup: SenderSetup,
) -> None:
    """The receipt was late, so the emergency went on at the next nonce."""
    setup.node.finality = 4
    setup.node.hides_receipts = True
    with pytest.raises(OutcomeUnknown):
        setup.restart(IMPATIENT).send(a_payload())
    emergency(setup)
    (intent,) = setup.log.given_up(CHAIN_ID, SENDER)
    setup.node.hides_receipts = False
    setup.restart().settle()
    assert setup.log.status(intent.intent_id) is IntentStatus.MINED
    for _ in range(4):
        setup.node.mine()
    assert setup.sender.settle() is None
    assert setup.alarm.causes == ["foreign_transaction"]
    assert gas_wei(setup) == GAS * sum(sent.max_fee for sent, _, _ in setup.node.mined)


def test_of_two_for_one_nonce_the_other_may_be_mined_after_a_reorganisation(setup: SenderSetup) -> None:
    """The older one was mined first, so the newer one lost the nonce, and wins it in the end."""
    setup.node.finality, setup.node.mines = 64, False
    with pytest.raises(OutcomeUnknown):
        setup.restart(IMPATIENT).send(a_payload())
    older = setup.node.waiting[0]
    emergency(setup)
    newer = setup.node.waiting.pop(0)
    mine(setup, older)
    setup.restart().settle()
    (intent,) = setup.log.given_up(CHAIN_ID, SENDER)
    setup.node.reorganise()
    setup.sender.settle()
    mine(setup, newer)
    setup.sender.settle()
    assert setup.log.status(intent.intent_id) is IntentStatus.MINED
    assert len(setup.log.unfinished(CHAIN_ID, SENDER)) == 1
    assert setup.alarm.causes == []


def test_it_takes_its_nonce_back_from_what_was_signed_there_since(setup: SenderSetup) -> None:
    intent, kept = given_up(setup)
    setup.sender.send(a_payload(5))
    setup.node.mines = False
    setup.each_wait = lambda: mine(setup, kept)
    with pytest.raises(Overtaken):
        setup.sender.send(a_payload(6))
    assert setup.restart().settle() is None
    assert setup.log.status(intent.intent_id) is IntentStatus.FINAL
    assert setup.alarm.causes == []


def test_what_waits_above_it_is_out_of_reach_where_nobody_has_a_nonce_below(setup: SenderSetup) -> None:
    """The bytes that were given up wait in the pool, right below the next ones under a false count."""
    _, kept = given_up(setup)
    setup.node.waiting[2] = kept
    setup.node.counts_more = 2
    emergency(setup, 1)
    setup.node.counts_more = 0
    setup.clock.wait(SETTLED_S)
    assert setup.restart().unblock(100 * GWEI) == ()
    assert setup.sender.settle() is None
    assert setup.sender.send(a_payload(5)).succeeded
    assert setup.node.mined[-1][0].nonce == 1


def test_an_intent_that_a_false_count_displaced_gives_the_nonce_back_with_what_it_superseded(
    setup: SenderSetup,
) -> None:
    setup.node.mines = False
    with pytest.raises(OutcomeUnknown):
        setup.restart(IMPATIENT).send(a_payload())
    emergency(setup, 1)
    setup.node.evict()
    setup.node.counts_more = 500
    emergency(setup, 2)
    setup.node.counts_more = 0
    setup.node.mines = True
    setup.clock.wait(SETTLED_S)
    assert setup.restart().unblock(100 * GWEI) == ()
    assert setup.sender.settle() is None
    assert setup.sender.send(a_payload(5)).succeeded
    assert setup.node.mined[-1][0].nonce == 0


def test_it_is_known_where_the_node_reports_only_how_many_wait(setup: SenderSetup) -> None:
    _, kept = given_up(setup)
    setup.sender.send(a_payload(5))
    setup.node.tells_pool = False
    setup.node.waiting[2] = kept
    assert setup.restart().settle() is None
    assert setup.alarm.causes == []
    setup.node.waiting[3] = read(foreign(nonce=3))
    setup.restart().settle()
    assert setup.alarm.causes == ["foreign_transaction"]


def test_only_what_can_be_mined_by_now_is_asked_for_and_all_of_it_at_once(setup: SenderSetup) -> None:
    node = setup.node = Asked()
    setup.restart()
    _, kept = given_up(setup, nonce=3)
    node.asked.clear()
    setup.sender.settle()
    assert len(node.asked) == 1
    setup.sender.send(a_payload(5))
    setup.sender.send(a_payload(6))
    assert not any(kept.tx_hash in asked for asked in node.asked)
    mine(setup, kept)
    node.asked.clear()
    setup.sender.settle()
    assert [kept.tx_hash in asked for asked in node.asked] == [False, True]
    node.asked.clear()
    setup.sender.settle()
    assert len(node.asked) == 1
