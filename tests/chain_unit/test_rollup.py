"""The transaction whose publishing an OP stack is asked to price, and what the answers are made into."""

from __future__ import annotations

import pytest
import rlp
from hypothesis import given
from hypothesis import strategies as st

from keeper.address_book.book import Rollup
from keeper.chain import rollup
from keeper.chain.calls import Answers, CallResult
from keeper.domain.errors import NodeUntrusted, WrongContract
from keeper.planning.gas import TYPICAL_BYTES

VAULT = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
FAILED = CallResult(success=False, data=b"")


def word(number: int) -> CallResult:
    return CallResult(success=True, data=number.to_bytes(32, "big"))


def answered(kind: Rollup, *outcomes: CallResult) -> Answers:
    return Answers(rollup.calls(kind), outcomes, "eth_call of http://node")


@given(st.binary(max_size=5_000), st.sampled_from([1, 10, 8453, 42161]))
def test_the_transaction_is_one_that_an_rlp_library_reads_back(calldata: bytes, chain_id: int) -> None:
    encoded = rollup.unsigned_transaction(chain_id, VAULT, calldata)
    assert encoded[0] == 2
    chain, nonce, tip, fee, gas, to, value, data, access = rlp.decode(encoded[1:])
    assert (int.from_bytes(chain, "big"), to, value, data, access) == (
        chain_id,
        bytes.fromhex(VAULT[2:]),
        b"",
        calldata,
        [],
    )
    assert [len(nonce), len(tip), len(fee), len(gas)] == [4, 8, 8, 3]


def test_no_fee_is_asked_for_where_there_is_no_rollup() -> None:
    assert rollup.calls("") == []
    rollup.require_priced("", answered(""))
    assert rollup.typical_fee_wei("", answered("")) == 0


def test_the_op_stacks_fee_is_the_upper_bound_and_the_operators_where_there_is_one() -> None:
    assert rollup.typical_fee_wei("op-stack", answered("op-stack", word(10**13), FAILED)) == 10**13
    assert rollup.typical_fee_wei("op-stack", answered("op-stack", word(10**13), word(5))) == 10**13 + 5


def test_arbitrums_fee_is_that_of_every_byte_uncompressed() -> None:
    answers = answered("arbitrum", word(7 * 10**9))
    assert rollup.typical_fee_wei("arbitrum", answers) == 7 * 10**9 * 16 * TYPICAL_BYTES


@pytest.mark.parametrize("kind", ["op-stack", "arbitrum"])
@pytest.mark.parametrize("first", [FAILED, CallResult(success=True, data=b"")], ids=["reverts", "no code"])
def test_a_chain_that_does_not_tell_its_price_is_another_kind_of_chain(
    kind: Rollup, first: CallResult
) -> None:
    answers = answered(kind, *[first, FAILED][: len(rollup.calls(kind))])
    with pytest.raises(WrongContract):
        rollup.require_priced(kind, answers)
    with pytest.raises(NodeUntrusted):
        rollup.typical_fee_wei(kind, answers)
