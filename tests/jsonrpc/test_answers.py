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
