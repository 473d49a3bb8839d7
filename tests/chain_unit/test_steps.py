"""What the vault's events tell of its steps; whatever is odd tells nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak

from keeper.chain.steps import DATA, STEP_EXECUTED, step_amounts
from keeper.jsonrpc.answers import Log

VAULT = "0x" + "AB" * 20
TOKEN = "0x" + "01" * 20


def a_log(place: int, out: int, **changes: Any) -> Log:
    data = encode(DATA, (place, 4, TOKEN, 7, out))
    return replace(Log(VAULT.lower(), (STEP_EXECUTED, "0x" + "00" * 32), data), **changes)


def test_the_topic_is_the_events() -> None:
    assert "0x" + keccak(text=f"StepExecuted(uint256,{','.join(DATA)})").hex() == STEP_EXECUTED


def test_each_steps_output_is_told_in_the_plans_order() -> None:
    foreign = a_log(0, 9, address=TOKEN)
    other = a_log(0, 9, topics=("0x" + "00" * 32,))
    logs = [foreign, a_log(0, 2**200), other, a_log(1, 0)]
    assert step_amounts(VAULT, 2, logs) == ((2**200, 0), (7, 7))


@pytest.mark.parametrize(
    "logs",
    [
        [],
        [a_log(0, 1)],
        [a_log(0, 1), a_log(2, 1)],
        [a_log(0, 1), a_log(1, 1), a_log(2, 1)],
        [a_log(0, 1), a_log(1, 1, data=b"\0")],
        [a_log(0, 1), a_log(1, 1, topics=())],
    ],
)
def test_anything_but_one_event_for_each_step_tells_nothing(logs: list[Log]) -> None:
    assert step_amounts(VAULT, 2, logs) == ((), ())
