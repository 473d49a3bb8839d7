"""One value of an answer: every JSON value becomes a typed value or an error that names its place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from keeper.domain.errors import NodeUntrusted
from keeper.jsonrpc import requests as ask
from keeper.jsonrpc.field import MAX_INTEGER, MAX_TIME, AnswerField
from tests.servers.mutations import KINDS, VARIANTS, mutated, places, respelt

NODE = "http://127.0.0.1:8545"
Parser = Callable[[AnswerField], Any]

HASH = "0x" + "ab" * 32
ADDRESS = "0x" + "11" * 20
BLOCK = {
    "number": "0x5",
    "hash": HASH,
    "timestamp": "0x62a28980",
    "baseFeePerGas": "0x7",
    "gasUsed": "0x0",
    "gasLimit": "0x1c9c380",
}
LOG = {"address": ADDRESS, "topics": [HASH, HASH], "data": "0x01"}
RECEIPT = {
    "transactionHash": HASH,
    "blockHash": HASH,
    "blockNumber": "0x5",
    "status": "0x1",
    "to": ADDRESS,
    "gasUsed": "0x5208",
    "effectiveGasPrice": "0x7",
    "logs": [LOG],
}
SIMULATED = {"status": "0x1", "returnData": "0x01", "gasUsed": "0x1", "maxUsedGas": "0x2", "logs": [LOG]}
REVERTED = {
    "status": "0x0",
    "returnData": "0x",
    "gasUsed": "0x1",
    "logs": [],
    "error": {"code": 3, "data": "0x01"},
}
HONEST: list[tuple[ask.Request[Any], Any]] = [
    (ask.client_version(), "Geth/v1.16.2"),
    (ask.chain_id(), "0x1"),
    (ask.block("latest"), BLOCK),
    (ask.tagged_block("finalized"), BLOCK),
    (ask.numbered_block(5), BLOCK),
    (ask.call({}, "latest"), "0x01"),
    (ask.code(ADDRESS, "latest"), "0x6001"),
    (ask.gas_estimate({}, "latest"), "0x5208"),
    (ask.simulation({}, "latest", 2), [{"calls": [SIMULATED, REVERTED]}]),
    (ask.balance(ADDRESS), "0x7"),
    (ask.transaction_count(ADDRESS, "latest"), "0x7"),
    (ask.receipt(HASH), RECEIPT),
    (ask.is_known(HASH), {"hash": HASH}),
    (ask.fee_history(5, 50), {"baseFeePerGas": ["0x7", "0x8"], "reward": [["0x1"]]}),
    (ask.waiting_transactions(ADDRESS), {"pending": {"4": {"hash": HASH}}, "queued": {}}),
    (ask.raw_transaction("0x"), HASH),
]


def field(value: Any) -> AnswerField:
    return AnswerField(value, "eth_method", NODE)


@pytest.mark.parametrize(("request_", "honest"), HONEST, ids=lambda given: getattr(given, "method", ""))
@pytest.mark.parametrize("kind", KINDS)
def test_a_mutated_answer_becomes_a_value_or_an_error_with_method_field_and_node(
    request_: ask.Request[Any], honest: Any, kind: str
) -> None:
    parsed = request_.parse(AnswerField(honest, request_.method, NODE))
    for place in places(honest):
        for variant in range(VARIANTS):
            other = mutated(honest, place, kind, variant)
            error = error_of(request_, other)
            if respelt(kind):
                assert error is None
                if request_.method != "web3_clientVersion":
                    assert request_.parse(AnswerField(other, request_.method, NODE)) == parsed
            elif error is not None:
                assert error.message.startswith(f"{request_.method}: ")
                assert f"(node {NODE})" in error.message


def error_of(request_: ask.Request[Any], answer: Any) -> NodeUntrusted | None:
    try:
        request_.parse(AnswerField(answer, request_.method, NODE))
    except NodeUntrusted as error:
        return error
    return None


@pytest.mark.parametrize(
    ("parse", "value", "meaning"),
    [
        (AnswerField.integer, "0x0", 0),
        (AnswerField.integer, "0x0007", 7),
        (AnswerField.integer, "0X7A69", 31_337),
        (AnswerField.integer, hex(MAX_INTEGER), MAX_INTEGER),
        (AnswerField.time, hex(MAX_TIME), MAX_TIME),
        (AnswerField.wei, hex(2**100), 2**100),
        (AnswerField.hash, "0x" + "AB" * 32, HASH),
        (AnswerField.address, "0x" + "Ab" * 20, "0x" + "ab" * 20),
        (AnswerField.data, "0x", b""),
        (AnswerField.data, "0X01fF", b"\x01\xff"),
        (AnswerField.flag, "0x1", True),
        (AnswerField.flag, "0x00", False),
    ],
)
def test_the_value_counts_and_not_its_spelling(parse: Parser, value: str, meaning: Any) -> None:
    assert parse(field(value)) == meaning


@pytest.mark.parametrize(
    ("parse", "value"),
    [
        *(
            (AnswerField.integer, value)
            for value in (7, "7", "0x", "-0x1", "0x-1", "0x_1", "0x1_0", "0xg", " 0x1")
        ),
        (AnswerField.integer, "0x" + "f" * 1_000),
        (AnswerField.integer, True),
        (AnswerField.integer, hex(MAX_INTEGER + 1)),
        (AnswerField.time, hex(MAX_TIME + 1)),
        (AnswerField.wei, hex(2**200)),
        (AnswerField.flag, "0x2"),
        (AnswerField.hash, "0x" + "ab" * 31),
        (AnswerField.address, "0x" + "ab" * 32),
        *((AnswerField.data, value) for value in ("", "01", "0x1", "0x0 1 ", "0xzz", b"\x01", 5, None)),
        (AnswerField.text, "a\x1b[2Jb"),
        (AnswerField.text, 5),
    ],
)
def test_what_is_no_such_value_is_refused(parse: Parser, value: Any) -> None:
    with pytest.raises(NodeUntrusted, match=r"^eth_method: the result is .*node http://127\.0\.0\.1:8545"):
        parse(field(value))


def test_the_message_has_the_path_and_the_beginning_of_the_value() -> None:
    log = {"address": "0x" + "11" * 20, "topics": ["0x" + "22" * 32, "x" * 500], "data": "0x"}
    mined = {"transactionHash": HASH, "blockHash": HASH, "status": "0x1", "logs": [log]}
    with pytest.raises(NodeUntrusted) as caught:
        ask.receipt(HASH).parse(AnswerField(mined, "eth_getTransactionReceipt", NODE))
    assert caught.value.message.startswith("eth_getTransactionReceipt: logs[0].topics[1] is 'xxx")
    assert len(caught.value.message) < 250


def test_a_block_of_another_number_and_a_transaction_of_another_hash_are_refused() -> None:
    block = {"number": "0x6", "hash": HASH, "timestamp": "0x1", "gasUsed": "0x0", "gasLimit": "0x1"}
    with pytest.raises(NodeUntrusted, match="the number asked for, 5"):
        ask.numbered_block(5).parse(field(block))
    for request in (ask.receipt(HASH), ask.is_known(HASH)):
        with pytest.raises(NodeUntrusted, match="the hash asked for"):
            request.parse(field(dict.fromkeys(("hash", "transactionHash"), "0x" + "cd" * 32)))
