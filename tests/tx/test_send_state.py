from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.domain.tx import UNFINISHED, Attempt, AttemptKind, Intent, IntentStatus, Receipt
from keeper.tx.ports import NodeView
from keeper.tx.send_state import NextStep, SendState, SendTiming, Waited, next_step, recovery_step
from tests.tx.node_double import GWEI, a_payload

TIMING = SendTiming(poll_s=1.0, bump_after_s=30.0, give_up_after_s=120.0, private_s=60.0, confirmations=1)


def waited(total_s: float, newest_s: float = 0.0, sent_s: float = 0.0, sends: int = 1) -> Waited:
    return Waited(total_s=total_s, newest_s=newest_s, sent_s=sent_s, sends=sends)


NOW, LONG = waited(0.0, sends=0), waited(30.0, 30.0, 30.0)
CALL = Attempt("one", "0xab", "0x02", 20 * GWEI, GWEI, kind=AttemptKind.CALL)
CANCEL = Attempt("one", "0xac", "0x02", 23 * GWEI, 2 * GWEI, AttemptKind.CANCEL)
RIVAL = Attempt("zero", "0xad", "0x02", 10 * GWEI, GWEI, kind=AttemptKind.CALL)
RECEIPT = Receipt(
    "one", "0xab", 9, "0xbb", True, 21_000, 1, rollup_fee_wei=0, nav_before=None, nav_after=None
)
VIEW = NodeView(
    head=10,
    head_time=1_000,
    base_fee_wei=10 * GWEI,
    final_block=8,
    mined_nonce=4,
    settled_nonce=4,
    pending_nonce=5,
    epoch=3,
    receipts={},
    known=frozenset({"0xab", "0xac"}),
    pool=None,
)
PENDING = SendState(Intent("one", 4, a_payload(3)), IntentStatus.SENT, (CALL,), (), VIEW)
FORGOTTEN = replace(PENDING, view=replace(VIEW, known=frozenset()))
USED = replace(PENDING, view=replace(VIEW, mined_nonce=5))
MINED = replace(PENDING, view=replace(VIEW, mined_nonce=5, receipts={"0xab": RECEIPT}))
PRIVATE = replace(FORGOTTEN, intent=Intent("one", 4, replace(a_payload(3), private=True)))
GONE_ON = replace(PENDING, view=replace(VIEW, epoch=4))
LATE = replace(PENDING, view=replace(VIEW, head_time=a_payload().deadline + 1))


@pytest.mark.parametrize(
    ("state", "elapsed", "step"),
    [
        (PENDING, NOW, NextStep.WAIT),
        (FORGOTTEN, NOW, NextStep.SEND_AGAIN),
        (PENDING, LONG, NextStep.BUMP),
        (USED, LONG, NextStep.WAIT),
        (FORGOTTEN, waited(2.0, 2.0, 2.0), NextStep.WAIT),
        (FORGOTTEN, waited(3.0, 3.0, 3.0), NextStep.SEND_AGAIN),
        (FORGOTTEN, waited(17.0, 17.0, 14.0, sends=2), NextStep.WAIT),
        (FORGOTTEN, waited(18.0, 18.0, 15.0, sends=2), NextStep.SEND_AGAIN),
        (FORGOTTEN, waited(47.0, 29.0, 29.0, sends=3), NextStep.WAIT),
        (FORGOTTEN, waited(48.0, 30.0, 29.0, sends=3), NextStep.BUMP),
        (FORGOTTEN, waited(48.0, 0.0, 30.0, sends=9), NextStep.SEND_AGAIN),
        (PENDING, waited(120.0), NextStep.GIVE_UP),
        (MINED, waited(120.0), NextStep.ADOPT),
        (replace(FORGOTTEN, status=IntentStatus.MINED), NOW, NextStep.UNMINE),
        (PRIVATE, NOW, NextStep.WAIT),
        (PRIVATE, waited(60.0), NextStep.CANCEL),
        (replace(PRIVATE, attempts=(CALL, CANCEL)), NOW, NextStep.SEND_AGAIN),
        (replace(MINED, attempts=(), rivals=(CALL,)), NOW, NextStep.ADOPT),
    ],
)
def test_a_transaction_just_sent_has_one_next_step(state: SendState, elapsed: Waited, step: NextStep) -> None:
    assert next_step(state, TIMING, elapsed) is step


@pytest.mark.parametrize(
    ("state", "step"),
    [
        (replace(PENDING, status=IntentStatus.OPEN, attempts=()), NextStep.EXPIRE),
        (replace(PENDING, status=IntentStatus.SIGNING, attempts=()), NextStep.RESIGN),
        (
            replace(
                PENDING,
                status=IntentStatus.OPEN,
                intent=Intent("one", 4, a_payload(3), "zero"),
                attempts=(),
                rivals=(RIVAL,),
            ),
            NextStep.RESIGN,
        ),
        (replace(GONE_ON, status=IntentStatus.SIGNING, attempts=()), NextStep.CANCEL),
        (PENDING, NextStep.WAIT),
        (replace(PENDING, view=replace(VIEW, base_fee_wei=21 * GWEI)), NextStep.BUMP),
        (FORGOTTEN, NextStep.SEND_AGAIN),
        (MINED, NextStep.ADOPT),
        (replace(FORGOTTEN, status=IntentStatus.MINED), NextStep.UNMINE),
        (replace(FORGOTTEN, status=IntentStatus.UNMINED), NextStep.SEND_AGAIN),
        (USED, NextStep.WAIT),
        (replace(USED, view=replace(USED.view, settled_nonce=5)), NextStep.DISPLACE),
        (GONE_ON, NextStep.CANCEL),
        (LATE, NextStep.CANCEL),
        (replace(LATE, attempts=(CALL, CANCEL)), NextStep.WAIT),
        (PRIVATE, NextStep.CANCEL),
    ],
)
def test_what_an_earlier_process_left_has_one_next_step(state: SendState, step: NextStep) -> None:
    assert recovery_step(state, out_of_reach=False) is step


anything = st.builds(
    SendState,
    intent=st.builds(
        Intent, intent_id=st.just("one"), nonce=st.integers(3, 5), payload=st.just(a_payload(3))
    ),
    status=st.sampled_from(UNFINISHED),
    attempts=st.lists(st.sampled_from((CALL, CANCEL)), max_size=3).map(tuple),
    rivals=st.sampled_from(((), (RIVAL,))),
    view=st.builds(
        replace,
        st.just(VIEW),
        known=st.sampled_from((frozenset(), frozenset({"0xab"}))),
        mined_nonce=st.integers(3, 6),
        epoch=st.sampled_from((None, 3, 4)),
        receipts=st.sampled_from(({}, {"0xab": RECEIPT}, {"0xad": RECEIPT})),
    ),
)
SPENDING = (NextStep.SEND_AGAIN, NextStep.BUMP, NextStep.RESIGN, NextStep.CANCEL)


@given(anything, st.floats(0, 1e4), st.floats(0, 1e4))
def test_n5_nothing_more_is_signed_or_sent_once_the_nonce_is_used(
    state: SendState, newest: float, total: float
) -> None:
    if state.nonce_used or state.receipt is not None:
        assert next_step(state, TIMING, waited(total, newest, newest)) not in SPENDING
        assert recovery_step(state, out_of_reach=False) not in SPENDING


@given(anything)
def test_n1_an_intent_expires_only_while_no_signature_was_asked_for(state: SendState) -> None:
    if recovery_step(state, out_of_reach=False) is NextStep.EXPIRE:
        assert state.status is IntentStatus.OPEN


@given(anything)
def test_a_receipt_is_always_adopted(state: SendState) -> None:
    assert (recovery_step(state, out_of_reach=False) is NextStep.ADOPT) == (state.receipt is not None)
    assert (next_step(state, TIMING, NOW) is NextStep.ADOPT) == (state.receipt is not None)


@given(anything)
def test_a_call_that_can_only_revert_is_never_sent_again(state: SendState) -> None:
    if state.void and not state.cancelling:
        assert recovery_step(state, out_of_reach=False) not in (
            NextStep.SEND_AGAIN,
            NextStep.BUMP,
            NextStep.RESIGN,
        )
