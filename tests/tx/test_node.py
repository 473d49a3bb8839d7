from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from eth_utils.crypto import keccak

from keeper.domain.errors import RpcError
from keeper.domain.tx import Receipt
from keeper.tx.fees import FeeMarket
from keeper.tx.node import EPOCH_SELECTOR, NAV_EVENTS, PrivateRelay, RpcNode

ANSWERS: dict[str, Any] = {
    "eth_chainId": "0x7a69",
    "eth_getBalance": "0xde0b6b3a7640000",
    "eth_getTransactionByHash": None,
    "eth_getTransactionReceipt": None,
    "eth_call": "0x" + f"{7:064x}",
    "txpool_contentFrom": {"pending": {"4": {"hash": "0xab"}}, "queued": {"9": {"hash": "0xcd"}}},
    "eth_feeHistory": {
        "baseFeePerGas": ["0x1", "0x2", "0x3b9aca00"],
        "reward": [["0x0"], ["0x5"], ["0x9"], ["0x7"]],
    },
}
HEADS = {"latest": "0x10", "finalized": "0xa"}
VAULT = "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed"


def a_node(finality_blocks: int | None = None, **changes: Any) -> RpcNode:
    answers = ANSWERS | changes

    def request(method: str, params: Sequence[Any]) -> Any:
        if method == "eth_getTransactionCount":
            return {"latest": "0x4", "pending": "0x6", hex(13): "0x3"}[params[1]]
        if method == "eth_getBlockByNumber":
            return {"number": HEADS[params[0]], "timestamp": "0x64", "baseFeePerGas": "0x9"}
        if isinstance(answers[method], Exception):
            raise answers[method]
        return answers[method]

    def batch(calls: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        return [request(method, params) for method, params in calls]

    return RpcNode(request, batch, request, finality_blocks)


def test_numbers_are_read_from_hex() -> None:
    assert (a_node().chain_id(), a_node().balance("0x")) == (31_337, 10**18)


def test_the_fee_market_is_the_next_base_fee_and_the_median_of_the_tips_that_were_paid() -> None:
    assert a_node().fee_market() == FeeMarket(base_fee_wei=10**9, tip_wei=7)


def test_a_chain_without_transactions_has_no_tips() -> None:
    assert a_node(eth_feeHistory={"baseFeePerGas": ["0x7"]}).fee_market() == FeeMarket(7, 0)


def test_one_look_shows_head_finality_nonces_epoch_and_what_waits() -> None:
    seen = a_node().view("0x1", VAULT, {"0xab": "one"})
    assert (seen.head, seen.head_time, seen.base_fee_wei, seen.final_block) == (16, 100, 9, 10)
    assert (seen.mined_nonce, seen.settled_nonce, seen.pending_nonce, seen.epoch) == (4, 3, 6, 7)
    assert seen.pool == {4: "0xab", 9: "0xcd"}
    assert (seen.receipts, seen.known) == ({}, frozenset())


def test_a_number_of_blocks_takes_the_place_of_the_nodes_own_finality() -> None:
    assert a_node(finality_blocks=5).view("0x1", VAULT, {}).final_block == 11


def test_an_account_in_place_of_a_vault_has_no_epoch() -> None:
    assert a_node(eth_call="0x").view("0x1", VAULT, {}).epoch is None


def test_a_node_that_does_not_tell_its_mempool_is_asked_once() -> None:
    node = a_node(txpool_contentFrom=RpcError("txpool_contentFrom", -32601, "Method not found", None))
    assert node.view("0x1", VAULT, {}).pool is None
    assert node.view("0x1", VAULT, {}).pool is None


RECEIPT = {
    "blockNumber": "0x9",
    "blockHash": "0xbb",
    "status": "0x1",
    "gasUsed": "0x5208",
    "effectiveGasPrice": "0x3b9aca00",
    "to": VAULT,
    "logs": [],
}


@pytest.mark.parametrize("topic", NAV_EVENTS)
def test_a_receipt_tells_what_the_call_cost_the_vault(topic: str) -> None:
    log = {"address": VAULT, "topics": [topic, "0x0"], "data": "0x" + f"{100:064x}{99:064x}{1:064x}{1:064x}"}
    elsewhere = log | {"address": "0x" + "66" * 20, "data": "0x" + "00" * 64}
    seen = a_node(eth_getTransactionReceipt=RECEIPT | {"logs": [elsewhere, log]}).view(
        "0x1", VAULT, {"0xab": "one"}
    )
    assert seen.receipts == {"0xab": Receipt("one", "0xab", 9, "0xbb", True, 21_000, 10**9, 100, 99)}
    assert seen.known == {"0xab"}


def test_a_revert_has_no_event() -> None:
    seen = a_node(eth_getTransactionReceipt=RECEIPT | {"status": "0x0"}).view("0x1", VAULT, {"0xab": "one"})
    assert seen.receipts["0xab"] == Receipt(
        "one", "0xab", 9, "0xbb", False, 21_000, 10**9, nav_before=None, nav_after=None
    )


def test_selector_and_topics_are_those_of_the_vaults_abi() -> None:
    assert EPOCH_SELECTOR == "0x" + keccak(text="epoch()")[:4].hex()
    for name in ("Rebalanced", "Deleveraged"):
        (event,) = (entry for entry in abi_events() if entry["name"] == name)
        signature = f"{name}({','.join(given['type'] for given in event['inputs'])})"
        assert NAV_EVENTS["0x" + keccak(text=signature).hex()] == name
        unindexed = [given["name"] for given in event["inputs"] if not given["indexed"]]
        assert unindexed[:2] == ["navBeforeUsd", "navAfterUsd"]


def abi_events() -> list[dict[str, Any]]:
    content = json.loads((Path(__file__).parents[2] / "contracts_abi" / "RiskParityVault.json").read_text())
    entries = content["abi"] if isinstance(content, dict) else content
    return [entry for entry in entries if entry["type"] == "event"]


def test_a_relay_without_the_private_method_gets_an_ordinary_send() -> None:
    sent: list[tuple[str, Sequence[Any]]] = []

    def send(method: str, params: Sequence[Any]) -> Any:
        sent.append((method, params))
        if method == "eth_sendPrivateTransaction":
            raise RpcError(method, -32601, "the method does not exist", None)
        return "0xab"

    PrivateRelay(send).send_raw("0x02")
    assert sent == [("eth_sendPrivateTransaction", ({"tx": "0x02"},)), ("eth_sendRawTransaction", ("0x02",))]
