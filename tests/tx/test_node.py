from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keeper.domain.tx import Receipt
from keeper.tx.node import RpcNode
from keeper.tx.ports import FeeMarket

ANSWERS: dict[str, Any] = {
    "eth_chainId": "0x7a69",
    "eth_getBalance": "0xde0b6b3a7640000",
    "eth_blockNumber": "0x10",
    "eth_getTransactionByHash": None,
    "eth_feeHistory": {
        "baseFeePerGas": ["0x1", "0x2", "0x3b9aca00"],
        "reward": [["0x0"], ["0x5"], ["0x9"], ["0x7"]],
    },
}


def a_node(**changes: Any) -> RpcNode:
    answers = ANSWERS | changes

    def request(method: str, params: Sequence[Any]) -> Any:
        if method == "eth_getTransactionCount":
            return {"latest": "0x4", "pending": "0x6"}[params[1]]
        return answers[method]

    return RpcNode(request, request)


def test_numbers_are_read_from_hex() -> None:
    node = a_node()
    assert (node.chain_id(), node.balance("0x"), node.block_number()) == (31_337, 10**18, 16)
    assert (node.mined_nonce("0x"), node.pending_nonce("0x")) == (4, 6)


def test_the_fee_market_is_the_next_base_fee_and_the_median_of_the_tips_that_were_paid() -> None:
    assert a_node().fee_market() == FeeMarket(base_fee_wei=10**9, tip_wei=7)


def test_a_chain_without_transactions_has_no_tips() -> None:
    assert a_node(eth_feeHistory={"baseFeePerGas": ["0x7"]}).fee_market() == FeeMarket(7, 0)


def test_a_transaction_that_is_not_mined_has_no_receipt() -> None:
    assert a_node(eth_getTransactionReceipt=None).receipt("one", "0xab") is None
    assert a_node().knows("0xab") is False


def test_a_receipt_is_read() -> None:
    found = {
        "blockNumber": "0x9",
        "blockHash": "0xbb",
        "status": "0x0",
        "gasUsed": "0x5208",
        "effectiveGasPrice": "0x3b9aca00",
    }
    expected = Receipt("one", "0xab", 9, "0xbb", False, 21_000, 10**9)
    assert a_node(eth_getTransactionReceipt=found).receipt("one", "0xab") == expected
