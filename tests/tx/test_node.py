from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from eth_utils.crypto import keccak

from keeper.chain.abi import artifact_of, load
from keeper.domain.errors import NodeRefused, NodeUntrusted, RpcError
from keeper.domain.roles_modifier import RolesModifier, question
from keeper.domain.tx import Payload, Receipt
from keeper.jsonrpc.requests import Request
from keeper.tx.fees import FeeMarket
from keeper.tx.node import EVENTS, STATE_SELECTOR, STATE_WORDS, PrivateRelay, RpcNode
from tests.tx.connection_double import ConnectionDouble
from tests.tx.node_double import a_payload

STATE = "0x" + f"{7:064x}" + "00" * 32 * (STATE_WORDS - 1)
TX_HASH, OTHER_HASH, BLOCK_HASH = ("0x" + digits * 32 for digits in ("ab", "cd", "bb"))
ACCOUNT = "0x" + "11" * 20
ANSWERS: dict[str, Any] = {
    "eth_chainId": "0x7a69",
    "eth_getBalance": "0xde0b6b3a7640000",
    "eth_getTransactionByHash": None,
    "eth_getTransactionReceipt": None,
    "eth_call": STATE,
    "eth_sendRawTransaction": TX_HASH,
    "txpool_contentFrom": {"pending": {"4": {"hash": TX_HASH}}, "queued": {"9": {"hash": OTHER_HASH}}},
    "eth_feeHistory": {
        "baseFeePerGas": ["0x1", "0x2", "0x3b9aca00"],
        "reward": [["0x0"], ["0x5"], ["0x9"], ["0x7"]],
    },
}
HEADS = {"latest": "0x10", "finalized": "0xa"}
VAULT = "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed"


def answering(answers: Mapping[str, Any]) -> ConnectionDouble:
    """Answers by method, and of blocks by tag."""

    def answer(request: Request[Any]) -> Any:
        if request.method == "eth_getTransactionCount":
            return {"latest": "0x4", "pending": "0x6", hex(13): "0x3"}[request.params[1]]
        if request.method == "eth_getBlockByNumber":
            tag = request.params[0]
            return answers.get(tag, a_block(HEADS[tag]))
        return answers[request.method]

    return ConnectionDouble(answer)


def a_block(number: str) -> dict[str, str]:
    fees = {"baseFeePerGas": "0x9", "gasUsed": "0x0", "gasLimit": "0x1c9c380"}
    return {"number": number, "hash": BLOCK_HASH, "timestamp": "0x64", **fees}


def a_node(finality_blocks: int | None = None, **changes: Any) -> RpcNode:
    return RpcNode(answering(ANSWERS | changes), finality_blocks)


def test_numbers_are_read_from_hex() -> None:
    assert (a_node().chain_id(), a_node().balance("0x")) == (31_337, 10**18)


def test_the_fee_market_is_the_next_base_fee_and_the_median_of_the_tips_that_were_paid() -> None:
    assert a_node().fee_market() == FeeMarket(base_fee_wei=10**9, tip_wei=7)


def test_a_chain_without_transactions_has_no_tips() -> None:
    assert a_node(eth_feeHistory={"baseFeePerGas": ["0x7"]}).fee_market() == FeeMarket(7, 0)


def test_one_look_shows_head_finality_nonces_epoch_and_what_waits() -> None:
    seen = a_node().view(ACCOUNT, VAULT, {TX_HASH: "one"})
    assert (seen.head, seen.head_time, seen.base_fee_wei, seen.final_block) == (16, 100, 9, 10)
    assert (seen.mined_nonce, seen.settled_nonce, seen.pending_nonce, seen.epoch) == (4, 3, 6, 7)
    assert seen.pool == {4: TX_HASH, 9: OTHER_HASH}
    assert (seen.receipts, seen.known) == ({}, frozenset())


def test_a_count_of_mined_transactions_above_that_of_all_is_not_believed() -> None:
    connection = answering(ANSWERS)
    honest = connection.answer

    def answer(request: Request[Any]) -> Any:
        false = request.method == "eth_getTransactionCount" and request.params[1] == "latest"
        return "0x7fffffffffffffff" if false else honest(request)

    connection.answer = answer
    assert RpcNode(connection).view(ACCOUNT, VAULT, {}).mined_nonce == 6


def test_a_number_of_blocks_takes_the_place_of_the_nodes_own_finality() -> None:
    assert a_node(finality_blocks=5).view(ACCOUNT, VAULT, {}).final_block == 11


def test_an_account_in_place_of_a_vault_has_no_epoch() -> None:
    assert a_node(eth_call="0x").view(ACCOUNT, VAULT, {}).epoch is None


@pytest.mark.parametrize(
    "refusal",
    [
        RpcError("txpool_contentFrom", -32601, "Method not found", None),
        NodeRefused("txpool_contentFrom: HTTP 403", remedy=""),
        None,
    ],
)
def test_a_node_that_does_not_tell_its_mempool_is_asked_once(refusal: Exception | None) -> None:
    connection = answering(ANSWERS | {"txpool_contentFrom": refusal})
    node = RpcNode(connection)
    assert node.view(ACCOUNT, VAULT, {}).pool is None
    assert node.view(ACCOUNT, VAULT, {}).pool is None
    assert connection.asked.count("txpool_contentFrom") == 1


@pytest.mark.parametrize("answer", [None, RpcError("eth_getBlockByNumber", -32602, "invalid tag", None)])
def test_a_node_without_finality_says_nothing_about_it(answer: Any) -> None:
    assert a_node(finalized=answer).view(ACCOUNT, VAULT, {}).final_block == 0


@pytest.mark.parametrize(
    ("method", "answer", "field"),
    [
        ("eth_feeHistory", None, "the result"),
        ("eth_feeHistory", {"reward": [["0x1"]]}, "baseFeePerGas"),
        ("eth_feeHistory", {"baseFeePerGas": []}, "baseFeePerGas"),
        ("eth_feeHistory", {"baseFeePerGas": ["0x1", None]}, r"baseFeePerGas\[1\]"),
        ("eth_feeHistory", {"baseFeePerGas": ["0x1"], "reward": [["a tip"]]}, r"reward\[0\]\[0\]"),
        ("eth_getBalance", "12", "the result"),
        ("eth_chainId", 31_337, "the result"),
    ],
)
def test_an_answer_that_is_none_is_named_by_method_and_field(method: str, answer: Any, field: str) -> None:
    node = a_node(**{method: answer})
    ask = {"eth_feeHistory": node.fee_market, "eth_chainId": node.chain_id}
    with pytest.raises(NodeUntrusted, match=f"^{method}: {field} is .*http://node"):
        ask.get(method, lambda: node.balance(ACCOUNT))()


def test_blocks_that_report_no_tip_are_left_out() -> None:
    history = {"baseFeePerGas": ["0x7"], "reward": [None, [], [None], ["0x3"]]}
    assert a_node(eth_feeHistory=history).fee_market() == FeeMarket(7, 3)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"latest": None}, "eth_getBlockByNumber: the result"),
        ({"latest": a_block("0x10") | {"timestamp": None}}, "eth_getBlockByNumber: timestamp"),
        ({"finalized": {}}, "eth_getBlockByNumber: number"),
        ({"eth_call": "7"}, "eth_call: the result"),
        ({"txpool_contentFrom": {"pending": {"four": {}}}}, "txpool_contentFrom: pending.four"),
        ({"txpool_contentFrom": {"pending": {"4": {}}}}, "txpool_contentFrom: pending.4.hash"),
        ({"eth_getTransactionByHash": {"hash": OTHER_HASH}}, "eth_getTransactionByHash: hash"),
        ({"eth_getTransactionReceipt": {}}, "eth_getTransactionReceipt: transactionHash"),
    ],
)
def test_a_look_at_nonsense_is_refused_by_method_and_field(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(NodeUntrusted, match=f"^{field} is "):
        a_node(**changes).view(ACCOUNT, VAULT, {TX_HASH: "one"})


def test_the_same_value_in_another_spelling_is_the_same_value() -> None:
    padded = a_node(
        eth_chainId="0x00007A69", eth_getTransactionByHash={"hash": TX_HASH.upper().replace("X", "x")}
    )
    assert padded.chain_id() == 31_337
    assert padded.view(ACCOUNT, VAULT, {TX_HASH: "one"}).known == {TX_HASH}


RECEIPT = {
    "transactionHash": TX_HASH,
    "blockNumber": "0x9",
    "blockHash": BLOCK_HASH,
    "status": "0x1",
    "gasUsed": "0x5208",
    "effectiveGasPrice": "0x3b9aca00",
    "to": VAULT,
    "logs": [],
}


@pytest.mark.parametrize(("topic", "places"), EVENTS.items())
def test_a_receipt_tells_what_the_call_cost_the_vault(topic: str, places: tuple[int, int]) -> None:
    words = [7] * 4
    words[places[0]], words[places[1]] = 100, 1
    data = "0x" + "".join(f"{word:064x}" for word in words)
    log = {"address": VAULT, "topics": [topic, "0x" + "00" * 32], "data": data}
    elsewhere = log | {"address": "0x" + "66" * 20, "data": "0x" + "00" * 64}
    seen = a_node(eth_getTransactionReceipt=RECEIPT | {"logs": [elsewhere, log]}).view(
        ACCOUNT, VAULT, {TX_HASH: "one"}
    )
    assert seen.receipts == {TX_HASH: Receipt("one", TX_HASH, 9, BLOCK_HASH, True, 21_000, 10**9, 0, 100, 99)}
    assert seen.known == {TX_HASH}


def test_a_revert_has_no_event() -> None:
    seen = a_node(eth_getTransactionReceipt=RECEIPT | {"status": "0x0"}).view(
        ACCOUNT, VAULT, {TX_HASH: "one"}
    )
    assert seen.receipts[TX_HASH] == Receipt(
        "one", TX_HASH, 9, BLOCK_HASH, False, 21_000, 10**9, rollup_fee_wei=0, nav_before=None, nav_after=None
    )


def test_selector_and_topics_are_those_of_the_rebalancers_abi() -> None:
    state = load("Rebalancer")["state"]
    assert "0x" + state.selector.hex() == STATE_SELECTOR
    (members,) = (entry for entry in abi() if entry["type"] == "function" and entry["name"] == "state")
    assert members["outputs"][0]["components"][0]["name"] == "epoch"
    assert len(members["outputs"][0]["components"]) == STATE_WORDS
    for event in (entry for entry in abi() if entry["name"] in ("Rebalanced", "Lowered")):
        signature = f"{event['name']}({','.join(given['type'] for given in event['inputs'])})"
        nav, loss = EVENTS["0x" + keccak(text=signature).hex()]
        unindexed = [given["name"] for given in event["inputs"] if not given["indexed"]]
        assert (unindexed[nav], unindexed[loss]) == ("navUsd", "lossUsd")


def abi() -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = artifact_of("Rebalancer")["abi"]
    return [entry for entry in entries if "name" in entry]


def test_a_relay_without_the_private_method_gets_an_ordinary_send() -> None:
    unknown = RpcError("eth_sendPrivateTransaction", -32601, "the method does not exist", None)
    relay = answering(ANSWERS | {"eth_sendPrivateTransaction": unknown})
    PrivateRelay(relay).send_raw("0x02")
    assert relay.asked == ["eth_sendPrivateTransaction", "eth_sendRawTransaction"]


@pytest.mark.parametrize(
    ("answer", "data"),
    [
        ("0x", None),
        (RpcError("eth_call", 3, "execution reverted", "0xc0ffee"), b"\xc0\xff\xee"),
        (RpcError("eth_call", -32015, "VM execution error.", "Reverted 0xc0ffee"), b"\xc0\xff\xee"),
        (RpcError("eth_call", -32000, "execution reverted", {"data": "0xc0ffee"}), b"\xc0\xff\xee"),
        (RpcError("eth_call", -32000, "out of gas", None), b""),
        (RpcError("eth_call", -32000, "execution reverted", "0xnonsense"), b""),
    ],
)
def test_why_a_call_reverts_is_read_where_the_client_puts_it(answer: Any, data: bytes | None) -> None:
    assert a_node(eth_call=answer).revert_data(a_payload(), 9) == data


MODIFIER = "0x52908400098527886e0f7030069857d2e4169ee7"
BEHIND_A_SAFE = RECEIPT | {"to": MODIFIER}


def behind_a_safe(**changes: Any) -> RpcNode:
    return RpcNode(answering(ANSWERS | changes), modifier=MODIFIER)


def wrapped_payload() -> Payload:
    modifier = RolesModifier(MODIFIER, "0x" + "01" * 32)
    calldata = modifier.wrapped(VAULT, bytes.fromhex(a_payload().calldata[2:]))
    return replace(a_payload(), to=MODIFIER, calldata="0x" + calldata.hex())


def test_a_call_through_a_modifier_succeeded_only_where_the_vault_says_so() -> None:
    topic, (nav, loss) = next(iter(EVENTS.items()))
    words = [7] * 4
    words[nav], words[loss] = 100, 1
    said = {"address": VAULT, "topics": [topic], "data": "0x" + "".join(f"{word:064x}" for word in words)}
    by_another = said | {"address": MODIFIER}
    for logs, succeeded in (([said], True), ([], False), ([by_another], False)):
        node = behind_a_safe(eth_getTransactionReceipt=BEHIND_A_SAFE | {"logs": logs})
        receipt = node.view(ACCOUNT, VAULT, {TX_HASH: "one"}).receipts[TX_HASH]
        assert (receipt.succeeded, receipt.nav_before) == (succeeded, 100 if succeeded else None)


def test_a_call_that_needs_no_safe_succeeds_without_the_vaults_word() -> None:
    seen = behind_a_safe(eth_getTransactionReceipt=RECEIPT | {"to": ACCOUNT})
    assert seen.view(ACCOUNT, VAULT, {TX_HASH: "one"}).receipts[TX_HASH].succeeded


FAILED_INSIDE = "0x" + "".join(f"{word:064x}" for word in (0, 64, 2)) + "c0ff".ljust(64, "0")
CARRIED_OUT = "0x" + "".join(f"{word:064x}" for word in (1, 64, 0))


@pytest.mark.parametrize(
    ("answer", "data"),
    [
        (FAILED_INSIDE, b"\xc0\xff"),
        (CARRIED_OUT, None),
        ("0x", None),
        (RpcError("eth_call", 3, "execution reverted", "0xfd8e9f28"), bytes.fromhex("fd8e9f28")),
    ],
    ids=["the vault refuses", "it does not fail", "no answer", "the modifier refuses"],
)
def test_why_the_safes_call_failed_is_asked_of_the_modifier(answer: Any, data: bytes | None) -> None:
    connection = answering(ANSWERS | {"eth_call": answer})
    asked: list[Any] = []
    honest = connection.answer

    def answer_and_keep(request: Request[Any]) -> Any:
        asked.append(request.params[0])
        return honest(request)

    connection.answer = answer_and_keep
    assert RpcNode(connection, modifier=MODIFIER).revert_data(wrapped_payload(), 9) == data
    (call,) = asked
    assert call["data"] == "0x" + question(bytes.fromhex(wrapped_payload().calldata[2:])).hex()
