"""Multicall3's calldata and return data, beside those of eth_abi."""

from __future__ import annotations

import pytest
from eth_abi.abi import encode
from hypothesis import given
from hypothesis import strategies as st

from keeper.chain.abi import DecodeError
from keeper.chain.calls import Call, CallResult
from keeper.chain.contracts.feed import round_at
from keeper.chain.rpc.multicall import decode_outcomes, encode_calls
from keeper.domain.errors import RpcError
from keeper.domain.market import Round
from tests.chain_unit.memory_node import BLOCK, MemoryNode
from tests.properties import examples

WORD = 32
FEED = "0x" + "11" * 20
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
    results = decode_outcomes(len(some), returned(outcomes))
    assert results == tuple(CallResult(success, given) for success, given in outcomes)


@given(st.data())
@examples(100)
def test_an_answer_that_ends_early_is_refused(data: st.DataObject) -> None:
    whole = returned([(True, bytes(WORD))] * 3)
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(DecodeError):
        decode_outcomes(3, whole[:cut])


@pytest.mark.parametrize("word", range(6))
def test_a_count_or_flag_or_offset_that_is_none_is_refused(word: int) -> None:
    """Of one outcome: offset, count, offset of the outcome, success, offset of the data, size."""
    answer = bytearray(returned([(True, bytes(WORD))]))
    answer[word * WORD : (word + 1) * WORD] = b"\xff" * WORD
    with pytest.raises(DecodeError):
        decode_outcomes(1, bytes(answer))


def test_a_multicall_that_runs_out_of_the_nodes_gas_is_halved_and_the_size_remembered() -> None:
    rounds = {number: Round(number, answer=number, updated_at=number) for number in range(1, 101)}
    node = MemoryNode({FEED: rounds}, max_calls=30)
    some = [round_at(FEED, number) for number in rounds]
    for _ in range(2):
        answers = node.multicall.read(some, BLOCK.hash)
        assert [answers.of(call).answer for call in some] == list(rounds)
    assert node.sizes == [100, 50, 50, 25, 25, 25, 25, 25, 25, 25, 25]


def test_a_single_read_without_enough_gas_is_an_error_of_the_node() -> None:
    node = MemoryNode({FEED: {}}, max_calls=0)
    with pytest.raises(RpcError, match="out of gas"):
        node.multicall.read([round_at(FEED, 1), round_at(FEED, 2)], BLOCK.hash)
