"""Multicall3's calldata and return data, beside those of eth_abi."""

from __future__ import annotations

import pytest
from eth_abi.abi import encode
from hypothesis import given
from hypothesis import strategies as st

from keeper.chain.calls import Call
from keeper.chain.rpc.multicall import decode_answers, encode_calls
from keeper.domain.errors import NodeUntrusted
from tests.properties import examples

WORD = 32
calls = st.lists(
    st.tuples(st.integers(0, 2**160 - 1), st.binary(max_size=100)).map(
        lambda drawn: Call("a call", f"0x{drawn[0]:040x}", drawn[1], decode=bytes)
    ),
    max_size=20,
    unique_by=lambda call: (call.target, call.data),
)


def returned(outcomes: list[tuple[bool, bytes]]) -> bytes:
    return encode(["(bool,bytes)[]"], [outcomes])


@given(calls)
@examples(100)
def test_calls_are_encoded_as_eth_abi_encodes_them(some: list[Call[bytes]]) -> None:
    entries = [(call.target, True, call.data) for call in some]
    assert encode_calls(some)[4:] == encode(["(address,bool,bytes)[]"], [entries])


@given(calls, st.data())
@examples(100)
def test_every_call_has_the_outcome_at_its_place(some: list[Call[bytes]], data: st.DataObject) -> None:
    outcomes = [(data.draw(st.booleans()), data.draw(st.binary(max_size=100))) for _ in some]
    answers = decode_answers(some, "0x" + returned(outcomes).hex())
    assert [(answers.outcome(call).success, answers.outcome(call).data) for call in some] == outcomes


@given(st.data())
@examples(100)
def test_an_answer_that_ends_early_is_refused(data: st.DataObject) -> None:
    some = [Call("a call", "0x" + "11" * 20, bytes([number]), decode=bytes) for number in range(3)]
    whole = returned([(True, bytes(WORD))] * len(some))
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(NodeUntrusted, match="cannot be decoded"):
        decode_answers(some, "0x" + whole[:cut].hex())


@pytest.mark.parametrize("word", range(6))
def test_a_count_or_flag_or_offset_that_is_none_is_refused(word: int) -> None:
    """Of one outcome: offset, count, offset of the outcome, success, offset of the data, size."""
    some = [Call("a call", "0x" + "11" * 20, b"", decode=bytes)]
    answer = bytearray(returned([(True, bytes(WORD))]))
    answer[word * WORD : (word + 1) * WORD] = b"\xff" * WORD
    with pytest.raises(NodeUntrusted, match="cannot be decoded"):
        decode_answers(some, "0x" + answer.hex())
