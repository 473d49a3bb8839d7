from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from keeper.domain.errors import (
    GasUnaffordable,
    NodeUntrusted,
    NotAuthorised,
    OutcomeUnknown,
    Overtaken,
    Reverted,
    StillInFlight,
    WrongChain,
)
from keeper.domain.tx import Intent, IntentStatus, Payload
from keeper.journal.attempts import StoredAttempts
from keeper.journal.store import Journal
from keeper.tx.manager import TransactionSender, Waiting
from tests.tx.node_double import (
    CHAIN_ID,
    GWEI,
    SENDER,
    VAULT,
    AlarmBell,
    FakeClock,
    NodeDouble,
    a_payload,
    a_signer,
    read,
)

WAITING = Waiting(poll_s=1.0, bump_after_s=30.0, give_up_after_s=120.0)


class Scene:
    """A sender over a node double and a journal in a file. ``restart`` is a new process on the same journal."""

    def __init__(self, log: StoredAttempts, clock: FakeClock) -> None:
        self.node = NodeDouble()
        self.alarm = AlarmBell()
        self.relay: NodeDouble | None = None
        self.log = log
        self.clock = clock
        self.each_wait: Callable[[], None] = lambda: None
        self.sender = self.restart()

    def restart(self, waiting: Waiting = WAITING) -> TransactionSender:
        self.sender = TransactionSender(
            self.node,
            self.log,
            a_signer(),
            self.alarm,
            CHAIN_ID,
            VAULT,
            self.clock,
            self._wait,
            waiting,
            self.relay,
        )
        return self.sender

    def _wait(self, seconds: float) -> None:
        self.clock.wait(seconds)
        self.each_wait()


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    clock = FakeClock()
    with Journal.open(f"sqlite:///{tmp_path / 'keeper.db'}") as journal:
        yield Scene(StoredAttempts(journal, clock.now), clock)


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
    scene.node.waiting[0] = read(_foreign())
    with pytest.raises(StillInFlight):
        scene.sender.send(a_payload())


def _foreign(nonce: int = 0) -> str:
    from keeper.tx.fees import Fees

    return a_signer().sign(Intent("foreign", nonce, a_payload(9)), Fees(20 * GWEI, GWEI)).raw


def test_a_payload_that_the_signer_refuses_is_not_sent_and_does_not_block(scene: Scene) -> None:
    harmful = Payload(CHAIN_ID, SENDER, "0x" + "66" * 20, 3, a_payload().calldata, 900_000, 100 * GWEI, 1)
    with pytest.raises(NotAuthorised):
        scene.sender.send(harmful)
    assert scene.sender.settle() is None
    assert scene.sender.send(a_payload()).succeeded
    assert len(scene.node.arrived) == 1


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
    scene.node.waiting[1] = read(_foreign(nonce=1))
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
    scene.node.waiting[4] = read(_foreign(nonce=4))
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
