"""Recorded answers of real nodes through the keeper's own client and decoders, and what each must become.

| recorded | becomes |
|---|---|
| receipt | status, gas, price and logs as recorded; without status (before Byzantium) or without a price (Optimism before Bedrock) refused by that field |
| block | number, hash, time, gas and base fee as recorded; 0 where there is no base fee |
| eth_call | the bytes |
| scalar | the number, or the text |
| transaction | known; null is unknown |
| log | address, topics and data as recorded |
| provider's error | RpcError with code and text, never one that passes by itself; no null becomes an error |
| Aave V3 reserve | its configuration, rates and time; that of V2, which is another struct, is refused |
| conformance | a value where the answer has a result, an error of the node where it has an error |
| method that the keeper never asks | the same: through the client, not through a decoder |

Left out are state (foundry_rpc_cache), proofs (vlayer, and two of helios) and the chain of the conformance set. They are no
answers to a method that the keeper could ask.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from keeper.chain.abi import DecodeError
from keeper.chain.contracts import lending, pools
from keeper.domain.errors import NodeUnavailable, NodeUntrusted, RpcError
from keeper.jsonrpc import answers
from keeper.jsonrpc import requests as ask
from keeper.jsonrpc.answers import FeeHistory, Header, Log, MinedReceipt
from keeper.jsonrpc.field import AnswerField
from keeper.jsonrpc.requests import Request
from tests.jsonrpc.recorded import FOLDER, Exchange, conformance, lines, replayed
from tests.servers.raw_request import raw_request

pytestmark = pytest.mark.skipif(
    not FOLDER.is_dir(), reason="no rpc_fixtures in the folder of KEEPER_DATA_DIR"
)

RAW_CALL = ask.call({}, "latest")


def number(text: str | None) -> int:
    return int(text or "0x0", 16)


def test_receipts_have_the_values_that_were_recorded() -> None:
    refused: Counter[str] = Counter()
    for exchange in lines("rotki_vcr_receipts.jsonl"):
        told, got = exchange.result, replayed(ask.receipt(exchange.params[0]), exchange.answer)
        if isinstance(got, NodeUntrusted):
            refused[got.message.partition(" is ")[0]] += 1
            continue
        assert isinstance(got, MinedReceipt), exchange.source
        assert got.block_number == number(told["blockNumber"])
        assert got.block_hash == told["blockHash"]
        assert got.succeeded == (told["status"] == "0x1")
        assert got.gas_used == number(told["gasUsed"])
        assert got.effective_gas_price_wei == number(told["effectiveGasPrice"])
        assert [log.data.hex() for log in got.logs] == [log["data"][2:] for log in told["logs"]]
        assert [list(log.topics) for log in got.logs] == [log["topics"] for log in told["logs"]]
    assert refused == {
        "eth_getTransactionReceipt: status": 2,
        "eth_getTransactionReceipt: effectiveGasPrice": 1,
    }


def test_blocks_have_the_values_that_were_recorded() -> None:
    exchanges = lines("rotki_vcr_blocks.jsonl")
    for exchange in exchanges:
        told, got = exchange.result, replayed(ask.block(exchange.params[0]), exchange.answer)
        assert isinstance(got, Header), exchange.source
        assert (got.hash, got.number) == (told["hash"], number(told["number"]))
        assert got.timestamp == number(told["timestamp"])
        assert (got.gas_used, got.gas_limit) == (number(told["gasUsed"]), number(told["gasLimit"]))
        assert got.base_fee_wei == number(told.get("baseFeePerGas"))
    assert len(exchanges) >= 35


def test_calls_return_the_bytes_that_were_recorded() -> None:
    exchanges = lines("rotki_vcr_calls.jsonl")
    for exchange in exchanges:
        assert replayed(RAW_CALL, exchange.answer) == bytes.fromhex(exchange.result[2:]), exchange.source
    assert len(exchanges) >= 195


def test_a_recorded_pool_has_a_price_and_a_history() -> None:
    slots = [one for one in lines("rotki_vcr_calls.jsonl") if one.params[0]["data"] == "0x3850c7bd"]
    for exchange in slots:
        data = bytes.fromhex(exchange.result[2:])
        assert pools.sqrt_price("0x" + "11" * 20).decode(data) > 2**64
        assert pools.observations("0x" + "11" * 20).decode(data) >= 1
    assert slots


def logs_of(method: str) -> Request[tuple[Log, ...]]:
    return Request(method, (), answers.logs)


def test_logs_have_the_values_that_were_recorded() -> None:
    exchanges = lines("rotki_vcr_logs.jsonl")
    (helios,) = one_exchange("helios/logs.json")
    for exchange in (*exchanges, helios, *conformance("eth_getLogs")):
        got = replayed(logs_of("eth_getLogs"), exchange.answer)
        if "error" in exchange.answer:
            assert isinstance(got, RpcError), exchange.source
            continue
        told = [(log["address"].lower(), tuple(log["topics"]), log["data"]) for log in exchange.result]
        assert [(log.address, log.topics, f"0x{log.data.hex()}") for log in got] == told, exchange.source
    assert len(exchanges) >= 3


SCALARS: dict[str, Request[Any]] = {
    "eth_blockNumber": Request("eth_blockNumber", (), AnswerField.integer),
    "eth_maxPriorityFeePerGas": Request("eth_maxPriorityFeePerGas", (), AnswerField.wei),
    "eth_getStorageAt": Request("eth_getStorageAt", (), AnswerField.hash),
    "net_version": Request("net_version", (), AnswerField.text),
    "web3_clientVersion": ask.client_version(),
    "eth_chainId": ask.chain_id(),
    "eth_getBalance": ask.balance("0x"),
    "eth_getTransactionCount": ask.transaction_count("0x", "latest"),
    "eth_estimateGas": ask.gas_estimate({}, "latest"),
}


def test_scalars_are_the_numbers_and_names_that_were_recorded() -> None:
    replays = lines("rotki_vcr_scalars.jsonl")
    for exchange in replays:
        got = replayed(SCALARS[exchange.method], exchange.answer)
        told, is_text = exchange.result, exchange.method in ("web3_clientVersion", "net_version")
        is_number = not is_text and exchange.method != "eth_getStorageAt"
        assert got == (number(told) if is_number else told), exchange.source
    assert len({one.result for one in replays if one.method == "web3_clientVersion"}) >= 50


def test_transactions_are_known_and_null_is_unknown() -> None:
    for exchange in lines("rotki_vcr_transactions.jsonl"):
        got = replayed(ask.is_known(exchange.params[0]), exchange.answer)
        assert got is (exchange.result is not None), exchange.source


def test_errors_of_providers_are_errors_of_the_node_and_a_missing_receipt_is_none() -> None:
    kinds: Counter[str] = Counter()
    for exchange in lines("rotki_vcr_errors.jsonl"):
        request: Request[Any] = Request(exchange.method, (), AnswerField.data)
        if "error" not in exchange.answer:
            assert replayed(ask.receipt(exchange.params[0]), exchange.answer) is None
            kinds["null"] += 1
            continue
        got, told = replayed(request, exchange.answer), exchange.answer["error"]
        assert isinstance(got, RpcError), exchange.source
        if isinstance(told, dict):
            assert (got.code, got.text) == (told["code"], told.get("message", ""))
            kinds["revert" if told["code"] == 3 else "refusal"] += 1
        else:
            assert got.text == repr(told)
            kinds["a bare text"] += 1
    assert sum(kinds.values()) >= 44
    assert set(kinds) == {"null", "revert", "refusal", "a bare text"}


def test_an_aave_v3_reserve_is_read_and_that_of_v2_is_refused() -> None:
    (v3,) = one_exchange("aave_v3_getReserveData_polygon_2023-02-12.json")
    reserve = lending.reserve("0x" + "11" * 20, "0x" + "22" * 20)
    read = reserve.decode(bytes.fromhex(v3.result[2:]))
    settings = read.configuration
    assert (settings.ltv_bps, settings.liquidation_threshold_bps) == (8_000, 8_250)
    for v2 in lines("aave_v2_getReserveData.jsonl"):
        with pytest.raises(DecodeError):
            reserve.decode(bytes.fromhex(v2.result[2:]))


# ------------------------------------------------------------------ conformance


CONFORMANCE: dict[str, Request[Any]] = {
    "eth_call": RAW_CALL,
    "eth_estimateGas": ask.gas_estimate({}, "latest"),
    "eth_feeHistory": ask.fee_history(1, 95),
    "eth_getBlockByNumber": ask.tagged_block("latest"),
    "eth_sendRawTransaction": ask.raw_transaction("0x"),
}


@pytest.mark.parametrize("method", CONFORMANCE)
def test_the_conformance_set_is_read_as_it_is_answered(method: str) -> None:
    exchanges = list(conformance(method))
    for exchange in exchanges:
        got = replayed(CONFORMANCE[method], exchange.answer)
        refused = "error" in exchange.answer
        assert isinstance(got, RpcError) if refused else not isinstance(got, Exception), exchange.source
    assert exchanges


def receipts_of(method: str) -> Request[tuple[MinedReceipt, ...] | None]:
    def parse(answer: AnswerField) -> tuple[MinedReceipt, ...] | None:
        return None if answer.is_null else tuple(map(answers.receipt, answer.items()))

    return Request(method, (), parse)


def test_receipts_of_whole_blocks_are_read() -> None:
    (helios,) = one_exchange("helios/receipts.json")
    for exchange in (helios, *conformance("eth_getBlockReceipts")):
        got, told = replayed(receipts_of("eth_getBlockReceipts"), exchange.answer), exchange.result
        if "error" in exchange.answer:
            assert isinstance(got, RpcError), exchange.source
        elif told is not None and any("status" not in receipt for receipt in told):
            assert isinstance(got, NodeUntrusted), exchange.source
        else:
            assert (got is None) == (told is None), exchange.source
            assert [one.gas_used for one in got or ()] == [number(one["gasUsed"]) for one in told or ()]


NEVER_ASKED = (
    "eth_baseFee",
    "eth_blobBaseFee",
    "eth_config",
    "eth_createAccessList",
    "eth_getProof",
    "eth_getStorageAt",
)


@pytest.mark.parametrize("method", NEVER_ASKED)
def test_answers_to_other_methods_are_values_or_errors_of_the_node(method: str) -> None:
    exchanges = list(conformance(method))
    for exchange in exchanges:
        got = replayed(raw_request(method), exchange.answer)
        assert isinstance(got, RpcError) if "error" in exchange.answer else got == exchange.result, (
            exchange.source
        )
    assert exchanges


def test_no_method_of_the_conformance_set_is_left_out() -> None:
    own = {"eth_simulateV1", "eth_getTransactionReceipt", "eth_getBlockReceipts", "eth_getLogs"}
    folders = {path.name for path in (FOLDER / "execution_apis").iterdir() if path.is_dir()}
    assert folders == {*CONFORMANCE, *NEVER_ASKED, *own}


def test_receipts_of_the_conformance_set_are_read() -> None:
    for exchange in conformance("eth_getTransactionReceipt"):
        got = replayed(ask.receipt(exchange.params[0]), exchange.answer)
        if exchange.result is None:
            assert got is None, exchange.source
        elif "status" in exchange.result:
            assert isinstance(got, MinedReceipt), exchange.source
        else:
            assert isinstance(got, NodeUntrusted), exchange.source


def test_simulations_of_the_conformance_set_are_read_block_by_block() -> None:
    """The keeper simulates one block at a time, so each block of the set is an answer of its own."""
    kinds: Counter[str] = Counter()
    for exchange in conformance("eth_simulateV1"):
        if "error" in exchange.answer:
            got = replayed(ask.simulation({}, "latest", 1), exchange.answer)
            passes = exchange.answer["error"]["message"] == "header not found"
            assert isinstance(got, NodeUnavailable if passes else RpcError), exchange.source
            kinds["error"] += 1
            continue
        for block in exchange.result:
            told = block["calls"]
            calls = replayed(ask.simulation({}, "latest", len(told)), {"result": [block]})
            assert isinstance(calls, tuple), (exchange.source, calls)
            for parsed, call in zip(calls, told, strict=True):
                assert parsed.succeeded == (call["status"] == "0x1")
                assert parsed.gas_used == number(call["gasUsed"])
                assert len(parsed.logs) == len(call["logs"])
                if not parsed.succeeded and call["error"].get("data"):
                    assert parsed.data.hex() == call["error"]["data"][2:]
                kinds["success" if parsed.succeeded else "revert"] += 1
    assert min(kinds["error"], kinds["success"], kinds["revert"]) >= 10, kinds


def test_a_light_clients_recorded_answers_are_read() -> None:
    (exchange,) = one_exchange("helios/block.json")
    assert isinstance(replayed(ask.block("latest"), exchange.answer), Header)
    (exchange,) = one_exchange("helios/fee_history.json")
    assert isinstance(replayed(ask.fee_history(5, 50), exchange.answer), FeeHistory)
    (exchange,) = one_exchange("helios/receipt.json")
    assert isinstance(
        replayed(ask.receipt(exchange.result["transactionHash"]), exchange.answer), MinedReceipt
    )
    (exchange,) = one_exchange("helios/transaction.json")
    assert replayed(ask.is_known(exchange.result["hash"]), exchange.answer) is True


def one_exchange(name: str) -> list[Exchange]:
    content = json.loads((FOLDER / name).read_text(encoding="utf-8"))
    whole = content.get("response", content) if isinstance(content, dict) else content
    answer = whole if "result" in whole else {"result": whole}
    return [Exchange(name, "", [], answer)]
