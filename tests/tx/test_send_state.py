from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.domain.tx import Receipt
from keeper.tx.send_state import NextStep, Patience, Seen, next_step

PATIENCE = Patience(bump_after_s=30.0, give_up_after_s=120.0)
RECEIPT = Receipt("one", "0xab", 9, "0xbb", True, 21_000, 1)
PENDING = Seen(signed=1, receipt=None, nonce_used=False, known_to_node=True, waited_s=0.0, total_s=0.0)

STEPS = [
    (PENDING, NextStep.WAIT),
    (replace(PENDING, signed=0, known_to_node=False), NextStep.EXPIRE),
    (replace(PENDING, known_to_node=False), NextStep.SEND_AGAIN),
    (replace(PENDING, waited_s=30.0), NextStep.BUMP),
    (replace(PENDING, nonce_used=True, known_to_node=False), NextStep.WAIT),
    (replace(PENDING, total_s=120.0), NextStep.GIVE_UP),
    (replace(PENDING, total_s=120.0, receipt=RECEIPT, nonce_used=True), NextStep.ADOPT),
]

anything = st.builds(
    Seen,
    signed=st.integers(0, 4),
    receipt=st.none() | st.just(RECEIPT),
    nonce_used=st.booleans(),
    known_to_node=st.booleans(),
    waited_s=st.floats(0, 1e6),
    total_s=st.floats(0, 1e6),
)


@pytest.mark.parametrize(("seen", "step"), STEPS)
def test_each_situation_has_one_next_step(seen: Seen, step: NextStep) -> None:
    assert next_step(seen, PATIENCE) is step


@given(anything)
def test_n5_nothing_more_is_signed_or_sent_once_the_nonce_is_used(seen: Seen) -> None:
    if seen.nonce_used or seen.receipt is not None:
        assert next_step(seen, PATIENCE) not in (NextStep.SEND_AGAIN, NextStep.BUMP)


@given(anything)
def test_n1_an_intent_expires_only_while_nothing_was_signed_for_it(seen: Seen) -> None:
    if next_step(seen, PATIENCE) is NextStep.EXPIRE:
        assert seen.signed == 0


@given(anything)
def test_a_receipt_is_always_adopted(seen: Seen) -> None:
    assert (next_step(seen, PATIENCE) is NextStep.ADOPT) == (seen.receipt is not None)
