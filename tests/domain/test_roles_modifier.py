from __future__ import annotations

import pytest
from eth_utils.crypto import keccak
from hypothesis import given
from hypothesis import strategies as st

from keeper.chain.abi import load
from keeper.domain import roles_modifier
from keeper.domain.roles_modifier import InnerAnswer, RolesModifier, inner_answer, question
from tests.properties import examples

REBALANCER, OTHER = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "0x" + "66" * 20
ROLE = "0x" + b"keeper".ljust(32, b"\0").hex()
MODIFIER = RolesModifier("0x52908400098527886E0F7030069857D2E4169EE7", ROLE)
CALL = bytes.fromhex("f1eabd8b") + bytes(range(70))
ABI = load("RolesModifier")
AT_ANY_PLACE = st.integers(0, len(MODIFIER.wrapped(REBALANCER, CALL)) - 1)


def encoded(to: str = REBALANCER, value: int = 0, operation: int = 0, *, reverts: bool = True) -> bytes:
    return ABI["execTransactionWithRole"].encode(to, value, CALL, operation, bytes.fromhex(ROLE[2:]), reverts)


@pytest.mark.parametrize(
    ("function", "selector"),
    [
        ("execTransactionWithRole", roles_modifier.EXECUTE),
        ("execTransactionWithRoleReturnData", roles_modifier.EXECUTE_AND_ANSWER),
    ],
)
def test_the_selectors_are_those_of_zodiacs_abi(function: str, selector: str) -> None:
    assert "0x" + keccak(text=ABI[function].signature)[:4].hex() == selector


def test_a_call_is_wrapped_as_zodiacs_abi_says_and_comes_out_again() -> None:
    wrapped = MODIFIER.wrapped(REBALANCER, CALL)
    assert wrapped == encoded()
    assert MODIFIER.inner(REBALANCER, wrapped) == CALL


@pytest.mark.parametrize(
    "other",
    [
        encoded(OTHER),
        encoded(value=1),
        encoded(operation=1),
        encoded(reverts=False),
        question(encoded()),
        encoded() + b"\0",
        b"",
    ],
    ids=["recipient", "value", "delegatecall", "no revert", "other function", "longer", "nothing"],
)
def test_whatever_the_keeper_would_not_ask_has_no_inner_call(other: bytes) -> None:
    assert MODIFIER.inner(REBALANCER, other) is None


@examples(60)
@given(AT_ANY_PLACE, st.integers(1, 255))
def test_a_byte_that_differs_is_another_call_or_none(place: int, change: int) -> None:
    wrapped = bytearray(MODIFIER.wrapped(REBALANCER, CALL))
    wrapped[place] ^= change
    assert MODIFIER.inner(REBALANCER, bytes(wrapped)) != CALL


def test_the_question_is_the_same_call_that_answers_instead_of_reverting() -> None:
    asked = ABI["execTransactionWithRoleReturnData"].encode(
        REBALANCER,
        0,
        CALL,
        0,
        bytes.fromhex(ROLE[2:]),
        False,
    )
    assert question(MODIFIER.wrapped(REBALANCER, CALL)) == asked


@pytest.mark.parametrize("succeeded", [True, False])
@pytest.mark.parametrize("data", [b"", b"\x01\x02\x03", bytes(64)])
def test_what_came_of_the_safes_call_is_read(data: bytes, *, succeeded: bool) -> None:
    size = len(data).to_bytes(32, "big")
    answer = int(succeeded).to_bytes(32, "big") + (64).to_bytes(32, "big") + size + data.ljust(64, b"\0")
    assert inner_answer(answer) == InnerAnswer(succeeded, data)


@examples(60)
@given(st.binary(max_size=130))
def test_what_is_no_answer_is_none_or_one(answer: bytes) -> None:
    assert inner_answer(answer[:95]) is None or len(answer) >= 96
    assert inner_answer(b"\xff" * len(answer)) is None
