"""Answers of different clients to one question."""

from __future__ import annotations

from typing import Any

import pytest

from keeper.jsonrpc import requests as ask
from keeper.jsonrpc.answers import SimulatedCall
from keeper.jsonrpc.field import AnswerField

REVERT = "0x08c379a0"


def simulated(**call: Any) -> SimulatedCall:
    whole = {"status": "0x0", "gasUsed": "0x5208", "returnData": "0x", "logs": [], **call}
    answer = AnswerField([{"calls": [whole]}], "eth_simulateV1", "http://node")
    (parsed,) = ask.simulation({}, "latest", 1).parse(answer)
    return parsed


@pytest.mark.parametrize(
    "call",
    [
        {"returnData": REVERT, "error": {"code": 3, "message": "execution reverted"}},
        {"error": {"code": -32000, "message": "execution reverted", "data": REVERT}},
        {"returnData": None, "error": {"data": REVERT}, "logs": None},
        {"returnData": REVERT, "error": {"code": 3, "data": "0x"}},
        {"returnData": REVERT, "error": None},
    ],
)
def test_revert_data_is_read_where_the_client_puts_it(call: dict[str, Any]) -> None:
    assert simulated(**call).data == bytes.fromhex(REVERT[2:])


def test_gas_before_refunds_is_read_where_the_client_reports_it() -> None:
    assert simulated(status="0x1", maxUsedGas="0x6000").max_gas_used == 0x6000
    assert simulated(status="0x1").max_gas_used is None


def test_clients_differ_in_some_fields_of_one_simulation() -> None:
    assert simulated(maxUsedGas="0x6000") == simulated()
    assert simulated(gasUsed="0x1") != simulated()


# --------------------------------------------------------- what a transaction cost

ORDINARY: dict[str, Any] = {
    "transactionHash": "0x" + "ab" * 32,
    "blockNumber": "0x9",
    "blockHash": "0x" + "bb" * 32,
    "status": "0x1",
    "gasUsed": "0x1e848",  # 125,000
    "effectiveGasPrice": "0x3b9aca00",
    "to": None,
    "logs": [],
}


@pytest.mark.parametrize(
    ("fields", "wei"),
    [
        ({}, 0),
        ({"l1Fee": None, "l1GasPrice": None}, 0),
        ({"l1Fee": "0x1754f5c3ebdc"}, 0x1754F5C3EBDC),
        ({"l1Fee": "0x64", "operatorFeeScalar": "0x0", "operatorFeeConstant": "0x0"}, 100),
        ({"l1Fee": "0x64", "operatorFeeScalar": "0x64", "operatorFeeConstant": "0x7"}, 100 + 13 + 7),
        (
            {
                "l1Fee": "0x64",
                "operatorFeeScalar": "0x2",
                "operatorFeeConstant": "0x7",
                "daFootprintGasScalar": "0x190",
            },
            100 + 125_000 * 2 * 100 + 7,
        ),
        ({"gasUsedForL1": "0xb9ea", "l1BlockNumber": "0x129d620"}, 0),
    ],
    ids=["Ethereum", "null", "OP stack", "no operator fee", "Isthmus", "Jovian", "Arbitrum"],
)
def test_what_a_rollup_charges_besides_the_gas_is_read_from_the_receipt(
    fields: dict[str, Any], wei: int
) -> None:
    answer = AnswerField(ORDINARY | fields, "eth_getTransactionReceipt", "http://node")
    parsed = ask.receipt(ORDINARY["transactionHash"]).parse(answer)
    assert parsed is not None
    assert parsed.rollup_fee_wei == wei
